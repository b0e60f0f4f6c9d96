"""One student of two teachers, and a joint space of MuLan's width: what two scripts on ESC-10 found, as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from tinyclap.common.numbers import percent, percent_interval, points, scaled

STUDENTS = {"own": "the CLAP alone", "tagger": "the tagger alone", "both": "both", "both_wide": "both, a larger head"}
WORDS = {"own": "the CLAP's", "tagger": "the tagger's", "both": "both teachers'"}
WIDTHS = {"wide": "as it is", "pruned": "pruned", "narrow": "of this width from the start"}


def several_teachers(two: Mapping[str, Any] | None, width: Mapping[str, Any] | None) -> str:
    """Both tables; of what has not been measured yet, that it has not."""
    parts = [
        _two(two["summary"]) if two else "Not measured yet: `esc10/two_teachers`.\n",
        _width(width["summary"]) if width else "Not measured yet: `esc10/joint_width`.\n",
    ]
    return "\n".join(parts)


def _two(summary: Sequence[Mapping[str, Any]]) -> str:
    longest = max(row["epochs"] for row in summary)
    scores, pairs = (
        [row for row in summary if row["epochs"] == longest and key in row] for key in ("accuracy", "difference")
    )
    lines = [
        f"**One student of two teachers** (ESC-10, {scores[0]['clips']} clips from {scores[0]['recordings']}",
        f"recordings, {longest} epochs; `esc10/two_teachers`): a CLAP of the other folds, and AudioSet's tagger.\n",
        "| student of | parameters | by the words of | accuracy | its teacher's | centred cosine |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in scores:
        accuracies = [
            f"{percent(row[key])} {percent_interval(row[ends])}"
            for key, ends in (("accuracy", "ci95"), ("teacher_accuracy", "teacher_ci95"))
        ]
        cells = (STUDENTS[row["student_of"]], scaled(row["parameters"]), WORDS[row["head"]], *accuracies)
        lines.append(f"| {' | '.join(cells)} | {row['centred_cosine']:.3f} |")
    lines += ["", "| student of | by the words of | accuracy above that of a student of |", "| --- | --- | --- |"]
    for row in pairs:
        above = f"{STUDENTS[row['minus_student_of']]}: {points(row['difference'], row['ci95'])}"
        lines.append(f"| {STUDENTS[row['student_of']]} | {WORDS[row['head']]} | {above} |")
    return "\n".join(lines) + "\n"


def _width(summary: Sequence[Mapping[str, Any]]) -> str:
    own = [row for row in summary if row["epochs"] is None] or list(summary)  # of the recipes' own length, if there
    scores, pairs = ([row for row in own if key in row] for key in ("accuracy", "difference"))
    lines = [
        f"**A joint space of 128 dimensions**, MuLan's width (ESC-10, {scores[0]['clips']} clips from",
        f"{scores[0]['recordings']} recordings, runs of each: {scores[0]['runs']}; `esc10/joint_width`).\n",
        "| the CLAP | dimensions | accuracy | 10-NN overlap with the wide one |",
        "| --- | --- | --- | --- |",
    ]
    for row in scores:
        accuracy = f"{percent(row['accuracy'])} {percent_interval(row['ci95'])}"
        overlap = "" if row["overlap"] is None else percent(row["overlap"])
        lines.append(f"| {WIDTHS[row['arm']]} | {row['dim']} | {accuracy} | {overlap} |")
    told = [
        f"{WIDTHS[row['arm']]} minus {WIDTHS[row['minus']]}: {points(row['difference'], row['ci95'])}" for row in pairs
    ]
    return "\n".join(lines) + "\n\n" + "; ".join(told) + ".\n"
