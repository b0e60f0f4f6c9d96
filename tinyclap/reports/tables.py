"""The sentences, tables and charts of a report, from the contents of its result files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyclap.common import numbers
from tinyclap.common.numbers import DASH, known, percent, percent_interval, ratio
from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.runs.results import MODELS, as_mapping, as_mappings

EPOCH_ROWS = 12  # of a long training, so many epochs are tabulated
MISTAKES = 5


@dataclass(frozen=True)
class Row:
    """One line of a teacher-student table, as text; `help` explains it to a stranger."""

    name: str
    teacher: str
    student: str
    compared: str = ""
    help: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix: how many clips, and which share of its true class."""

    count: int
    share: float
    right: bool


def verdict(evaluation: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The run in one sentence."""
    ratios = {"MACs": ratio(*_comparable_macs(summary)), "parameters": ratio(*_both(summary, "parameters"))}
    cost = next((f"{share} of the {name}" for name, share in ratios.items() if share.startswith("1/")), "")
    if known(evaluation.get("retention")):
        kept = f"The student keeps {percent(evaluation['retention'])} of its teacher's zero-shot accuracy"
        return f"{kept} at {cost}." if cost else f"{kept}."
    if evaluation:
        model = evaluation["models"][0]
        return f"The {model}'s zero-shot accuracy is {percent(as_mapping(evaluation.get(model)).get('accuracy'))}."
    if cost:
        return f"The student runs at {cost} of its teacher; its accuracy has not been measured yet."
    return "Zero-shot accuracy has not been measured yet."


def result_rows(evaluation: Mapping[str, Any]) -> list[Row]:
    """Accuracy, its mean over the folds and each fold's, teacher beside student."""
    models = [as_mapping(evaluation.get(model)) for model in MODELS]
    folds = [as_mapping(model.get("folds")) for model in models]
    accuracy = [with_interval(model.get("accuracy"), model.get("ci95")) for model in models]
    kept = with_interval(evaluation.get("retention"), evaluation.get("retention_ci95"))
    meaning = "share of the clips whose own class's prompt is the nearest"
    rows = [Row("Zero-shot accuracy", accuracy[0], accuracy[1], kept, meaning)]
    if is_uneven(evaluation):
        recalls = [percent(model.get("uar")) for model in models]
        meaning = "unweighted average recall (UAR): a rare class counts as much as a common one"
        rows.append(Row("Mean over the classes", recalls[0], recalls[1], help=meaning))
    by_fold = [as_mapping(fold.get("accuracy")) for fold in folds]
    names = list(by_fold[0] or by_fold[1])
    if len(names) < 2:
        return rows
    means = [f"{percent(fold.get('mean'))} ± {percent(fold.get('sd'))}" if fold else DASH for fold in folds]
    rows.append(Row(f"Mean over {len(names)} folds", means[0], means[1], help="± standard deviation between folds"))
    clips = as_mapping((folds[0] or folds[1]).get("n_clips"))
    for name in names:
        size = f" ({clips[name]} clips)" if name in clips else ""
        rows.append(Row(f"Fold {name}{size}", percent(by_fold[0].get(name)), percent(by_fold[1].get(name))))
    return rows


def is_uneven(evaluation: Mapping[str, Any]) -> bool:
    """Whether classes have different numbers of clips, so that the mean of their accuracies is another figure."""
    sizes = {row.get("n") for row in evaluation.get("per_class") or [] if row.get("n")}
    return len(sizes) > 1 and any("uar" in as_mapping(evaluation.get(model)) for model in MODELS)


def warnings(evaluation: Mapping[str, Any]) -> list[str]:
    """What makes an evaluation's figures say less than they seem to, a sentence each."""
    found = []
    labels, chance = evaluation.get("labels") or [], evaluation.get("chance")
    for model in (model for model in MODELS if as_mapping(evaluation.get(model))):
        matrix = as_mapping(evaluation.get("confusion")).get(model) or []
        named = [label for label, *counts in zip(labels, *matrix, strict=True) if any(counts)] if matrix else []
        interval = evaluation[model].get("ci95")
        if len(named) == 1:
            found.append(f"The {model} names '{label_text(named[0])}' for every clip: it tells no sounds apart.")
        elif known(chance) and interval and interval[0] <= chance:
            found.append(f"The {model} may be guessing: always naming the commonest class gives {percent(chance)}.")
    if evaluation.get("heard_in_training"):
        warning = f"{numbers.whole(evaluation['heard_in_training'])} of the test clips are in the training data"
        found.append(f"{warning}, so these figures say little about new sounds.")
    return found


def closeness_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, value, explanation) of how closely the student follows its teacher; only what was measured."""
    p_value, chance = evaluation.get("mcnemar_p"), evaluation.get("knn10_chance")
    interval = evaluation.get("difference_ci95")
    difference = numbers.points(evaluation.get("difference"), interval)
    rows = [
        ("Accuracy difference", difference, f"student minus teacher on the same clips{_doubt(interval)}"),
        (
            "McNemar p-value",
            numbers.p_value(p_value),
            "two-sided, exact; takes clips as independent",
        ),
        ("Agreement", percent(evaluation.get("agreement")), "share of clips given the same class, right or wrong"),
        ("Cosine", numbers.decimal(evaluation.get("cosine")), "mean over clips of cos(student, teacher)"),
        (
            "Centred cosine",
            numbers.decimal(evaluation.get("centred_cosine")),
            "the same after subtracting the teacher's mean embedding, so that only what differs between sounds counts",
        ),
        (
            "10-neighbour overlap",
            percent(evaluation.get("knn10_overlap")),
            f"share of the teacher's 10 nearest clips that the student finds too (chance: {percent(chance)})",
        ),
    ]
    return [row for row in rows if not row[1].startswith(DASH)]


def _doubt(interval: Any) -> str:
    """Whether chance may explain a difference with this 95 % interval, which is clustered by recording."""
    if not (isinstance(interval, list) and len(interval) == 2 and all(map(known, interval))):
        return ""
    doubt = "chance may explain it" if interval[0] <= 0 <= interval[1] else "chance hardly explains it"
    return f", with its 95 % interval; {doubt}"


def _comparable_macs(summary: Mapping[str, Any]) -> tuple[Any, Any]:
    """Student's and teacher's MACs: of a window, or of one second where their windows differ in length."""
    macs, windows = _both(summary, "macs"), _both(summary, "window_s")
    if windows[0] == windows[1] or not all(known(value) and value > 0 for value in (*macs, *windows)):
        return macs
    return macs[0] / windows[0], macs[1] / windows[1]


def tiles(evaluation: Mapping[str, Any], summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(figure, what it is, beside what) for the top of the page; only what was measured."""
    teacher, student = (as_mapping(evaluation.get(model)) for model in MODELS)
    main, beside = student or teacher, f"teacher {percent(teacher.get('accuracy'))}"
    if not student or not teacher:
        beside = percent_interval(main.get("ci95"))
    macs, parameters = _comparable_macs(summary), _both(summary, "parameters")
    kept = percent_interval(evaluation.get("retention_ci95"))
    found = [
        (percent(main.get("accuracy")), "zero-shot accuracy", beside),
        (percent(evaluation.get("retention")), "of the teacher's accuracy", kept),
        (ratio(*macs), "of the MACs", " instead of ".join(map(numbers.scaled, macs))),
        (ratio(*parameters), "of the parameters", " instead of ".join(map(numbers.scaled, parameters))),
    ]
    return [tile for tile in found if tile[0] != DASH]


