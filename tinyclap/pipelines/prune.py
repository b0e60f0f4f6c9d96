"""From a distilled run to a pruned one: what `tinyclap prune` does, step by step."""

import dataclasses
import shutil
import time
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.files import whole_folder, write_array, write_json
from tinyclap.config.data import describe_data
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.data.folder import folder as folder_data
from tinyclap.embeddings.latent_map import METHODS, LatentMap, latent_map
from tinyclap.evaluation.zero_shot import ZeroShotTask
from tinyclap.models.student import Student
from tinyclap.pipelines.build import build_distillation_set, describe_student
from tinyclap.pipelines.distilled_run import DistilledRun, load_distilled_run
from tinyclap.pipelines.prune_options import PruneOptions, new_run
from tinyclap.pipelines.scoring import zero_shot_task
from tinyclap.pruning import finetune, fold, sweep
from tinyclap.reports.model_cards import model_card
from tinyclap.reports.run_report import write_report
from tinyclap.runs.provenance import write_provenance
from tinyclap.runs.results import (
    SWEEP,
    TEACHER_MEAN,
    TEXT_METRICS,
    TEXT_RESULT,
    TEXT_STUDENT,
    read_result,
    write_evaluation,
)
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips
from tinyclap.training.distill import teacher_mean
from tinyclap.training.distillation_set import stored_targets


def prune_run(run: Path, options: PruneOptions, out: Path | None = None) -> Path:
    """Prune a finished distillation into a run folder of its own, which is evaluated and reported like any other.

    Args:
        run: of `tinyclap distill` or of an earlier `tinyclap prune`; it is left as it is.
        options: how to prune.
        out: the new run folder; None for runs/<name>-<method>-<dim>.

    Returns:
        The new run folder.

    Raises:
        TinyclapError: what `new_run` refuses, classes that cannot be told apart any more, or calibration data that
            cannot be used. Nothing is written then.
    """
    began = time.perf_counter()
    target = new_run(run, options, out)
    finished = load_distilled_run(run, "prune")
    recipe, student, teacher = finished.recipe, finished.student, finished.teacher
    pruning = _Pruning(finished, options, build_dataset(recipe.data.train))
    task = recipe.data.test and zero_shot_task(recipe.data.test, recipe, teacher, student.sample_rate)
    pruned = pruning.pruned(pruning.latent_map(options.method, options.dim))
    rows = pruning.sweep(task) if task and options.sweep else []
    mean = pruning.teacher_mean(pruned)
    evaluation = task.evaluate(teacher, pruned, mean=mean) if task else None
    summary = read_result(run, "summary.json") | {
        "student": describe_student(pruned),
        "pruned": pruning.summary(run),
        "wall_s": time.perf_counter() - began,
    }
    with whole_folder(target) as new:
        for name in ("recipe.yaml", "metrics.jsonl", TEXT_RESULT):
            if (run / name).is_file():
                shutil.copyfile(run / name, new / name)
        if (run / TEXT_STUDENT).is_dir():  # its words stay the teacher's, and are mapped with its text side
            shutil.copytree(run / TEXT_STUDENT, new / TEXT_STUDENT)
            if (run / TEXT_METRICS).is_file():
                shutil.copyfile(run / TEXT_METRICS, new / TEXT_METRICS)
        inputs = read_result(run, "env.json").get("inputs") or {}
        write_provenance(new, recipe.seed, inputs)
        write_array(new / TEACHER_MEAN, mean)
        own = (new / TEXT_STUDENT).is_dir()
        card = model_card(summary, evaluation, teacher_is_local=recipe.teacher_is_local, own_words=own)
        pruned.save_pretrained(new / "student", card)
        if rows:
            write_json(new / SWEEP, {"pruned_from": str(run), "data": describe_data(recipe.data.test), "rows": rows})
        if evaluation is not None:
            write_evaluation(new, evaluation, evaluation["data"])
        write_json(new / "summary.json", summary)
    write_report(target)
    return target


