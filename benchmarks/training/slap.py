"""What each of SLAP's objectives brings to a CLAP from scratch, on clips of several lengths; writes results/slap.json.

    python -m benchmarks.training.slap --root ESC-50 --pool FOLDER [--seeds 0 1 2] [--epochs 10] [--work runs/slap]

A small transformer of SLAP's shape (arXiv 2601.12594) and a small BERT learn ESC-50's class names (5 s) together with
sounds of the pool (0.2 to 10 s) by their labels; scored is zero-shot accuracy on a fold that nothing was trained on or
chosen by. Arms differ in one setting from `contrast` or from `all`. Every arm takes the same steps, not the same time:
the seconds of a core stand beside it (an hour for all, 24 runs). Finished runs are kept in --work and unfinished ones
go on, so the script can be stopped. The pool is a folder with LICENSES.csv (columns file and label) and the
sounds in audio/.
"""

import argparse
import csv
import json
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.files import write_json
from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.data.captions import Captions
from tinyclap.data.dataset import Clip, Concat, Dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.published.esc50 import esc50
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.models.vit.config import VitConfig
from tinyclap.runs.provenance import environment
from tinyclap.teachers import untrained
from tinyclap.teachers.dual.pair import DualTeacher
from tinyclap.teachers.dual.towers import LINEAR
from tinyclap.training.options import CaptioningOptions, MaskedOptions, PretrainOptions
from tinyclap.training.pretrain import pretrain

RESULTS = Path(__file__).parents[1] / "results"
SPEC = FrontendSpec(16_000, n_fft=512, win_length=400, hop_length=320, n_mels=64)
VIT = VitConfig(width=96, layers=3, heads=4, hidden=256, span=12)
TEXT: dict[str, Any] = {"vocab_size": 1000, "hidden_size": 96, "layers": 2, "heads": 4, "pooling": "attention"}
EMBED_DIM, BATCH_SIZE, N_BOOTSTRAP = 128, 32, 2000
LONGEST_S, WINDOW_S = 10.0, 5.0  # of clips at their own length; of windows
TEMPLATES = ("This is a sound of {}.", "{}.")
MASKED, CAPTIONING = MaskedOptions(prototypes=256), CaptioningOptions(layers=2, heads=4, width=96)


@dataclass(frozen=True)
class Arm:
    """A setting of the training.

    Attributes:
        options: what differs from the shared ones.
        vit: the transformer's shape.
        own_length: clips at their own length; else windows of WINDOW_S, shorter clips repeated and longer ones cut.
        pool_words: whether the pool's labels are given; else its clips teach by their sound alone.
        beside: the arm that it is compared with.
    """

    options: dict[str, Any]
    vit: VitConfig = VIT
    own_length: bool = True
    pool_words: bool = True
    beside: str = "contrast"


EVERYTHING = {"masked": MASKED, "captioning": CAPTIONING}
ARMS = {
    "contrast": Arm({}),
    "contrast, masked": Arm({"masked": MASKED}),
    "contrast, captioning": Arm({"captioning": CAPTIONING}),
    "all": Arm(EVERYTHING),
    "sigmoid": Arm({"loss": "sigmoid"}),
    "windows": Arm({}, own_length=False),
    "all, global attention": Arm(EVERYTHING, vit=replace(VIT, global_every=1), beside="all"),
    "all, pool without words": Arm(EVERYTHING, pool_words=False, beside="all"),
}


