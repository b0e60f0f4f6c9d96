"""A finished distillation, opened again: what evaluating, pruning and exporting it begin with."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyclap.common.machine import shell_path
from tinyclap.config.load_recipe import load_recipe
from tinyclap.config.schema import DistillRecipe
from tinyclap.errors import TinyclapError
from tinyclap.runs.folder import check_inputs, refuse_unfinished

if TYPE_CHECKING:
    import numpy as np

    from tinyclap.models.student import Student
    from tinyclap.models.student_config import StudentConfig
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
        wanted: what is done with it, "prune" or "export", for the message about another kind of run.

    Raises:
        TinyclapError: another kind of run, or one that is not finished.
    """
    recipe = load_recipe(run / "recipe.yaml")
    if recipe.task == "distill_text":
        hint = f": tinyclap export RUN_OF_A_STUDENT --text --words {shell_path(run)}" if wanted == "export" else ""
        raise TinyclapError(f"{run} made words alone; {wanted} the run of a student (`tinyclap distill`){hint}")
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
    from tinyclap.models.hub import MAP
    from tinyclap.models.student import Student
    from tinyclap.pipelines.build import build_teacher

    teacher = build_teacher(recipe.taught_by)
    check_inputs(run, {"teacher": teacher.fingerprint})
    student = Student.from_pretrained(run / "student")
    _refuse_other_sound(run, student.config, recipe)
    width = student.latent_map.full_dim if student.latent_map else student.embed_dim
    if width != teacher.embed_dim:
        missing = "" if student.latent_map else f", and no {MAP} says how they were pruned"
        raise TinyclapError(
            f"{run / 'student'} is of {width} dimensions, its teacher {teacher.name} of {teacher.embed_dim}{missing}; "
            "copy the whole run again"
        )
    return student, teacher


@dataclass(frozen=True)
class HeadRun:
    """One head of a run, as a run of its teacher alone would have made it.

    Attributes:
        name: of the head.
        teacher: of it alone.
        student: whose embeddings are this teacher's.
        mean: of this teacher's embeddings that the student learned from, (dim,); None where it is not known.
    """

    name: str
    teacher: "Teacher"
    student: "Student"
    mean: "np.ndarray | None"

    def described(self, evaluation: dict[str, Any]) -> dict[str, Any]:
        """An evaluation of it, named so that it stands beside those of the whole."""
        return {**evaluation, "data": f"{evaluation['data']}, head {self.name}", "head": self.name}


def head_of(run: Path, name: str, teacher: "Teacher", student: "Student", mean: "np.ndarray | None" = None) -> HeadRun:
    """The head of a run that is asked for.

    Args:
        run: its folder, for messages.
        name: of the head.
        teacher, student, mean: of the run.

    Raises:
        TinyclapError: one teacher alone, a pruned student, or no head of this name.
    """
    from tinyclap.pruning.fold import one_head
    from tinyclap.teachers.joint import JointTeacher, chosen_head

    if not isinstance(teacher, JointTeacher):
        raise TinyclapError(f"{run} learned from one teacher and has no heads; leave out --head")
    number = chosen_head(teacher.heads, name, str(run))
    if student.latent_map is not None:
        raise TinyclapError(
            f"{run} is pruned, which mixed the teachers' dimensions, so it has no heads any more; leave out --head, or "
            "name the run that it was pruned from"
        )
    head = teacher.heads[number]
    own_mean = None if mean is None else mean[head.place] / head.length
    return HeadRun(name, teacher.teachers[number], one_head(student, head), own_mean)


def _refuse_other_sound(run: Path, config: "StudentConfig", recipe: DistillRecipe) -> None:
    """Raise a TinyclapError where a run's student takes other sound than its recipe says; no weight would show it."""
    trained = recipe.student.with_embedding(config.embed_dim, recipe.views.longest_s)
    pairs = {"window_s": (config.window_s, trained.window_s)}
    pairs |= {
        f"frontend.{entry.name}": (getattr(config.frontend, entry.name), getattr(trained.frontend, entry.name))
        for entry in fields(config.frontend)
    }
    for key, (found, expected) in pairs.items():
        if found != expected:
            raise TinyclapError(
                f"{run / 'student' / 'config.json'}: {key} is {found}, but the student was trained with {expected} "
                f"({run / 'recipe.yaml'}); copy the whole run again"
            )
