"""How small a student of a tagger teacher can be, on real ESC-50; writes benchmarks/results/esc50_students.json.

    python -m benchmarks.esc50.students --root ESC-50 [--pool FOLDER] [--sizes 0.3M] [--sounds both] [--folds 1]

Every student learns from unlabelled sound and is tested on a fold of ESC-50 that it has not met: clips of recordings
that the test fold holds too are left out of the training (folds 2 and 3 share two). `--sounds` names what it learns
from: the other folds (esc50), these and a folder of other sounds (both), or that folder alone (pool). The recipe is
esc50_tagger; `--epochs` changes its length. A run that is finished is not made again, and one that was stopped goes on.
`history` is the student's centred cosine in training every tenth of the epochs, which shows whether it has flattened.
"""

import argparse
import csv
import itertools
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.esc10.runs import made
from tinyclap.common.files import read_json, write_json
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data.published.esc50 import esc50
from tinyclap.runs.provenance import environment
from tinyclap.runs.results import read_run
from tinyclap.teachers.options import TaggerOptions

RESULT = Path(__file__).parents[1] / "results" / "esc50_students.json"
SIZES = {
    "0.13M": ["student.phinet.alpha=0.25", "student.phinet.t0=5", "student.features=160"],
    "0.3M": ["student.phinet.alpha=0.334", "student.phinet.t0=5", "student.features=384"],
    "0.6M": ["student.phinet.alpha=0.6", "student.phinet.t0=6", "student.features=512"],
    "1.2M": ["student.phinet.alpha=1.0", "student.phinet.t0=6", "student.features=768"],
    "published": [
        *("student.phinet.alpha=1.5", "student.phinet.beta=0.75", "student.phinet.t0=6"),
        *("student.phinet.compatibility=true", "student.features=2048", "student.head=projection"),
    ],
}
SOUNDS = ("esc50", "both", "pool")
SHARES = 10  # of the epochs, in a row's history
AVERAGED = ("teacher_accuracy", "student_accuracy", "retention", "centred_cosine", "knn10_overlap")


def main() -> None:
    arguments = parse()
    rows: list[dict[str, Any]] = []
    for size, sounds, fold, seed in itertools.product(
        arguments.sizes, arguments.sounds, arguments.folds, arguments.seeds
    ):
        rows.append(train(arguments, size, sounds, fold, seed))
        write_results(arguments, rows)
        row = rows[-1]
        sys.stdout.write(
            f"{size} {sounds} fold {fold} seed {seed}: {100 * row['student_accuracy']:.1f} % of "
            f"{100 * row['teacher_accuracy']:.1f} %, centred cosine {row['centred_cosine']:.3f}\n"
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--pool", help="a folder of other sounds, without labels")
    parser.add_argument("--audio", default=TaggerOptions.audio, help="a tagger of EfficientAT, by name or file")
    parser.add_argument("--text", default=TaggerOptions.text, help="a text encoder, by hub id or folder")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--sounds", nargs="+", default=["esc50"], choices=SOUNDS)
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 5], help="to test on, each in turn")
    parser.add_argument("--all-folds", type=int, nargs="+", default=[1, 2, 3, 5], help="folds that there are")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--work", type=Path, default=Path("runs/esc50_students"))
    given = parser.parse_args()
    if not given.pool and set(given.sounds) != {"esc50"}:
        parser.error("--pool is needed for --sounds both and pool")
    return given


def train(arguments: argparse.Namespace, size: str, sounds: str, fold: int, seed: int) -> dict[str, Any]:
    """One student's row of results."""
    parts = []
    if sounds != "pool":
        parts.append(f"{{kind: manifest, path: {training_list(arguments, fold)}}}")
    if sounds != "esc50":
        parts.append(f"{{kind: folder, root: {arguments.pool}}}")
    overrides = [
        f"teacher={{kind: tagger, audio: {arguments.audio}, text: {arguments.text}}}",
        f"data.train=[{', '.join(parts)}]",
        f"data.test={{kind: esc50, root: {arguments.root}, folds: [{fold}]}}",
        *(f"seed={seed}", f"training.epochs={arguments.epochs}"),
    ]
    recipe = load_recipe("esc50_tagger", [*overrides, *SIZES[size]], task="distill")
    run = made(recipe, arguments.work / f"{size}-{sounds}-fold{fold}-seed{seed}-{arguments.epochs}epochs")
    found = read_run(run)
    evaluation, student = found.evaluations[0], found.summary["student"]
    epochs = found.epochs
    return {
        "size": size,
        "sounds": sounds,
        "fold": fold,
        "seed": seed,
        "epochs": arguments.epochs,
        "training_clips": found.summary["clips"],
        "teacher_accuracy": evaluation["teacher"]["accuracy"],
        "student_accuracy": evaluation["student"]["accuracy"],
        "student_ci95": evaluation["student"]["ci95"],
        **{key: evaluation[key] for key in ("retention", "centred_cosine", "knn10_overlap", "n_clips")},
        "parameters": student["parameters"],
        "macs": student["macs"],
        "history": [epochs[len(epochs) * share // SHARES - 1]["centred_cosine"] for share in range(1, SHARES + 1)],
        "made_with": read_json(run / "env.json", {}).get("commit"),
    }


def training_list(arguments: argparse.Namespace, fold: int) -> Path:
    """A manifest of the other folds' clips, without those whose recording the test fold holds too."""
    clips = esc50(arguments.root).clips
    met = {clip.source for clip in clips if clip.fold == fold}
    path = arguments.work / f"train-without-fold{fold}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["path", "fold", "source"])
        for clip in clips:
            if clip.fold in arguments.all_folds and clip.fold != fold and clip.source not in met:
                assert clip.path is not None
                table.writerow([clip.path.resolve(), clip.fold, clip.source])
    return Path(path)


def write_results(arguments: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """The rows so far, and their means over folds and seeds."""
    summary = {}
    for size, sounds in itertools.product(arguments.sizes, arguments.sounds):
        chosen = [row for row in rows if (row["size"], row["sounds"]) == (size, sounds)]
        if chosen:
            means = {key: statistics.fmean(row[key] for row in chosen) for key in AVERAGED}
            counts = {"runs": len(chosen), "folds": sorted({row["fold"] for row in chosen})}
            summary[f"{size} {sounds}"] = means | counts | {key: chosen[0][key] for key in ("parameters", "macs")}
    wanted = len(arguments.sizes) * len(arguments.sounds) * len(arguments.folds) * len(arguments.seeds)
    result = {
        "command": "python -m benchmarks.esc50.students --root ESC-50",
        "environment": environment(seed=0),
        "complete": len(rows) == wanted,
        "rows": rows,
        "summary": summary,
    }
    write_json(RESULT, result)


if __name__ == "__main__":
    main()