def pool(folder: Path, n_clips: int, seed: int = 0) -> Dataset:
    """Sounds of the pool with the last part of their label as the caption, drawn by a seed."""
    with (folder / "LICENSES.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:n_clips])
    clips = []
    for row in (rows[number] for number in chosen):
        words = row["label"].rsplit("/", 1)[-1].strip("0123456789 ")
        clips.append(Clip(row["file"], captions=(words,) if words else (), path=folder / "audio" / row["file"]))
    return Dataset("pool", [clip for clip in clips if clip.captions])


def new_teacher(arm: Arm, texts: Sequence[str], seed: int) -> DualTeacher:
    """The networks of a seed: the same for arms of the same shape."""
    torch.manual_seed(seed)
    text = untrained.new_text(texts, EMBED_DIM, **TEXT)
    shape, longest = (SPEC, arm.vit, LINEAR), LONGEST_S if arm.own_length else WINDOW_S
    return untrained.new_dual(
        shape, text, embed_dim=EMBED_DIM, window_s=longest, prompts=TEMPLATES[:1], logit_scale=14.2857, name="slap"
    )


def options(arm: Arm, epochs: int) -> PretrainOptions:
    """How `pretrain` is to train: the captions part first, as in recipe demo_teacher."""
    shared: dict[str, Any] = {"batch_size": BATCH_SIZE, "lr": 0.001, "weight_decay": 0.05, "warmup_share": 0.1}
    return PretrainOptions(epochs=epochs, text_epochs=4, lock_text=True, **shared, **arm.options)


@dataclass(frozen=True)
class Sounds:
    """What all arms learn from and are scored on."""

    train: Decoded
    clips: Sequence[Clip]
    test: Decoded
    dataset: Dataset


def captions_of(clips: Sequence[Clip], *, pool_words: bool) -> Captions:
    """Of training clips; without the pool's words its clips have none."""
    kept = [clip if pool_words or clip.label else replace(clip, captions=()) for clip in clips]
    return Captions(kept, TEMPLATES, some=not pool_words)


def sounds(arguments: argparse.Namespace) -> Sounds:
    folds = esc50(arguments.root)
    train = Concat([folds.select(folds=arguments.folds), pool(arguments.pool, arguments.pool_clips)])
    test = folds.select(folds=[arguments.test_fold])
    decoded = decode(train, SPEC.sample_rate)
    clips = [train.clips[window.clip] for window in decoded.windows]
    return Sounds(decoded, clips, decode(test, SPEC.sample_rate), test)


def run_arm(arm: Arm, found: Sounds, epochs: int, seed: int, run: Path) -> None:
    """Train and score one arm in `run`, unless it is finished there."""
    if outcome(run, epochs):
        return
    run.mkdir(parents=True, exist_ok=True)
    captions = captions_of(found.clips, pool_words=arm.pool_words)
    longest = LONGEST_S if arm.own_length else WINDOW_S
    views = Views(found.train, ViewSpec(per_clip=1, duration_s=longest, repeat=not arm.own_length, mix=0.0))
    texts = sorted({text for choices in captions_of(found.clips, pool_words=True).choices for text in choices})
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it is stuck at first is no news
        teacher = pretrain(new_teacher(arm, texts, seed), views, captions, options(arm, epochs), run, seed=seed)
    cpu_s = time.process_time() - began
    labels = found.dataset.labels
    classes = teacher.embed_text([TEMPLATES[0].format(clean_label(label)) for label in labels])
    correct = []
    for index, window in enumerate(found.test.windows):
        embedded = teacher.embed_audio(torch.from_numpy(found.test.waveform(index))[None])
        named = labels[int((embedded @ classes.T).argmax())]
        correct.append(named == found.dataset.clips[window.clip].label)
    write_json(run / "outcome.json", {"epochs": epochs, "cpu_s": cpu_s, "correct": correct})


def outcome(run: Path, epochs: int) -> dict[str, Any] | None:
    """What a finished run of so many epochs wrote."""
    path = run / "outcome.json"
    told: dict[str, Any] | None = json.loads(path.read_text()) if path.is_file() else None
    return told if told and told["epochs"] == epochs else None


def losses(run: Path) -> dict[str, float]:
    """Each term in the last epoch."""
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    return {name: last[name] for name in ("contrastive", "masked", "captioning") if name in last}


def summary(correct: np.ndarray, beside: np.ndarray | None, recordings: np.ndarray) -> dict[str, Any]:
    """Accuracy of an arm, and what it brings: the seeds' mean of each clip, intervals by recordings.

    Args:
        correct: whether each clip was named right, bool (seeds, clips).
        beside: the same of the arm that it is compared with, for the same seeds; None for that arm itself.
        recordings: of each clip, (clips,).
    """
    mine = correct.mean(0)
    told: dict[str, Any] = {
        "accuracy": float(mine.mean()),
        "ci95": accuracy_interval(mine, recordings, N_BOOTSTRAP, 0),
        "by_seed": correct.mean(1).tolist(),
    }
    if beside is not None:
        told["difference"], told["difference_ci95"] = paired_difference(
            beside.mean(0), mine, recordings, N_BOOTSTRAP, 0
        )
        told["difference_by_seed"] = (correct.mean(1) - beside.mean(1)).tolist()
    return told


def main() -> None:
    arguments = parse()
    found = sounds(arguments)
    for seed in [] if arguments.collect else arguments.seeds:
        for name in arguments.arms or ARMS:
            run_arm(ARMS[name], found, arguments.epochs, seed, place(arguments, name, seed))
            sys.stdout.write(f"{name}, seed {seed}: done\n")
            sys.stdout.flush()
    if arguments.collect or not arguments.arms:
        write(arguments, found)


def place(arguments: argparse.Namespace, name: str, seed: int) -> Path:
    """The folder of a run."""
    run: Path = arguments.work / f"{name.replace(', ', '-').replace(' ', '_')}-{seed}"
    return run


def write(arguments: argparse.Namespace, found: Sounds) -> None:
    """The results of all runs that are finished."""
    runs = {name: {seed: place(arguments, name, seed) for seed in arguments.seeds} for name in ARMS}
    done = {
        name: {seed: told for seed, run in by_seed.items() if (told := outcome(run, arguments.epochs))}
        for name, by_seed in runs.items()
    }
    recordings = recording_ids(
        [found.dataset.clips[window.clip].source for window in found.test.windows], len(found.test)
    )
    arms = {}
    for name, arm in ARMS.items():
        other = done[arm.beside] if name != arm.beside else done[name]
        seeds = [seed for seed in done[name] if seed in other]
        if not seeds:
            continue
        correct, beside = (np.array([one[seed]["correct"] for seed in seeds], float) for one in (done[name], other))
        arms[name] = summary(correct, None if name == arm.beside else beside, recordings) | {
            "beside": None if name == arm.beside else arm.beside,
            "seeds": seeds,
            "cpu_s": float(np.mean([done[name][seed]["cpu_s"] for seed in seeds])),
            "losses": [losses(runs[name][seed]) for seed in seeds],
        }
        sys.stdout.write(f"{name}: {arms[name]['accuracy']:.3f} {arms[name]['ci95']}\n")
    seconds = [window.duration_s for window in found.train.windows]
    measured = {
        "command": f"python -m benchmarks.training.slap --root ESC-50 --pool FOLDER --epochs {arguments.epochs}",
        "complete": all(len(by_seed) == len(arguments.seeds) for by_seed in done.values()),
        "folds": arguments.folds,
        "test_fold": arguments.test_fold,
        "clips": len(found.train),
        "pool_clips": sum(clip.label is None for clip in found.clips),
        "test_clips": len(found.test),
        "recordings": int(recordings.max()) + 1,
        "shortest_s": min(seconds),
        "longest_s": max(seconds),
        "epochs": arguments.epochs,
        "arms": arms,
    }
    write_json(arguments.results, measured | environment(arguments.seeds[0]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder in ESC-50's layout")
    parser.add_argument("--pool", type=Path, required=True, help="folder with LICENSES.csv and audio/")
    parser.add_argument("--pool-clips", type=int, default=400)
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--test-fold", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--work", type=Path, default=Path("runs/slap"))
    parser.add_argument("--results", type=Path, default=RESULTS / "slap.json")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), help="train these alone, and write no results")
    parser.add_argument("--collect", action="store_true", help="train nothing; write what is finished")
    return parser.parse_args()


if __name__ == "__main__":
    main()
