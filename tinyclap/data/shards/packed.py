"""Clips that are no files of their own: their bytes lie in something larger, and are read as a file when asked for."""

import re
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyclap.audio import files
from tinyclap.audio.checks import AudioError
from tinyclap.audio.files import AudioInfo
from tinyclap.data.dataset import Clip, Dataset, digest
from tinyclap.data.shards import extracted


class Place(NamedTuple):
    """Where the bytes of a clip lie, and their hash.

    Attributes:
        shard: which part of the whole.
        offset: place in it.
        size: bytes.
        digest: of them.
        fault: why the clip cannot be used; None if it can.
    """

    shard: int
    offset: int
    size: int
    digest: bytes
    fault: str | None


class Packed(Dataset):
    """Clips that lie in something larger.

    Args:
        name: of the data set.
        clips: in its order.
        places: by clip name.
    """

    def __init__(self, name: str, clips: Sequence[Clip], places: dict[str, Place]) -> None:
        super().__init__(name, clips)
        self._places = places

    @abstractmethod
    def _bytes(self, clip: Clip) -> bytes:
        """The clip's file, as bytes."""

    @abstractmethod
    def _of(self, place: Place) -> Hashable:
        """What the place belongs to."""

    def _info(self, clip: Clip) -> AudioInfo:
        try:
            return files.info(self._file(clip))
        except AudioError as error:
            raise type(error)(clip.name, error.reason) from error

    def _load(self, clip: Clip, sample_rate: int, start_s: float, duration_s: float | None) -> np.ndarray:
        try:
            return files.read(self._file(clip), sample_rate, start_s, duration_s)
        except AudioError as error:
            raise type(error)(clip.name, error.reason) from error

    def _content(self, clip: Clip) -> bytes:
        return self._bytes(clip)

    def _content_digest(self, clip: Clip) -> bytes:
        place = self._places[clip.name]
        return place.digest or digest((place.fault or "").encode())

    def _file_size(self, clip: Clip) -> int:
        return self._places[clip.name].size

    def _file_digest(self, clip: Clip) -> bytes:
        return self._content_digest(clip)

    def _file(self, clip: Clip) -> Path:
        """The clip's bytes as a file, there until this thread asks for another clip."""
        place = self._places[clip.name]
        if place.fault:
            raise AudioError(clip.name, place.fault)
        key = (self._of(place), place.offset)
        name = re.sub(r"[^\w.-]", "_", clip.name.rpartition("/")[2])
        return extracted.kept(key) or extracted.keep(key, name, self._bytes(clip))
