"""Where each sound lies in a shard, and what is said of it: read once, then kept in the cache.

An entry of the cache is named by the shard's address, size and time of change (on the web: ETag), so a shard that
changed is read anew. Reading it also makes a hash of every sound, which is what embeddings depend on.
"""

import hashlib
import json
import shutil
import tarfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinyclap.audio.formats import audio_suffixes
from tinyclap.common.cache_lock import cache_folder, touch
from tinyclap.common.files import as_text, cached_folder, parse_json, write_text
from tinyclap.data.dataset import DIGEST_BYTES
from tinyclap.data.shards.described import Described, FaultyError, described
from tinyclap.data.shards.sources import Shard, Stream
from tinyclap.errors import TinyclapError

VERSION = 1
INDEX = "index.jsonl"
CHUNK_BYTES = 2**20
LONGEST_TEXT = 2**24  # bytes of what is said of one sound
JSON, TEXT = ".json", ".txt"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sound of a shard.

    Attributes:
        member: its name in the tar.
        offset, size: where its bytes lie in the shard.
        digest: of them, hexadecimal.
        said: what is said of it.
        fault: why it cannot be used; None if it can.
    """

    member: str
    offset: int
    size: int
    digest: str
    said: Described
    fault: str | None = None


@dataclass
class _Sample:
    """What has been found of a sample so far."""

    sounds: list[tuple[str, int, int, str]] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def index_of(shard: Shard) -> list[Sample]:
    """The samples of a shard, in its order.

    Raises:
        TinyclapError: it is no tar, compressed, or damaged so that some of it would be lost.
    """
    key = json.dumps([VERSION, shard.address, shard.size, shard.stamp, sorted(audio_suffixes())])
    return kept_samples(key, lambda: _samples(shard))


def kept_samples(key: str, make: Callable[[], Iterable[Sample]]) -> list[Sample]:
    """The samples that the cache keeps under a key, which are made where they are not there."""
    folder = cache_folder("shards") / hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    touch(folder)
    try:
        return _read(folder / INDEX)
    except (OSError, ValueError, KeyError, TypeError):
        shutil.rmtree(folder, ignore_errors=True)  # not there, or damaged: a cache can be made again
    samples = list(make())
    with cached_folder(folder) as temporary:
        rows = [json.dumps(asdict(sample)) for sample in samples]
        write_text(temporary / INDEX, "\n".join([str(len(rows)), *rows]) + "\n")
    return samples


def _read(path: Path) -> list[Sample]:
    with path.open(encoding="utf-8") as lines:
        count = int(next(lines, ""))
        samples = [_sample(parse_json(line)) for line in lines]
    if len(samples) != count:
        raise ValueError(f"{path} holds {len(samples)} of {count} samples")
    return samples


def _sample(row: dict[str, Any]) -> Sample:
    said = row.pop("said")
    captions, tags = tuple(said.pop("captions")), tuple(said.pop("tags"))
    return Sample(**row, said=Described(captions=captions, tags=tags, **said))


def _samples(shard: Shard) -> Iterator[Sample]:
    """Members that share a name but for its suffix are one sample."""
    found: dict[str, _Sample] = {}
    seen: set[str] = set()
    suffixes = audio_suffixes()
    for member, stream in _members(shard):
        name = as_text(member.name).removeprefix("./")
        path = Path(name)
        suffix = path.suffix.lower()
        if path.name.startswith(".") or not (suffix in suffixes or suffix in (JSON, TEXT)):
            continue
        sample = found.setdefault(name[: -len(suffix)], _Sample())
        if name in seen:
            sample.faults.append(f"{path.name} stands in the shard twice")
        seen.add(name)
        if suffix in suffixes:
            sample.sounds.append((name, member.offset_data, member.size, _digest(stream, member.size)))
        elif member.size > LONGEST_TEXT:
            sample.faults.append(f"{path.name} is too large, {member.size:,} bytes")
        else:
            sample.texts[suffix] = stream.read(member.size)
    if not any(sample.sounds for sample in found.values()):
        raise TinyclapError(f"{shard.address}: holds no sound ({' '.join(suffixes[:5])} ...)")
    for key, sample in found.items():
        yield _finished(key, sample)


def _finished(key: str, sample: _Sample) -> Sample:
    faults, said = list(sample.faults), Described()
    try:
        said = described(sample.texts.get(JSON), sample.texts.get(TEXT))
    except FaultyError as error:
        faults.append(f"what is said of it is {error}" if str(error).startswith("no ") else f"of what is said, {error}")
    if not sample.sounds:
        suffix = next(iter(sample.texts), JSON)
        return Sample(key + suffix, 0, 0, "", said, "; ".join([*faults, "a text without a sound"]))
    names = list(dict.fromkeys(name for name, *_ in sample.sounds))
    if len(names) > 1:
        faults.append(f"several sounds of one name: {', '.join(Path(name).name for name in names)}")
    return Sample(*sample.sounds[0], said, "; ".join(faults) or None)


def _members(shard: Shard) -> Iterator[tuple[tarfile.TarInfo, Stream]]:
    """The files of a tar, each with the stream at its beginning; all of it, or an error."""
    stream = Stream(shard)
    try:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            while (member := tar.next()) is not None:
                if member.offset_data + member.size > shard.size:
                    raise TinyclapError(
                        f"{shard.address}: truncated: {as_text(member.name)} ends at byte "
                        f"{member.offset_data + member.size:,}, the shard at {shard.size:,}; fetch it anew"
                    )
                if member.isreg() and not member.issparse():
                    stream.seek(member.offset_data)
                    yield member, stream
            _check_end(shard, tar.offset)
    except (tarfile.TarError, EOFError) as error:
        packed = shard.read(0, 4).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zX", b"\x28\xb5\x2f\xfd"))
        reason = (
            "is compressed; unpack it, sounds are so already" if packed else f"is no whole tar ({error}); fetch it anew"
        )
        raise TinyclapError(f"{shard.address}: {reason}") from error


def _check_end(shard: Shard, offset: int) -> None:
    """That a tar ends where `tarfile` says so, which takes a damaged header for the end."""
    end = shard.read(offset, tarfile.BLOCKSIZE)
    if not end:
        warnings.warn(f"{shard.address} has no end mark of a tar; was it written to its end?", stacklevel=2)
    elif end.strip(b"\0"):
        what = "truncated" if len(end) < tarfile.BLOCKSIZE else "damaged"
        raise TinyclapError(
            f"{shard.address}: {what} at byte {offset:,} of {shard.size:,}, what follows is lost; fetch it anew"
        )


def _digest(stream: Stream, size: int) -> str:
    total = hashlib.blake2b(digest_size=DIGEST_BYTES)
    while size > 0 and (chunk := stream.read(min(size, CHUNK_BYTES))):
        total.update(chunk)
        size -= len(chunk)
    return total.hexdigest()
