"""One student of two teachers beside students of each alone, on ESC-10; writes benchmarks/results/two_teachers.json.

    python -m benchmarks.esc10.two_teachers --root ESC-50 [--text MiniLM] [--folds 1 2 3 5] [--seeds 0 1 2]

The teachers: `own`, a CLAP that recipe esc10_teacher makes of the other folds, and `tagger`, a network of AudioSet with
a sentence encoder. Arms of the same trunk, views and epochs (recipe esc10): a student of each alone, and `both`, a
student of the two with equal weights, which is tested by either head and as a whole, by both teachers' words at once.
These have as many parameters as each other, since a wider embedding gets fewer features before it; `both_wide` keeps
the features of `own`, so that its head alone is larger.
Accuracies are means over seeds on the folds that no student has met; intervals draw whole recordings, and differences
are paired by clip. Runs and rows that are there are not made again (`own` is the arm `plain` of esc10/robustness
--teacher own, so its runs serve here under the same --work).
"""

import argparse
import itertools
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.esc10.robustness import RESAMPLES
from benchmarks.esc10.runs import data_overrides, made, run_folder, runs_parser, train_teacher
from benchmarks.esc50.runs import RESULTS, Rows
from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.config.load_recipe import load_recipe
from tinyclap.config.schema import DistillRecipe
from tinyclap.data import build_dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings.joint_space import side_by_side
from tinyclap.embeddings.similarity import centred_cosine
from tinyclap.embeddings.zero_shot import predict
from tinyclap.hardware.traced_costs import n_parameters
from tinyclap.pipelines.distilled_run import load_distilled_run
from tinyclap.runs.results import TEACHER_MEAN
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.joint import JointTeacher
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips

OWN, TAGGER, BOTH, WIDE = "own", "tagger", "both", "both_wide"
ARMS = {OWN: "own-plain", TAGGER: "tagger-equal", BOTH: "both-equal", WIDE: "both-wide"}  # and their runs' folders
FEATURES = {OWN: 512, TAGGER: 388, BOTH: 236, WIDE: 512}  # before an embedding of 384, 527 or 911 dimensions
KEYS = ("arm", "epochs", "views", "fold", "seed")
# What is compared: the student of both by a head, or as a whole, minus a student of one teacher alone.
PAIRS = tuple(
    ((arm, head), (alone, alone))
    for arm in (BOTH, WIDE)
    for head, alone in ((OWN, OWN), (TAGGER, TAGGER), (BOTH, OWN), (BOTH, TAGGER))
)


def main() -> None:
    parser = runs_parser(__doc__)
    parser.add_argument("--audio", default=TaggerOptions.audio, help="a tagger of EfficientAT, by name or file")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--epochs", type=int, default=240)
    parser.add_argument("--views", type=int, default=24, help="of each clip")
    parser.add_argument("--result", type=Path, default=RESULTS / "two_teachers.json")
    parser.set_defaults(work=Path("runs/esc10_robustness"))
    given = parser.parse_args()
    command = "python -m benchmarks.esc10.two_teachers --root ESC-50"
    rows = Rows(given.result, command, KEYS, partial(summarise, given))
    for fold, seed, arm in itertools.product(given.folds, given.seeds, given.arms):
        key = dict(zip(KEYS, (arm, given.epochs, given.views, fold, seed), strict=True))
        if not rows.has(**key):
            rows.add(key | measured(given, arm, fold, seed))
        (row,) = [row for row in rows.rows if all(row[name] == value for name, value in key.items())]
        told = ", ".join(f"{name} {accuracy(part):.1%}" for name, part in row["heads"].items())
        sys.stdout.write(f"fold {fold}, seed {seed}, student of {arm}: {told}\n")


def recipe_of(given: argparse.Namespace, arm: str, fold: int, seed: int) -> DistillRecipe:
    """Recipe esc10 with one of the teachers or both."""
    each = {TAGGER: f"{{kind: tagger, audio: {given.audio}, text: {given.text}}}"}
    if arm != TAGGER:
        each[OWN] = f"{{kind: dual, source: {train_teacher(given, fold) / 'teacher'}}}"
    if arm in each:
        teacher = [f"teacher={each[arm]}"]
    else:
        listed = ", ".join(f"{{head: {name}, teacher: {each[name]}}}" for name in (OWN, TAGGER))
        teacher = ["teacher=null", f"teachers=[{listed}]"]
    data = [f"data.{part}={{kind: esc50, root: {given.root}, esc10: true}}" for part in ("train", "test")]
    training = [f"views.per_clip={given.views}", f"training.epochs={given.epochs}", f"seed={seed}"]
    training.append(f"student.features={FEATURES[arm]}")
    return load_recipe("esc10", [*teacher, *data, *data_overrides(given, fold), *training], task="distill")


