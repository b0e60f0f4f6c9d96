"""Recipes: find, load with overrides, check, write back. All errors at once, each with its file and line."""

import os
import re
import shlex
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, overload

from tinyclap.config.data import one_or_more
from tinyclap.config.schema import RECIPE, DistillRecipe, DistillTextRecipe, PretrainRecipe, Recipe
from tinyclap.data.shards.addresses import expand, is_remote
from tinyclap.errors import TinyclapError
from tinyclap.runs.folder import command_of
from tinyclap.strict_yaml import load
from tinyclap.strict_yaml import source as yaml_source
from tinyclap.strict_yaml.load import ProblemsError

__all__ = [
    "DistillRecipe",
    "DistillTextRecipe",
    "PretrainRecipe",
    "Recipe",
    "absent_inputs",
    "command_of",
    "copy_recipe",
    "dump",
    "dump_for",
    "load_recipe",
    "purpose",
    "recipe_folder",
    "shipped_recipes",
]

Task = Literal["distill", "distill_text", "pretrain"]


@overload
def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe: ...
@overload
def load_recipe(source: str | Path, overrides: Sequence[str] = (), *, task: Literal["distill"]) -> DistillRecipe: ...
@overload
def load_recipe(
    source: str | Path, overrides: Sequence[str] = (), *, task: Literal["distill_text"]
) -> DistillTextRecipe: ...
@overload
def load_recipe(source: str | Path, overrides: Sequence[str] = (), *, task: Literal["pretrain"]) -> PretrainRecipe: ...
def load_recipe(source: str | Path, overrides: Sequence[str] = (), *, task: Task | None = None) -> Recipe:
    """The recipe in a file, or the shipped one of that name, with `key.sub=value` overrides applied.

    Overrides are YAML values, in order; a number names a list's entry: `data.train.0.n_clips=10`. With `task`, a
    recipe for the other task is an error.

    Raises ProblemsError with every error, each as `file:line: key: what was given, what is allowed`. Rules on several
    values of a section together are checked once each value of it is right.
    """
    path = _find(source)
    written = load.read(path, "the recipe is empty; start from a shipped one: tinyclap recipes ls")
    for text in overrides if written.values is not None else ():
        yaml_source.override(written, text)
    recipe = load.check(written, RECIPE, "recipe", "task: distill")
    if task not in (None, recipe.task):
        place = written.place(("task",))
        raise ProblemsError(
            [f'{place}: task: got "{recipe.task}", allowed: "{task}"; run: tinyclap {command_of(recipe.task)} {source}']
        )
    return recipe


def dump(recipe: Recipe) -> str:
    """The whole recipe as YAML, defaults written out; loading it gives an equal recipe.

    Of `teacher` and `teachers` only the one that is given is written.
    """
    values = RECIPE.dump_python(recipe, mode="json")
    absent = [key for key in ("teacher", "teachers") if values.get(key, "") is None]
    return yaml_source.dump_yaml(_kind_first({key: value for key, value in values.items() if key not in absent}))


def dump_for(recipe: Recipe, run: Path) -> str:
    """`dump`, or the run's own `recipe.yaml` where it means the same: one of an earlier version lacks newer keys."""
    try:
        written = (run / "recipe.yaml").read_text(encoding="utf-8")
        return written if load_recipe(run / "recipe.yaml") == recipe else dump(recipe)
    except (OSError, UnicodeDecodeError, TinyclapError):  # none, or damaged
        return dump(recipe)


def recipe_folder() -> Path:
    """Where the shipped recipes are: inside an installed wheel, or `recipes/` beside the package in a repository."""
    packaged = Path(str(resources.files("tinyclap") / "recipes"))
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Name to file of every shipped recipe, sorted by name."""
    return {path.stem: path for path in sorted(recipe_folder().glob("*.yaml"))}


def purpose(path: Path) -> str:
    """What a recipe is for: its second line, the first comment after the command that runs it."""
    lines = load.read_text(path).splitlines()
    return lines[1].lstrip("# ") if len(lines) > 1 and lines[1].startswith("#") else ""


def copy_recipe(name: str, destination: Path) -> Path:
    """Copy a shipped recipe to a file, or into a folder; its first line and `name` are the copy's. Returns the file.

    Raises TinyclapError when there is no such recipe or the file exists already.
    """
    shipped = shipped_recipes()
    if name.removesuffix(".yaml") not in shipped:
        raise TinyclapError(f"no shipped recipe is called '{name}'; there are: {', '.join(shipped) or 'none'}")
    origin = shipped[name.removesuffix(".yaml")]
    target = destination / origin.name if destination.is_dir() else destination
    if not target.parent.is_dir():
        raise TinyclapError(f"cannot copy to {target}: the folder {target.parent} does not exist; create it first")
    command, rest = origin.read_text(encoding="utf-8").split("\n", 1)
    own_name = re.sub(r"[^A-Za-z0-9._-]+", "-", target.stem).strip("._-") or origin.stem
    rest = re.sub(r"^name: .*", f"name: {own_name}", rest, count=1, flags=re.MULTILINE)
    try:
        with target.open("x", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{command.removesuffix(origin.stem)}{shlex.quote(str(target))}\n{rest}")
    except FileExistsError as error:
        raise TinyclapError(f"{target} exists already and is left as it is; give another name") from error
    return target


def absent_inputs(recipe: Recipe) -> list[str]:
    """The files and folders that a recipe names and that are not there (yet), each with its key."""
    named = [
        (f"data.{section}.{key}", getattr(part, key, None))
        for section, spec in (("train", getattr(recipe.data, "train", None)), ("test", recipe.data.test))
        for part in one_or_more(spec)
        if not getattr(part, "download", False)
        for key in ("root", "path")
    ]
    named += [
        (f"data.{section}.urls", address)
        for section, spec in (("train", getattr(recipe.data, "train", None)), ("test", recipe.data.test))
        for part in one_or_more(spec)
        if part.kind == "shards"
        for address in expand(part.patterns)
        if not is_remote(address)
    ]
    if recipe.task == "pretrain":
        named += [(f"init.{key}", path) for key, path in (recipe.init.files() if recipe.init else {}).items()]
    else:
        sections = {f"teachers.{number}.teacher": each.teacher for number, each in enumerate(recipe.teachers or ())}
        sections |= {"teacher": recipe.teacher} if recipe.teacher is not None else {}
        for place, section in sections.items():
            named += [(f"{place}.{key}", path) for key, path in section.files().items()]
        if recipe.text is not None:
            named += [(f"text.{key}", path) for key, path in recipe.text.files().items()]
    return [f"{key}: {path}" for key, path in named if path is not None and not Path(path).expanduser().exists()]


def _find(source: str | Path) -> Path:
    path, shipped = Path(source), shipped_recipes()
    if path.is_file():
        return path
    if path.name == os.fspath(source) and path.name.removesuffix(".yaml") in shipped:
        return shipped[path.name.removesuffix(".yaml")]
    reason = "it is a folder" if path.is_dir() else "there is no such file"
    raise ProblemsError(
        [f"{source}: {reason}; give a recipe file or a shipped recipe: {', '.join(shipped) or 'none found'}"]
    )


def _kind_first(value: Any) -> Any:
    if isinstance(value, list):
        return [_kind_first(item) for item in value]
    if not isinstance(value, dict):
        return value
    ordered = sorted(value.items(), key=lambda entry: entry[0] not in ("task", "kind"))
    return {key: _kind_first(inner) for key, inner in ordered}
