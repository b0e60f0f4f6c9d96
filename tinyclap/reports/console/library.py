"""What a library, its copies and its tags are, as text, CSV and JSON."""

import json
from collections.abc import Sequence
from typing import Any

from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import file_size, percent, whole
from tinyclap.embeddings.quantization import bytes_per_clip
from tinyclap.library.answers import Update
from tinyclap.library.copies.duplicates import Copy, Duplicates
from tinyclap.library.library import Library
from tinyclap.library.tagging import Tagged
from tinyclap.reports.console.found import as_csv, on_one_line

COPY_COLUMNS = ("group", "similarity", "identical", "duration_s", "size_bytes", "path")
TAG_COLUMNS = ("path", "tag", "cosine")
MOST_NAMED = 10


def update_as_text(library: Library, update: Update, facts: dict[str, Any]) -> str:
    """What became of the files, how the vectors are kept, and the next command."""
    lines = [
        f"library  {library.folder}: {_rows(library)}, {library.codes}, "
        f"{file_size(bytes_per_clip(library.codes, library.dim))} each",
        f"files    {update.new:,} new, {update.changed:,} changed, {update.moved:,} moved, {update.gone:,} gone, "
        f"{update.unchanged:,} unchanged, {len(update.unreadable):,} cannot be used",
        f"exact    {_exactness(facts)}",
    ]
    if update.lost:
        lines.insert(1, f"mended   the vectors of {update.lost:,} files were missing: those there were embedded again")
    named, at = update.unreadable[:MOST_NAMED], len(lines) - 1
    lines[at:at] = [f"           {on_one_line(path)}: {reason}" for path, reason in named]
    if len(update.unreadable) > len(named):
        lines.insert(at + len(named), f"           and {len(update.unreadable) - len(named):,} more; --json names all")
    return "\n".join([*lines, f'next     tinyclap find "dog barking" --lib {shell_path(library.folder)}'])


def update_as_object(library: Library, update: Update, facts: dict[str, Any]) -> str:
    """The same as one JSON object."""
    counts = {key: getattr(update, key) for key in ("new", "changed", "moved", "gone", "unchanged", "lost")}
    bad = [{"file": str(path), "reason": reason} for path, reason in update.unreadable]
    told = {"library": str(library.folder), "rows": len(library), "codes": library.codes, "windows": library.windows}
    return json.dumps({**told, **counts, "unreadable": bad, **facts})


def copies_as_text(library: Library, found: Duplicates, threshold: float) -> str:
    """The groups, what they have in common, and the next command."""
    lines = []
    for number, group in enumerate(found.groups, start=1):
        lines.append(f"{number}")
        for copy in group:
            what = "identical" if copy.identical and copy is not group[0] else f"{copy.similarity:+.4f}"
            lines.append(
                f"  {what:<9}  {copy.duration_s:8.2f} s  {file_size(copy.size_bytes):>8}  {on_one_line(copy.path)}"
            )
    spare = sum(copy.size_bytes for group in found.groups for copy in group[1:])
    count = sum(len(group) - 1 for group in found.groups)
    lines.append(
        f"{len(found.groups):,} group{'' if len(found.groups) == 1 else 's'} among {found.compared:,} files "
        f"(similarity {threshold:g} or more); besides the largest of each: {count:,} files, {file_size(spare)}\n"
        f"next     tinyclap duplicates {shell_path(library.folder)} --csv > copies.csv"
    )
    return "\n".join(lines)


def copies_as_csv(found: Duplicates) -> str:
    """COPY_COLUMNS and a line for every file of a group."""
    return as_csv(
        COPY_COLUMNS,
        [list(_copy(copy, number).values()) for number, group in enumerate(found.groups, 1) for copy in group],
    )


def copies_as_object(library: Library, found: Duplicates, threshold: float) -> str:
    """One JSON object."""
    groups = [[_copy(copy, number) for copy in group] for number, group in enumerate(found.groups, 1)]
    left_out = [{"file": str(path), "reason": reason} for path, reason in found.left_out]
    return json.dumps(
        {
            "library": str(library.folder),
            "threshold": threshold,
            "compared": found.compared,
            "groups": groups,
            "left_out": left_out,
        }
    )


def tags_as_csv(entries: Sequence[Tagged]) -> str:
    """TAG_COLUMNS and a line for every tag of a file."""
    return as_csv(TAG_COLUMNS, [[entry.path, tag, f"{cosine:.4f}"] for entry in entries for tag, cosine in entry.tags])


def tags_as_object(library: Library, entries: Sequence[Tagged]) -> str:
    """One JSON object."""
    files = [
        {"path": str(entry.path), "tags": [{"tag": tag, "cosine": round(cosine, 4)} for tag, cosine in entry.tags]}
        for entry in entries
    ]
    return json.dumps({"library": str(library.folder), "files": files})


def _rows(library: Library) -> str:
    return f"{whole(len(library))} {'windows' if library.windows else 'files'}"


def _exactness(facts: dict[str, Any]) -> str:
    kept, recall = facts["neighbours_kept"], facts["recall"]
    parts = [] if kept is None else [f"the codes keep {percent(kept)} of the 10 nearest of what was added"]
    if recall is None:
        return "; ".join([*parts, "every row is compared"])
    return "; ".join([*parts, f"the search finds {percent(recall)} of the 10 nearest that comparing every row would"])


def _copy(copy: Copy, group: int) -> dict[str, Any]:
    similarity, path = round(copy.similarity, 6), str(copy.path)
    values = (group, similarity, copy.identical, round(copy.duration_s, 3), copy.size_bytes, path)
    return dict(zip(COPY_COLUMNS, values, strict=True))
