"""What files and live sound are, as text, CSV and JSON."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.classify_files import FileAnswer
from tinyclap.runtime.judge import Answer
from tinyclap.runtime.live.events import Event

CSV_COLUMNS = "file,rank,label,cosine,probability,score,outcome,level_dbfs"


def as_text(file: str, answer: Answer) -> str:
    """The file's name, what it is if no label, and a line for every label."""
    lines = [file]
    if answer.outcome == "silence":
        lines.append(f"  silence, or too quiet to tell: {answer.level_dbfs:.1f} dBFS")
    elif answer.outcome == "unknown":
        lines.append(f"  unknown: no label has a score of {answer.threshold}{'; the nearest:' if answer else ''}")
    width = max((len(prediction.label) for prediction in answer), default=0)
    for row, (label, cosine, probability) in enumerate(answer):
        score = f"  score {answer.scores[row]:.4f}" if answer.scores and answer.threshold else ""
        lines.append(f"  {label:<{width}}  {probability:6.1%}  cosine {cosine:+.3f}{score}")
    return "\n".join(lines)


def as_csv(file: str, answer: Answer) -> str:
    """A line of CSV_COLUMNS for every label, or one without a label for none."""
    rows: list[list[object]] = [
        [rank, entry["label"], *(_digits(entry[name]) for name in ("cosine", "probability", "score"))]
        for rank, entry in enumerate(predictions(answer), start=1)
    ]
    text, outcome = io.StringIO(), [answer.outcome, f"{answer.level_dbfs:.1f}"]
    csv.writer(text, lineterminator="\n").writerows([file, *row, *outcome] for row in rows or [[""] * 5])
    return text.getvalue().removesuffix("\n")


def as_object(bundle: Bundle, answers: Sequence[FileAnswer]) -> str:
    """One JSON object: how it was computed, the answers of the usable files, and the reasons of the others."""
    results = [{"file": entry.file, **answer_object(entry.answer)} for entry in answers if entry.answer is not None]
    bad = [{"file": entry.file, "reason": entry.reason} for entry in answers if entry.reason is not None]
    how = {"bundle": str(bundle.folder), "graph": bundle.graph, "provider": bundle.provider, "threads": bundle.threads}
    return json.dumps({**how, "results": results, "bad": bad})


def answer_object(answer: Answer) -> dict[str, Any]:
    """An answer for JSON."""
    level_dbfs = round(answer.level_dbfs, 1)
    return {"outcome": answer.outcome, "level_dbfs": level_dbfs, "predictions": predictions(answer)}


def predictions(answer: Answer) -> list[dict[str, Any]]:
    """Each label of an answer with its cosine, probability and, or None, score."""
    scores = answer.scores or [None] * len(answer)
    return [{**entry._asdict(), "score": score} for entry, score in zip(answer, scores, strict=True)]


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def live_line(time_s: float, answer: Answer, *, as_json: bool) -> str:
    """An answer to live sound, after so many seconds."""
    if as_json:
        return json.dumps({"time_s": round(time_s, 3), **answer_object(answer)})
    labels = "   ".join(f"{entry.label} {entry.probability:.0%}" for entry in answer)
    if answer.outcome != "label":
        labels = answer.outcome + (f" ({labels})" if labels else "")
    return f"{time_s:9.2f} s  {labels}"


def event_line(event: Event, *, as_json: bool) -> str:
    """An event that has ended."""
    if as_json:
        return json.dumps(event.as_object())
    return f"{event.start_s:9.2f} to {event.end_s:9.2f} s  {event.label}  {event.score:.4f}"
