"""Several teachers in a recipe: what may be written, and the message for everything else."""

from pathlib import Path

import pytest

from tinyclap.config.load_recipe import absent_inputs, dump, load_recipe
from tinyclap.config.teachers import HeadTeacher
from tinyclap.strict_yaml.load import ProblemsError

DATA = "data: {train: {kind: procedural}}\n"
TWO = """\
task: distill
name: two
teachers:
  - {head: sounds, teacher: {kind: hf, source: demo}}
  - {head: style, weight: 2, teacher: {kind: clsp, source: ./clsp}}
"""
WORDS = TWO.replace("task: distill", "task: distill_text")


def problems(tmp_path: Path, text: str, *overrides: str) -> list[str]:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(ProblemsError) as caught:
        load_recipe(path, overrides)
    return [problem.partition("my.yaml:")[2] or problem for problem in caught.value.problems]


def test_they_load_and_are_written_back(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(TWO + DATA)
    recipe = load_recipe(path, task="distill")
    taught_by = recipe.taught_by
    assert isinstance(taught_by, tuple)
    assert [(one.head, one.weight, one.teacher.kind) for one in taught_by] == [
        ("sounds", 1, "hf"),
        ("style", 2, "clsp"),
    ]
    assert isinstance(taught_by[0], HeadTeacher)
    assert absent_inputs(recipe) == ["teachers.1.teacher.source: ./clsp"]
    (tmp_path / "again.yaml").write_text(dump(recipe))
    assert load_recipe(tmp_path / "again.yaml") == recipe
    assert "\nteacher:" not in dump(recipe)
    assert "teachers" not in dump(load_recipe("quickstart")), "recipes of one teacher are written as they always were"


def test_words_may_be_learned_of_several(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(WORDS + "text: {sources: [{kind: file, path: mine.txt}]}\n")
    recipe = load_recipe(path, task="distill_text")
    assert isinstance(recipe.taught_by, tuple)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("teachers.0.weight=0", "teachers.0.weight: got 0, allowed: a number > 0"),
        ("teachers.1.weight=-2", "teachers.1.weight: got -2, allowed: a number > 0"),
        ("teachers.1.head=sounds", 'teachers.1.head: got "sounds" twice, allowed: another name for each'),
        (
            "teachers.1.teacher={kind: hf, source: demo}",
            "teachers.1.teacher: got that of sounds once more, allowed: another one (a larger weight",
        ),
        ("teachers=[{head: one, teacher: {kind: hf, source: demo}}]", "teachers: "),
        ("teacher={kind: hf, source: demo}", "teachers: got a list beside teacher, allowed: one of the two"),
        ("teachers=null", "teacher: missing, allowed: a section on the teacher, or several of them as a list"),
        ("teachers.0.head=a/b", "teachers.0.head: "),
        ("teachers.0.share=1", "teachers.0.share: unknown key, allowed here: head, weight, teacher"),
    ],
)
@pytest.mark.parametrize("text", [TWO + DATA, WORDS + "text: {sources: [{kind: file, path: mine.txt}]}\n"])
def test_what_is_wrong_is_named_with_what_is_allowed(tmp_path: Path, text: str, override: str, expected: str) -> None:
    (problem,) = problems(tmp_path, text, override)
    assert expected in problem
