"""A student of its teacher's own shape: does distillation lose anything? Writes results/self_distillation.json.

    python -m benchmarks.esc10.self_distillation --root ESC-50 [--folds 1 2 3 5] [--seeds 0] [--teachers runs/study]

The first experiment that the founding page on tinyCLAP asks for. For every fold: the teacher of recipe esc10_teacher; a
student of recipe self_distillation, whose network and front end are the teacher's and whose weights begin at random;
both on the fold that neither was trained on. The bar is 99.5 % of the teacher's accuracy. Exit code 1 below it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.esc10.runs import data_overrides, made, run_folder, runs_parser, train_teacher
from benchmarks.esc10.study import RESULTS, score, summarise
from tinyclap.common.files import write_json
from tinyclap.config.load_recipe import load_recipe
from tinyclap.runs.provenance import environment

BAR = 0.995
ARM = "self"


def main() -> None:
    arguments = parse()
    rows: list[dict[str, Any]] = []
    clips: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    for seed in arguments.seeds:
        for fold in arguments.folds:
            row, correct = one(arguments, fold, seed)
            rows.append(row)
            clips += correct
            found = {"bar": BAR, "reached": False} | summarise(ARM, rows, clips)
            found["reached"] = found["retention"] >= BAR
            given = {key: getattr(arguments, key) for key in ("folds", "all_folds", "seeds")}
            write_json(
                RESULTS / "self_distillation.json",
                {
                    "command": "python -m benchmarks.esc10.self_distillation --root ESC-50",
                    "complete": len(rows) == len(arguments.seeds) * len(arguments.folds),
                    "collected_with": environment(seed=seed),
                    **given,
                    "summary": found,
                    "runs": rows,
                },
            )
            sys.stdout.write(
                f"fold {fold}, seed {seed}: {row['student_accuracy']:.3f} of {row['teacher_accuracy']:.3f}\n"
            )
    sys.exit(0 if found["reached"] else 1)


def parse() -> argparse.Namespace:
    parser = runs_parser(__doc__)
    parser.add_argument(
        "--teachers", type=Path, help="finished runs of esc10/study or esc10/robustness; none: made here"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="other settings of the recipe")
    parser.set_defaults(seeds=[0])
    return parser.parse_args()


def one(arguments: argparse.Namespace, fold: int, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A fold's row of results, and each of its clips' outcome."""
    if arguments.teachers:
        teacher_run = arguments.teachers / run_folder(arguments, fold, "teacher").relative_to(arguments.work)
    else:
        teacher_run = train_teacher(arguments, fold)
    overrides = [*data_overrides(arguments, fold), *arguments.set, f"seed={seed}"]
    recipe = load_recipe("self_distillation", [*overrides, f"teacher.source={teacher_run / 'teacher'}"], task="distill")
    run = made(recipe, run_folder(arguments, fold, f"{ARM}-{seed}"))
    return score(arguments, fold, seed, ARM, teacher_run, run)


if __name__ == "__main__":
    main()
