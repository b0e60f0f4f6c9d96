"""A recipe of either task, run."""

from pathlib import Path
from typing import Any

from tinyclap.config.schema import PretrainRecipe, Recipe
from tinyclap.pipelines.distill import distill_run
from tinyclap.pipelines.pretrain import pretrain_run
from tinyclap.runs.folder import held


def run_recipe(recipe: Recipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """`distill_run` or `pretrain_run`, as the recipe's task says, in a folder that no other process works in."""
    with held(run):
        if isinstance(recipe, PretrainRecipe):
            return pretrain_run(recipe, run, resume=resume, overwrite=overwrite)
        return distill_run(recipe, run, resume=resume, overwrite=overwrite)
