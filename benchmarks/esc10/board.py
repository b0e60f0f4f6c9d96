"""A student for a board, beside one without limits; writes benchmarks/results/board.json.

    python -m benchmarks.esc10.board --root DATA/ESC-10 --teacher TEACHER --work runs/board --unconstrained RUN

`tinyclap search --device` chooses on folds 1-3 (see search.py); the choice is distilled there by the recipe,
pruned to the dimensions that it asks for, exported with INT8 and a graph of fixed shape, and classifies fold 5 from its
files by the INT8 graph, as a device would. The student without limits is a finished distillation of the same folds; its
float graph answers beside. Everything is kept in --work; the same command goes on after an interruption.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.esc10.runs import search_parser
from tinyclap import Bundle
from tinyclap.common.files import write_json
from tinyclap.common.numbers import parse_count
from tinyclap.common.statistics import paired_comparison, recording_ids
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data import build_dataset
from tinyclap.hardware.budget import Budget
from tinyclap.hardware.devices import load_device
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig
from tinyclap.pipelines.export import export_run
from tinyclap.pipelines.prune import prune_run
from tinyclap.pipelines.prune_options import PruneOptions
from tinyclap.pipelines.run_recipe import run_recipe
from tinyclap.pipelines.search import search_run
from tinyclap.runs.provenance import environment
from tinyclap.scaling.design_space import describe
from tinyclap.scaling.options import CHOSEN, RESULT, SearchOptions

RESULTS = Path(__file__).parents[1] / "results"
N_BOOTSTRAP = 2000


def main() -> None:
    parser = search_parser(__doc__)
    parser.add_argument("--unconstrained", type=Path, required=True, help="a finished distillation on folds 1-3")
    parser.add_argument("--device", default="stm32h743")
    parser.add_argument("--max-macs", default="20M", help="of a window")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=24, help="of a trial")
    given = parser.parse_args()
    device = load_device(given.device)
    budget = Budget.of_device(device, macs=parse_count(given.max_macs))
    run = made(given, budget)
    best = json.loads((given.work / "search" / RESULT).read_text(encoding="utf-8"))["trials"][0]
    chosen = StudentConfig.from_dict(best["student"])
    costs = budget.measure(student_costs(chosen))
    folder = given.work / "bundle"
    manifest = export_run(run, folder, int8=True, input="logmel", static_s=chosen.window_s, overwrite=True)
    ours, theirs, sources = answers(run, folder, "int8"), *unconstrained(given.unconstrained)
    floats = answers(run, folder, "float")
    recordings = recording_ids(sources, len(sources))
    compared = paired_comparison(np.array(theirs), np.array(ours), recordings, N_BOOTSTRAP, 0)
    result = {
        "command": "python -m benchmarks.esc10.board --root ROOT --teacher TEACHER --work WORK --unconstrained RUN",
        "environment": environment(seed=0),
        "device": device.title,
        "budget": budget.limits,
        "student": describe(chosen),
        "costs": costs,
        "files_bytes": {name: facts["size_bytes"] for name, facts in manifest.graphs.items()},
        "n_clips": len(ours),
        "n_recordings": int(recordings.max()) + 1,
        "int8_accuracy": float(np.mean(ours)),
        "float_accuracy": float(np.mean(floats)),
        "unconstrained_accuracy": float(np.mean(theirs)),
        "int8_minus_unconstrained": compared["difference"],
        "int8_minus_unconstrained_ci95": compared["difference_ci95"],
        "unconstrained_costs": budget.measure(
            student_costs(Student.from_pretrained(given.unconstrained / "student").config)
        ),
        "evaluation": json.loads((run / "evaluation.json").read_text(encoding="utf-8"))[0]["student"],
    }
    write_json(RESULTS / "board.json", result)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def made(given: argparse.Namespace, budget: Budget) -> Path:
    """Search, distil in full, prune if the choice asks for it: the run folder."""
    data = [f"data.{part}={{kind: esc50, root: {given.root}, esc10: true, folds: {folds}}}" for part, folds in SPLIT]
    recipe = load_recipe("esc10", [*data, f"teacher.source={given.teacher}"], task="distill")
    result = search_run(recipe, budget, SearchOptions(given.trials, given.epochs), 8, given.work / "search")
    whole, dim = given.work / "whole", result["trials"][0]["student"]["embed_dim"]
    if not (whole / "summary.json").is_file():
        chosen = load_recipe(given.work / "search" / CHOSEN, task="distill")
        run_recipe(chosen, whole, resume=whole.exists())
    if dim == result["full_dim"]:
        return whole
    pruned = given.work / "pruned"
    return pruned if pruned.exists() else prune_run(whole, PruneOptions(dim), pruned)


SPLIT = (("train", "[1, 2, 3]"), ("test", "[5]"))


def answers(run: Path, bundle: Path, graph: Any) -> list[bool]:
    """Which test clips of a run a bundle's graph names rightly."""
    test = build_dataset(load_recipe(run / "recipe.yaml").data.test)  # type: ignore[arg-type]
    named = Bundle.load(bundle, graph=graph).classify([clip.path for clip in test.clips if clip.path], top_k=1)
    return [best[0].label == clip.label for best, clip in zip(named, test.clips, strict=True)]


def unconstrained(run: Path) -> tuple[list[bool], list[str | None]]:
    """What the other student answers by its float graph, and the recordings of the clips."""
    test = build_dataset(load_recipe(run / "recipe.yaml").data.test)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        export_run(run, Path(folder) / "bundle", input="logmel")
        return answers(run, Path(folder) / "bundle", "float"), [clip.source for clip in test.clips]


if __name__ == "__main__":
    main()
