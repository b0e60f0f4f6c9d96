"""What was measured of a page, and how it is told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tinyclap.common.numbers import file_size

KINDS = {"embedding": "sounds", "resampled": "sounds at other rates", "text": "texts", "label": "labels in words"}


@dataclass(frozen=True)
class WebReport:
    """What was written, and what was measured of it.

    Attributes:
        name: of the bundle.
        graph: file name of the audio graph.
        labels: number of the bundle's own labels.
        words: whether the page takes labels in words.
        words_left_out: the bundle has words, but a tokenizer that the page cannot read.
        runtime: version of onnxruntime-web.
        transfer_bytes: of all that the page loads, each file as gzip.
        first_bytes: as much of it as is loaded before the first answer.
        checked: what the selftest in Node found (`passed`, and the largest difference of each kind); None without Node.
    """

    name: str
    graph: str
    labels: int
    words: bool
    words_left_out: bool
    runtime: str
    transfer_bytes: int
    first_bytes: int
    checked: Mapping[str, Any] | None = None


def measured_lines(report: WebReport) -> Iterator[str]:
    """What was measured, in sentences."""
    yield (
        f"A browser loads {file_size(report.first_bytes)} before the first answer and "
        f"{file_size(report.transfer_bytes)} in all (as gzip), once."
    )
    if report.words_left_out:
        yield "Its labels are fixed: the bundle's words have a tokenizer that no page reads (pages read WordPiece)."
    if report.checked is None:
        yield "Not compared with Python: no Node.js was there. Open the page and run the selftest, or run it with Node."
        return
    found = [f"{report.checked[kind]:.1e} on {what}" for kind, what in KINDS.items() if report.checked[kind]]
    yield f"Run in Node.js, it differs from Python by at most {', '.join(found) or '0'}."
