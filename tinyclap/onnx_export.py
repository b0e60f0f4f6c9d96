"""From a finished run to a bundle: what `tinyclap export` does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinyclap.bundle import Manifest
from tinyclap.data import build_dataset
from tinyclap.errors import TinyclapError
from tinyclap.evaluation import decode_set
from tinyclap.export_sounds import Material
from tinyclap.exporter import Exporter, ExportOptions, refuse_taken, silent
from tinyclap.files import read_json
from tinyclap.recipe import load_recipe
from tinyclap.results import SWEEP
from tinyclap.run import refuse_unfinished
from tinyclap.student import Student
from tinyclap.teachers import load_teacher


def export_run(
    run: Path,
    out: Path | None = None,
    *,
    labels: tuple[str, ...] | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] = silent,
    **options: Any,
) -> Manifest:
    """Export the student of a finished distillation.

    Args:
        run: its folder.
        out: of the bundle; None for `bundle` in the run folder.
        labels: of the label table; None for the classes of the run's test set.
        overwrite: replace the bundle that is there.
        progress: is told what happens.
        **options: further fields of `ExportOptions`.

    Raises:
        TinyclapError: no finished distillation, or the folder is taken.
        GateError: the graphs do not compute what the student computes; nothing is written.
    """
    folder = run / "bundle" if out is None else out
    refuse_taken(folder, overwrite)
    recipe = load_recipe(run / "recipe.yaml")
    if recipe.task != "distill":
        raise TinyclapError(f"{run} made a teacher; export the run of a student (`tinyclap distill`)")
    refuse_unfinished(run, recipe.task)
    progress("loading the student, its teacher and its clips")
    student = Student.from_pretrained(run / "student")
    teacher = load_teacher(recipe.teacher.kind, recipe.teacher.source)
    train = decode_set(build_dataset(recipe.data.train), student.sample_rate, recipe.data)
    material = Material(train)
    if recipe.data.test:
        test = build_dataset(recipe.data.test)
        material = Material(train, decode_set(test, student.sample_rate, recipe.data), tuple(test.labels))
    chosen = ExportOptions(labels=material.labels if labels is None else labels, **options)
    prompts = tuple(recipe.evaluate.prompts or teacher.prompts)
    sweep = read_json(run / SWEEP, {}).get("rows", [])
    exporter = Exporter(student, teacher, material, chosen, recipe.name, prompts, sweep, progress)
    return exporter.write(folder, overwrite=overwrite)
