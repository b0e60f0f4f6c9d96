"""A recipe of any task, run."""

from pathlib import Path
from typing import Any

from tinyclap.config.schema import DistillTextRecipe, PretrainRecipe, Recipe
from tinyclap.pipelines.distill import distill_run
from tinyclap.pipelines.distill_text import distill_text_run
from tinyclap.pipelines.pretrain import pretrain_run
from tinyclap.runs.folder import held


def run_recipe(recipe: Recipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """What the recipe's task says, in a folder that no other process works in: `distill_run` and its like."""
    with held(run):
        if isinstance(recipe, PretrainRecipe):
            return pretrain_run(recipe, run, resume=resume, overwrite=overwrite)
        if isinstance(recipe, DistillTextRecipe):
            return distill_text_run(recipe, run, resume=resume, overwrite=overwrite)
        return distill_run(recipe, run, resume=resume, overwrite=overwrite)
