"""What a command says of a text student at its end: its size, how it follows its teacher, and what it names."""

from collections.abc import Mapping
from typing import Any

from tinyclap.common.numbers import DASH, aligned, decimal, file_size, known, percent, scaled, whole
from tinyclap.reports import words
from tinyclap.runs.results import as_mapping


def words_lines(text: Mapping[str, Any], measured: Mapping[str, Any] | None = None) -> list[str]:
    """The content of text.json as lines.

    Args:
        text: the content.
        measured: on labelled sounds; None for all that `text` holds.
    """
    blocks = [_size_lines(text), _agreement_lines(text)]
    blocks += [accuracy_lines(entry) for entry in ([measured] if measured else words.zero_shots(text))]
    return [line for block in blocks if block for line in ("", *block)][1:]


def _size_lines(text: Mapping[str, Any]) -> list[str]:
    student, theirs = as_mapping(text.get("student")), as_mapping(text.get("teacher")).get("parameters")
    rows = [
        ("", "student's words", "teacher's words"),
        ("parameters", scaled(student.get("parameters")), scaled(theirs)),
        ("size (float32)", file_size(student.get("size_bytes")), file_size(4 * theirs) if known(theirs) else DASH),
        ("size (INT8)", file_size(student.get("int8_bytes")), ""),
        ("word pieces", whole(student.get("vocabulary")), ""),
        (f"MACs of {whole(student.get('macs_tokens'))} word pieces", scaled(student.get("macs")), ""),
    ]
    return aligned(rows if known(theirs) else [row[:2] for row in rows]) if student else []


def _agreement_lines(text: Mapping[str, Any]) -> list[str]:
    told, rows = as_mapping(text.get("agreement")), words.group_rows(text)
    measured = [row for row in rows if row.held_out]
    if not measured:
        return []
    table = [("agreement on captions held out", "captions", "cosine", "centred cosine")]
    table += [(row.name, row.cells[1], decimal(row.cosine), decimal(row.centred_cosine)) for row in measured]
    found = f"found first {percent(told.get('found_1'))}, among ten {percent(told.get('found_10'))}"
    return [*aligned(table, numbers=True), f"{found}, 10-NN overlap {percent(told.get('neighbours'))}"]


def accuracy_lines(entry: Mapping[str, Any]) -> list[str]:
    """What was measured on labelled sounds, a line for each pair of ears; none without any."""
    clips = f"zero-shot accuracy, {whole(entry.get('n_clips'))} clips"
    rows = [(row.name.lower(), row.teacher, row.student, row.compared) for row in words.zero_shot_tables(entry)["rows"]]
    return aligned([(clips, "teacher's words", "student's words", "difference"), *rows]) if rows else []
