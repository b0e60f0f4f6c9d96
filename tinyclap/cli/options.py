"""What several commands share: options, and the run that they act on. Heavy imports happen inside."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
RunArgument = Annotated[Path | None, typer.Argument(metavar="[RUN]", help="Run folder; by default the newest.")]


def chosen_run(asked: Path | None) -> Path:
    """The run that was asked for, or the newest one, named on stderr; raises as `runs.folder.find_run` does."""
    from tinyclap.runs.folder import find_run

    folder = find_run(asked)
    if asked is None:
        typer.echo(f"newest run: {folder}", err=True)
    return folder
