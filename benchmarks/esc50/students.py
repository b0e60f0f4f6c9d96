"""How small a student of a tagger teacher can be, on real ESC-50; writes benchmarks/results/esc50_students.json.

    python -m benchmarks.esc50.students --root ESC-50 [--sizes 0.3M] [--folds 1 2] [--epochs 250] [--set KEY=VALUE]

Every student learns from the other folds without their labels. The recipe is esc50; `--set` changes its
settings. `history` is the student's centred cosine in training every tenth of the epochs, which shows whether it has
flattened.
"""

import itertools
import statistics
import sys
from typing import Any

from benchmarks.esc50.runs import RESULTS, SIZES, Rows, distilled, esc50_clips, runs_parser

RESULT = RESULTS / "esc50_students.json"
AVERAGED = ("teacher_accuracy", "student_accuracy", "retention", "centred_cosine", "knn10_overlap")
KEYS = ("size", "settings", "epochs", "fold", "seed")


def main() -> None:
    parser = runs_parser(__doc__, "runs/esc50_students", folds=[1, 2, 3, 5])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--set", nargs="+", default=[], dest="settings", help="overrides of the recipe")
    arguments = parser.parse_args()
    rows = Rows(RESULT, "python -m benchmarks.esc50.students --root ESC-50", KEYS)
    for size, fold, seed in itertools.product(arguments.sizes, arguments.folds, arguments.seeds):
        key = dict(zip(KEYS, (size, " ".join(arguments.settings), arguments.epochs, fold, seed), strict=True))
        if rows.has(**key):
            continue
        sets = [f"{{kind: manifest, path: {esc50_clips(arguments, fold)}}}"]
        overrides = [f"seed={seed}", f"training.epochs={arguments.epochs}", *SIZES[size], *arguments.settings]
        name = f"{size}-fold{fold}-seed{seed}-{arguments.epochs}epochs{len(arguments.settings) or ''}"
        row = key | distilled(arguments, sets, fold, overrides, arguments.work / name)
        rows.add(row)
        rows.write(summary=means(list(rows)))
        sys.stdout.write(
            f"{name}: {100 * row['student_accuracy']:.1f} % of {100 * row['teacher_accuracy']:.1f} %, "
            f"centred cosine {row['centred_cosine']:.3f}\n"
        )


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over folds and seeds, for each size, settings and length."""
    summary = []
    for key in sorted({(row["size"], row["settings"], row["epochs"]) for row in rows}):
        chosen = [row for row in rows if (row["size"], row["settings"], row["epochs"]) == key]
        summary.append(
            dict(zip(KEYS, key, strict=False))
            | {"runs": len(chosen), "folds": sorted({row["fold"] for row in chosen})}
            | {name: chosen[0][name] for name in ("parameters", "macs")}
            | {name: statistics.fmean(row[name] for row in chosen) for name in AVERAGED}
        )
    return summary


if __name__ == "__main__":
    main()
