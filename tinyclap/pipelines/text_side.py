"""From a recipe's text side to a text student: what `distill-text` does, and `distill` where a recipe asks for both."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from tinyclap.common.files import write_json
from tinyclap.config.schema import DistillTextRecipe
from tinyclap.config.text_side import TextSide
from tinyclap.data.texts.corpus import Caption, Corpus
from tinyclap.embeddings.joint_space import Head
from tinyclap.errors import TinyclapError
from tinyclap.evaluation.words import agreement, zero_shot_by_words
from tinyclap.evaluation.zero_shot import ZeroShotTask
from tinyclap.hardware.traced_costs import n_parameters
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent
from tinyclap.models.text_student_config import macs
from tinyclap.models.threads import threads_for
from tinyclap.pipelines.build import anchor_names, build_teacher
from tinyclap.pipelines.scoring import zero_shot_task
from tinyclap.reports.model_cards import text_card
from tinyclap.reports.run_report import write_report
from tinyclap.runs.folder import check_inputs
from tinyclap.runs.results import TEXT_FOLDER, TEXT_RESULT, TEXT_STUDENT, add_zero_shot, read_result
from tinyclap.teachers.encoder import Teacher, TextTarget
from tinyclap.teachers.joint import heads_in
from tinyclap.teachers.stored_embeddings import teacher_clips
from tinyclap.training.confusable import confusable
from tinyclap.training.distill import BACKWARD, distill, teacher_mean
from tinyclap.training.sampling import Companions
from tinyclap.training.targets import TeacherTargets
from tinyclap.training.text_start import new_text_student
from tinyclap.training.text_targets import CaptionTokens, in_store_order, text_embeddings

USUAL_TOKENS = 8  # of a caption, for the choice of threads


@dataclass(frozen=True)
class Words:
    """A text side made ready to train: all that can go wrong has been tried.

    Attributes:
        section: of the recipe.
        corpus: its captions.
        train, held_out: captions to learn from and to measure on.
        target: of the teacher.
        targets: embeddings of the captions to learn from, and `measured` of those held out.
        anchors: embeddings of the texts of a further loss.
        student: untrained.
        heads: of several teachers in the space of the targets; none of one.
    """

    section: TextSide
    corpus: Corpus
    train: Sequence[Caption]
    held_out: Sequence[Caption]
    target: TextTarget
    targets: TeacherTargets
    measured: TeacherTargets | None
    anchors: np.ndarray | None
    student: TextStudent
    heads: tuple[Head, ...]


def prepare_words(section: TextSide, teacher: Teacher, seed: int, device: str | torch.device = "cpu") -> Words:
    """Captions, the teacher's embeddings of them, and an untrained student.

    Raises:
        TinyclapError: captions that cannot be read, or fewer than are held out and one more.
    """
    corpus = section.corpus(teacher.prompts, seed)
    captions = in_store_order(corpus)
    held = {*_held_out(captions, section.held_out)}
    train = [caption for number, caption in enumerate(captions) if number not in held]
    held_out = [captions[number] for number in sorted(held)]
    if not train:
        raise TinyclapError(
            f"text.held_out is {section.held_out} and there are {len(captions)} captions; hold fewer out, or give more"
        )
    teacher.to(device)
    target = teacher.text_target()
    anchors = None
    if section.training.text_weight:
        with torch.no_grad():
            anchors = target.embed(list(anchor_names(section.training, "text.training.texts"))).float().cpu().numpy()
    targets = text_embeddings(target, train, teacher.name)
    measured = text_embeddings(target, held_out, teacher.name) if held_out else None
    student = new_text_student(section.student, target, train, teacher.fingerprint, seed, further=corpus.excluded)
    return Words(section, corpus, train, held_out, target, targets, measured, anchors, student, heads_in(teacher))


def train_words(words: Words, run: Path, seed: int, accelerator: Accelerator) -> TextStudent:
    """The text student, trained in the folder `text` of a run, whose training is taken up again where it stopped."""
    section, student = words.section, words.student
    student.table.requires_grad_(section.training.train_table)
    with threads_for(BACKWARD * macs(student.config, USUAL_TOKENS) * section.training.batch_size):
        return distill(
            student,
            words.targets.embeddings,
            teacher_mean(words.targets.embeddings),
            CaptionTokens(student, words.train),
            section.training,
            run / TEXT_FOLDER,
            seed=seed,
            accelerator=accelerator,
            texts=words.anchors,
            companions=_companions(words),
            heads=words.heads,
        )


def _companions(words: Words) -> Companions | None:
    """Captions that are easily taken for one another, where the recipe contrasts them."""
    share = words.section.training.confusable_share
    return Companions(confusable([caption.text for caption in words.train]), share) if share else None


def finish_words(
    words: Words,
    student: TextStudent,
    teacher: Teacher,
    run: Path,
    task: ZeroShotTask | None = None,
    ears: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Save a trained text student with what it is worth; returns what is written to `text.json`.

    Args:
        words: that it learned.
        student: as trained.
        teacher: whose words it learned.
        run: folder.
        task: labelled sounds, to name with its words; None for none.
        ears: a student's embeddings of them by "student", beside the teacher's.
    """
    mean = teacher_mean(words.targets.embeddings)
    result: dict[str, Any] = {
        "sources": words.section.described(),
        "licences": words.corpus.licences,
        "captions": len(words.train),
        "groups": words.corpus.groups,
        "student": describe_text_student(student),
        "teacher": {"name": teacher.name, "fingerprint": teacher.fingerprint, **_text_tower(words.target)},
    }
    if words.measured is not None:
        theirs = np.asarray(words.measured.embeddings[:, 0], np.float32)
        texts = [caption.text for caption in words.held_out]
        groups = [caption.group for caption in words.held_out]
        result["agreement"] = agreement(student.encode_texts(texts).numpy(), theirs, mean, groups)
    if task is not None:
        heard = {"teacher": teacher_clips(teacher, task.teacher_clips)[task.usable], **(ears or {})}
        result["zero_shot"] = zero_shot_by_words(task, teacher, student, heard)
    student.save_pretrained(run / TEXT_STUDENT, text_card(result), overwrite=True)
    write_json(run / TEXT_RESULT, result)
    return result


def evaluate_words(
    run: Path, recipe: DistillTextRecipe, spec: Any, own: str | None, prompts: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """Measure a finished text student's words on labelled sounds, and rewrite `text.json` and the report.

    Args:
        run: of `tinyclap distill-text`.
        recipe: it was made by.
        spec: data section of the sounds.
        own: the run's own test data (`describe_data`), if it has some.
        prompts: templates with {} in place of the recipe's.

    Raises:
        TinyclapError: the teacher is not the one it learned from, or data that cannot be used.
    """
    teacher = build_teacher(recipe.taught_by)
    check_inputs(run, {"teacher": teacher.fingerprint})
    found = measure_words(run, zero_shot_task(spec, recipe, teacher, prompts=prompts), teacher, own)
    write_report(run)
    return found


def measure_words(
    run: Path, task: ZeroShotTask, teacher: Teacher, own: str | None, student: Student | None = None
) -> dict[str, Any]:
    """Name labelled sounds with a run's words, as its teacher and its student hear them, and rewrite `text.json`.

    Args:
        run: with a text student.
        task: labelled sounds.
        teacher: whose words it learned.
        own: the run's own test data (`describe_data`), if it has some.
        student: of the run; None where it made words alone.
    """
    ears = {"teacher": teacher_clips(teacher, task.teacher_clips)[task.usable]}
    if student is not None:
        ears["student"] = task.student_clips(student)
    words = TextStudent.from_pretrained(run / TEXT_STUDENT)
    found = zero_shot_by_words(task, teacher, words, ears, student.latent_map if student else None)
    write_json(run / TEXT_RESULT, add_zero_shot(read_result(run, TEXT_RESULT), found, own))
    return found


def describe_text_student(student: TextStudent) -> dict[str, Any]:
    """Size and cost of a text student, for reports; MACs are those of a text of so many word pieces."""
    config = student.config
    total = n_parameters(student) + sum(buffer.numel() for buffer in student.buffers())
    return {
        **{key: value for key, value in asdict(config).items() if key not in ("placement", "teacher")},
        "space_dim": config.space_dim,
        "parameters": total,
        "size_bytes": 4 * total,
        "int8_bytes": total,
        "macs": macs(config, USUAL_TOKENS),
        "macs_tokens": USUAL_TOKENS,
    }


def _text_tower(target: TextTarget) -> dict[str, Any]:
    """What embeds the texts of a teacher, for the student's card and the report."""
    return {"text": target.name, "licence": target.licence, "parameters": target.parameters}


def _held_out(captions: Sequence[Caption], count: int) -> list[int]:
    """Numbers of the captions to measure on, `count` at most: drawn by a hash of what they mean.

    All captions of one meaning go together, so that none is measured whose meaning was learned of another.
    """
    meaning: dict[bytes, list[int]] = {}
    for number, caption in enumerate(captions):
        key = hashlib.blake2b(caption.meaning.casefold().encode(), digest_size=8).digest()
        meaning.setdefault(key, []).append(number)
    chosen: list[int] = []
    for _, numbers in sorted(meaning.items()):
        if len(chosen) + len(numbers) <= count:
            chosen += numbers
    return chosen
