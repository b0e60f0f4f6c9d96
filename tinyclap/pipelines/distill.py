"""From a recipe to a distilled run: what `tinyclap distill` does, step by step.

Recipes end here: everything that is called from here takes plain arguments.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.common.files import write_array
from tinyclap.config.data import describe_data
from tinyclap.config.load_recipe import dump_for
from tinyclap.config.schema import DistillRecipe
from tinyclap.data import build_dataset
from tinyclap.data.overlap import refuse_overlap
from tinyclap.models import hub
from tinyclap.models.student import Student
from tinyclap.models.threads import threads_for
from tinyclap.pipelines.build import anchor_texts, build_distillation_set, build_teacher, describe_student
from tinyclap.pipelines.scoring import evaluated_heads, zero_shot_task
from tinyclap.pipelines.text_side import finish_words, prepare_words, train_words
from tinyclap.pipelines.training_summary import finish_run, training_clips
from tinyclap.reports.model_cards import model_card
from tinyclap.runs.folder import check_run, open_run, refuse_derived
from tinyclap.runs.results import TEACHER_MEAN, TEXT_FOLDER, TEXT_STUDENT
from tinyclap.teachers.describe import describe_teacher
from tinyclap.teachers.joint import heads_in
from tinyclap.training.checkpoint import Checkpoint
from tinyclap.training.distill import BACKWARD, distill, teacher_mean
from tinyclap.training.distributed import build_accelerator, micro_batches
from tinyclap.training.sampling import clip_weights


def distill_run(recipe: DistillRecipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Distil, save the student, evaluate it beside its teacher, write the report; returns the run's summary.

    The run folder is touched only after teacher and data are there; `resume` and `overwrite` as in `open_run`. Of
    several processes only the first returns something.
    """
    began = time.perf_counter()
    if check_run(run, written := dump_for(recipe, run), resume=resume, overwrite=overwrite):
        refuse_derived(run)
    for saved in ("student", TEXT_STUDENT):
        hub.check_folder(run / saved, overwrite=True)
    accelerator = build_accelerator(recipe.training.precision)
    for training in (recipe.training, *([recipe.text.training] if recipe.text else [])):
        micro_batches(np.arange(training.batch_size), training.micro_batches, accelerator)
    with accelerator.main_process_first():  # it downloads, decodes and embeds; the others read
        train = build_dataset(recipe.data.train)
        teacher = build_teacher(recipe.taught_by)
        torch.manual_seed(recipe.seed)
        student = Student(recipe.student.with_embedding(teacher.embed_dim, recipe.views.longest_s))
        described = {"teacher": describe_teacher(teacher), "student": describe_student(student)}
        task = recipe.data.test and zero_shot_task(recipe.data.test, recipe, teacher, student.sample_rate)
        if task:
            refuse_overlap(train, task.dataset)
        texts = anchor_texts(recipe.training, teacher)
        words = recipe.text and prepare_words(recipe.text, teacher, recipe.seed, accelerator.device)
        learned = build_distillation_set(recipe, train, teacher, student, accelerator.device)
    targets, decoded = learned.targets, learned.inputs.views.decoded
    mean = teacher_mean(targets.embeddings)
    inputs = {"teacher": teacher.fingerprint, "training clips": decoded.fingerprint}
    if words:
        inputs["captions"] = words.corpus.fingerprint
    open_run(run, written, seed=recipe.seed, inputs=inputs, resume=resume, overwrite=overwrite)
    accelerator.wait_for_everyone()
    spent_s = Checkpoint(run).spent_s() + Checkpoint(run / TEXT_FOLDER).spent_s()
    with threads_for(BACKWARD * described["student"]["macs"] * recipe.training.batch_size):
        student = distill(
            student,
            targets.embeddings,
            mean,
            learned.inputs,
            recipe.training,
            run,
            seed=recipe.seed,
            accelerator=accelerator,
            weights=clip_weights(train, decoded),
            texts=texts,
            heads=heads_in(teacher),
        )
    word_student = words and train_words(words, run, recipe.seed, accelerator)
    if not accelerator.is_main_process:
        return {}
    write_array(run / TEACHER_MEAN, mean)
    summary = {
        "task": "distill",
        "name": recipe.name,
        "data": describe_data(recipe.data.train),
        **described,
        **training_clips(decoded),
        "views": recipe.views.per_clip,
        "teacher_forwards": targets.teacher_forwards,
        "store": str(targets.folder),
        "store_rounding_error": targets.rounding_error,
        "wall_s": spent_s + time.perf_counter() - began,
    }
    evaluation = task.evaluate(teacher, student, mean=mean) if task else None
    of_heads = evaluated_heads(run, recipe, teacher, student, mean)
    local = recipe.teacher_is_local
    card = model_card(summary, evaluation, teacher_is_local=local, own_words=recipe.text is not None)
    student.save_pretrained(run / "student", card, overwrite=True)
    if words and word_student:
        ears = {"student": task.student_clips(student)} if task else None
        summary["text"] = finish_words(words, word_student, teacher, run, task or None, ears)["student"]
    finish_run(run, summary, evaluation, of_heads)
    return summary
