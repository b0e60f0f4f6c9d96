"""Many files to their labels, one after the other."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tinyclap.audio.checks import AudioError
from tinyclap.errors import GateError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.judge import Answer, Judge
from tinyclap.runtime.sounds import is_stream, opened


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
                embedded = bundle.embed_with_level(sound, hop_s=hop_s, channel=channel)
        except AudioError as error:
            yield FileAnswer(name, reason=error.reason)
        else:
            yield FileAnswer(name, judge(*embedded))


def refuse_bad(answers: Sequence[FileAnswer]) -> None:
    """Raise a GateError that names the files that cannot be used, if there are any."""
    bad = [AudioError(answer.file, answer.reason) for answer in answers if answer.reason is not None]
    if bad and len(answers) == 1:
        raise GateError(str(bad[0]))
    if bad:
        listed = "".join(f"\n  {error}" for error in bad)
        raise GateError(f"{len(bad)} of {len(answers)} files cannot be used:{listed}")
