"""Runs of a cross-validation on ESC-10: what its scripts have in common. A run that is finished is not made again."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tinyclap.config.load_recipe import dump_for, load_recipe
from tinyclap.config.schema import Recipe
from tinyclap.data.view_spec import FIXED
from tinyclap.pipelines.run_recipe import run_recipe
from tinyclap.runs.folder import check_run

# Every clip heard as it is, in a recipe's keys; its length stays the recipe's.
FIXED_VIEWS = [
    f"views.{key}={value}" for key, value in asdict(FIXED).items() if value is not None and key != "duration_s"
]


def runs_parser(description: str | None) -> argparse.ArgumentParser:
    """A command's options on data, folds, seeds and where the runs are kept."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder in ESC-50's layout")
    parser.add_argument("--text", default="sentence-transformers/all-MiniLM-L6-v2", help="hub id or folder")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 5], help="to test on, each in turn")
    parser.add_argument("--all-folds", type=int, nargs="+", default=[1, 2, 3, 5], help="folds that there are")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("runs/esc10_benchmark"))
    return parser


def data_overrides(arguments: argparse.Namespace, fold: int) -> list[str]:
    train = [other for other in arguments.all_folds if other != fold]
    roots = [f"data.train.root={arguments.root}", f"data.test.root={arguments.root}"]
    return [*roots, f"data.train.folds={train}", f"data.test.folds=[{fold}]"]


def run_folder(arguments: argparse.Namespace, fold: int, name: str) -> Path:
    train = "-".join(str(other) for other in arguments.all_folds if other != fold)
    return Path(arguments.work) / f"train{train}_test{fold}" / name


def made(recipe: Recipe, run: Path) -> Path:
    """The finished run of a recipe, made now unless it is there; one of another recipe in its place is an error."""
    check_run(run, dump_for(recipe, run), resume=True)
    if not (run / "summary.json").is_file():
        run_recipe(recipe, run, resume=True)
    return run


def train_teacher(
    arguments: argparse.Namespace,
    fold: int,
    folder: str = "teacher",
    recipe: str = "esc10_teacher",
    further: Sequence[str] = (),
) -> Path:
    overrides = [*data_overrides(arguments, fold), f"text.source={arguments.text}", *further]
    return made(load_recipe(recipe, overrides, task="pretrain"), run_folder(arguments, fold, folder))


def search_parser(purpose: str | None) -> argparse.ArgumentParser:
    """The options of the scripts that search on folds 1-3."""
    parser = argparse.ArgumentParser(description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50's layout")
    parser.add_argument("--teacher", required=True, help="a teacher pretrained on folds 1-3")
    parser.add_argument("--work", type=Path, required=True)
    return parser
