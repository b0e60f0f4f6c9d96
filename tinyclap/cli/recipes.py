"""`tinyclap recipes`: what is shipped, a copy to edit, and whether recipes are right."""

from pathlib import Path
from typing import Annotated

import typer

from tinyclap.cli.groups import group

recipes = group("List, copy and check recipes.")


@recipes.command("ls")
def recipes_ls() -> None:
    """List the shipped recipes and what each is for."""
    from tinyclap.config.load_recipe import purpose, shipped_recipes

    shipped = shipped_recipes()
    width = max(map(len, shipped), default=0)
    for name, path in shipped.items():
        typer.echo(f"{name:<{width}}  {purpose(path)}")


@recipes.command("cp")
def recipes_cp(
    name: Annotated[str, typer.Argument(help="A shipped recipe, see `tinyclap recipes ls`.")],
    destination: Annotated[Path, typer.Argument(help="File or folder to copy to.")] = Path("."),
) -> None:
    """Copy a shipped recipe to edit it; no file is overwritten."""
    from tinyclap.config.load_recipe import copy_recipe

    target = copy_recipe(name, destination)
    typer.echo(str(target))


@recipes.command("check")
def recipes_check(
    arguments: Annotated[
        list[str], typer.Argument(metavar="FILE [KEY=VALUE]", help="Recipes, and overrides to check them with.")
    ],
) -> None:
    """Check recipes: OK, or every error with its line.

    With overrides, if there are any; the exit code of errors is 2.
    """
    from tinyclap.common.files import is_file
    from tinyclap.config.load_recipe import absent_inputs, load_recipe
    from tinyclap.strict_yaml.load import ProblemsError

    files = [argument for argument in arguments if "=" not in argument or is_file(Path(argument))]
    overrides = [argument for argument in arguments if argument not in files]
    if not files:
        raise typer.BadParameter("give at least one recipe file or shipped recipe")
    problems: list[str] = []
    for file in files:
        try:
            recipe = load_recipe(file, overrides)
        except ProblemsError as error:
            problems += error.problems
        else:
            typer.echo(f"{file}: OK ({recipe.task})")
            for absent in absent_inputs(recipe):
                typer.echo(f"{file}: not there yet: {absent}", err=True)
    if problems:
        raise ProblemsError(problems)
