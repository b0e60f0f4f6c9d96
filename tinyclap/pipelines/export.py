"""From a finished run to a bundle, to C or to a .tflite: what `tinyclap export` does."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyclap.common.files import refuse_odd_name
from tinyclap.common.progress import silent
from tinyclap.config.schema import DistillRecipe
from tinyclap.data import build_dataset
from tinyclap.data.decoded import decode
from tinyclap.errors import TinyclapError
from tinyclap.exporters.c import write_folder
from tinyclap.exporters.c.report import CReport
from tinyclap.exporters.c.source import Labels
from tinyclap.exporters.calibration import CalibrationSet, words_of_label
from tinyclap.exporters.options import ExportOptions
from tinyclap.exporters.tflite import write_file
from tinyclap.exporters.tflite.report import TfliteReport
from tinyclap.exporters.write_bundle import Exporter, refuse_taken
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent
from tinyclap.pipelines.distilled_run import head_of, load_distilled_run
from tinyclap.runs.folder import BUNDLE_FOLDER
from tinyclap.runs.results import SWEEP, TEXT_STUDENT, read_result
from tinyclap.runtime.bundle_contents import Manifest
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.stored_embeddings import class_vectors


def export_run(
    run: Path,
    out: Path | None = None,
    *,
    labels: tuple[str, ...] | None = None,
    prompts: tuple[str, ...] | None = None,
    words: Path | None = None,
    head: str | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] = silent,
    **options: Any,
) -> Manifest:
    """Export the student of a finished distillation.

    Args:
        run: its folder.
        out: of the bundle; None for `bundle` in the run folder.
        labels: of the label table; None for the classes of the run's test set.
        prompts: templates with {} for labels, which the bundle keeps; None for those that the run is evaluated with.
        words: another run or folder with a text student of the same teacher, for the text side; None for the run's own
            or, without one, the teacher's text tower.
        head: of a run with several teachers the only one to export, as an ordinary bundle of its teacher; None for the
            bundle of all.
        overwrite: replace the bundle that is there.
        progress: called with a line on each step.
        **options: further fields of `ExportOptions`.

    Raises:
        TinyclapError: no finished distillation, or the folder is taken.
        GateError: the graphs do not compute what the student computes; nothing is written.
    """
    folder = bundle_folder(run, head) if out is None else out
    refuse_odd_name(folder)
    refuse_taken(folder, overwrite)
    if words is not None:
        options["text"] = True
    chosen = ExportOptions(labels=labels or (), **options)  # refuses what does not fit before anything is loaded
    recipe, student, teacher, sounds = _loaded(run, head, progress)
    name = recipe.name if head is None else f"{recipe.name}-{head}"
    if labels is None:
        chosen = dataclasses.replace(chosen, labels=sounds.labels)
    templates = _templates(prompts, recipe, teacher)
    sweep = read_result(run, SWEEP).get("rows") or []
    own = _text_student(run, words, teacher, head) if chosen.text else None
    exporter = Exporter(student, teacher, sounds, chosen, name, templates, sweep, own, progress)
    return exporter.write(folder, overwrite=overwrite)


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
    recipe, student, teacher, sounds = _loaded(run, head, progress)
    names = sounds.labels if labels is None else labels
    templates = _templates(prompts, recipe, teacher)
    words_of = functools.partial(words_of_label, sounds)
    vectors = class_vectors(teacher, names, templates, student.latent_map, words_of) if names else None
    return Materials(student, sounds, Labels(tuple(names), vectors, teacher.logit_scale), recipe.name, teacher.licence)


def _loaded(
    run: Path, head: str | None, progress: Callable[[str], None]
) -> tuple[DistillRecipe, Student, Teacher, CalibrationSet]:
    """Recipe, student and teacher of a finished distillation, or of one of its heads, and its clips."""
    progress("loading the student, its teacher and its clips")
    finished = load_distilled_run(run, "export")
    student, teacher = finished.student, finished.teacher
    if head is not None:
        one = head_of(run, head, teacher, student)
        student, teacher = one.student, one.teacher
    return finished.recipe, student, teacher, run_sounds(finished.recipe, student.sample_rate)


def _templates(prompts: tuple[str, ...] | None, recipe: DistillRecipe, teacher: Teacher) -> tuple[str, ...]:
    return prompts or tuple(recipe.evaluate.prompts or teacher.prompts)


def run_sounds(recipe: DistillRecipe, sample_rate: int) -> CalibrationSet:
    """The clips of a run, decoded."""
    train = decode(build_dataset(recipe.data.train), sample_rate, **recipe.data.limits)
    if not recipe.data.test:
        return CalibrationSet(train)
    test = build_dataset(recipe.data.test)
    return CalibrationSet(train, decode(test, sample_rate, **recipe.data.limits), tuple(test.labels))


def bundle_folder(run: Path, head: str | None = None) -> Path:
    """Where a run's bundle goes, or that of one of its heads."""
    return run / (BUNDLE_FOLDER if head is None else f"{BUNDLE_FOLDER}-{head}")


def _text_student(run: Path, words: Path | None, teacher: Teacher, head: str | None = None) -> TextStudent | None:
    """The text student that is named, or the run's own; None where it has none, or of a head, whose words are not its.

    Raises:
        TinyclapError: none in the folder that is named, or one of another teacher.
    """
    if head is not None and words is None:
        return None
    folder = run if words is None else words
    if (folder / TEXT_STUDENT).is_dir():
        folder = folder / TEXT_STUDENT
    elif words is None:
        return None
    student = TextStudent.from_pretrained(folder)
    if student.config.teacher != teacher.fingerprint:
        raise TinyclapError(
            f"{folder} learned the words of another teacher (fingerprint {student.config.teacher}) than {teacher.name} "
            f"({teacher.fingerprint}), so sounds and words would not meet; distil its words: tinyclap distill-text"
        )
    return student
