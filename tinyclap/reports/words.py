"""A text student as reports, cards and the console show it, from the content of text.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyclap.common import numbers
from tinyclap.common.numbers import DASH, decimal, file_size, known, percent, ratio, scaled, whole
from tinyclap.embeddings.neighbours import knn_chance
from tinyclap.reports.tables import Row, with_interval
from tinyclap.runs.results import MODELS, as_mapping, as_mappings

ALL = "all"
GROUPS = {
    ALL: "all captions together",
    "names": "labels as they stand",
    "words": "single words of a dictionary",
    "prompts": "labels in sentences, as in zero-shot classification",
    "captions": "sentences",
    "definitions": "what a dictionary says of a word",
    "negations": "sentences that say what is not there",
    "misspellings": "labels with a slip; the right label's embedding counts",
    "translations": "in other words or languages; the original's embedding counts",
}
"""What the groups of captions are, in the order in which they are shown."""
FEWEST = 12  # captions of which neighbours are counted


@dataclass(frozen=True)
class GroupRow:
    """A group of captions: how many were learned and held out, and how near student and teacher are on the latter."""

    name: str
    learned: Any
    held_out: Any
    cosine: Any
    centred_cosine: Any
    help: str

    @property
    def cells(self) -> list[str]:
        """Its figures as text."""
        counts = [whole(count) for count in (self.learned, self.held_out)]
        return [*counts, decimal(self.centred_cosine), decimal(self.cosine)]


def words_tables(text: Mapping[str, Any]) -> dict[str, Any]:
    """All that a page shows of a text student but for its training."""
    teacher = as_mapping(text.get("teacher"))
    return {
        "teacher": teacher.get("name"),
        "tower": teacher.get("text") or teacher.get("name"),
        "shape": shape(as_mapping(text.get("student"))),
        "size": size_rows(text),
        "models": MODELS if known(teacher.get("parameters")) else MODELS[1:],
        "both": MODELS,
        "held_out": _all(text).get("n"),
        "groups": group_rows(text),
        "closeness": closeness_rows(text),
        "zero_shot": [zero_shot_tables(entry) for entry in zero_shots(text)],
        "captions": text.get("captions"),
        "sources": as_mapping(text.get("licences")),
        "read": text.get("sources"),
        "licence": weights_licence(text),
        "shared_alike": [
            source for source, licence in as_mapping(text.get("licences")).items() if _share_alike(licence)
        ],
    }


def zero_shots(text: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was measured on labelled sounds, the run's own test data first."""
    found = [as_mapping(text.get("zero_shot")), *as_mappings(text.get("zero_shot_elsewhere"))]
    return [entry for entry in found if as_mapping(entry.get("ears"))]