@dataclasses.dataclass(frozen=True)
class _Pruning:
    """A finished distillation, and how it is to be pruned."""

    finished: DistilledRun
    options: PruneOptions
    train: Dataset

    @cached_property
    def calibrated(self) -> np.ndarray:
        """The student's embeddings of the sounds that dimensions are chosen by (N, embed_dim)."""
        sounds: Dataset = folder_data(self.options.calibrate) if self.options.calibrate else self.train
        student = self.finished.student
        decoded = decode(sounds, student.sample_rate, **self.finished.recipe.data.limits)
        embeddings = _usable(clip_embeddings(student.embed_audio, decoded, progress="student embeds"))
        if len(embeddings) < self.options.dim:
            warnings.warn(
                f"{len(embeddings)} clips choose {self.options.dim} dimensions: too few to tell which ones matter; "
                "calibrate on at least as many clips, of all kinds of sounds",
                stacklevel=2,
            )
        return embeddings

    @cached_property
    def head_training_set(self) -> finetune.HeadTrainingSet:
        """What heads are trained on again."""
        return head_training_set(self.finished, self.train)

    def latent_map(self, method: str, dim: int) -> LatentMap:
        """A map from the student's space."""
        return latent_map(method, dim, self.calibrated, seed=self.finished.recipe.seed)

    def pruned(self, made: LatentMap) -> Student:
        """The student behind a map, its head trained again if that is asked for."""
        pruned = fold.prune(self.finished.student, made)
        if not self.options.finetune:
            return pruned
        return finetune.finetune(pruned, self.head_training_set, self.options.finetune, seed=self.finished.recipe.seed)

    def teacher_mean(self, pruned: Student) -> np.ndarray:
        """The teacher's mean embedding of what the student learned from, in the pruned student's space (dim,).

        Its views as the training stored them; where they are not stored any more, of the clips as they are.
        """
        teacher, recipe = self.finished.teacher, self.finished.recipe
        embeddings = stored_targets(self.train, teacher, recipe.views, **recipe.data.limits)
        if embeddings is None:
            decoded = decode(self.train, teacher.sample_rate, **recipe.data.limits)
            embeddings = _usable(teacher_clips(teacher, decoded))
        return teacher_mean(embeddings, pruned.latent_map)

    def sweep(self, task: ZeroShotTask) -> list[dict[str, Any]]:
        """Every method at every dimension asked for, on the run's test clips."""
        student, teacher = self.finished.student, self.finished.teacher

        def classes(made: LatentMap | None) -> np.ndarray:
            earlier = student.latent_map
            whole = made if earlier is None or made is None else made.after(earlier)
            return class_vectors(teacher, task.dataset.labels, task.prompts, whole or earlier)

        protocol = sweep.SweepProtocol(
            task.student_clips(student),
            teacher_clips(teacher, task.teacher_clips)[task.usable],
            classes,
            np.array(task.targets),
            task.sources,
            task.n_bootstrap,
            task.seed,
        )
        after = (lambda made: task.student_clips(self.pruned(made))) if self.options.finetune else None
        return sweep.sweep(protocol, self.latent_map, METHODS, self.options.sweep, after)

    def summary(self, run: Path) -> dict[str, Any]:
        """What the new run's summary says of it."""
        return {
            "from": str(run),
            "method": self.options.method,
            "dim": self.options.dim,
            "full_dim": self.finished.student.embed_dim,
            "calibration_clips": len(self.calibrated),
            "calibration": self.options.calibrate or describe_data(self.finished.recipe.data.train),
            "calibration_folder": self.options.calibrate,
            "finetune_epochs": self.options.finetune,
        }


def head_training_set(finished: DistilledRun, train: Dataset) -> finetune.HeadTrainingSet:
    """What the head of a run's student can be trained on again: its own training's views, from the store."""
    recipe, student = finished.recipe, finished.student
    training = recipe.training
    learned = build_distillation_set(recipe, train, finished.teacher, student)
    return finetune.head_training_set(
        student, learned.inputs, learned.targets.embeddings, training.loss, training.plain_weight
    )


def _usable(embeddings: np.ndarray) -> np.ndarray:
    """Those of clips that could be decoded; the others' rows are zeros."""
    return embeddings[np.linalg.norm(embeddings, axis=1) > 0]
