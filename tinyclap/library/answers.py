"""What a library answers with."""

from dataclasses import dataclass, field
from pathlib import Path

CONDITION = "where"  # what found a sound for which conditions hold, where nothing else was asked


@dataclass(frozen=True)
class Hit:
    """A sound of a library, or a window of one.

    Attributes:
        row: its number, which stays the same until the library is compacted.
        path: of the file.
        score: cosine between what was asked and the sound, -1 to 1; nan where nothing was asked.
        start_s, end_s: where in the file, seconds; the whole of it in a library without windows.
        duration_s: of the file, seconds.
        sample_rate: of the file, Hz.
        tags: what `tinyclap tag` gave it, best first.
        by: what found it: "sound", "name" or "both"; "where" for conditions alone.
    """

    row: int
    path: Path
    score: float
    start_s: float
    end_s: float
    duration_s: float
    sample_rate: int
    tags: tuple[str, ...] = ()
    by: str = "sound"


@dataclass
class Update:
    """What `Library.add` found.

    Attributes:
        new, changed, moved, gone, unchanged: files, counted.
        unreadable: files that cannot be used and the reason, those of before that have not changed included.
        neighbours_kept: share of the ten nearest files, among up to 2,000 of those embedded now, that are so still once
            their vectors are stored as codes; None for float32, which loses none, and for fewer than 12 files.
        lost: files whose vectors were missing on the disk; those that are there were embedded again, as changed ones.
    """

    new: int = 0
    changed: int = 0
    moved: int = 0
    gone: int = 0
    unchanged: int = 0
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    neighbours_kept: float | None = None
    lost: int = 0
