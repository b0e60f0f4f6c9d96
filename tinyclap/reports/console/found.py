"""What a library answers, as text, CSV, JSON and playlists, and what is to be said beside it."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyclap.common.files import as_name
from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import DASH, aligned
from tinyclap.errors import listed
from tinyclap.library.answers import CONDITION, Hit
from tinyclap.library.library import Library

HIT_COLUMNS = ("rank", "score", "by", "path", "start_s", "end_s", "duration_s", "sample_rate", "tags", "row")
LINE_BREAKS = ("\n", "\r")


def hit_object(hit: Hit) -> dict[str, Any]:
    """An answer for JSON; the score is null where nobody knows it, and where the name alone was the reason."""
    return {
        "score": None if math.isnan(hit.score) or hit.by == "name" else round(hit.score, 6),
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
        tags = f"  [{on_one_line(', '.join(hit.tags))}]" if hit.tags else ""
        score = DASH if math.isnan(hit.score) else f"{hit.score:+.3f}"
        rows.append(("name" if hit.by == "name" else score, hit.by, place, f"{on_one_line(hit.path)}{tags}"))
    return "\n".join(aligned(rows))


def hits_as_csv(hits: Sequence[Hit]) -> str:
    """HIT_COLUMNS and a line for every answer."""
    rows = [{"rank": rank, **hit_object(hit), "tags": "|".join(hit.tags)} for rank, hit in enumerate(hits, start=1)]
    return as_csv(HIT_COLUMNS, [[row[column] for column in HIT_COLUMNS] for row in rows])


def hits_as_m3u(hits: Sequence[Hit], windows: bool) -> str:
    """An extended M3U playlist; of windows with the time where they begin, which VLC understands.

    Files of `unlistable` names are left out.
    """
    lines, left_out = ["#EXTM3U"], unlistable(hits)
    for hit in hits:
        if hit.path in left_out:
            continue
        lines.append(f"#EXTINF:{max(1, round(hit.end_s - hit.start_s))},{on_one_line(hit.path.name)}")
        if windows:
            lines += [f"#EXTVLCOPT:start-time={hit.start_s:.1f}", f"#EXTVLCOPT:stop-time={hit.end_s:.1f}"]
        lines.append(str(hit.path))
    return "\n".join(lines)


def hits_as_object(library: Library, asked: dict[str, Any], hits: Sequence[Hit], missing: Sequence[Path]) -> str:
    """One JSON object: the library, what was asked, and the answers, each with whether its file is missing."""
    answers = [{**hit_object(hit), "missing": hit.path in missing} for hit in hits]
    return json.dumps({"library": str(library.folder), **asked, "hits": answers})


def missing_files(hits: Sequence[Hit]) -> list[Path]:
    """Files of answers that are not where they were, each once."""
    return [path for path in dict.fromkeys(hit.path for hit in hits) if not Path(as_name(str(path))).is_file()]


def unlistable(hits: Sequence[Hit]) -> list[Path]:
    """Files whose names have more than one line, which no playlist can say."""
    return [path for path in dict.fromkeys(hit.path for hit in hits) if any(end in str(path) for end in LINE_BREAKS)]


def beside_hits(
    library: Library, hits: Sequence[Hit], missing: Sequence[Path], texts: Sequence[str], n: int, by: str
) -> list[str]:
    """What is to be said of answers beside them, a line each.

    Args:
        library: that was asked.
        hits: all answers.
        missing: files of theirs that are not there.
        texts: that were asked for.
        n: answers that were wanted.
        by: what was to find them.
    """
    place = shell_path(library.folder)
    if not hits:
        if not len(library):
            return [f"library {library.folder} is empty; index a folder: tinyclap index FOLDER --out {place}"]
        word = max(" ".join(texts).split(), key=len, default="")
        hint = f"; for a part of a word: --where 'name=*{word}*'" if by == "name" and word else ""
        return [f"nothing found{hint}"]
    lines = []
    if missing:
        files = len(dict.fromkeys(hit.path for hit in hits))
        lines.append(
            f"{len(missing):,} of the {files:,} files shown are not there; if they have moved: tinyclap index "
            f"--relocate OLD=NEW --out {place}; if they are gone: tinyclap index --out {place}"
        )
    if hits[0].by == CONDITION and len(hits) == n:
        lines.append(f"the first {n:,} by name; -n gives more")
    spelled = library.bundle.spelled_out(texts) if texts and by != "name" else []
    if spelled and not any(hit.by == "both" for hit in hits):
        words = listed(list(map(repr, spelled)))
        lines.append(f"the bundle knows {words} by single letters alone; what it finds may mean little")
    return lines


def clock(seconds: float) -> str:
    """3723.4 -> "1:02:03"; below an hour "2:03"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def on_one_line(text: Path | str) -> str:
    """A path or text without what would end its line or steer a terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A header and a line for every row."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue().removesuffix("\n")
