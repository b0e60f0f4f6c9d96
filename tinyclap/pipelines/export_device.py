"""From a finished run to what a microcontroller runs: what `tinyclap export --c` and `--tflite` do."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyclap.common.files import refuse_odd_name
from tinyclap.common.progress import silent
from tinyclap.exporters.c import write_folder
from tinyclap.exporters.c.report import CReport
from tinyclap.exporters.c.source import Labels
from tinyclap.exporters.calibration import CalibrationSet, words_of_label
from tinyclap.exporters.tflite import write_file
from tinyclap.exporters.tflite.report import TfliteReport
from tinyclap.models.student import Student
from tinyclap.pipelines.distilled_run import head_of, load_distilled_run
from tinyclap.pipelines.export import run_sounds
from tinyclap.teachers.stored_embeddings import class_vectors


def export_c(
    run: Path,
    out: Path,
    *,
    labels: tuple[str, ...] | None = None,
    prompts: tuple[str, ...] | None = None,
    head: str | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] = silent,
    **options: Any,
) -> CReport:
    """Write the student of a finished distillation as C.

    Args:
        run: its folder.
        out: of the C code.
        labels, prompts, head: as in `export_run`.
        overwrite: replace the C code that is there.
        progress: called with a line on each step.
        **options: further fields of `CExporter`: int8, hop_s, device, min_cosine, min_agreement.

    Raises:
        TinyclapError: no finished distillation, the folder is taken, or a student that C or the device cannot take.
        GateError: the code does not compute what the student computes; nothing is written.
    """
    refuse_odd_name(out)
    write_folder.refuse_taken(out, overwrite)
    made = materials(run, labels, prompts, head, progress)
    exporter = write_folder.CExporter(**vars(made), progress=progress, **options)
    return exporter.write(out, overwrite=overwrite)


def export_tflite(
    run: Path,
    out: Path,
    *,
    labels: tuple[str, ...] | None = None,
    prompts: tuple[str, ...] | None = None,
    head: str | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] = silent,
    **options: Any,
) -> TfliteReport:
    """Write the student of a finished distillation as a .tflite file in INT8.

    Args:
        run: its folder.
        out: the file, which ends in .tflite.
        labels, prompts: of the classes on which INT8 and float should agree; None for those of the run.
        head: as in `export_run`.
        overwrite: replace the file that is there.
        progress: called with a line on each step.
        **options: further fields of `TfliteExporter`: image, device, min_cosine, min_agreement.

    Raises:
        TinyclapError: no finished distillation, no `tflite-micro`, the file is taken, or a student that TensorFlow Lite
            Micro or the device cannot take.
        GateError: the file does not compute what the student computes; nothing is written.
    """
    refuse_odd_name(out)
    write_file.refuse_taken(out, overwrite)
    write_file.refuse_missing()
    made = materials(run, labels, prompts, head, progress)
    exporter = write_file.TfliteExporter(**vars(made), progress=progress, **options)
    return exporter.write(out, overwrite=overwrite)


@dataclass(frozen=True)
class Materials:
    """What both exporters take."""

    student: Student
    calibration_set: CalibrationSet
    labels: Labels
    name: str
    licence: str


def materials(
    run: Path,
    labels: tuple[str, ...] | None = None,
    prompts: tuple[str, ...] | None = None,
    head: str | None = None,
    progress: Callable[[str], None] = silent,
) -> Materials:
    """Load a finished distillation for an exporter; arguments as in `export_c`."""
    progress("loading the student, its teacher and its clips")
    finished = load_distilled_run(run, "export")
    recipe, student, teacher = finished.recipe, finished.student, finished.teacher
    if head is not None:
        one = head_of(run, head, teacher, student)
        student, teacher = one.student, one.teacher
    sounds = run_sounds(recipe, student.sample_rate)
    names = sounds.labels if labels is None else labels
    templates = prompts or tuple(recipe.evaluate.prompts or teacher.prompts)
    words_of = functools.partial(words_of_label, sounds)
    vectors = class_vectors(teacher, names, templates, student.latent_map, words_of) if names else None
    return Materials(student, sounds, Labels(tuple(names), vectors, teacher.logit_scale), recipe.name, teacher.licence)
