"""Damaged recipes: each can be run, or every fault is told with its file and line, in bounded time and memory."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.support.mutations import as_json, damaged, odd, odd_value, refusable, seeds
from tinyclap.config.load_recipe import absent_inputs, dump, load_recipe, shipped_recipes
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.strict_yaml.load import ProblemsError
from tinyclap.strict_yaml.source import read_yaml

RECIPES = sorted(shipped_recipes().values())
FULL = [dump(load_recipe(path)) for path in RECIPES]  # all keys, with their defaults


def damage(text: str, rng: np.random.Generator) -> tuple[bytes, list[str]]:
    """A recipe with odd values or damaged bytes, and overrides, some of which are odd too."""
    values = read_yaml(text, "recipe").values
    content = as_json(odd(values, rng)).encode()  # which is YAML, too
    if rng.random() < 0.2:
        content = damaged(text.encode(), rng)
    overrides = []
    if rng.random() < 0.4:
        keys = re.findall(r"^ *(\w+):", text, re.MULTILINE)
        section = ("student.frontend", "student.phinet", "data.train", "training", "views")[rng.integers(5)]
        overrides.append(f"{section}.{keys[rng.integers(len(keys))]}={as_json(odd_value(rng))}")
    return content, overrides


@pytest.mark.parametrize("seed", seeds(160))
def test_a_damaged_recipe_is_read_or_every_fault_is_told(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / "my.yaml"
    content, overrides = damage(FULL[seed % len(FULL)], rng)
    path.write_bytes(content)
    with refusable(path, "override '"):
        try:
            recipe = load_recipe(path, overrides)
        except ProblemsError as error:
            for problem in error.problems:
                assert re.match(rf"{re.escape(str(path))}:(\d+|)|override '", problem), problem
                assert problem.isprintable()
            raise
        absent_inputs(recipe)
        assert load_recipe_again(recipe, tmp_path) == recipe
        if recipe.task == "distill":
            assert student_costs(recipe.student.with_embedding(512, recipe.views.longest_s)).parameters > 0


def load_recipe_again(recipe: object, folder: Path) -> object:
    """The recipe as it is read from what is written into a run folder."""
    (folder / "again.yaml").write_text(dump(recipe), encoding="utf-8")  # type: ignore[arg-type]
    return load_recipe(folder / "again.yaml")


@pytest.mark.parametrize("value", ["~nobody-is-called-so/x.pt", "x" * 5000, "a/" * 2500, r"a\0b", r"a\ud800b"])
@pytest.mark.parametrize("key", ["teacher.source", "data.train.root", "training.texts"])
def test_what_can_be_no_path_is_told_with_its_line_and_key(tmp_path: Path, key: str, value: str) -> None:
    lines = {
        "teacher.source": "demo",
        "data.train.root": "sounds",
        "training.texts": "audioset",
    } | {key: value}
    path = tmp_path / "my.yaml"
    path.write_text(
        'task: distill\nname: mine\nteacher:\n  kind: hf\n  source: "{}"\ndata:\n  train:\n    kind: folder\n'
        '    root: "{}"\ntraining:\n  texts: "{}"\n'.format(*lines.values()),
        encoding="utf-8",
    )
    line = {"teacher.source": 5, "data.train.root": 9, "training.texts": 11}[key]
    with pytest.raises(ProblemsError) as caught:
        load_recipe(path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}:{line}: {key}: got ")
    assert len(problem) < 500
