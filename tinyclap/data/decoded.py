"""Every clip decoded once: mono waveforms at one sample rate in one file.

Clips that cannot be used are listed by name and reason; files longer than `max_clip_s` become several windows.
Samples are int16 scaled by each window's own peak, so no sample is off by more than 96 dB below that peak.
"""

import hashlib
import json
import os
import shutil
import weakref
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict

import numpy as np
import soxr

from tinyclap.audio import checks
from tinyclap.audio.formats import HOW_TO_DECODE, media_decoder
from tinyclap.common.cache_lock import cache_folder, touch
from tinyclap.common.files import cached_folder, parse_json, write_json
from tinyclap.common.parallel import prepared_ahead
from tinyclap.common.progress import counted
from tinyclap.data.dataset import Dataset
from tinyclap.data.windows import Window, Windows
from tinyclap.errors import TinyclapError

VERSION = 1
WINDOWS = "windows.jsonl"  # a line each, so that no more than one is held as text
INT16_PEAK = 32_767
SAMPLE_BYTES = 2


@dataclass(frozen=True)
class BadClip:
    """A clip, or a window of a long one, that was left out."""

    name: str
    reason: str


class Decoded:
    """Decoded windows of a data set, read from the disk when asked for.

    Args:
        folder: made by `decode`.

    Attributes:
        folder: as given.
        sample_rate: Hz.
        fingerprint: of the sounds and how they were decoded.
        windows: that are usable, in their order.
        bad: clips that were left out.
        n_clips: of the data set.

    Raises:
        OSError, ValueError, KeyError, TypeError: the folder is not there or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = parse_json((folder / "index.json").read_bytes())
        self.sample_rate: int = index["sample_rate"]
        self.fingerprint: str = index["fingerprint"]
        self.windows = Windows(folder / WINDOWS)
        self.bad = [BadClip(**row) for row in index["bad"]]
        self.n_clips: int = index["n_clips"]
        samples, size = folder / "samples.i16", self.windows.n_samples * SAMPLE_BYTES
        if samples.stat().st_size != size:
            raise ValueError(f"{samples} holds {samples.stat().st_size} bytes instead of {size}")
        # Read and not mapped: mapped pages count as the process's memory once they have been touched.
        self._file = samples.open("rb", buffering=0)
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return len(self.windows)

    def waveform(self, index: int, start_s: float = 0.0, duration_s: float | None = None) -> np.ndarray:
        """Samples of one window: float32 (T,) in [-1, 1]; `start_s` and `duration_s` in seconds from its beginning."""
        window = self.windows[index]
        start = min(round(start_s * self.sample_rate), window.length - 1)
        stop = window.length if duration_s is None else min(window.length, start + round(duration_s * self.sample_rate))
        first, length = (window.offset + start) * SAMPLE_BYTES, (stop - start) * SAMPLE_BYTES
        content = os.pread(self._file.fileno(), length, first)
        samples = np.frombuffer(content, np.int16)
        return samples.astype(np.float32) * np.float32(window.scale)


class DecodeLimits(TypedDict, total=False):
    """What `decode` may be told of clips that are long or cannot be used."""

    max_clip_s: float
    max_bad_share: float


def decode(dataset: Dataset, sample_rate: int, *, max_clip_s: float = 30.0, max_bad_share: float = 0.05) -> Decoded:
    """Decode a data set, or find it decoded in the cache.

    Args:
        dataset: clips to decode.
        sample_rate: of the result, Hz.
        max_clip_s: longer files are cut into windows of this length, seconds.
        max_bad_share: share of unusable clips above which this raises.

    Raises:
        TinyclapError: no usable clip, or too many unusable ones; the message names them.
    """
    settings = f"{VERSION} {dataset.fingerprint} {sample_rate} {max_clip_s}"
    key = hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()
    folder = cache_folder("audio") / key
    touch(folder)
    try:
        decoded = Decoded(folder)
        if media_decoder() and any(HOW_TO_DECODE in clip.reason for clip in decoded.bad):
            raise ValueError("what these clips lacked has been installed")
    except (OSError, ValueError, KeyError, TypeError):
        shutil.rmtree(folder, ignore_errors=True)  # not there, or damaged: a cache can be made again
        with cached_folder(folder) as temporary:
            _write(dataset, sample_rate, max_clip_s, temporary, key)
        decoded = Decoded(folder)
    _refuse_bad(dataset, decoded, max_bad_share)
    return decoded


def _write(dataset: Dataset, sample_rate: int, max_clip_s: float, folder: Path, key: str) -> None:
    bad: list[BadClip] = []
    offset, clips = 0, range(len(dataset))
    ahead = prepared_ahead(partial(_whole, dataset, sample_rate, max_clip_s), clips, dataset.readers)
    each = zip(counted(clips, f"decode {dataset.name}", len(clips), "clip"), ahead, strict=True)
    with (folder / "samples.i16").open("wb") as stream, (folder / WINDOWS).open("w", encoding="utf-8") as rows:
        for clip, (found, faults) in each:
            for one in _stretches(dataset, clip, sample_rate, max_clip_s, bad) if found is None else found:
                stream.write(one.samples.data)  # tofile may not notice a full disk
                length = len(one.samples)
                window = Window(one.name, clip, one.duration_s, one.rms, one.peak, offset, length, one.scale)
                rows.write(json.dumps(asdict(window)) + "\n")
                offset += length
            bad += faults
    index = {
        "fingerprint": key,
        "sample_rate": sample_rate,
        "n_clips": len(dataset),
        "bad": [asdict(clip) for clip in bad],
    }
    write_json(folder / "index.json", index)


@dataclass(frozen=True)
class _Stretch:
    """A usable stretch of a clip: samples (T,) as they are stored, one unit of which is `scale`."""

    name: str
    samples: np.ndarray
    scale: float
    duration_s: float
    rms: float
    peak: float


def _whole(
    dataset: Dataset, sample_rate: int, max_clip_s: float, clip: int
) -> tuple[list[_Stretch] | None, list[BadClip]]:
    """The stretches of a clip, and what cannot be used of it; None for a long one, which need not fit into memory."""
    faults: list[BadClip] = []
    try:
        if dataset.info(clip).duration_s > max_clip_s:
            return None, []
    except checks.AudioError as error:
        return [], [BadClip(dataset.clips[clip].name, error.reason)]
    return list(_stretches(dataset, clip, sample_rate, max_clip_s, faults)), faults


def _stretches(
    dataset: Dataset, clip: int, sample_rate: int, max_clip_s: float, bad: list[BadClip]
) -> Iterator[_Stretch]:
    """Usable stretches of one clip; what is not usable goes to `bad`."""
    name = dataset.clips[clip].name
    try:
        info = dataset.info(clip)
        is_long = info.duration_s > max_clip_s
        # A rest too short to be heard is no window, and nothing to complain of.
        starts = np.arange(0.0, info.duration_s - checks.SHORTEST_MS / 1000, max_clip_s) if is_long else [0.0]
        for start_s in starts:
            length_s = min(max_clip_s, info.duration_s - start_s)
            label = f"{name}[{start_s:g}-{start_s + length_s:g} s]" if is_long else name
            try:
                samples = dataset.load(clip, info.sample_rate, float(start_s), float(length_s) if is_long else None)
                reason = checks.fault(samples, info.sample_rate)
            except checks.WrongSamplesError as error:
                reason = error.reason
            if reason:
                bad.append(BadClip(label, reason))
            else:
                yield _stored(label, samples, info.sample_rate, sample_rate)
    except checks.AudioError as error:
        bad.append(BadClip(name, error.reason))


def _stored(name: str, native: np.ndarray, native_rate: int, sample_rate: int) -> _Stretch:
    """A stretch of samples (T,) at their own rate, as it is stored."""
    samples = soxr.resample(native, native_rate, sample_rate, quality="HQ")
    scale = max(float(np.abs(samples).max()), 1e-9) / INT16_PEAK
    rms, peak = float(np.sqrt(np.mean(np.square(native, dtype=np.float64)))), float(np.abs(native).max())
    return _Stretch(name, np.round(samples / scale).astype(np.int16), scale, len(native) / native_rate, rms, peak)


def _refuse_bad(dataset: Dataset, decoded: Decoded, max_bad_share: float) -> None:
    # A window of a long file counts as its share of that file: ten silent minutes are not ten bad clips.
    lost = len(dataset) - len({*decoded.windows.clips})
    listed = "".join(f"\n  {clip.name}: {clip.reason}" for clip in decoded.bad[:10])
    more = f"\n  ... and {len(decoded.bad) - 10} more" if len(decoded.bad) > 10 else ""
    if not decoded.windows:
        raise TinyclapError(f"{dataset.name}: none of its {len(dataset)} clips is usable:{listed}{more}")
    if lost > max_bad_share * len(dataset):
        raise TinyclapError(
            f"{dataset.name}: {lost} of {len(dataset)} clips are unusable, more than "
            f"data.max_bad_share={max_bad_share:g} allows; repair or remove them, or raise the share "
            f"(`tinyclap evaluate` takes --set max_bad_share=...):{listed}{more}"
        )
