"""A recipe of either task, run."""

from pathlib import Path
from typing import Any

from tinyclap.config.recipes import PretrainRecipe, Recipe
from tinyclap.pipelines.distill import run_distill
from tinyclap.pipelines.pretrain import run_pretrain


def run_recipe(recipe: Recipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """`run_distill` or `run_pretrain`, as the recipe's task says."""
    if isinstance(recipe, PretrainRecipe):
        return run_pretrain(recipe, run, resume=resume, overwrite=overwrite)
    return run_distill(recipe, run, resume=resume, overwrite=overwrite)
