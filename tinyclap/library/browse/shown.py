"""The sounds of the map: which they are, what they are called, and the colours of their folders."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tinyclap.library.answers import Hit
    from tinyclap.library.browse.neighbour_map import NeighbourMap
    from tinyclap.library.browse.projection import Projection

MOST_GROUPS = 8  # colours that can be distinguished
OTHERS = "others"


class Shown:
    """The sounds of the map.

    Attributes:
        key: the library's `state_key` when they were read.
        hits: them, in the order of their rows.
        embeddings: float32 (N, D).
        of: how many there are in all.
        root: the folder that they have in common.
        group_names: the folders below it, the one with most sounds first; the smallest are put together.
        layout: gives embeddings their places; None until the map is drawn.
    """

    def __init__(self, key: tuple[int, int], hits: Sequence["Hit"], embeddings: np.ndarray, of: int) -> None:
        self.key, self.hits, self.embeddings, self.of = key, hits, embeddings, of
        self.layout: Projection | NeighbourMap | None = None
        self.root = _common_folder({hit.path.parent for hit in hits})
        counts = Counter(self._top_folder(hit.path) for hit in hits)
        self.group_names = [name for name, _ in counts.most_common(MOST_GROUPS)]
        if len(counts) > MOST_GROUPS:
            self.group_names[-1] = OTHERS

    def name(self, path: Path) -> str:
        """A path below the root, or the whole of it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def group(self, path: Path) -> int:
        """Which of the groups a file belongs to."""
        name = self._top_folder(path)
        return self.group_names.index(name) if name in self.group_names else max(0, len(self.group_names) - 1)

    def id(self, row: int) -> str:
        """What the page calls a row: GENERATION-ROW, since `tinyclap index --compact` numbers the rows anew."""
        return f"{self.key[1]}-{row}"

    def has_rows_of(self, other: "Shown") -> bool:
        """Whether they are the same rows: only the tags, say, or the paths are other ones."""
        rows, others = [hit.row for hit in self.hits], [hit.row for hit in other.hits]
        return self.key[1] == other.key[1] and rows == others

    def _top_folder(self, path: Path) -> str:
        folder = path.parent
        below = folder.relative_to(self.root).parts if folder.is_relative_to(self.root) else folder.parts
        return below[0] if below else self.root.name


def _common_folder(folders: set[Path]) -> Path:
    try:
        return Path(os.path.commonpath(folders)) if folders else Path()
    except ValueError:  # on several drives
        return Path()
