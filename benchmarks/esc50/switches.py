"""What makes a student know sounds that it has not met: one switch of a recipe at a time, on real ESC-50.

    python -m benchmarks.esc50.switches --root ESC-50 --pool FOLDER [--rows recipe "texts 0.3"] [--folds 1 2 3]

Writes benchmarks/results/esc50_switches.json. A student of 0.13 M parameters learns from the other folds, from a folder
of other sounds, or both, without labels, always in about the same number of steps; it is tested on a fold that is there
for choosing (1 to 3).
"""

import itertools
import statistics
import sys
from typing import Any, NamedTuple

from benchmarks.esc10.runs import FIXED_VIEWS
from benchmarks.esc50.runs import RESULTS, SIZES, Rows, distilled, esc50_clips, pool_clips, runs_parser

RESULT = RESULTS / "esc50_switches.json"
KEYS = ("row", "steps", "fold", "seed")
BATCH = 64
ESC50_CLIPS, POOL_CLIPS, GENERATED_CLIPS = 1200, 4024, 1200  # about; they decide the number of epochs


class Row(NamedTuple):
    """What a student learns from: ESC-50's other folds, a share of the pool, generated sounds; and what is changed."""

    esc50: bool = True
    pool: float = 0.0
    generated: bool = False
    overrides: tuple[str, ...] = ()
    esc50_weight: float = 1.0


FEWER_VIEWS = "views.per_clip=12"  # the pool's take long to embed
ROWS = {
    "recipe": Row(),
    "paper": Row(overrides=(*FIXED_VIEWS, "training.loss=cosine", "training.ema=0")),
    "6 views": Row(overrides=("views.per_clip=6",)),
    "12 views": Row(overrides=(FEWER_VIEWS,)),
    "no mixing": Row(overrides=("views.mix=0",)),
    "no masks": Row(overrides=("views.time_mask_s=0", "views.band_mask_octaves=0")),
    "no speed": Row(overrides=("views.speed=0",)),
    "speed over an octave": Row(overrides=("views.speed=0.414",)),
    "balanced 50": Row(overrides=("training.balance_clusters=50",)),
    "texts 0.3": Row(overrides=("training.text_weight=0.3",)),
    "texts 1": Row(overrides=("training.text_weight=1",)),
    "relations 0.3": Row(overrides=("training.relational_weight=0.3",)),
    "relations 1": Row(overrides=("training.relational_weight=1",)),
    "generated too": Row(generated=True),
    "pool too": Row(pool=1.0, overrides=(FEWER_VIEWS,)),
    "pool too, half the time": Row(pool=1.0, overrides=(FEWER_VIEWS,), esc50_weight=POOL_CLIPS / ESC50_CLIPS),
    "pool alone, a quarter": Row(esc50=False, pool=0.25, overrides=(FEWER_VIEWS,)),
    "pool alone, a half": Row(esc50=False, pool=0.5, overrides=(FEWER_VIEWS,)),
    "pool alone": Row(esc50=False, pool=1.0, overrides=(FEWER_VIEWS,)),
    "pool alone, balanced 50": Row(esc50=False, pool=1.0, overrides=(FEWER_VIEWS, "training.balance_clusters=50")),
    "pool alone, texts 1": Row(esc50=False, pool=1.0, overrides=(FEWER_VIEWS, "training.text_weight=1")),
    "pool and generated": Row(esc50=False, pool=1.0, generated=True, overrides=(FEWER_VIEWS,)),
}


def main() -> None:
    parser = runs_parser(__doc__, "runs/esc50_switches", folds=[1, 2, 3])
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="ROW")
    parser.add_argument("--steps", type=int, default=1200)
    arguments = parser.parse_args()
    if not arguments.pool and any(ROWS[name].pool for name in arguments.rows):
        parser.error("--pool is needed for rows with a pool")
    rows = Rows(RESULT, "python -m benchmarks.esc50.switches --root ESC-50 --pool FOLDER", KEYS, means)
    for fold, seed, name in itertools.product(arguments.folds, arguments.seeds, arguments.rows):
        key = dict(zip(KEYS, (name, arguments.steps, fold, seed), strict=True))
        if rows.has(**key):
            continue
        row, sets, clips = ROWS[name], [], 0
        if row.esc50:
            sets.append(f"{{kind: manifest, path: {esc50_clips(arguments, fold)}, weight: {row.esc50_weight}}}")
            clips += ESC50_CLIPS
        if row.pool:
            sets.append(f"{{kind: manifest, path: {pool_clips(arguments, row.pool)}}}")
            clips += round(row.pool * POOL_CLIPS)
        if row.generated:
            sets.append(f"{{kind: procedural, n_clips: {GENERATED_CLIPS}, seed: 7}}")
            clips += GENERATED_CLIPS
        epochs = max(1, round(arguments.steps / (clips // BATCH)))
        overrides = [f"seed={seed}", f"training.epochs={epochs}", *SIZES["0.13M"], *row.overrides]
        run = arguments.work / f"{name.replace(' ', '_')}-fold{fold}-seed{seed}-{arguments.steps}steps"
        measured = key | {"epochs": epochs} | distilled(arguments, sets, fold, overrides, run)
        rows.add(measured)
        sys.stdout.write(
            f"{name} fold {fold}: {100 * measured['student_accuracy']:.1f} % of "
            f"{100 * measured['teacher_accuracy']:.1f} %, centred cosine {measured['centred_cosine']:.3f}\n"
        )
        sys.stdout.flush()


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each row over folds and seeds, and the difference to the recipe as it is on the same folds and seeds."""
    summary = []
    for name, steps in sorted({(row["row"], row["steps"]) for row in rows}):
        chosen = [row for row in rows if (row["row"], row["steps"]) == (name, steps)]
        plain = {
            (row["fold"], row["seed"]): row["student_accuracy"]
            for row in rows
            if (row["row"], row["steps"]) == ("recipe", steps)
        }
        gains = [
            row["student_accuracy"] - plain[row["fold"], row["seed"]]
            for row in chosen
            if (row["fold"], row["seed"]) in plain
        ]
        summary.append(
            {
                **{"row": name, "steps": steps, "runs": len(chosen)},
                "folds": sorted({row["fold"] for row in chosen}),
                "student_accuracy": statistics.fmean(row["student_accuracy"] for row in chosen),
                "retention": statistics.fmean(row["retention"] for row in chosen),
                "centred_cosine": statistics.fmean(row["centred_cosine"] for row in chosen),
                "gain_over_recipe": statistics.fmean(gains) if gains else None,
                "gains": gains,
            }
        )
    return summary


if __name__ == "__main__":
    main()
