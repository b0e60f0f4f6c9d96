"""Is a student as robust as its teacher? ESC-10, degraded as devices do it; writes benchmarks/results/robustness.json.

    python -m benchmarks.esc10.robustness --root ESC-50 [--teacher own] [--text MiniLM] [--folds 1 2] [--seeds 0 1]

A teacher teaches small students the other folds' clips, without labels: a `tagger` with a sentence encoder (a larger
network that AudioSet made robust), or `own`, a CLAP that recipe esc10_teacher makes of these folds first. Three ways.
`plain`: student and teacher hear the same views. `raised`: the student's front end raises quiet windows to -40 dB of
full scale. `robust`: that, and the student alone hears its views degraded (`views.student`). All are tested on the fold
that they have not met, clean and under the conditions of `tinyclap evaluate --degrade standard`; a clip's noise and
room are the same for all. Accuracies are means over seeds, and intervals draw whole recordings.
"""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.esc10.runs import data_overrides, made, run_folder, runs_parser, train_teacher
from tinyclap.common.files import read_json, write_json
from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.config.load_recipe import load_recipe
from tinyclap.config.schema import DistillRecipe
from tinyclap.data import build_dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.degradation import STANDARD, Degradation
from tinyclap.data.degraded import DegradedClips
from tinyclap.embeddings.zero_shot import predict
from tinyclap.evaluation.robustness import CLEAN
from tinyclap.models.student import Student
from tinyclap.pipelines.build import build_teacher
from tinyclap.runs.provenance import environment
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips

RESULT = Path(__file__).parents[1] / "results" / "robustness.json"
SMALL = ["student.phinet.time_strides=[0,3,5,7]", "student.phinet.mel_strides=[0,3,5,7]", "student.features=384"]
RAISED = "student.frontend.raise_to_dbfs=-40"
ARMS = {"plain": [], "raised": [RAISED], "robust": [RAISED, "views.student={share: 0.5}"]}
RESAMPLES = 2000


def main() -> None:
    parser = runs_parser(__doc__)
    parser.add_argument("--teacher", choices=["tagger", "own"], default="tagger")
    parser.add_argument("--audio", default=TaggerOptions.audio, help="a tagger of EfficientAT, by name or file")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--epochs", type=int, default=240)
    parser.add_argument("--views", type=int, default=24, help="of each clip")
    parser.set_defaults(work=Path("runs/esc10_robustness"))
    given = parser.parse_args()
    right: dict[str, dict[str, list[np.ndarray]]] = {}
    sources: list[str | None] = []
    for done, fold in enumerate(given.folds, 1):
        found, recordings = one_fold(given, fold)
        sources += recordings
        for condition, models in found.items():
            for model, rows in models.items():
                right.setdefault(condition, {}).setdefault(model, []).append(rows)
        joined = {
            condition: {model: np.concatenate(rows) for model, rows in models.items()}
            for condition, models in right.items()
        }
        result = rows_of(joined, recording_ids(sources, len(sources)))
        whole = described(given, given.folds[:done]) | {"n_clips": len(sources), "rows": result}
        write_json(RESULT, read_json(RESULT, {}) | {given.teacher: whole})
    for row in result:
        figures = "   ".join(f"{model} {100 * row[model]['accuracy']:.1f}" for model in ("teacher", *given.arms))
        sys.stdout.write(f"{row['condition']:28} {figures}\n")


def described(given: Any, folds: Sequence[int]) -> dict[str, Any]:
    """How the results were made."""
    return {
        "command": f"python -m benchmarks.esc10.robustness --root ESC-50 --teacher {given.teacher}",
        "environment": environment(seed=0),
        "folds": list(folds),
        "seeds": given.seeds,
        "epochs": given.epochs,
        "views": given.views,
        "conditions": {name: how.in_words() for name, how in STANDARD.items()},
    }


