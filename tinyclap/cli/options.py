"""What several commands share: options, and the run or bundle that they act on. Heavy imports happen inside."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tinyclap.workspace.bundles import Found

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")]
RunArgument = Annotated[Path | None, typer.Argument(metavar="[RUN]", help="Run folder; by default the newest.")]


def tell(line: str) -> None:
    """Say something beside the result, on stderr."""
    typer.echo(line, err=True)


def refuse_several(**given: bool) -> None:
    """Raise a BadParameter where more than one of some options is given, e.g. json=True, csv=True."""
    if sum(given.values()) > 1:
        *others, last = (f"--{name}" for name in given)
        raise typer.BadParameter(f"{', '.join(others)} and {last} exclude each other; give one of them")


def chosen_run(asked: Path | None, *, of_student: bool = False) -> Path:
    """The run that was asked for, or the newest one, named on stderr; raises as `workspace.bundles.named_run` does.

    With `of_student` it is the newest that makes a student that hears, where there is one.
    """
    from tinyclap.runs.folder import find_run, newest_student
    from tinyclap.workspace.bundles import named_run

    if asked is not None:
        return named_run(asked)
    folder = find_run()
    student = newest_student() if of_student else None
    if student not in (None, folder):
        typer.echo(f"newest run of a student: {student} (the newest run, {folder}, is of another kind)", err=True)
        return student
    typer.echo(f"newest run: {folder}", err=True)
    return folder


def chosen_bundle(asked: Path | None) -> Path:
    """The bundle that was asked for, or the newest run's that has one, or the ready-made one; then named on stderr.

    Raises as `named_bundle` and `newest_bundle` of `workspace.bundles` do.
    """
    from tinyclap.workspace.bundles import named_bundle

    return named_bundle(asked) if asked is not None else newest_bundle().bundle


def newest_bundle() -> "Found":
    """The newest run's bundle that has one, or the ready-made one; named on stderr."""
    from tinyclap.workspace.bundles import newest_bundle

    found = newest_bundle()
    typer.echo(str(found), err=True)
    return found
