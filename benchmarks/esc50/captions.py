"""Do captions found for a sound name it, and both of two sounds at once? Real ESC-50; writes esc50_captions.json.

    python -m benchmarks.esc50.captions --root ESC-50 --captions AUDIOCAPS/train.csv [--bundle everyday] [--folds 1]

A caption names a class where it holds one of the words of WORDS. Single clips: the share whose nearest caption does.
Pairs: two clips of different classes at the same level, added; the share of which K captions name both sounds,
the nearest ones (`nearest`) or those of a mixture (`mix`). Intervals draw whole recordings, or pairs.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.audio.files import read
from tinyclap.common.files import write_json
from tinyclap.common.progress import counted
from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.published.esc50 import esc50
from tinyclap.matching.caption_bank import CaptionBank, caption_bank, read_captions
from tinyclap.matching.captions import mixed, nearest
from tinyclap.runs.provenance import environment
from tinyclap.runtime.bundle import Bundle
from tinyclap.workspace.bundles import named_bundle

RESULT = Path(__file__).parents[1] / "results" / "esc50_captions.json"
LEVEL = 0.05  # root mean square of each clip of a pair
COUNTS = (2, 3, 4)
# Beginnings of words, chosen before any caption was looked at.
WORDS = {
    **{"dog": "dog|bark", "rooster": "rooster|crow", "pig": "pig|oink|snort", "cow": "cow|moo", "frog": "frog|croak"},
    **{"cat": "cat|meow", "hen": "hen|chicken|cluck", "insects": "insect|bug|buzz|bee|fly|flies", "rain": "rain"},
    **{"sheep": "sheep|goat|baa|bleat|lamb", "crow": "crow|caw|bird", "sea_waves": "wave|ocean|sea|surf"},
    **{"crackling_fire": "fire|crackl", "crickets": "cricket|insect|chirp", "chirping_birds": "bird|chirp|tweet"},
    **{"water_drops": "drop|drip|water", "wind": "wind", "pouring_water": "pour|water|liquid"},
    **{"toilet_flush": "flush|toilet", "thunderstorm": "thunder|storm", "crying_baby": "baby|infant|cry"},
    **{"sneezing": "sneez", "clapping": "clap|applau", "breathing": "breath|sniff|pant", "coughing": "cough"},
    **{"footsteps": "step|walk|foot", "laughing": "laugh|giggl", "brushing_teeth": "brush|teeth|scrap|scrub"},
    **{"snoring": "snor", "drinking_sipping": "drink|sip|slurp|gulp|swallow", "door_wood_knock": "knock"},
    **{"mouse_click": "click", "keyboard_typing": "typ|keyboard|keys", "door_wood_creaks": "creak|door|squeak"},
    **{"can_opening": "can |open|crack|hiss|fizz|pop", "washing_machine": "wash|machine|hum|engine|motor"},
    **{"vacuum_cleaner": "vacuum|motor|machine", "clock_alarm": "alarm|beep", "clock_tick": "tick|clock"},
    **{"glass_breaking": "glass|shatter|break", "helicopter": "helicopter|propeller|rotor|blade"},
    **{"chainsaw": "saw|engine|motor", "siren": "siren|emergency", "car_horn": "horn|honk"},
    **{"engine": "engine|motor|idl", "train": "train|rail", "church_bells": "bell", "airplane": "plane|aircraft|jet"},
    **{"fireworks": "firework|explo|bang|pop", "hand_saw": "saw"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--captions", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=Path("everyday"))
    parser.add_argument("--folds", type=int, nargs="+", default=[1])
    parser.add_argument("--pairs", type=int, default=150)
    given = parser.parse_args()
    dataset = esc50(given.root).select(folds=given.folds)
    bundle = Bundle.load(named_bundle(given.bundle))
    bank = caption_bank(bundle, read_captions(given.captions))
    result = {
        "command": "python -m benchmarks.esc50.captions --root ESC-50 --captions AUDIOCAPS/train.csv",
        "environment": environment(seed=0),
        "bundle": bundle.manifest.name,
        "folds": given.folds,
        "n_captions": len(bank.texts),
        "single": single_clips(dataset, bundle, bank),
        "pairs": pairs_of_clips(dataset, bundle, bank, given.pairs),
    }
    write_json(RESULT, result)
    sys.stdout.write(f"{result['single']}\n" + "".join(f"{row}\n" for row in result["pairs"]["rows"]))


def names(label: str | None, captions: list[str]) -> bool:
    """Whether one of the captions names a class."""
    return any(re.search(rf"\b(?:{WORDS[str(label)]})", text.lower()) for text in captions)


def single_clips(dataset: Dataset, bundle: Bundle, bank: CaptionBank) -> dict[str, Any]:
    """How many clips their nearest caption names, and how many captions name a class on average."""
    recordings = recording_ids([clip.source for clip in dataset.clips], len(dataset))
    found = [
        nearest(bundle.embed(str(clip.path))[0], bank, 1)[0].text
        for clip in counted(dataset.clips, "caption", len(dataset), "clip")
    ]
    hits = np.array([names(clip.label, [text]) for clip, text in zip(dataset.clips, found, strict=True)])
    chance = np.mean([np.mean([names(label, [text]) for text in bank.texts]) for label in dataset.labels])
    interval = accuracy_interval(hits, recordings, 2000, 0)
    return {"n_clips": len(dataset), "named": float(hits.mean()), "ci95": interval, "chance": float(chance)}


def pairs_of_clips(dataset: Dataset, bundle: Bundle, bank: CaptionBank, count: int) -> dict[str, Any]:
    """How many pairs have both of their sounds named, by so many captions of either kind."""
    pairs: list[tuple[Clip, Clip]] = []
    rng = np.random.default_rng(0)
    while len(pairs) < count:
        one, two = (dataset.clips[at] for at in rng.integers(len(dataset), size=2))
        if one.label != two.label:
            pairs.append((one, two))
    hits = {(kind, most): np.zeros(count, bool) for most in COUNTS for kind in ("nearest", "mix")}
    for row, pair in enumerate(counted(pairs, "caption", count, "pair")):
        sounds = [read(str(clip.path), bundle.sample_rate) for clip in pair]
        length = min(map(len, sounds))
        mixture = np.sum([sound[:length] * (LEVEL / max(float(np.std(sound)), 1e-6)) for sound in sounds], axis=0)
        embedding = bundle.embed(mixture, sample_rate=bundle.sample_rate)[0]
        for kind, most in hits:
            found = nearest(embedding, bank, most) if kind == "nearest" else mixed(embedding, bank, most)[0]
            texts = [caption.text for caption in found]
            hits[kind, most][row] = all(names(clip.label, texts) for clip in pair)
    rows = []
    for most in COUNTS:
        by = {kind: hits[kind, most] for kind in ("nearest", "mix")}
        difference, interval = paired_difference(by["nearest"], by["mix"], np.arange(count), 2000, 0)
        shares = {kind: float(found.mean()) for kind, found in by.items()}
        rows.append({"captions": most, **shares, "difference": difference, "difference_ci95": interval})
    return {"n_pairs": count, "rows": rows}


if __name__ == "__main__":
    main()
