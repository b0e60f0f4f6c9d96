"""The real-audio pair on ESC-10: teachers and students by cross-validation, written to benchmarks/results/.

    python -m benchmarks.esc10.study --root data/ESC-50 [--folds 1 2 3 5] [--seeds 0 1 2]

For every fold: a teacher is pretrained on the other folds (recipe esc10_teacher); students are distilled from it on the
same clips (recipe esc10) in arms: `views`, `fixed` (every clip heard as it is, nothing else changed) and `unseen`
(views, with two classes left out of the student's training), which measures how well a student tracks its teacher on
sounds that it was never trained on. The other arms are for choosing settings: with --all-folds 1 2 3 --folds 1 2 3 they
neither train nor test on fold 5, which is the fold to report then; the results on 1 to 3 are not independent of a
choice made so. Every run is a folder under --work; what is finished is not repeated, so the script can be killed.
"""

import argparse
import csv
import io
import itertools
import json
import statistics as plain_statistics
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.esc10.runs import FIXED_VIEWS, data_overrides, made, run_folder, runs_parser, train_teacher
from tinyclap.common.files import read_json, write_json, write_text
from tinyclap.common.statistics import bootstrap_sums, interval, recording_ids, unseen_share
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings import neighbours, similarity, zero_shot
from tinyclap.models.student import Student
from tinyclap.runs.provenance import environment
from tinyclap.runs.results import TEACHER_MEAN
from tinyclap.teachers import load_teacher
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips

RESULTS = Path(__file__).parents[1] / "results"
N_BOOTSTRAP = 2000
SHORT = "training.epochs=200"
ARMS = {
    "views": [],
    "fixed": FIXED_VIEWS,
    "unseen": [],
    # For choosing settings.
    "short": [SHORT],
    "short_cosine": [SHORT, "training.loss=cosine"],
    "short_projection": [SHORT, "student.head=projection"],
    "short_mels": [SHORT, "student.pooling=mels"],
    "short_batch_16": [SHORT, "training.batch_size=16"],
    "short_16k": [SHORT, "student.frontend={}"],
}
# Two classes a fold, so that all but the last two of ESC-10's are left out once.
LEFT_OUT = {
    1: ("dog", "rain"),
    2: ("sea_waves", "rooster"),
    3: ("clock_tick", "helicopter"),
    5: ("chainsaw", "sneezing"),
}


def main() -> None:
    arguments = parse()
    rows, tracking, clips = [], [], []
    for fold in arguments.folds:
        teacher_run = train_teacher(arguments, fold)
        for arm, seed in itertools.product(arguments.arms, arguments.seeds):
            run = train_student(arguments, fold, teacher_run, arm, seed)
            if arm == "unseen":
                tracking += track(arguments, fold, seed, teacher_run, run)
            else:
                row, correct = score(arguments, fold, seed, arm, teacher_run, run)
                rows.append(row)
                clips += correct
            write_results(arguments, rows, tracking, clips, complete=False)
    write_results(arguments, rows, tracking, clips, complete=True)


def parse() -> argparse.Namespace:
    parser = runs_parser(__doc__)
    parser.add_argument("--arms", nargs="+", default=["views", "fixed", "unseen"], choices=list(ARMS))
    parser.add_argument("--name", default="esc10", help="of the result files")
    return parser.parse_args()


def train_student(arguments: argparse.Namespace, fold: int, teacher_run: Path, arm: str, seed: int) -> Path:
    overrides = [*data_overrides(arguments, fold), *ARMS[arm], f"seed={seed}", f"teacher.source={teacher_run}/teacher"]
    if arm == "unseen":
        overrides.append(f"data.train.exclude_labels=[{', '.join(LEFT_OUT[fold])}]")
    recipe = load_recipe("esc10", overrides, task="distill")
    return made(recipe, run_folder(arguments, fold, f"{arm}-{seed}"))


