"""What a library and its answers are, as text, CSV, JSON and playlists."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import DASH, aligned, file_size, percent, whole
from tinyclap.embeddings.quantization import bytes_per_clip
from tinyclap.library.answers import Hit, Update
from tinyclap.library.copies.duplicates import Copy, Duplicates
from tinyclap.library.library import Library
from tinyclap.library.tagging import Tagged

HIT_COLUMNS = ("rank", "score", "by", "path", "start_s", "end_s", "duration_s", "sample_rate", "tags", "row")
COPY_COLUMNS = ("group", "similarity", "identical", "duration_s", "size_bytes", "path")
TAG_COLUMNS = ("path", "tag", "cosine")
MOST_NAMED = 10


def hit_object(hit: Hit) -> dict[str, Any]:
    """An answer for JSON; a score that nobody knows is null."""
    return {
        "score": None if math.isnan(hit.score) else round(hit.score, 6),
        "by": hit.by,
        "path": str(hit.path),
        "start_s": round(hit.start_s, 3),
        "end_s": round(hit.end_s, 3),
        "duration_s": round(hit.duration_s, 3),
        "sample_rate": hit.sample_rate,
        "tags": list(hit.tags),
        "row": hit.row,
    }


def hits_as_text(hits: Sequence[Hit], windows: bool) -> str:
    """A line for every answer: cosine, what found it, where or how long, the file and its tags."""
    rows = [("cosine", "by", "where" if windows else "length", "file")]
    for hit in hits:
        place = f"{clock(hit.start_s)}-{clock(hit.end_s)}" if windows else f"{hit.duration_s:.1f} s"
        tags = f"  [{', '.join(hit.tags)}]" if hit.tags else ""
        score = DASH if math.isnan(hit.score) else f"{hit.score:+.3f}"
        rows.append((score, hit.by, place, f"{_on_one_line(hit.path)}{tags}"))
    return "\n".join(aligned(rows))


def hits_as_csv(hits: Sequence[Hit]) -> str:
    """HIT_COLUMNS and a line for every answer."""
    rows = [{"rank": rank, **hit_object(hit), "tags": "|".join(hit.tags)} for rank, hit in enumerate(hits, start=1)]
    return _csv(HIT_COLUMNS, [[row[column] for column in HIT_COLUMNS] for row in rows])


def hits_as_m3u(hits: Sequence[Hit], windows: bool) -> str:
    """An extended M3U playlist; of windows with the time where they begin, which VLC understands."""
    lines = ["#EXTM3U"]
    for hit in hits:
        lines.append(f"#EXTINF:{max(1, round(hit.end_s - hit.start_s))},{_on_one_line(hit.path.name)}")
        if windows:
            lines += [f"#EXTVLCOPT:start-time={hit.start_s:.1f}", f"#EXTVLCOPT:stop-time={hit.end_s:.1f}"]
        lines.append(_on_one_line(hit.path))
    return "\n".join(lines)


def hits_as_object(library: Library, asked: dict[str, Any], hits: Sequence[Hit]) -> str:
    """One JSON object: the library, what was asked, and the answers."""
    return json.dumps({"library": str(library.folder), **asked, "hits": [hit_object(hit) for hit in hits]})


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
    lines[at:at] = [f"           {_on_one_line(path)}: {reason}" for path, reason in named]
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
                f"  {what:<9}  {copy.duration_s:8.2f} s  {file_size(copy.size_bytes):>8}  {_on_one_line(copy.path)}"
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
    return _csv(
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
    return _csv(TAG_COLUMNS, [[entry.path, tag, f"{cosine:.4f}"] for entry in entries for tag, cosine in entry.tags])


def tags_as_object(library: Library, entries: Sequence[Tagged]) -> str:
    """One JSON object."""
    files = [
        {"path": str(entry.path), "tags": [{"tag": tag, "cosine": round(cosine, 4)} for tag, cosine in entry.tags]}
        for entry in entries
    ]
    return json.dumps({"library": str(library.folder), "files": files})


def clock(seconds: float) -> str:
    """3723.4 -> "1:02:03"; below an hour "2:03"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _on_one_line(path: Path | str) -> str:
    """A path without what would end its line."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(path))


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


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue().removesuffix("\n")
