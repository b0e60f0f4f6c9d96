"""Whose figures the entries of a run's bench.json are: its student's, its INT8 graph's, its teacher's or another's."""

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from tinyclap.runs.results import BUNDLE, Run, as_mapping, as_mappings
from tinyclap.runtime.bundle_contents import FLOAT_GRAPH, INT8_GRAPH

KINDS = {FLOAT_GRAPH: "student", INT8_GRAPH: "int8"}
FOLDER = PurePath(BUNDLE).parent

Entry = dict[str, Any]


def timed_kinds(run: Run) -> tuple[dict[str, Entry], list[Entry]]:
    """Entries by the kind of model that they are of (student, int8, teacher), and those of other models."""
    entries = as_mappings(run.bench.get("models"))
    kinds = [_kind_here(run, entry) for entry in entries]
    if not any(kinds):  # it was timed from another folder, or has been moved since
        kinds = _kinds_by_name(run, entries)
    teacher = as_mapping(run.summary.get("teacher")).get("name")
    timed: dict[str, Entry] = {}
    others = []
    for entry, graph in zip(entries, kinds, strict=True):
        kind = graph or ("teacher" if teacher and entry.get("name") == teacher else None)
        if kind and kind not in timed:
            timed[kind] = entry
        else:
            others.append(entry)
    return timed, others


def _kind_here(run: Run, entry: Mapping[str, Any]) -> str | None:
    """What a graph is of the bundle that lies in the run; None if it is none of its graphs."""
    own = {os.path.realpath(run.folder / FOLDER / name): kind for name, kind in KINDS.items()}
    try:
        return own.get(os.path.realpath(str(entry.get("file") or "")))
    except ValueError:  # no path at all
        return None


def _kinds_by_name(run: Run, entries: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """The same by the name of the run's folder; all None where more than one run that was timed is named so."""
    named = run.folder.resolve().name
    sources = [_timed_run(entry) for entry in entries]
    alike = {source for source in sources if source is not None and source.name in (named, "")}  # "": it was "."
    if len(alike) != 1:
        return [None] * len(entries)
    return [
        KINDS[PurePath(entry["file"]).name] if source in alike else None
        for entry, source in zip(entries, sources, strict=True)
    ]


def _timed_run(entry: Mapping[str, Any]) -> PurePath | None:
    """The run that an entry's graph was exported from, as it was named; None for another bundle or a bare graph."""
    source, file = entry.get("source"), entry.get("file")
    if not isinstance(source, str) or not isinstance(file, str):
        return None
    path = PurePath(file)
    if path.name not in KINDS or path.parent.name != FOLDER.name:
        return None
    return path.parent.parent if PurePath(source) in (path.parent, path.parent.parent) else None
