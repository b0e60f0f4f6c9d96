"""How loud a sound must be to be known, and how much silence it bears, on real ESC-50; writes esc50_levels.json.

    python -m benchmarks.esc50.levels --root ESC-50 [--weights mn04_as_mAP_432.pt] [--text MiniLM] [--folds 1 2 3]

Zero-shot accuracy of the tagger with its sentence encoder, nothing trained. `levels`: the clips at several levels, and
windows quieter than a level raised to it. `windows`: the clips cut into short windows that weigh as a power of their
level in the mean of the embeddings, and whole clips with 5 s of digital silence after them. Folds 1-3 chose the level
and the power; `--folds 5 --every 1 --raised none -40` is what was chosen, on a fold that had no part in that.
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from tinyclap.audio.level import weight
from tinyclap.audio.log_mel.emphasised import EmphasisedSpec
from tinyclap.audio.windows import timed
from tinyclap.common.files import read_json, write_json
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings.zero_shot import predict
from tinyclap.runs.provenance import environment
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.efficientat import EfficientAT
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.stored_embeddings import class_vectors
from tinyclap.teachers.tagger import TaggerTeacher

RESULT = Path(__file__).parents[1] / "results" / "esc50_levels.json"
GAINS_DB = (0, -10, -20, -30, -40, -60)
RAISED_DBFS = ("none", "-45", "-40", "-35", "-30")
POWERS = (0.0, 0.5, 1.0, 2.0)
WINDOWS_S = (2.5, 1.25)
Embed = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--weights", type=Path, help="the publisher's file; else it is fetched")
    parser.add_argument("--text", default=TaggerOptions.text, help="the sentence encoder, by hub id or folder")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--every", type=int, default=3, help="clip that is taken")
    parser.add_argument("--raised", nargs="+", default=list(RAISED_DBFS), help="levels in dB of full scale, or none")
    given = parser.parse_args()
    audio = TaggerOptions.audio if given.weights is None else str(given.weights)
    teacher = load_tagger_teacher(TaggerOptions(audio, given.text))
    assert isinstance(teacher, TaggerTeacher)
    teachers = {raised: raising(teacher, None if raised == "none" else float(raised)) for raised in given.raised}
    dataset = esc50(given.root).select(folds=given.folds)
    chosen = range(0, len(dataset), given.every)
    sounds = [dataset.load(at, teacher.sample_rate) for at in chosen]
    truth = np.array([dataset.labels.index(str(dataset.clips[at].label)) for at in chosen])
    classes = class_vectors(teacher, dataset.labels, teacher.prompts)

    def accuracy(embed: Embed) -> float:
        return float((predict(np.stack([embed(sound) for sound in sounds]), classes) == truth).mean())

    rows: list[dict[str, Any]] = []
    for gain_db in GAINS_DB:
        gain = np.float32(10 ** (gain_db / 20))
        for raised, one in teachers.items():
            found = accuracy(lambda sound, gain=gain, one=one: one(sound * gain))  # type: ignore[misc]
            rows.append({"gain_db": gain_db, "raised_to_dbfs": raised, "accuracy": found})
            sys.stdout.write(f"{gain_db:+} dB, raised to {raised}: {found:.1%}\n")
    plain, rate = teachers[given.raised[0]], teacher.sample_rate
    weighed: list[dict[str, Any]] = []
    for power in POWERS:
        for window_s in WINDOWS_S:
            found = accuracy(lambda sound: _weighed(plain, sound, round(window_s * rate), power))  # noqa: B023
            weighed.append({"window_s": window_s, "power": power, "accuracy": found})
        found = accuracy(lambda sound: _weighed(plain, _then_silence(sound), round(5.0 * rate), power))  # noqa: B023
        weighed.append({"window_s": 5.0, "then_silence_s": 5.0, "power": power, "accuracy": found})
    key = " ".join(map(str, given.folds))
    there = read_json(RESULT, {}).get("folds", {})
    command = f"python -m benchmarks.esc50.levels --root ESC-50 --folds {key} --every {given.every}"
    made = {"command": f"{command} --raised {' '.join(given.raised)}", "environment": environment(seed=0)}
    found_here = {**made, "n_clips": len(sounds), "levels": rows, "windows": weighed}
    write_json(RESULT, {"folds": {**there, key: found_here}})
    for row in weighed:
        sys.stdout.write(f"{row}\n")


def raising(teacher: TaggerTeacher, raise_to_dbfs: float | None) -> Embed:
    """The teacher with another level to which quiet windows are raised: a window (T,) to its embedding (D,)."""
    tagger = cast(EfficientAT, teacher.tagger)
    spec = cast(EmphasisedSpec, tagger.frontend.spec)
    changed = EfficientAT(tagger.network, dataclasses.replace(spec, raise_to_dbfs=raise_to_dbfs), tagger.name)

    @torch.no_grad()
    def embed(sound: np.ndarray) -> np.ndarray:
        return teacher.placed(changed(torch.from_numpy(sound)[None]))[0].numpy()

    return embed


def _weighed(embed: Embed, sound: np.ndarray, window: int, power: float) -> np.ndarray:
    """The mean over windows of so many samples, each weighing as its level to the power."""
    total = sum(weight(part) ** power * embed(part) for _, _, part in timed([sound], window, window))
    return cast(np.ndarray, total / np.linalg.norm(total))


def _then_silence(sound: np.ndarray) -> np.ndarray:
    return np.concatenate([sound, np.zeros_like(sound)])


if __name__ == "__main__":
    main()
