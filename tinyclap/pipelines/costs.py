"""What `tinyclap costs` counts: the student of a recipe or of a run."""

from pathlib import Path

from tinyclap.config.load_recipe import load_recipe
from tinyclap.errors import TinyclapError
from tinyclap.hardware.student_shape import StudentShape
from tinyclap.reports.console.costs import DEFAULT_DIM, LONGEST_S, Counted
from tinyclap.runs.folder import find_run, newest_student
from tinyclap.workspace.bundles import named_run


def count_costs(source: str | None, duration_s: float | None = None, embed_dim: int | None = None) -> Counted:
    """The costs of a recipe's student or of a run's.

    Args:
        source: a recipe, shipped or a file, or a run folder; None for the newest run of a student.
        duration_s: length of the sound that is encoded at once; None for the student's window.
        embed_dim: dimensions: of a recipe's teacher, which the recipe does not tell (None: 512), or those that pruning
            would leave of a run's student (None: as many as it has).

    Raises:
        TinyclapError: neither of them, a recipe that makes a teacher, a run without a student, or a length or a number
            of dimensions that cannot be.
    """
    if duration_s is not None and not 0 < duration_s <= LONGEST_S:  # NaN neither
        raise TinyclapError(f"--seconds {duration_s:g}: allowed: above 0, up to {LONGEST_S:g}")
    if source is None or Path(source).is_dir():
        run = (newest_student() or find_run()) if source is None else named_run(Path(source))
        shape = StudentShape.of_run(run)
        name = str(run)
        if embed_dim is not None and embed_dim != shape.config.embed_dim:
            shape = shape.pruned(embed_dim)
            name += f", pruned to {embed_dim}"
    else:
        recipe = load_recipe(source, task="distill")
        shape = StudentShape(recipe.student.with_embedding(embed_dim or DEFAULT_DIM, recipe.views.longest_s))
        name = recipe.name if embed_dim else f"{recipe.name} (a teacher of {DEFAULT_DIM} dimensions is assumed: --dim)"
    seconds = shape.config.window_s if duration_s is None else duration_s
    return Counted(name, shape.config, seconds, shape.costs(seconds))
