"""From a distilled run to a pruned one: what `tinyclap prune` does, step by step."""

import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap import prune
from tinyclap.build import describe_student
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.decoded import Decoded
from tinyclap.data.folder import folder as folder_data
from tinyclap.embeddings import class_vectors, clip_embeddings, teacher_clips, teacher_embeddings
from tinyclap.errors import TinyclapError
from tinyclap.evaluation import TEACHER_MEAN, Exam, decode_set, describe_data, grade, prepare, write_evaluation
from tinyclap.files import read_json, whole_folder, write_json
from tinyclap.latent import METHODS, LatentMap, latent_map
from tinyclap.logmels import LogMelViews
from tinyclap.recipe import load_recipe
from tinyclap.report import model_card, write_report
from tinyclap.results import SWEEP
from tinyclap.run import RUNS, check_inputs, refuse_unfinished, write_provenance
from tinyclap.schema.recipes import DistillRecipe
from tinyclap.store import write_array
from tinyclap.student import Student
from tinyclap.teachers import load_teacher
from tinyclap.teachers.base import Teacher
from tinyclap.views import Views, ViewSpec


@dataclasses.dataclass(frozen=True)
class PruneOptions:
    """How to prune.

    Attributes:
        dim: dimensions to keep.
        method: one of `latent.METHODS`.
        finetune: epochs of training the head alone afterwards, over every stored view; 0 for none.
        sweep: dimensions to measure every method at, besides.
        calibrate: folder of audio to choose the dimensions by; None for the run's own training clips.
    """

    dim: int
    method: str = METHODS[0]
    finetune: int = 0
    sweep: tuple[int, ...] = ()
    calibrate: str | None = None


def prune_run(run: Path, options: PruneOptions, out: Path | None = None) -> Path:
    """Prune a finished distillation into a run folder of its own, which is evaluated and reported like any other.

    Args:
        run: of `tinyclap distill` or of an earlier `tinyclap prune`; it is left as it is.
        options: how to prune.
        out: the new run folder; None for runs/<name>-<method>-<dim>.

    Returns:
        The new run folder.

    Raises:
        TinyclapError: no finished distillation, dimensions that are not below the student's, a folder that is taken,
            or calibration data that cannot be used. Nothing is written then.
    """
    began = time.perf_counter()
    recipe = load_recipe(run / "recipe.yaml")
    if recipe.task != "distill":
        raise TinyclapError(f"{run} made a teacher; prune the run of a student (`tinyclap distill`)")
    refuse_unfinished(run, recipe.task)
    target = out or RUNS / f"{run.resolve().name}-{options.method}-{options.dim}"
    if target.exists():
        raise TinyclapError(f"{target} exists already and is left as it is; choose another run folder with --out DIR")
    student = Student.from_pretrained(run / "student")
    _check_dims(options, student.embed_dim)
    teacher = load_teacher(recipe.teacher.kind, recipe.teacher.source)
    check_inputs(run, {"teacher": teacher.fingerprint})
    heard = _calibration(options, recipe, student)
    calibrated = clip_embeddings(student.embed_audio, heard, progress="student listens")
    calibrated = calibrated[np.linalg.norm(calibrated, axis=1) > 0]
    exam = recipe.data.test and prepare(recipe.data.test, recipe, teacher, student.sample_rate)
    taught = training_material(recipe, student, teacher) if options.finetune else None

    def make(method: str, dim: int) -> LatentMap:
        return latent_map(method, dim, calibrated, seed=recipe.seed)

    def trained(made: LatentMap) -> Student:
        pruned = prune.prune(student, made)
        return prune.finetune(pruned, taught, options.finetune, seed=recipe.seed) if taught else pruned

    pruned = trained(make(options.method, options.dim))
    rows = _sweep(options, exam, student, teacher, make, trained) if exam and options.sweep else []
    told = {
        "from": str(run),
        "method": options.method,
        "dim": options.dim,
        "full_dim": student.embed_dim,
        "calibration_clips": len(calibrated),
        "calibration": options.calibrate or describe_data(recipe.data.train),
        "finetune_epochs": options.finetune,
    }
    mean = _mean(recipe, teacher, pruned)
    evaluation = grade(exam, teacher, pruned, mean=mean) if exam else None
    summary = read_json(run / "summary.json", {}) | {
        "student": describe_student(pruned),
        "pruned": told,
        "wall_s": time.perf_counter() - began,
    }
    with whole_folder(target) as new:
        for name in ("recipe.yaml", "metrics.jsonl"):
            if (run / name).is_file():
                shutil.copyfile(run / name, new / name)
        inputs = read_json(run / "env.json", {}).get("inputs") or {}
        write_provenance(new, recipe.seed, inputs)
        write_array(new / TEACHER_MEAN, mean)
        card = model_card(summary, evaluation, teacher_is_local=Path(recipe.teacher.source).exists())
        pruned.save_pretrained(new / "student", card)
        if rows:
            write_json(new / SWEEP, {"pruned_from": str(run), "data": describe_data(recipe.data.test), "rows": rows})
        if evaluation is not None:
            write_evaluation(new, evaluation, evaluation["data"])
        write_json(new / "summary.json", summary)
    write_report(target)
    return target


