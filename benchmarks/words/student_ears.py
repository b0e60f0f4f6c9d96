"""A student's words beside its teacher's, heard by a student's ears; writes benchmarks/results/words_student_ears.json.

    python -m benchmarks.words.student_ears --root ESC-50 --students RUN/student ... --fold 1 ... [--words FOLDER ...]

Each student learned the sounds of the teacher of the ready-made bundle (`benchmarks/esc50/students` trains such) and is
asked on the fold that it has not met, given in the same order. Zero-shot accuracy over all these folds, on the classes
of ESC-50 and on those of ESC-10, with the words of the ready-made bundle and with its teacher's; `--words` adds text
students (`benchmarks/words/students` trains such, with `--held-out` without ESC-50's names), as INT8 graphs with
tables of `--table-bits`. Intervals draw whole recordings.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.words.measured import Measured, words_parser
from tinyclap.common.files import write_json
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.embeddings.zero_shot import class_matrix
from tinyclap.errors import TinyclapError
from tinyclap.hardware.traced_costs import n_parameters
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent
from tinyclap.runs.provenance import environment
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.tagger import TaggerTeacher

RESULT = Path(__file__).parents[1] / "results" / "words_student_ears.json"


def main() -> None:
    parser = words_parser(__doc__)
    parser.add_argument("--students", nargs="+", required=True, type=Path, help="folders of students of this teacher")
    parser.add_argument("--fold", nargs="+", required=True, type=int, help="that each of them has not met")
    parser.add_argument("--words", nargs="+", default=[], type=Path, help="folders of text students")
    parser.add_argument("--table-bits", type=int, default=4, choices=[4, 8])
    given = parser.parse_args()
    if len(given.fold) != len(given.students):
        raise TinyclapError(f"{len(given.students)} students and {len(given.fold)} folds: give one of each")
    teacher = load_tagger_teacher(TaggerOptions(given.audio, given.text))
    assert isinstance(teacher, TaggerTeacher)
    measured = Measured(given, teacher)
    measured.clips, parameters = heard(measured, given.students, given.fold)
    embeds = {"everyday": measured.bundle.embed_text}
    for path in given.words:
        folder = given.work / "student_ears" / path.parent.parent.name
        encoder, _ = measured.exported(TextStudent.from_pretrained(path), folder, given.table_bits)
        embeds[path.parent.parent.name] = encoder.embed
    met = np.array([clip.fold in given.fold for clip in measured.dataset.clips])
    rows = []
    for words, embed in embeds.items():
        own = class_matrix(embed, measured.labels, teacher.prompts)
        scores = {"esc50": measured.accuracies(own, met), "esc10": measured.accuracies(own, met & measured.esc10)}
        rows.append({"words": words, "folds": given.fold, "parameters": parameters, **scores})
        for name, score in scores.items():
            own, theirs, by = (100 * score[key] for key in ("accuracy", "teacher_words", "difference"))
            low, high = (100 * bound for bound in score["difference_ci95"])
            told = f"{own:.1f} %, its teacher's words {theirs:.1f} % ({by:+.1f} points [{low:+.1f}, {high:+.1f}])"
            sys.stdout.write(f"{words}, {name}: {told}\n")
    command = "python -m benchmarks.words.student_ears --root ESC-50 --students RUN/student"
    write_json(RESULT, {"command": command, "environment": environment(seed=0), "rows": rows})


def heard(measured: Measured, students: Sequence[Path], folds: Sequence[int]) -> tuple[np.ndarray, int]:
    """Every clip by the student that has not met its fold (N, D), zeros where there is none; and a student's size."""
    met = np.array([clip.fold for clip in measured.dataset.clips])
    clips = np.zeros_like(measured.clips)
    for path, fold in zip(students, folds, strict=True):
        student = Student.from_pretrained(path)
        decoded = decode(measured.dataset, student.sample_rate)
        every = clip_embeddings(student.embed_audio, decoded, progress="student embeds")
        clips[met == fold] = every[met == fold]
    return clips, n_parameters(student)


if __name__ == "__main__":
    main()