def measured(given: argparse.Namespace, arm: str, fold: int, seed: int) -> dict[str, Any]:
    """What a student does on its test fold: by each head the clips that it and the teacher name rightly."""
    run = made(recipe_of(given, arm, fold, seed), run_folder(given, fold, f"{ARMS[arm]}-seed{seed}"))
    finished = load_distilled_run(run, "measure")
    student, teacher = finished.student, finished.teacher
    test = build_dataset(finished.recipe.data.test)  # type: ignore[arg-type]
    truth = np.array([test.labels.index(str(clip.label)) for clip in test.clips])
    mine = clip_embeddings(student.embed_audio, decode(test, student.sample_rate), progress="student embeds")
    mean = np.load(run / TEACHER_MEAN)

    def scored(taught_by: Teacher, embeddings: np.ndarray, theirs: np.ndarray, centre: np.ndarray) -> dict[str, Any]:
        classes = class_vectors(taught_by, test.labels, taught_by.prompts)
        return {
            "student": bits(predict(embeddings, classes) == truth),
            "teacher": bits(predict(theirs, classes) == truth),
            "centred_cosine": centred_cosine(embeddings, theirs, centre),
        }

    heads = {}
    several = teacher.teachers if isinstance(teacher, JointTeacher) else (teacher,)
    theirs = [teacher_clips(one, decode(test, one.sample_rate)) for one in several]
    if isinstance(teacher, JointTeacher):
        for head, one, clips in zip(teacher.heads, several, theirs, strict=True):
            heads[head.name] = scored(one, head.of(mine), clips, mean[head.place] / head.length)
        heads[BOTH] = scored(teacher, mine, side_by_side(theirs, teacher.heads), mean)
    else:
        heads[arm] = scored(teacher, mine, theirs[0], mean)
    return {"heads": heads, "parameters": n_parameters(student), "embed_dim": student.embed_dim}


def bits(right: np.ndarray) -> str:
    """Which clips were right, as a text of 0 and 1."""
    return "".join("01"[bool(one)] for one in right)


def accuracy(part: dict[str, Any]) -> float:
    """Of a student by a head."""
    return part["student"].count("1") / len(part["student"])


def summarise(given: argparse.Namespace, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Accuracies by arm and head, and the differences of PAIRS where both have the same folds and seeds."""
    summary = []
    for epochs, views in sorted({(row["epochs"], row["views"]) for row in rows}):
        chosen = [row for row in rows if (row["epochs"], row["views"]) == (epochs, views)]
        made_with = {"epochs": epochs, "views": views}
        for arm, head in sorted({(row["arm"], head) for row in chosen for head in row["heads"]}):
            mine = [row for row in chosen if row["arm"] == arm]
            summary.append(made_with | of_arm(given, mine, arm, head))
        for more, less in PAIRS:
            found = difference(given, chosen, more, less)
            summary += [made_with | found] if found else []
    return summary


def hits(rows: list[dict[str, Any]], head: str, who: str) -> np.ndarray:
    """The share of seeds that name each clip of each fold rightly, fold after fold."""
    by_fold = []
    for fold in sorted({row["fold"] for row in rows}):
        each = [row["heads"][head][who] for row in rows if row["fold"] == fold]
        by_fold.append(np.mean([[one == "1" for one in text] for text in each], axis=0))
    return np.concatenate(by_fold)


def recordings_of(given: argparse.Namespace, folds: Iterable[int]) -> np.ndarray:
    """The recording of each clip of these folds, fold after fold."""
    clips = esc50(given.root, esc10=True).clips
    listed = [clip.source for fold in sorted(set(folds)) for clip in clips if clip.fold == fold]
    return recording_ids(listed, len(listed))


def of_arm(given: argparse.Namespace, rows: list[dict[str, Any]], arm: str, head: str) -> dict[str, Any]:
    recordings = recordings_of(given, [row["fold"] for row in rows])
    student, teacher = (hits(rows, head, who) for who in ("student", "teacher"))
    return {
        "student_of": arm,
        "head": head,
        "runs": len(rows),
        "clips": len(student),
        "recordings": int(recordings.max()) + 1,
        "accuracy": float(student.mean()),
        "ci95": accuracy_interval(student, recordings, RESAMPLES, 0),
        "teacher_accuracy": float(teacher.mean()),
        "teacher_ci95": accuracy_interval(teacher, recordings, RESAMPLES, 0),
        "centred_cosine": float(np.mean([row["heads"][head]["centred_cosine"] for row in rows])),
        "parameters": rows[0]["parameters"],
        "embed_dim": rows[0]["embed_dim"],
    }


def difference(
    given: argparse.Namespace, rows: list[dict[str, Any]], more: tuple[str, str], less: tuple[str, str]
) -> dict[str, Any] | None:
    """One student's accuracy minus another's on the same clips; None until both have the same runs."""
    sides = [[row for row in rows if row["arm"] == arm and head in row["heads"]] for arm, head in (more, less)]
    runs = [{(row["fold"], row["seed"]) for row in side} for side in sides]
    if not runs[0] or runs[0] != runs[1]:
        return None
    first, second = (hits(side, head, "student") for side, (_, head) in zip(sides, (more, less), strict=True))
    above, ci95 = paired_difference(second, first, recordings_of(given, [fold for fold, _ in runs[0]]), RESAMPLES, 0)
    return {"student_of": more[0], "head": more[1], "minus_student_of": less[0], "difference": above, "ci95": ci95}


if __name__ == "__main__":
    main()
