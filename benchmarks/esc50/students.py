"""How small a student of a tagger teacher can be, on real ESC-50; writes benchmarks/results/esc50_students.json.

    python -m benchmarks.esc50.students --root ESC-50 [--sizes 0.3M] [--folds 1 2] [--epochs 250] [--set KEY=VALUE]

Every student learns from the other folds without their labels, by recipe esc50, whose settings `--set` changes.
`--arms` adds the paper's recipe (esc10/train_baselines says which settings these are) and the same network trained from
scratch on the labels, in as many epochs. `history` is the student's centred cosine in training every tenth of the
epochs, which shows whether it has flattened.
"""

import hashlib
import itertools
import statistics
import sys
from typing import Any

from benchmarks.esc10.train_baselines import PAPER
from benchmarks.esc50.runs import (
    RESULTS,
    SIZES,
    Rows,
    distilled,
    esc50_clips,
    runs_parser,
    trained_on_labels,
)

RESULT = RESULTS / "esc50_students.json"
AVERAGED = ("teacher_accuracy", "student_accuracy", "retention", "centred_cosine", "knn10_overlap")
KEYS = ("arm", "size", "settings", "epochs", "fold", "seed")


def main() -> None:
    parser = runs_parser(__doc__, "runs/esc50_students", folds=[1, 2, 3, 5])
    parser.add_argument("--arms", nargs="+", default=["ours"], choices=["ours", "paper", "supervised"])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--set", nargs="+", default=[], dest="settings", help="overrides of the recipe")
    arguments = parser.parse_args()
    text = " ".join(arguments.settings)
    digest = f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}" if text else ""
    rows = Rows(RESULT, "python -m benchmarks.esc50.students --root ESC-50", KEYS, means)
    for arm, size, fold, seed in itertools.product(arguments.arms, arguments.sizes, arguments.folds, arguments.seeds):
        key = dict(zip(KEYS, (arm, size, " ".join(arguments.settings), arguments.epochs, fold, seed), strict=True))
        if rows.has(**key):
            continue
        sets = [f"{{kind: manifest, path: {esc50_clips(arguments, fold)}}}"]
        overrides = [f"seed={seed}", f"training.epochs={arguments.epochs}", *SIZES[size], *arguments.settings]
        name = f"{arm}-{size}-fold{fold}-seed{seed}-{arguments.epochs}epochs{digest}"
        train = trained_on_labels if arm == "supervised" else distilled
        more = PAPER if arm == "paper" else []
        row = key | train(arguments, sets, fold, [*overrides, *more], arguments.work / name)
        rows.add(row)
        sys.stdout.write(f"{name}: {100 * row['student_accuracy']:.1f} %\n")


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over folds and seeds, for each arm, size, settings and length."""
    summary = []
    for key in sorted({tuple(row[name] for name in KEYS[:4]) for row in rows}):
        chosen = [row for row in rows if tuple(row[name] for name in KEYS[:4]) == key]
        summary.append(
            dict(zip(KEYS, key, strict=False))
            | {"runs": len(chosen), "folds": sorted({row["fold"] for row in chosen})}
            | {name: chosen[0][name] for name in ("parameters", "macs") if name in chosen[0]}
            | {name: statistics.fmean(row[name] for row in chosen) for name in AVERAGED if name in chosen[0]}
        )
    return summary


if __name__ == "__main__":
    main()
