"""Many files to their labels, one after the other, and three ways to write them down."""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyclap.audio.checks import AudioError
from tinyclap.errors import GateError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.labels import LabelTable, Prediction

CSV_COLUMNS = "file,rank,label,cosine,probability"


@dataclass(frozen=True)
class Answer:
    """What a file sounds like, or the reason why it cannot be used."""

    file: str
    predictions: list[Prediction] = field(default_factory=list)
    reason: str | None = None


def classify_files(bundle: Bundle, files: Iterable[Path], table: LabelTable, top_k: int) -> Iterator[Answer]:
    """One answer per file, as soon as it is known."""
    for file in files:
        name = os.fsencode(file).decode("utf-8", "replace")  # a file name need not be UTF-8
        try:
            embedding = bundle.embed(file)[0]
        except AudioError as error:
            yield Answer(name, reason=error.reason)
        else:
            yield Answer(name, table.rank(embedding, bundle.manifest.logit_scale, top_k))


def refuse_bad(answers: Sequence[Answer]) -> None:
    """Name the files that cannot be used: AudioError if it is the only one, GateError if some of several."""
    bad = [AudioError(answer.file, answer.reason) for answer in answers if answer.reason is not None]
    if bad and len(answers) == 1:
        raise bad[0]
    if bad:
        listed = "".join(f"\n  {error}" for error in bad)
        raise GateError(f"{len(bad)} of {len(answers)} files cannot be used:{listed}")


def as_text(answer: Answer) -> str:
    """The file's name and a line for every label."""
    width = max((len(prediction.label) for prediction in answer.predictions), default=0)
    lines = [
        f"  {label:<{width}}  {probability:6.1%}  cosine {cosine:+.3f}"
        for label, cosine, probability in answer.predictions
    ]
    return "\n".join([answer.file, *lines])


def as_csv(answer: Answer) -> str:
    """A line of CSV_COLUMNS for every label."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [answer.file, rank, label, f"{cosine:.6f}", f"{probability:.6f}"]
        for rank, (label, cosine, probability) in enumerate(answer.predictions, start=1)
    )
    return text.getvalue().removesuffix("\n")


def as_object(bundle: Bundle, answers: Sequence[Answer]) -> str:
    """One JSON object: how it was computed, the predictions of the usable files, and the reasons of the others."""
    results = [
        {"file": answer.file, "predictions": [prediction._asdict() for prediction in answer.predictions]}
        for answer in answers
        if answer.reason is None
    ]
    bad = [{"file": answer.file, "reason": answer.reason} for answer in answers if answer.reason is not None]
    how = {"bundle": str(bundle.folder), "graph": bundle.graph, "provider": bundle.provider, "threads": bundle.threads}
    return json.dumps({**how, "results": results, "bad": bad})
