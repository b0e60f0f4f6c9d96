"""Many files to their labels, one after the other, and the three ways in which they are printed. No torch."""

import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyclap.audio import AudioError
from tinyclap.errors import GateError
from tinyclap.labels import LabelTable, Prediction
from tinyclap.runtime import Bundle


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


def print_text(answers: Iterable[Answer]) -> list[Answer]:
    """A block of lines per usable file, as it comes; returns all answers."""
    told = []
    for answer in answers:
        told.append(answer)
        if answer.predictions:
            print(answer.file)
        width = max((len(prediction.label) for prediction in answer.predictions), default=0)
        for label, cosine, probability in answer.predictions:
            print(f"  {label:<{width}}  {probability:6.1%}  cosine {cosine:+.3f}", flush=True)
    return told


def print_csv(answers: Iterable[Answer]) -> list[Answer]:
    """A header, then a line for every label of every usable file, as it comes; returns all answers."""
    told = []
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(["file", "rank", "label", "cosine", "probability"])
    for answer in answers:
        told.append(answer)
        for rank, (label, cosine, probability) in enumerate(answer.predictions, start=1):
            lines.writerow([answer.file, rank, label, f"{cosine:.6f}", f"{probability:.6f}"])
    return told


def print_json(bundle: Bundle, answers: Iterable[Answer]) -> list[Answer]:
    """One object: how it was computed, predictions of the usable files, reasons of the others; returns all answers."""
    told = list(answers)
    results = [
        {"file": answer.file, "predictions": [prediction._asdict() for prediction in answer.predictions]}
        for answer in told
        if answer.reason is None
    ]
    bad = [{"file": answer.file, "reason": answer.reason} for answer in told if answer.reason is not None]
    how = {"bundle": str(bundle.folder), "graph": bundle.graph, "provider": bundle.provider, "threads": bundle.threads}
    print(json.dumps({**how, "results": results, "bad": bad}, ensure_ascii=False))
    return told
