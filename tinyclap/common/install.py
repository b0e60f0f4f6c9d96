"""The lines that install tinyclap. It is on no package index: they say where it comes from."""

SOURCE = "path/to/tinyclap"


def install_line(extra: str = "", *, wheel: str | None = None, version: str = "") -> str:
    """The shell line that installs tinyclap on another machine.

    Args:
        extra: to install with it.
        wheel: its file, in the folder where the line is typed; None where only the reader knows where tinyclap lies.
        version: that is meant, where it matters.
    """
    place = SOURCE if wheel is None else f"./{wheel}"
    line = f'pip install "{place}[{extra}]"' if extra else f'pip install "{place}"'
    if wheel is not None:
        return line
    return f"{line}  # the folder or wheel of tinyclap{f' {version}' if version else ''}; no package index has it"


def extra_line(extra: str) -> str:
    """The line that adds an extra where tinyclap is installed already: pip keeps that one, and asks no index for it."""
    return f'pip install "tinyclap[{extra}]"'