def class_rows(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """label, n, and each model's accuracy per class, as in the file but for the cleaned label."""
    return [
        {"label": label_text(row.get("label")), "n": row.get("n"), **{model: row.get(model) for model in MODELS}}
        for row in as_mappings(evaluation.get("per_class"))
    ]


def confusion(evaluation: Mapping[str, Any], model: str) -> list[tuple[str, list[Cell]]]:
    """(true label, cells by predicted class) rows; empty when the matrix is missing or misshapen."""
    labels = [label_text(label) for label in evaluation.get("labels") or []]
    matrix = as_mapping(evaluation.get("confusion")).get(model) or []
    if not labels or len(matrix) != len(labels) or any(len(counts) != len(labels) for counts in matrix):
        return []
    return [
        (label, [Cell(count, count / max(1, sum(counts)), i == j) for j, count in enumerate(counts)])
        for i, (label, counts) in enumerate(zip(labels, matrix, strict=True))
    ]


def mistakes(rows: Sequence[tuple[str, list[Cell]]]) -> list[tuple[str, str, int, int]]:
    """The commonest (true label, predicted label, clips, of how many)."""
    found = [
        (label, rows[j][0], cell.count, sum(other.count for other in cells))
        for label, cells in rows
        for j, cell in enumerate(cells)
        if cell.count and not cell.right
    ]
    return sorted(found, key=lambda mistake: -mistake[2])[:MISTAKES]


def label_text(label: Any) -> str:
    """A class name as people read it, and as it stands in the prompts."""
    return clean_label(str(label)) or str(label)


def sweep_tables(sweep: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A pruning sweep as text: for accuracy and neighbour overlap a table of methods by dimensions."""
    rows = [row for row in as_mappings(sweep.get("rows")) if known(row.get("dim"))]
    unpruned = next((row for row in rows if row.get("method") == "none"), {})
    dims = sorted({row["dim"] for row in rows if row.get("method") != "none"}, reverse=True)
    swept = []
    for title, write in (("Zero-shot accuracy", _swept_accuracy), ("10-neighbour overlap", _swept_overlap)):
        cells: dict[str, dict[int, str]] = {}
        for row in rows:
            if row.get("method") != "none":
                cells.setdefault(swept_name(row), {})[row["dim"]] = write(row)
        table = [{"name": name, "cells": [found.get(dim, DASH) for dim in dims]} for name, found in cells.items()]
        whole = f"{write(unpruned)} with all {unpruned.get('dim')} dimensions" if unpruned else ""
        swept.append({"title": title, "unpruned": whole, "dims": dims, "rows": table})
    return swept


def swept_name(row: Mapping[str, Any]) -> str:
    return f"{row.get('method') or 'unnamed'}{', trained again' if row.get('finetuned') else ''}"


def _swept_accuracy(row: Mapping[str, Any]) -> str:
    return with_interval(row.get("accuracy"), row.get("ci95"))


def _swept_overlap(row: Mapping[str, Any]) -> str:
    return percent(row.get("knn10_overlap"))


def epoch_table(epochs: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Column names and rows of the training log, thinned evenly to EPOCH_ROWS with the first and last kept."""
    columns = list(
        dict.fromkeys(key for epoch in epochs for key, value in epoch.items() if not isinstance(value, list))
    )
    steps = min(EPOCH_ROWS, len(epochs))
    kept = [round(i * (len(epochs) - 1) / max(1, steps - 1)) for i in range(steps)]
    written = [[_entry(epochs[index].get(column)) for column in columns] for index in kept]
    return columns, written


def time_spent(epochs: Sequence[Mapping[str, Any]]) -> str:
    """How many epochs, how long, and which share of the time went into waiting for data."""
    seconds = [epoch["seconds"] for epoch in epochs if known(epoch.get("seconds"))]
    waiting = [epoch["data_seconds"] for epoch in epochs if known(epoch.get("data_seconds"))]
    text = f"{len(epochs)} {'epoch' if len(epochs) == 1 else 'epochs'}"
    if seconds:
        text += f" in {numbers.duration(sum(seconds))}"
        if len(waiting) == len(seconds) and sum(seconds) > 0:
            text += f", of which {percent(sum(waiting) / sum(seconds))} waiting for data"
    return text


def _entry(value: Any) -> str:
    return DASH if value is None else numbers.significant(value) if isinstance(value, int | float) else str(value)


def _both(summary: Mapping[str, Any], key: str) -> tuple[Any, Any]:
    """The student's and the teacher's figure."""
    return as_mapping(summary.get("student")).get(key), as_mapping(summary.get("teacher")).get(key)


def with_interval(value: Any, pair: Any) -> str:
    """A share and its 95 % interval: "81.3 % [74.0, 88.0]"."""
    return f"{percent(value)} {percent_interval(pair)}".strip()
