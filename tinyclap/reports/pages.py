"""Pages from templates: one self-contained HTML file and its Markdown twin."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from tinyclap.common import numbers
from tinyclap.common.files import write_text
from tinyclap.reports import tables


def write_pages(folder: Path, template: str, context: Mapping[str, Any]) -> Path:
    """Write a page of a folder and its Markdown twin from the templates of this name; return the HTML's path."""
    environment, target = template_environment(), folder / "report"
    for suffix in ("md", "html"):
        page = environment.get_template(f"{template}.{suffix}.j2").render(context)
        write_text(target / f"report.{suffix}", page)
    return target / "report.html"


def display_path(folder: Path) -> str:
    """The folder as one would type it in the current directory, when it lies below it."""
    absolute, here = folder.resolve(), Path.cwd()
    return (absolute.relative_to(here) if absolute.is_relative_to(here) else folder).as_posix()


@functools.cache
def template_environment() -> jinja2.Environment:
    """The templates with the filters that write numbers and escape text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tinyclap", "reports/templates"),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,  # a result file may lack any key: it is then written as missing
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: numbers.DASH if value is None else value,
    )
    for name in ("percent", "percent_interval", "decimal", "whole", "scaled", "duration", "known"):
        environment.filters[name] = getattr(numbers, name)
    environment.filters.update(
        stacked=_stacked, md=_markdown, code=_code, fenced=_fenced, plain=_plain, label=tables.label_text
    )
    return environment


def _stacked(text: str) -> Markup:
    """A figure with its interval or deviation apart, so that a narrow page can put that below."""
    figure, *spread = re.split(r" (?=[\[±])", text, maxsplit=1)
    return Markup('{} <span class="spread">{}</span>').format(figure, spread[0]) if spread else escape(figure)


def _markdown(value: Any) -> Markup:
    """Text for a Markdown paragraph or table cell: it can start no markup, no HTML and no new line."""
    line = (
        " ".join((numbers.DASH if value is None else str(value)).split())
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
    )
    line = re.sub(r"([\\`*\[\]|~]|^[#+-]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", line)
    return Markup(line)


def _fenced(text: Any, language: str = "") -> Markup:
    """A Markdown code block around `text` verbatim, its fence longer than any inside."""
    longest = max((len(run) for run in re.findall(r"`+", str(text))), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}{language}\n{str(text).rstrip()}\n{fence}")


def _code(text: Any) -> Markup:
    """A Markdown code span around `text` verbatim, on one line."""
    line = " ".join(str(text).split())
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    mark, gap = "`" * (longest + 1), " " if longest else ""
    return Markup(f"{mark}{gap}{line}{gap}{mark}")


def _plain(value: Any) -> str:
    """A settings value of any depth on one line: {"kind": "esc50", "folds": [1, 2]} -> "kind esc50, folds 1 2"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items() if item is not None)
    if isinstance(value, list | tuple):
        return " ".join(_plain(item) for item in value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