def _check_dims(options: PruneOptions, width: int) -> None:
    if options.method not in METHODS:
        raise TinyclapError(f"--method {options.method}: allowed: {', '.join(METHODS)}")
    if options.finetune < 0:
        raise TinyclapError(f"--finetune {options.finetune}: allowed: 0 or more epochs")
    if not 1 <= options.dim < width:
        raise TinyclapError(f"--dim {options.dim}: the student has {width} dimensions; allowed: 1 to {width - 1}")
    wrong = [dim for dim in options.sweep if not 1 <= dim <= width]
    if wrong:
        raise TinyclapError(f"--sweep {wrong[0]}: the student has {width} dimensions; allowed: 1 to {width}")


def _calibration(options: PruneOptions, recipe: DistillRecipe, student: Student) -> Decoded:
    train: Dataset = folder_data(options.calibrate) if options.calibrate else build_dataset(recipe.data.train)
    return decode_set(train, student.sample_rate, recipe.data)


def _views(recipe: DistillRecipe, sample_rate: int) -> Views:
    """The views of the run's training."""
    spec = ViewSpec(**recipe.views.model_dump(exclude={"seed"}))
    return Views(decode_set(build_dataset(recipe.data.train), sample_rate, recipe.data), spec, recipe.views.seed)


def training_material(recipe: DistillRecipe, student: Student, teacher: Teacher) -> prune.Material:
    """What the head of a run's student can be trained on again: its own training's views, from the store."""
    stored = teacher_embeddings(teacher, _views(recipe, teacher.sample_rate))
    views = LogMelViews(_views(recipe, student.sample_rate), student.frontend)
    training = recipe.training
    return prune.material(student, views, stored.embeddings, training.loss, training.plain_weight)


def _mean(recipe: DistillRecipe, teacher: Teacher, pruned: Student) -> np.ndarray:
    """The teacher's mean embedding over the training clips, in the pruned student's space (dim,)."""
    clips = teacher_clips(teacher, decode_set(build_dataset(recipe.data.train), teacher.sample_rate, recipe.data))
    clips = clips[np.linalg.norm(clips, axis=1) > 0]
    assert pruned.latent_map is not None
    mean: np.ndarray = pruned.latent_map.apply(clips).mean(0)
    return mean


def _sweep(
    options: PruneOptions, exam: Exam, student: Student, teacher: Teacher, make: Any, trained: Any
) -> list[dict[str, Any]]:
    """The sweep on the run's test clips."""
    usable, labels = exam.usable, exam.dataset.labels

    def classes(made: LatentMap | None) -> np.ndarray:
        earlier = student.latent_map
        whole = made if earlier is None or made is None else made.after(earlier)
        return class_vectors(teacher, labels, exam.prompts, whole or earlier)

    def listen(model: Student) -> np.ndarray:
        heard = exam.decoded[model.sample_rate]
        return clip_embeddings(model.embed_audio, heard, progress="student listens")[usable]

    trial = prune.Trial(
        listen(student),
        teacher_clips(teacher, exam.decoded[teacher.sample_rate])[usable],
        classes,
        np.array(exam.targets),
        exam.sources,
        exam.n_bootstrap,
        exam.seed,
    )
    after = (lambda made: listen(trained(made))) if options.finetune else None
    return prune.sweep(trial, make, METHODS, options.sweep, after)