def zero_shot_tables(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One measurement with a row for each pair of ears; `teacher` and `student` are whose words name the classes."""
    rows, points = [], []
    for whose, found in as_mapping(entry.get("ears")).items():
        scores = {model: as_mapping(as_mapping(found).get(f"{model}_words")) for model in MODELS}
        written = [with_interval(score.get("accuracy"), score.get("ci95")) for score in scores.values()]
        compared = numbers.points(as_mapping(found).get("difference"), as_mapping(found).get("difference_ci95"))
        name = f"{whose.capitalize()}'s ears"
        rows.append(Row(name, written[0], written[1], compared))
        points.append({"name": name, "models": MODELS, **scores})
    return {**entry, "title": str(entry.get("data") or "labelled sounds"), "rows": rows, "points": points}


def group_rows(text: Mapping[str, Any]) -> list[GroupRow]:
    """The groups of captions that were learned or held out; all together come first."""
    rows = as_mappings(as_mapping(text.get("agreement")).get("groups"))
    measured = {row["group"]: row for row in rows if row.get("group")}
    counts = as_mapping(text.get("groups"))
    known_names = [name for name in GROUPS if name in measured or name in counts]
    others = [name for name in dict.fromkeys([*measured, *counts]) if name not in GROUPS]
    found = []
    for name in [*known_names, *others]:
        row, total = measured.get(name, {}), counts.get(name)
        held_out = row.get("n")
        learned = text.get("captions") if name == ALL else total
        if name != ALL and known(total) and known(held_out):
            learned = max(0, total - held_out)
        figures = (row.get("cosine"), row.get("centred_cosine"))
        found.append(GroupRow(name, learned, held_out, *figures, GROUPS.get(name, "")))
    return found


def closeness_rows(text: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, value, explanation) of how closely the student follows its teacher; only what was measured."""
    told, entry = as_mapping(text.get("agreement")), next(iter(zero_shots(text)), {})
    held_out = _all(text).get("n")
    chances = [f" (chance: {percent(share)})" for share in _chances(held_out)] or ["", "", ""]
    whose = "share of the captions for which the teacher's embedding of the same caption is"
    rows = [
        ("Found first", percent(told.get("found_1")), f"{whose} the nearest to the student's{chances[0]}"),
        ("Found among ten", percent(told.get("found_10")), f"{whose} among the ten nearest{chances[1]}"),
        (
            "10-neighbour overlap",
            percent(told.get("neighbours")),
            f"share of the teacher's 10 nearest captions that the student finds too{chances[2]}",
        ),
        (
            "Cosine of the classes",
            decimal(entry.get("class_cosine")),
            "mean over the test classes of cos(student's words, teacher's words), where sounds lie",
        ),
    ]
    return [row for row in rows if row[1] != DASH]


def size_rows(text: Mapping[str, Any]) -> list[Row]:
    """What the text encoders of teacher and student need; lines without the student's figure are left out."""
    student, theirs = as_mapping(text.get("student")), as_mapping(text.get("teacher")).get("parameters")
    own, bytes_ = student.get("parameters"), student.get("size_bytes")
    tokens = student.get("macs_tokens")
    rows = [
        Row("Parameters", whole(theirs), whole(own), ratio(own, theirs), "weights of the text encoder"),
        Row(
            "Size as float32", file_size(4 * theirs) if known(theirs) else DASH, file_size(bytes_), help="4 bytes each"
        ),
        Row(
            "Size as INT8", DASH, file_size(student.get("int8_bytes")), help="a byte each, as export --int8 writes them"
        ),
        Row("Word pieces", DASH, whole(student.get("vocabulary")), help="that texts are cut into"),
        Row(
            "MACs of a text",
            DASH,
            scaled(student.get("macs")),
            help=f"multiply-accumulates of one of {whole(tokens)} word pieces" if known(tokens) else "",
        ),
    ]
    return [row for row in rows if row.student != DASH]


def shape(student: Mapping[str, Any]) -> str:
    """What a text student is, in a sentence; empty for none."""
    pieces, numbers_each = whole(student.get("vocabulary")), whole(student.get("table_dim"))
    layers, width = student.get("layers"), whole(student.get("dim"))
    several = f"{whole(layers)} {'layer' if layers == 1 else 'layers'} of width {width}"
    if student.get("kind") == "transformer":
        return f"A transformer of {several} on a table of {pieces} word pieces, {numbers_each} numbers each."
    if student.get("kind") == "static":
        behind = f", and {several} behind it" if layers else ""
        return f"The weighted mean of {pieces} word pieces, {numbers_each} numbers each{behind}; it knows no order."
    return ""


def verdict(text: Mapping[str, Any]) -> str:
    """The words in one sentence."""
    smaller = next((row.compared for row in size_rows(text) if row.compared.startswith("1/")), "")
    int8 = file_size(as_mapping(text.get("student")).get("int8_bytes"))
    cost = f" at {smaller} of the parameters" if smaller else f" in {int8} as INT8" if int8 != DASH else ""
    teacher, student = headline(text)
    if known(teacher) and known(student) and teacher > 0:
        return f"The student's words keep {percent(student / teacher)} of its teacher's zero-shot accuracy{cost}."
    centred = _all(text).get("centred_cosine")
    if known(centred):
        return (
            f"The student's words follow its teacher's with a centred cosine of {decimal(centred)}{cost}; "
            "no sounds have been named with them yet."
        )
    return "The words have not been measured yet."


def export_command(run: str, *, has_ears: bool) -> str:
    """The command that puts a run's words into a bundle: its own, or that of a student of the same teacher."""
    return f"tinyclap export --text {run}" if has_ears else f"tinyclap export RUN_OF_A_STUDENT --text --words {run}"


def own_words_tile(text: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The tile of a run with ears too: what its student names by its own words; none where that was not measured."""
    teacher, student = headline(text, "student")
    tile = (percent(student), "with its own words", f"teacher's words {percent(teacher)}")
    return [tile] if known(student) else []


def headline(text: Mapping[str, Any], whose: str = "teacher") -> tuple[Any, Any]:
    """Accuracy with the teacher's and with the student's words, by one's ears on the run's own test data."""
    ears = as_mapping(next(iter(zero_shots(text)), {}).get("ears"))
    found = as_mapping(ears.get(whose))
    teacher, student = (as_mapping(found.get(f"{model}_words")).get("accuracy") for model in MODELS)
    return teacher, student


def tiles(text: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(figure, what it is, beside what) for the top of the page; only what was measured."""
    student, whole_row = as_mapping(text.get("student")), _all(text)
    theirs = as_mapping(text.get("teacher")).get("parameters")
    own = student.get("parameters")
    teacher_words, student_words = headline(text)
    beside = f"{scaled(own)} instead of {scaled(theirs)}"
    found = [
        (percent(student_words), "zero-shot accuracy", f"teacher's words {percent(teacher_words)}"),
        (
            decimal(whole_row.get("centred_cosine")),
            "centred cosine",
            f"on {whole(whole_row.get('n'))} captions held out",
        ),
        (file_size(student.get("int8_bytes")), "as INT8", f"{file_size(student.get('size_bytes'))} as float32"),
        (ratio(own, theirs), "of the parameters", beside),
        (whole(text.get("captions")), "captions", "and no sound was needed"),
    ]
    return [tile for tile in found if tile[0] != DASH]


def weights_licence(text: Mapping[str, Any]) -> str:
    """The licence of a text student's weights: that of its teacher's text tower, or of texts to be shared alike.

    Where both bind, both are named.
    """
    teacher = str(as_mapping(text.get("teacher")).get("licence") or "unknown")
    stated = map(_share_alike, as_mapping(text.get("licences")).values())
    alike = [licence for licence in dict.fromkeys(stated) if licence]
    if not alike:
        return teacher
    free = teacher.lower() in FREE or teacher.upper() in alike
    return " and ".join(alike if free else [teacher, *alike])


FREE = ("apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-3.0", "cc-by-4.0")
"""Licences of which a work may be passed on under a share-alike one."""


def _share_alike(licence: Any) -> str:
    """The identifier of a share-alike licence, "CC BY-SA 4.0" as CC-BY-SA-4.0; empty for any other."""
    written = str(licence).upper().replace(" ", "-")
    return written if written.startswith("CC-BY-SA") else ""


def _all(text: Mapping[str, Any]) -> dict[str, Any]:
    """The agreement on all captions together."""
    rows = as_mappings(as_mapping(text.get("agreement")).get("groups"))
    return next((row for row in rows if row.get("group") == ALL), {})


def _chances(captions: Any) -> list[float]:
    """Of being found first and among ten, and of a shared neighbour; none for too few captions."""
    if not known(captions) or captions < FEWEST:
        return []
    return [1 / captions, 10 / captions, knn_chance(round(captions))]
