"""Many files to their labels, one after the other, and three ways to write them down."""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyclap.audio.checks import AudioError
from tinyclap.errors import GateError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.judge import Answer, Judge
from tinyclap.runtime.live.source import is_stream, opened

CSV_COLUMNS = "file,rank,label,cosine,probability,score,outcome,level_dbfs"


@dataclass(frozen=True)
class FileAnswer:
    """What a file sounds like, or the reason why it cannot be used."""

    file: str
    answer: Answer | None = None
    reason: str | None = None


def classify_files(
    bundle: Bundle,
    files: Iterable[Path],
    judge: Judge,
    *,
    hop_s: float | None = None,
    channel: int | None = None,
) -> Iterator[FileAnswer]:
    """One answer per file, as soon as it is known; `hop_s` and `channel` as for `Bundle.embed`.

    Of a pipe, or "-" for standard input, all that comes is one sound; it may be of any format.
    """
    for file in files:
        name = os.fsencode(file).decode("utf-8", "replace")  # a file name need not be UTF-8
        try:
            with opened(file) if is_stream(file) else nullcontext(file) as sound:
                heard = bundle.hear(sound, hop_s=hop_s, channel=channel)
        except AudioError as error:
            yield FileAnswer(name, reason=error.reason)
        else:
            yield FileAnswer(name, judge(*heard))


def refuse_bad(answers: Sequence[FileAnswer]) -> None:
    """Name the files that cannot be used: AudioError if it is the only one, GateError if some of several."""
    bad = [AudioError(answer.file, answer.reason) for answer in answers if answer.reason is not None]
    if bad and len(answers) == 1:
        raise bad[0]
    if bad:
        listed = "".join(f"\n  {error}" for error in bad)
        raise GateError(f"{len(bad)} of {len(answers)} files cannot be used:{listed}")


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
    text, heard = io.StringIO(), [answer.outcome, f"{answer.level_dbfs:.1f}"]
    csv.writer(text, lineterminator="\n").writerows([file, *row, *heard] for row in rows or [[""] * 5])
    return text.getvalue().removesuffix("\n")


def as_object(bundle: Bundle, answers: Sequence[FileAnswer]) -> str:
    """One JSON object: how it was computed, the answers of the usable files, and the reasons of the others."""
    results = [{"file": entry.file, **answer_object(entry.answer)} for entry in answers if entry.answer is not None]
    bad = [{"file": entry.file, "reason": entry.reason} for entry in answers if entry.reason is not None]
    how = {"bundle": str(bundle.folder), "graph": bundle.graph, "provider": bundle.provider, "threads": bundle.threads}
    return json.dumps({**how, "results": results, "bad": bad})


def answer_object(answer: Answer) -> dict[str, Any]:
    """An answer for JSON."""
    heard = {"outcome": answer.outcome, "level_dbfs": round(answer.level_dbfs, 1)}
    return {**heard, "predictions": predictions(answer)}


def predictions(answer: Answer) -> list[dict[str, Any]]:
    """Each label of an answer with its cosine, probability and, or None, score."""
    scores = answer.scores or [None] * len(answer)
    return [{**entry._asdict(), "score": score} for entry, score in zip(answer, scores, strict=True)]


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
