"""A finished distillation, opened again: what evaluating, pruning and exporting it begin with."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinyclap.config.load_recipe import load_recipe
from tinyclap.config.schema import DistillRecipe
from tinyclap.errors import TinyclapError
from tinyclap.runs.folder import check_inputs, refuse_unfinished

if TYPE_CHECKING:
    from tinyclap.models.student import Student
    from tinyclap.teachers.encoder import Teacher


@dataclass(frozen=True)
class DistilledRun:
    """A finished distillation.

    Attributes:
        recipe: it was made by.
        student: it made.
        teacher: the student learned from.
    """

    recipe: DistillRecipe
    student: "Student"
    teacher: "Teacher"


def finished_recipe(run: Path, wanted: str) -> DistillRecipe:
    """The recipe of a finished distillation.

    Args:
        run: its folder.
        wanted: what is done with it, "prune" or "export", for the message about a run that made a teacher.

    Raises:
        TinyclapError: another kind of run, or one that is not finished.
    """
    recipe = load_recipe(run / "recipe.yaml")
    if recipe.task != "distill":
        raise TinyclapError(f"{run} made a teacher; {wanted} the run of a student (`tinyclap distill`)")
    refuse_unfinished(run, recipe.task)
    return recipe


def load_distilled_run(run: Path, wanted: str) -> DistilledRun:
    """Open a finished distillation; raises as `finished_recipe` and `student_and_teacher` do."""
    recipe = finished_recipe(run, wanted)
    return DistilledRun(recipe, *student_and_teacher(run, recipe))


def student_and_teacher(run: Path, recipe: DistillRecipe) -> "tuple[Student, Teacher]":
    """Load both of a run; TinyclapError where one is missing or the teacher is not the one the student learned from."""
    from tinyclap.models.student import Student
    from tinyclap.pipelines.build import build_teacher

    teacher = build_teacher(recipe.teacher)
    check_inputs(run, {"teacher": teacher.fingerprint})
    return Student.from_pretrained(run / "student"), teacher
