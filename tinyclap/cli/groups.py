"""How a group of commands shows itself: by what people want to do, each command with its whole sentence."""

from typing import Any

import typer
from typer.core import TyperGroup

SECTIONS = {
    "Train": ("recipes", "distill", "distill-text", "pretrain", "convert", "shard", "plan", "embed-teacher"),
    "Shrink": ("prune", "search"),
    "Ship": ("export", "selftest", "info"),
    "Use": ("get", "models", "classify", "embed", "listen", "caption", "adapt"),
    "Find": ("index", "find", "browse", "duplicates", "tag", "export-index"),
    "Measure": ("evaluate", "probe", "score", "report", "bench", "costs", "devices", "latency"),
    "Keep": ("cache",),
}
REST = "Commands"  # of groups that are too small for sections


class CommandGroup(TyperGroup):
    """Lists its commands in sections. Typer's own list is one long one, whose sentences end in dots at 80 columns."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each section that has commands here; what no section names comes last."""
        sentences = {name: _first_sentence(self.commands[name]) for name in self.list_commands(ctx)}
        named = {name for names in SECTIONS.values() for name in names}
        sections = {**SECTIONS, REST: tuple(name for name in sentences if name not in named)}
        width = max(map(len, sentences), default=0)
        for title, names in sections.items():
            rows = [(f"{name:<{width}}", sentences[name]) for name in names if name in sentences]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _first_sentence(command: Any) -> str:
    sentence: str = command.get_short_help_str(limit=1000)
    return sentence


def group(purpose: str) -> typer.Typer:
    """A group of commands."""
    # Without rich: loading it would cost more than all the rest of `tinyclap --help`.
    return typer.Typer(
        cls=CommandGroup,
        help=purpose,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
