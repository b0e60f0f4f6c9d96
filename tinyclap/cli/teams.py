"""Options of commands whose work may be shared: `--workers N`, `--ray [ADDRESS]`."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

OPTION, RUNNING = "--ray", "auto"
ADDRESS = re.compile(r"[^\s=]+:\d+|auto")

Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes of this machine; with --ray workers that are asked for."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        OPTION,
        metavar="[HOST:PORT]",
        help="Workers on a Ray cluster, by default the one that this machine is part of; else one is started here.",
    ),
]


class CommandWithRay(TyperCommand):
    """A command whose `--ray` needs no address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare `--ray` its meaning; what follows it is its address only if it looks like one."""
        return super().parse_args(ctx, with_address(args))


def with_address(words: Sequence[str]) -> list[str]:
    """Words of a command line in which every `--ray` has a value."""
    bare = [
        word == OPTION and not ADDRESS.fullmatch(following)
        for word, following in zip(words, [*words, ""][1:], strict=True)
    ]
    return [f"{OPTION}={RUNNING}" if is_bare else word for word, is_bare in zip(words, bare, strict=True)]


def refuse_threads(threads: int | None, workers: int | None, ray: str | None) -> None:
    """Raise a BadParameter for threads of this process where others do the work."""
    if threads is not None and (workers is not None or ray is not None):
        raise typer.BadParameter("--threads are of this process; leave them out with --workers or --ray")