def one_fold(given: Any, fold: int) -> tuple[dict[str, dict[str, np.ndarray]], list[str | None]]:
    """Which clips of a fold every model names rightly under each condition, mean over seeds; and their recordings."""
    recipe = recipe_of(given, fold, "plain", given.seeds[0])
    students = {
        (arm, seed): Student.from_pretrained(trained(given, fold, arm, seed) / "student")
        for arm, seed in itertools.product(given.arms, given.seeds)
    }
    assert recipe.data.test is not None
    teacher, test = build_teacher(recipe.taught_by), build_dataset(recipe.data.test)
    rate = next(iter(students.values())).sample_rate
    decoded = {each: decode(test, each) for each in (teacher.sample_rate, rate)}
    classes = class_vectors(teacher, test.labels, teacher.prompts)
    truth = np.array([test.labels.index(str(clip.label)) for clip in test.clips])
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, how in {CLEAN: None, **STANDARD}.items():
        clips = {each: degraded(decoded, how, each) for each in decoded}
        right = {"teacher": predict(teacher_clips(teacher, clips[teacher.sample_rate]), classes) == truth}
        for arm in given.arms:
            rows = [
                predict(clip_embeddings(students[arm, seed].embed_audio, clips[rate], progress=arm), classes) == truth
                for seed in given.seeds
            ]
            right[arm] = np.mean(rows, axis=0)
        found[name] = right
    return found, [clip.source for clip in test.clips]


class Kept(DegradedClips):
    """Degraded clips that are made once and kept in memory, for many students."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.kept = [DegradedClips.waveform(self, index) for index in range(len(self))]

    def waveform(self, index: int) -> np.ndarray:
        return self.kept[index]


def degraded(decoded: dict[int, Decoded], how: Degradation | None, rate: int) -> Decoded | Kept:
    """The clips at a rate, as they are or degraded at the finest one."""
    return decoded[rate] if how is None else Kept(decoded[max(decoded)], how, rate)


def trained(given: Any, fold: int, arm: str, seed: int) -> Path:
    prefix = "own-" if given.teacher == "own" else ""
    return made(recipe_of(given, fold, arm, seed), run_folder(given, fold, f"{prefix}{arm}-seed{seed}"))


def recipe_of(given: Any, fold: int, arm: str, seed: int) -> DistillRecipe:
    """Recipe esc10 with the teacher of these folds, or esc50 on ESC-10's clips and a smaller student."""
    teacher, shape = f"{{kind: tagger, audio: {given.audio}, text: {given.text}}}", SMALL
    if given.teacher == "own":
        teacher, shape = f"{{kind: dual, source: {train_teacher(given, fold) / 'teacher'}}}", []
    data = [f"data.{part}={{kind: esc50, root: {given.root}, esc10: true}}" for part in ("train", "test")]
    training = [f"views.per_clip={given.views}", "training.batch_size=32", f"training.epochs={given.epochs}"]
    overrides = [*data_overrides(given, fold), f"seed={seed}", *training, *shape, *ARMS[arm]]
    name = "esc10" if given.teacher == "own" else "esc50"
    return load_recipe(name, [f"teacher={teacher}", *data, *overrides], task="distill")


def rows_of(right: dict[str, dict[str, np.ndarray]], recordings: np.ndarray) -> list[dict[str, Any]]:
    """Accuracies under each condition, their mean over all degradations, and what students are above the teacher."""
    degraded: Sequence[str] = [name for name in right if name != CLEAN]
    mean = {model: np.mean([right[name][model] for name in degraded], axis=0) for model in right[CLEAN]}
    rows = []
    for name, models in {**right, "mean over the degradations": mean}.items():
        row: dict[str, Any] = {"condition": name}
        for model, hits in models.items():
            interval = accuracy_interval(hits, recordings, RESAMPLES, 0)
            row[model] = {"accuracy": float(hits.mean()), "ci95": interval}
            if model != "teacher":
                above, ci95 = paired_difference(models["teacher"], hits, recordings, RESAMPLES, 0)
                row[model] |= {"minus_teacher": above, "minus_teacher_ci95": ci95}
            if model != "plain" and "plain" in models and model != "teacher":
                above, ci95 = paired_difference(models["plain"], hits, recordings, RESAMPLES, 0)
                row[model] |= {"minus_plain": above, "minus_plain_ci95": ci95}
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