def embed(arguments: argparse.Namespace, teacher_run: Path, run: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All clips of the data set: teacher (N, D), student (N, D), and the class matrix (C, D)."""
    dataset = esc50(arguments.root, esc10=True)
    teacher, student = load_teacher("dual", str(teacher_run / "teacher")), Student.from_pretrained(run / "student")
    theirs = teacher_clips(teacher, decode(dataset, teacher.sample_rate))
    mine = clip_embeddings(student.embed_audio, decode(dataset, student.sample_rate), progress="student embeds")
    classes = class_vectors(teacher, dataset.labels, teacher.prompts)
    return theirs, mine, classes


def score(
    arguments: argparse.Namespace, fold: int, seed: int, arm: str, teacher_run: Path, run: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One student on its test fold: its row of results, and each clip's outcome."""
    dataset = esc50(arguments.root, esc10=True)
    theirs, mine, classes = embed(arguments, teacher_run, run)
    test = [index for index, clip in enumerate(dataset.clips) if clip.fold == fold]
    targets = [dataset.labels.index(str(dataset.clips[index].label)) for index in test]
    by_teacher = zero_shot.predict(theirs[test], classes) == targets
    by_student = zero_shot.predict(mine[test], classes) == targets
    evaluation = read_json(run / "evaluation.json", [])[0]
    summary, teacher = read_json(run / "summary.json", {}), read_json(teacher_run / "summary.json", {})
    row = {
        "fold": fold,
        "arm": arm,
        "seed": seed,
        "n_clips": len(test),
        "teacher_accuracy": float(np.mean(by_teacher)),
        "student_accuracy": float(np.mean(by_student)),
        **{key: evaluation[key] for key in ("agreement", "cosine", "centred_cosine", "knn10_overlap", "knn10_chance")},
        "trunk_parameters": summary["student"]["trunk_parameters"],
        "student_parameters": summary["student"]["parameters"],
        "teacher_parameters": summary["teacher"]["parameters"],
        "student_macs": summary["student"]["macs"],
        "teacher_macs": summary["teacher"]["macs"],
        "student_wall_s": summary["wall_s"],
        "teacher_wall_s": teacher["wall_s"],
        "data_share": data_share(run),
        "made_with": made_with(run),
    }
    outcomes = zip(test, by_teacher.tolist(), by_student.tolist(), strict=True)
    return row, [
        {
            "arm": arm,
            "seed": seed,
            "clip": index,
            "source": dataset.clips[index].source,
            "teacher": theirs,
            "student": ours,
        }
        for index, theirs, ours in outcomes
    ]


def made_with(run: Path) -> str:
    """Commit and machine of a run."""
    told = read_json(run / "env.json", {})
    return f"commit {told['commit']}, torch {told['torch']}, {told['threads']} threads of {told['cpu']}"


def data_share(run: Path) -> float:
    """Share of the training time that was spent on loading data."""
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return sum(epoch["data_seconds"] for epoch in epochs) / sum(epoch["seconds"] for epoch in epochs)


def track(arguments: argparse.Namespace, fold: int, seed: int, teacher_run: Path, run: Path) -> list[dict[str, Any]]:
    """How a student tracks its teacher on each clip of the two classes it was not trained on, among all clips."""
    dataset = esc50(arguments.root, esc10=True)
    theirs, mine, _ = embed(arguments, teacher_run, run)
    mean = np.load(run / TEACHER_MEAN)
    return [
        {
            "fold": fold,
            "seed": seed,
            "clip": index,
            "label": clip.label,
            "source": clip.source,
            "in_test_fold": clip.fold == fold,
            "cosine": similarity.mean_cosine(mine[[index]], theirs[[index]]),
            "centred_cosine": similarity.centred_cosine(mine[[index]], theirs[[index]], mean),
            "knn10_overlap": neighbours.knn_overlap(mine, theirs, np.array([index])),
        }
        for index, clip in enumerate(dataset.clips)
        if clip.label in LEFT_OUT[fold]
    ]


def write_results(
    arguments: argparse.Namespace,
    rows: list[dict[str, Any]],
    tracking: list[dict[str, Any]],
    clips: list[dict[str, Any]],
    *,
    complete: bool,
) -> None:
    keys = ("folds", "all_folds", "seeds", "arms", "name")
    asked = {key: getattr(arguments, key) for key in keys}
    given = " ".join(
        f"--{key.replace('_', '-')} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in asked.items()
    )
    result = {
        "command": f"python -m benchmarks.esc10.study --root ROOT --text TEXT {given}",
        "complete": complete,
        "collected_with": environment(seed=arguments.seeds[0]),
        **asked,
        "summary": {
            arm: summarise(arm, rows, clips) for arm in arguments.arms if any(row["arm"] == arm for row in rows)
        },
        "unseen_classes": summarise_tracking(arguments, tracking),
        "runs": rows,
    }
    write_json(RESULTS / f"{arguments.name}.json", result)
    if rows:
        with io.StringIO(newline="") as table:
            writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_text(RESULTS / f"{arguments.name}.csv", table.getvalue())


def summarise(arm: str, rows: list[dict[str, Any]], clips: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over folds and seeds, and intervals in which recordings are drawn again as wholes."""
    mine = [row for row in rows if row["arm"] == arm]
    outcomes = [clip for clip in clips if clip["arm"] == arm]
    recordings = recording_ids([clip["source"] for clip in outcomes], len(outcomes))
    columns = np.array([[1.0, clip["teacher"], clip["student"]] for clip in outcomes])
    n, teacher, student = bootstrap_sums(columns, recordings, N_BOOTSTRAP, 0).T
    totals = columns.mean(0)
    margin = unseen_share(int(recordings.max()) + 1)
    by_fold = {
        fold: [row["student_accuracy"] for row in mine if row["fold"] == fold] for fold in {r["fold"] for r in mine}
    }
    by_seed = {
        seed: [row["student_accuracy"] for row in mine if row["seed"] == seed] for seed in {r["seed"] for r in mine}
    }
    retention = float(totals[2] / totals[1])
    return {
        "n_clips": len({clip["clip"] for clip in outcomes}),
        "n_recordings": int(recordings.max()) + 1,
        "n_runs": len(mine),
        "teacher_accuracy": float(totals[1]),
        "teacher_ci95": interval(float(totals[1]), teacher / n, margin, (0.0, 1.0)),
        "student_accuracy": float(totals[2]),
        "student_ci95": interval(float(totals[2]), student / n, margin, (0.0, 1.0)),
        "retention": retention,
        "retention_ci95": interval(retention, student / teacher, margin / totals[1], (0.0, 1.0 / totals[1])),
        "student_fold_means": {str(fold): plain_statistics.mean(by_fold[fold]) for fold in sorted(by_fold)},
        "student_fold_sd": spread([plain_statistics.mean(values) for values in by_fold.values()]),
        "student_seed_sd": spread([plain_statistics.mean(values) for values in by_seed.values()]),
        **{
            key: plain_statistics.mean(row[key] for row in mine)
            for key in ("agreement", "cosine", "centred_cosine", "knn10_overlap", "knn10_chance")
        },
        "longest_student_wall_s": max(row["student_wall_s"] for row in mine),
        "longest_teacher_wall_s": max(row["teacher_wall_s"] for row in mine),
        "data_share": plain_statistics.mean(row["data_share"] for row in mine),
        "made_with": sorted({row["made_with"] for row in mine}),
    }


def spread(values: list[float]) -> float | None:
    """Standard deviation (ddof 1) of means; None for one alone."""
    return plain_statistics.stdev(values) if len(values) > 1 else None


def summarise_tracking(arguments: argparse.Namespace, tracking: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the clips of left-out classes, with intervals in which recordings are drawn again as wholes."""
    if not tracking:
        return {}
    gallery = len(esc50(arguments.root, esc10=True))
    told: dict[str, Any] = {"gallery": gallery, "knn10_chance": neighbours.knn_chance(gallery)}
    for name, teacher_heard, held_out in (
        ("all_folds", "these classes, and three quarters of these clips", False),
        ("test_fold", "these classes, but none of these clips", True),
    ):
        chosen = [row for row in tracking if row["in_test_fold"] or not held_out]
        recordings = recording_ids([row["source"] for row in chosen], len(chosen))
        part: dict[str, Any] = {
            "n_clips": len({row["clip"] for row in chosen}),
            "n_recordings": int(recordings.max()) + 1,
            "n_runs": len({(row["fold"], row["seed"]) for row in chosen}),
            "teacher_heard": teacher_heard,
        }
        for key in ("cosine", "centred_cosine", "knn10_overlap"):
            columns = np.array([[1.0, row[key]] for row in chosen])
            n, sums = bootstrap_sums(columns, recordings, N_BOOTSTRAP, 0).T
            value = float(columns[:, 1].mean())
            part |= {key: value, f"{key}_ci95": interval(value, sums / n, 0.0, (-1.0, 1.0))}
        told[name] = part
    return told


if __name__ == "__main__":
    main()
