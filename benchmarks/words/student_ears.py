"""The ready-made words beside their teacher's, heard by a student's ears; writes results/words_student_ears.json.

    python -m benchmarks.words.student_ears --root ESC-50 --students RUN/student ... [--fold 1 ...]

Each student learned the sounds of the teacher of the ready-made bundle (`benchmarks/esc50/students` trains such);
`--fold` is the one that it has not met, in the same order. Zero-shot accuracy is on ESC-50 and ESC-10, of all clips
and of that fold's alone, with the bundle's own text student and with its teacher's words; intervals draw whole
recordings.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.words.measured import Measured, words_parser
from tinyclap.common.files import write_json
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.embeddings.zero_shot import class_matrix
from tinyclap.errors import TinyclapError
from tinyclap.hardware.traced_costs import n_parameters
from tinyclap.models.student import Student
from tinyclap.runs.provenance import environment
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.tagger import TaggerTeacher

RESULT = Path(__file__).parents[1] / "results" / "words_student_ears.json"


def main() -> None:
    parser = words_parser(__doc__)
    parser.add_argument("--students", nargs="+", required=True, type=Path, help="folders of students of this teacher")
    parser.add_argument("--fold", nargs="+", required=True, type=int, help="that each of them has not met")
    given = parser.parse_args()
    if len(given.fold) != len(given.students):
        raise TinyclapError(f"{len(given.students)} students and {len(given.fold)} folds: give one of each")
    teacher = load_tagger_teacher(TaggerOptions(given.audio, given.text))
    assert isinstance(teacher, TaggerTeacher)
    measured = Measured(given, teacher)
    own = class_matrix(measured.bundle.embed_text, measured.labels, teacher.prompts)
    rows: list[dict[str, Any]] = []
    for path, fold in zip(given.students, given.fold, strict=True):
        student = Student.from_pretrained(path)
        measured.clips = clip_embeddings(
            student.embed_audio, decode(measured.dataset, student.sample_rate), progress="student embeds"
        )
        met = np.array([clip.fold == fold for clip in measured.dataset.clips])
        chosen = {"esc50": np.ones(len(met), bool), "esc10": measured.esc10}
        rows.append(
            {
                "parameters": n_parameters(student),
                "fold": fold,
                **{name: measured.accuracies(own, mask) for name, mask in chosen.items()},
                **{f"{name}_fold": measured.accuracies(own, mask & met) for name, mask in chosen.items()},
            }
        )
        for name in ("esc50", "esc10", "esc50_fold", "esc10_fold"):
            row = rows[-1][name]
            sys.stdout.write(
                f"{path}, {name}: {100 * row['accuracy']:.1f} % (teacher's words {100 * row['teacher_words']:.1f} %)\n"
            )
    command = "python -m benchmarks.words.student_ears --root ESC-50 --students RUN/student"
    write_json(RESULT, {"command": command, "environment": environment(seed=0), "rows": rows})


if __name__ == "__main__":
    main()
