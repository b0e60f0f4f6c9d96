"""Standard output and error as the commands need them: whatever their encoding is, no text is too much for them."""

import io
import sys


def prepare() -> None:
    """Let both escape what their encoding does not have, such as é as \\xe9 in ASCII, or a file name that is no text.

    JSON is printed in ASCII, so that no escape of this kind gets into it. To an ASCII stream typer writes UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):  # None where there is none
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
