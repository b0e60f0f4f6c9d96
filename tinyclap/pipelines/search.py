"""From a recipe and a budget to a ranked list of students and the recipe that trains the best: `tinyclap search`."""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.common.files import read_json, write_json, write_text
from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import known
from tinyclap.common.progress import silent
from tinyclap.config.data import describe_data
from tinyclap.config.load_recipe import dump, load_recipe
from tinyclap.config.schema import DistillRecipe
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.embeddings import similarity
from tinyclap.embeddings.latent_map import LatentMap, latent_map
from tinyclap.errors import TinyclapError
from tinyclap.hardware.budget import Budget
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig
from tinyclap.pipelines.build import anchor_texts, build_distillation_set, build_teacher
from tinyclap.pipelines.prune import prune_run
from tinyclap.pipelines.prune_options import PruneOptions
from tinyclap.pipelines.run_recipe import run_recipe
from tinyclap.reports.search_report import read_search, write_front
from tinyclap.runs.folder import RUNS
from tinyclap.runs.provenance import environment
from tinyclap.scaling.design_space import enumerate_space, refuse_empty, space_around
from tinyclap.scaling.options import ASKED, CHOSEN, FRONT, RESULT, STUDY, TRIALS, SearchOptions, asked, refuse_other
from tinyclap.scaling.successive_halving import Report, Stopped, Trial, search
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.joint import heads_in
from tinyclap.teachers.stored_embeddings import teacher_clips
from tinyclap.training.distill import distill, teacher_mean
from tinyclap.training.distillation_set import DistillationSet
from tinyclap.training.sampling import clip_weights

HELD_OUT = 0.2


def search_run(
    recipe: DistillRecipe,
    budget: Budget,
    options: SearchOptions,
    views: int,
    folder: Path,
    *,
    board: str | None = None,
    progress: Callable[[str], None] = silent,
) -> dict[str, Any]:
    """Search a student for a budget and write what came of it.

    A fifth of the training recordings is held out of the trials, which are ranked by the centred cosine to the teacher
    on them; the recipe's test data are not looked at.

    Args:
        recipe: its student is where the search begins: head, pooling, window, strides and front end.
        budget: for the student.
        options: how long to search.
        views: of each clip in the trials.
        folder: of the search; the same search goes on there.
        board: the microcontroller whose budget it is, by its name or file.
        progress: called with a line on each step.

    Returns:
        What search.json says.

    Raises:
        TinyclapError: a budget that nothing fits, another search's folder, or what the data raise.
    """
    refuse_other(dump(recipe), budget, options, views, folder)
    if (folder / RESULT).is_file():
        found = read_search(folder)
        if len(found["trials"]) >= options.trials:
            return found
    progress("counting the students that fit")
    teacher = build_teacher(recipe.taught_by)
    base = recipe.student.with_embedding(teacher.embed_dim, recipe.views.longest_s)
    space = space_around(base, teacher.sample_rate, teacher.embed_dim)
    feasible = enumerate_space(space, budget)
    refuse_empty(feasible, budget)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / ASKED, asked(dump(recipe), budget, options, views))
    trials = _Trials(recipe, teacher, views, options.epochs, options.rungs, folder / TRIALS)
    ranked = search(space, feasible, budget, trials.train, options, folder / STUDY, progress)
    result = {
        "budget": dataclasses.asdict(budget),
        "board": board,
        **dataclasses.asdict(options),
        "recipe": dump(recipe),
        "views": views,
        "environment": environment(recipe.seed),
        "data": describe_data(recipe.data.train),
        "students": feasible.counted,
        "fitting": len(feasible),
        "held_out_clips": len(trials.held),
        "full_dim": teacher.embed_dim,
        "window_s": base.window_s,
        "trials": [_row(trial) for trial in ranked],
    }
    write_json(folder / RESULT, result)
    write_text(folder / CHOSEN, chosen_recipe(recipe, ranked[0].config, folder / CHOSEN, teacher.embed_dim))
    write_front(result, folder / FRONT)
    return result


def train_chosen(result: dict[str, Any], folder: Path) -> Path:
    """Distil the student that a search chose, in full, and prune it to the dimensions that its budget counts on.

    Goes on with an interrupted training. Returns the run folder; raises TinyclapError where that is another search's.
    """
    recipe = load_recipe(folder / CHOSEN, task="distill")
    run, dim = RUNS / recipe.name, result["trials"][0]["student"]["embed_dim"]
    made = run / "recipe.yaml"
    if made.is_file() and made.read_text(encoding="utf-8") != dump(recipe):
        raise TinyclapError(
            f"{run} holds the student of another search; rename that folder, or train this one with "
            f"`tinyclap distill {shell_path(folder / CHOSEN)} --run DIR`"
        )
    if not (run / "summary.json").is_file():
        run_recipe(recipe, run, resume=run.exists())
    if dim == result["full_dim"]:
        return run
    pruned = RUNS / f"{recipe.name}-rotation-{dim}"
    return pruned if pruned.exists() else prune_run(run, PruneOptions(dim), pruned)


