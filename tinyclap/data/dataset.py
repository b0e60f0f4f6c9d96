"""What a clip and a data set are; data sets of files use `Dataset` as it is.

A data set that makes its clips (`data/procedural/dataset.py`) subclasses `Dataset` and overrides the three hooks
`_info(clip)`, `_load(clip, ...)` and `_content(clip)`. They get the clip, never its index, so that `select`
(a shallow copy with fewer clips) works for every subclass: all that a clip needs beyond the data set's own
settings must be recoverable from the `Clip`, e.g. its number from its name.
"""

import copy
import hashlib
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from tinyclap.audio import files
from tinyclap.audio.files import AudioInfo
from tinyclap.common.machine import usable_cores
from tinyclap.errors import MAX_NAMES, TinyclapError, listed

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording and what is known about it."""

    name: str  # unique in its data set, e.g. the path relative to the root, "/"-separated
    label: str | None = None  # class name as the data set writes it, underscores included
    captions: tuple[str, ...] = ()
    fold: int | None = None
    split: str | None = None
    source: str | None = None  # the recording it was cut from, for clustered confidence intervals
    path: Path | None = None  # None: generated
    weight: float = 1.0  # how often it is trained on, relative to other clips


class Dataset:
    """A named, ordered collection of clips and the way to hear them.

    Raises TinyclapError when there is no clip at all or when two clips share a name.
    """

    def __init__(self, name: str, clips: Sequence[Clip]) -> None:
        if not clips:
            raise TinyclapError(f"data set {name}: holds no clips")
        doubled = [clip for clip, count in Counter(clip.name for clip in clips).items() if count > 1]
        if doubled:
            raise TinyclapError(f"data set {name}: clip names must be unique, given twice: {listed(doubled)}")
        self.name = name
        self.clips = tuple(clips)
        self._fingerprint: str | None = None

    def __len__(self) -> int:
        return len(self.clips)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self)} clips, {len(self.labels)} labels)"

    @property
    def labels(self) -> list[str]:
        """The distinct labels, sorted; empty when no clip has one."""
        return sorted({clip.label for clip in self.clips if clip.label is not None})

    @property
    def fingerprint(self) -> str:
        """Hex hash of every clip's name and content, in order: what embeddings of this data set depend on.

        The same content elsewhere on the disk has the same fingerprint. Labels, captions, folds and the data set's
        own name are left out, since no embedding changes with them. Reads every file once, then remembers.
        """
        if self._fingerprint is None:
            total = hashlib.blake2b(digest_size=DIGEST_BYTES)
            for clip in self.clips:
                name = self._own_name(clip).encode("utf-8", "surrogateescape")  # file names need not be UTF-8
                total.update(len(name).to_bytes(4, "big") + name + self._content_digest(clip))
            self._fingerprint = total.hexdigest()
        return self._fingerprint

    @property
    def readers(self) -> int:
        """Threads that may load clips at the same time: the cores, where clips are read as files."""
        return usable_cores() if type(self)._load is Dataset._load else 1

    def info(self, index: int) -> AudioInfo:
        """Duration (s), sample rate (Hz) and channels of clip `index`. Raises AudioError."""
        return self._info(self.clips[index])

    def load(self, index: int, sample_rate: int, start_s: float = 0.0, duration_s: float | None = None) -> np.ndarray:
        """Clip `index`, or `duration_s` of it from `start_s`: float32 (T,), mono. Raises AudioError."""
        return self._load(self.clips[index], sample_rate, start_s, duration_s)

    def select(
        self,
        *,
        folds: Collection[int] | None = None,
        splits: Collection[str] | None = None,
        labels: Collection[str] | None = None,
        exclude_labels: Collection[str] | None = None,
    ) -> Self:
        """The clips that meet every given condition, as a data set of the same kind and in the same order.

        Raises TinyclapError for a fold, split or label that no clip has (listing those that exist), and when
        nothing is left.
        """
        kept = self._matching("fold", folds) & self._matching("split", splits) & self._matching("label", labels)
        if exclude_labels is not None:
            kept -= self._matching("label", exclude_labels)
        if not kept:
            asked = {"folds": folds, "splits": splits, "labels": labels, "exclude_labels": exclude_labels}
            given = ", ".join(f"{key}={list(value)}" for key, value in asked.items() if value is not None)
            raise TinyclapError(f"data set {self.name}: no clip is left of {len(self)} with {given}; ask for less")
        return self._subset([clip for index, clip in enumerate(self.clips) if index in kept])

    def weighted(self, weight: float) -> Self:
        """The same clips, trained on so many times as often as others."""
        return (
            self if weight == 1 else self._subset([replace(clip, weight=weight * clip.weight) for clip in self.clips])
        )

    def spread(self, count: int, begin: int = 0) -> Self:
        """At most `count` clips, spread evenly over all of them from clip `begin` on."""
        n = len(self)
        few = min(count, n)
        return self._subset([self.clips[(place * n // few + begin) % n] for place in range(few)])

    def hold_out(self, share: float) -> tuple[Self, Self]:
        """Split in two: a share of the recordings (of the clips that name none) is held out, which is the second part.

        Which ones depends on their names alone. Raises TinyclapError where either part would be empty.
        """
        recordings = sorted({clip.source or clip.name for clip in self.clips}, key=_by_lot)
        held = set(recordings[: round(share * len(recordings))])
        parts = [[clip for clip in self.clips if ((clip.source or clip.name) in held) is out] for out in (False, True)]
        if not all(parts):
            raise TinyclapError(f"data set {self.name}: {len(recordings)} recordings are too few to hold some out")
        return self._subset(parts[0]), self._subset(parts[1])

    def _matching(self, field: str, wanted: Collection[int] | Collection[str] | None) -> set[int]:
        """The indices whose `field` is among the wanted; all of them for None."""
        values = [getattr(clip, field) for clip in self.clips]
        if wanted is None:
            return set(range(len(values)))
        known = sorted(set(values) - {None})
        unknown = [value for value in wanted if value not in known]
        if unknown:
            there = f"there are {listed(known, MAX_NAMES)}" if known else f"its clips have no {field}"
            raise TinyclapError(f"data set {self.name}: no clip has {field} {listed(unknown)}; {there}")
        return {index for index, value in enumerate(values) if value in wanted}

    def _subset(self, clips: Sequence[Clip]) -> Self:
        subset = copy.copy(self)
        subset.clips = tuple(clips)
        subset._fingerprint = None
        return subset

    # ---- the hooks of a subclass whose clips are not files

    def _info(self, clip: Clip) -> AudioInfo:
        return files.info(self._file(clip))

    def _load(self, clip: Clip, sample_rate: int, start_s: float, duration_s: float | None) -> np.ndarray:
        return files.read(self._file(clip), sample_rate, start_s, duration_s)

    def _content(self, clip: Clip) -> Path | bytes:
        """What decides how the clip sounds: its file, or for a generated clip its recipe as bytes."""
        return self._file(clip)

    def _content_digest(self, clip: Clip) -> bytes:
        """What stands for the content in the fingerprint."""
        content = self._content(clip)
        return digest(content) if isinstance(content, bytes) else file_digest(content)

    def _own_name(self, clip: Clip) -> str:
        """The name that goes into the fingerprint."""
        return clip.name

    def _home(self, clip: Clip) -> Hashable:
        """Where recordings of one name are one recording; None for a generated clip."""
        return None if clip.path is None else clip.path.resolve().parent

    def _file_size(self, clip: Clip) -> int:
        """Bytes of the file that the clip is (a part of); 0 where there is none."""
        return clip.path.stat().st_size if clip.path and clip.path.is_file() else 0

    def _file_digest(self, clip: Clip) -> bytes:
        """Hash of the file that the clip is (a part of)."""
        return file_digest(self._file(clip))

    def _file(self, clip: Clip) -> Path:
        if clip.path is None:
            raise TinyclapError(f"data set {self.name}: clip {clip.name} has no file")
        return clip.path


class Concat(Dataset):
    """Several data sets as one; clip names get the prefix "<data set name>/", equal names "-2", "-3", ... before it."""

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        homes: dict[str, tuple[Dataset, Clip]] = {}
        clips: list[Clip] = []
        prefixes: list[str] = []
        for dataset in datasets:
            prefixes.append(_unused(dataset.name, prefixes))
            for clip in dataset.clips:
                clips.append(replace(clip, name=f"{prefixes[-1]}/{clip.name}"))
                homes[clips[-1].name] = dataset, clip
        super().__init__("+".join(prefixes) or "(none)", clips)
        self._homes = homes

    def _info(self, clip: Clip) -> AudioInfo:
        dataset, own = self._homes[clip.name]
        return dataset._info(own)

    def _load(self, clip: Clip, sample_rate: int, start_s: float, duration_s: float | None) -> np.ndarray:
        dataset, own = self._homes[clip.name]
        return dataset._load(own, sample_rate, start_s, duration_s)

    @property
    def readers(self) -> int:
        """As many as every part of it takes."""
        return min(dataset.readers for dataset, _ in self._homes.values())

    def _content(self, clip: Clip) -> Path | bytes:
        dataset, own = self._homes[clip.name]
        return dataset._content(own)

    def _content_digest(self, clip: Clip) -> bytes:
        dataset, own = self._homes[clip.name]
        return dataset._content_digest(own)

    def _home(self, clip: Clip) -> Hashable:
        dataset, own = self._homes[clip.name]
        return dataset._home(own)

    def _file_size(self, clip: Clip) -> int:
        dataset, own = self._homes[clip.name]
        return dataset._file_size(own)

    def _file_digest(self, clip: Clip) -> bytes:
        dataset, own = self._homes[clip.name]
        return dataset._file_digest(own)

    def _own_name(self, clip: Clip) -> str:
        """Without the prefix, so that renaming a data set's folder leaves the fingerprint as it is."""
        dataset, own = self._homes[clip.name]
        return dataset._own_name(own)


def _by_lot(name: str) -> bytes:
    return digest(name.encode("utf-8", "surrogateescape"))


def digest(content: bytes) -> bytes:
    """Hash of a content, 16 bytes."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def file_digest(path: Path) -> bytes:
    """`digest` of what a file holds; zeros where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).digest()
    except OSError:
        # The clip is reported by name when it is loaded; once it can be read, the fingerprint is another.
        return bytes(DIGEST_BYTES)


def _unused(name: str, taken: Collection[str]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate
