"""What `tinyclap probe RUN` does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.common.files import write_json
from tinyclap.config.load_recipe import load_recipe
from tinyclap.evaluation.probe import Ears, Words, probe
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent, student_texts
from tinyclap.pipelines.build import build_teacher
from tinyclap.pipelines.distilled_run import student_and_teacher
from tinyclap.reports.run_report import write_report
from tinyclap.runs.folder import check_inputs, refuse_unfinished
from tinyclap.runs.results import PROBE, TEXT_STUDENT
from tinyclap.teachers import load_teacher
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.stored_embeddings import teacher_texts


def probe_run(run: Path, **settings: Any) -> dict[str, Any]:
    """Probe all ears and words that a finished run has, and write `probe.json` and the report.

    Those are its teacher's, and its student's as far as it made some.

    Args:
        run: of `tinyclap distill`, `distill-text` or `pretrain`.
        **settings: n, seed and n_bootstrap, and what is returned: as for `evaluation.probe.probe`.

    Raises:
        TinyclapError: a run that is not finished, or whose teacher is not the one it learned from.
    """
    recipe = load_recipe(run / "recipe.yaml")
    refuse_unfinished(run, recipe.task)
    student: Student | None = None
    if recipe.task == "pretrain":
        teacher: Teacher = load_teacher(recipe.kind, str(run / "teacher"))
    elif recipe.task == "distill":
        student, teacher = student_and_teacher(run, recipe)
    else:
        teacher = build_teacher(recipe.taught_by)
        check_inputs(run, {"teacher": teacher.fingerprint})
    ears = [Ears("teacher", teacher.sample_rate, teacher.window_s, _hearing(teacher.embed_audio))]
    words = [Words("teacher", lambda texts: teacher_texts(teacher, texts))]
    if student is not None:
        place = student.latent_map.apply if student.latent_map else None
        ears.append(Ears("student", student.sample_rate, student.config.window_s, _hearing(student.embed_audio), place))
    if (run / TEXT_STUDENT).is_dir():
        own = TextStudent.from_pretrained(run / TEXT_STUDENT)
        words.append(Words("student", lambda texts: student_texts(own, texts)))
    found = probe(ears, words, **settings)
    write_json(run / PROBE, found)
    write_report(run)
    return found


def _hearing(embed: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[np.ndarray], np.ndarray]:
    """An encoder of tensors as one of arrays."""

    def hear(recordings: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            embeddings: np.ndarray = embed(torch.from_numpy(recordings)).float().cpu().numpy()
        return embeddings

    return hear