def chosen_recipe(recipe: DistillRecipe, config: StudentConfig, path: Path, full_dim: int) -> str:
    """The recipe with another student, as YAML that begins with the commands that make it."""
    section = dataclasses.replace(
        recipe.student, frontend=config.frontend, phinet=config.phinet, features=config.features
    )
    chosen = recipe.model_copy(update={"name": f"{recipe.name}-searched", "student": section})
    then = f"; tinyclap prune --dim {config.embed_dim}" if config.embed_dim < full_dim else ""
    purpose = f"{recipe.name} with the student that `tinyclap search` chose."
    return f"# tinyclap distill {path}{then}\n# {purpose}\n{dump(chosen)}"


def _row(trial: Trial) -> dict[str, Any]:
    row = {"centred_cosine": trial.value, "epochs": trial.epochs, "finished": trial.finished}
    return {**row, **trial.costs, "student": dataclasses.asdict(trial.config)}


@dataclass(frozen=True)
class _Trials:
    """Short distillations of one recipe, ranked on held-out recordings.

    Attributes:
        recipe: with its data and training settings.
        teacher: loaded.
        views: of each clip.
        epochs: of a whole trial.
        rungs: epochs after which a trial may be stopped.
        folder: a folder in it keeps each trial, so that a killed one goes on.
    """

    recipe: DistillRecipe
    teacher: Teacher
    views: int
    epochs: int
    rungs: tuple[int, ...]
    folder: Path

    def train(self, config: StudentConfig, report: Report) -> float:
        """A trial: its student's centred cosine on the held-out clips."""
        folder = self.folder / hashlib.blake2b(repr(config).encode(), digest_size=8).hexdigest()
        finished = read_json(folder / "result.json", {})
        if known(finished.get("value")):
            return float(finished["value"])
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(self.recipe.seed)
        student = Student(dataclasses.replace(config, embed_dim=self.teacher.embed_dim))
        learned = self._distillation_set(student)
        mean = teacher_mean(learned.targets.embeddings)
        kept = self._kept(config.embed_dim, learned)

        def watch(epoch: int, snapshot: Any) -> None:
            if epoch in self.rungs and not report(epoch, self._score(snapshot(), mean, kept)):
                shutil.rmtree(folder / "checkpoints", ignore_errors=True)
                raise Stopped

        options = dataclasses.replace(self.recipe.training, epochs=self.epochs, head_epochs=0)
        trained = distill(
            student,
            learned.targets.embeddings,
            mean,
            learned.inputs,
            options,
            folder,
            seed=self.recipe.seed,
            weights=clip_weights(self._parts[0], learned.inputs.views.decoded),
            texts=anchor_texts(self.recipe.training, self.teacher),
            heads=heads_in(self.teacher),
            watch=watch,
        )
        value = self._score(trained, mean, kept)
        write_json(folder / "result.json", {"value": value, "student": dataclasses.asdict(config)})
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return value

    @cached_property
    def _parts(self) -> tuple[Dataset, Dataset]:
        return build_dataset(self.recipe.data.train).hold_out(HELD_OUT)

    @property
    def held(self) -> Dataset:
        """The clips that trials are ranked on."""
        return self._parts[1]

    def _distillation_set(self, student: Student) -> DistillationSet:
        few = dataclasses.replace(self.recipe.views, per_clip=min(self.views, self.recipe.views.per_clip))
        recipe = self.recipe.model_copy(update={"views": few})
        return build_distillation_set(recipe, self._parts[0], self.teacher, student)

    def _kept(self, dim: int, learned: DistillationSet) -> LatentMap | None:
        """The rotation to so many dimensions, of the teacher's embeddings of the views."""
        full = self.teacher.embed_dim
        embeddings = np.asarray(learned.targets.embeddings.reshape(-1, full), np.float32)
        return None if dim == full else latent_map("rotation", dim, embeddings)

    @cached_property
    def _wanted(self) -> np.ndarray:
        return teacher_clips(self.teacher, decode(self.held, self.teacher.sample_rate, **self.recipe.data.limits))

    def _score(self, student: Student, mean: np.ndarray, kept: LatentMap | None) -> float:
        """Centred cosine on the held-out clips in the teacher's space, of what is left of the student's dimensions."""
        decoded = decode(self.held, student.sample_rate, **self.recipe.data.limits)
        embeddings = clip_embeddings(student.embed_audio, decoded, progress="student embeds")
        usable = (np.linalg.norm(embeddings, axis=1) > 0) & (np.linalg.norm(self._wanted, axis=1) > 0)
        if kept is not None:
            embeddings = embeddings @ kept.matrix.T @ kept.matrix
        return similarity.centred_cosine(embeddings[usable], self._wanted[usable], mean)
