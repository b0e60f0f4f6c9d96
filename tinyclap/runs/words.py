"""What text.json holds, the result of a text student."""

from typing import TypedDict

from tinyclap.runs.figures import Amount, Cosine, Count, Difference, Score, Share


class TextStudentFacts(TypedDict, total=False):
    """What a text student is and costs."""

    kind: str
    vocabulary: Count
    table_dim: Count
    dim: Count
    layers: Count
    max_tokens: Count
    space_dim: Count
    parameters: Amount
    size_bytes: Amount
    int8_bytes: Amount
    macs: Amount
    macs_tokens: Count


class OfGroup(TypedDict, total=False):
    """How near a text student is to its teacher on a group of captions."""

    group: str
    n: Count
    cosine: Cosine
    centred_cosine: Cosine


class Agreement(TypedDict, total=False):
    """As `evaluation.words.agreement` returns it."""

    groups: list[OfGroup]
    found_1: Share
    found_10: Share
    neighbours: Share


class ByWords(TypedDict, total=False):
    """Accuracy with a teacher's and with its student's words."""

    teacher_words: Score
    student_words: Score
    difference: Difference
    difference_ci95: tuple[Difference, Difference]


class ZeroShotByWords(TypedDict, total=False):
    """As `evaluation.words.zero_shot_by_words` returns it."""

    data: str
    n_clips: Count
    n_classes: Count
    prompts: list[str]
    class_cosine: Cosine
    ears: dict[str, ByWords]


class TextTeacher(TypedDict, total=False):
    """Whose words were learned: `text`, `licence` and `parameters` are those of its text tower."""

    name: str
    fingerprint: str
    text: str
    licence: str
    parameters: Amount


class TextResult(TypedDict, total=False):
    """text.json."""

    sources: str
    licences: dict[str, str]
    captions: Count
    groups: dict[str, Count]
    student: TextStudentFacts
    teacher: TextTeacher
    agreement: Agreement
    zero_shot: ZeroShotByWords
    zero_shot_elsewhere: list[ZeroShotByWords]
