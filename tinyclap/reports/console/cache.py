"""What `tinyclap cache` says: what lies there, or what was removed, by kind."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tinyclap.common.numbers import DASH, aligned, file_size
from tinyclap.workspace.cache_contents import KINDS, Entry


def as_object(root: Path, found: Sequence[Entry], kinds: Sequence[str], *, cleared: bool) -> str:
    """Entries as one JSON object; `cleared` where they are those that were removed."""
    told = {"cache": str(root), "cleared": cleared, "size_bytes": _size(found)}
    return json.dumps({**told, "kinds": [_of_kind(found, kind) for kind in kinds]})


def contents_table(root: Path, found: Sequence[Entry], kinds: Sequence[str], clear: str) -> str:
    """What lies in the cache, and the command that would remove it."""
    rows = [("kind", "entries", "size", "last used", "")]
    for kind in kinds:
        own = [entry for entry in found if entry.kind == kind]
        last = max((entry.last_used for entry in own), default=None)
        day = DASH if last is None else datetime.fromtimestamp(last).date().isoformat()
        rows.append((kind, str(len(own)), file_size(_size(own)), day, KINDS[kind]))
    rows.append(("all", str(len(found)), file_size(_size(found)), "", ""))
    return "\n".join([f"cache    {root} ($TINYCLAP_CACHE)", "", *aligned(rows), "", f"clear    {clear}"])


def cleared_lines(removed: Sequence[Entry], kinds: Sequence[str], kept: Sequence[Entry]) -> str:
    """What was removed, and the ready-made bundles that were `kept`."""
    counts = {kind: [entry for entry in removed if entry.kind == kind] for kind in kinds}
    lines = [f"{kind}: {len(own)} removed, {file_size(_size(own))}" for kind, own in counts.items() if own]
    stays = f"; {file_size(_size(kept))} of ready-made bundles stay unless they are named" if kept else ""
    return "\n".join([*lines, f"{file_size(_size(removed))} freed{stays}"])


def _of_kind(found: Sequence[Entry], kind: str) -> dict[str, Any]:
    own = [entry for entry in found if entry.kind == kind]
    last = max((entry.last_used for entry in own), default=None)
    used = None if last is None else datetime.fromtimestamp(last).astimezone().isoformat(timespec="seconds")
    return {"kind": kind, "what": KINDS[kind], "entries": len(own), "size_bytes": _size(own), "last_used": used}


def _size(found: Sequence[Entry]) -> int:
    return sum(entry.size_bytes for entry in found)
