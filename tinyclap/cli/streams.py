"""Standard output and error as the commands need them: whatever their encoding is, no text is too much for them."""

import io
import os
import sys
from typing import TextIO


def prepare() -> None:
    """Let both escape what their encoding does not have, such as é as \\xe9 in ASCII, or a file name that is no text.

    JSON is printed in ASCII, so that no escape of this kind gets into it. To an ASCII stream typer writes UTF-8.
    """
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()  # None where they are closed
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")
