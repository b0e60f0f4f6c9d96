"""Writes shards: `000000012.flac` beside `000000012.json`, in whole tars, from the same clips the same bytes."""

import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyclap.audio.formats import audio_suffixes
from tinyclap.common.progress import Progress
from tinyclap.data.dataset import Clip, Dataset
from tinyclap.errors import TinyclapError, listed

DIGITS = 9
SHARD_BYTES = 500_000_000
RECORD_BYTES = tarfile.RECORDSIZE
FORMAT = tarfile.USTAR_FORMAT


@dataclass(frozen=True)
class Written:
    """What `write_shards` did.

    Attributes:
        shards: their files, in order.
        clips: in all of them.
        size_bytes: of all of them.
        kept: how many were there already.
    """

    shards: list[Path]
    clips: int
    size_bytes: int
    kept: int


@dataclass(frozen=True)
class _Member:
    """A clip as it goes into a shard: its sound's name and file, and what is said of it."""

    name: str
    file: Path
    size: int
    said: bytes

    @property
    def said_name(self) -> str:
        return self.name.rpartition(".")[0] + ".json"


def write_shards(
    dataset: Dataset, out: str, *, shard_bytes: int = SHARD_BYTES, clips: int | None = None, overwrite: bool = False
) -> Written:
    """Write the clips of a data set into tars, in their order; `data.shards` reads them as the same clips.

    A shard that is there already and holds what would be written is kept, so a killed run goes on with the shard that
    it was at.

    Args:
        dataset: of files.
        out: path of the shards with a number in it, e.g. data-%04d.tar.
        shard_bytes: of sounds, after which the next shard begins.
        clips: after which the next shard begins; None for any number.
        overwrite: replace shards that hold something else.

    Raises:
        TinyclapError: clips that are no files, another shard under one of the names, a pattern without a number, or
            too small a disk.
    """
    _check_pattern(out)
    plan = list(_plan(_members(dataset), shard_bytes, clips))
    files = [Path(out % number) for number in range(len(plan))]
    kept = {file for file, members in zip(files, plan, strict=True) if file.exists() and _holds(file, members)}
    others = [file for file in files if file.exists() and file not in kept]
    further = Path(out % len(plan))
    if further.exists():
        others.append(further)
    if others and not overwrite:
        raise TinyclapError(
            f"{listed(others)}: there already, with other clips than would be written; give another --out, remove "
            "them, or --overwrite"
        )
    todo = [(file, members) for file, members in zip(files, plan, strict=True) if file not in kept]
    _refuse_small_disk(files[0].absolute().parent, sum(_size(members) for _, members in todo))
    with Progress("write shards", len(files), "shard", done=len(kept)) as counter:
        for file, members in todo:
            _write(file, members)
            counter.update()
    number = len(plan)
    while overwrite and (further := Path(out % number)).exists():  # of a set that was larger
        further.unlink()
        number += 1
    return Written(files, len(dataset), sum(file.stat().st_size for file in files), len(kept))


def _check_pattern(out: str) -> None:
    try:
        names = {out % number for number in (0, 1)}
    except (TypeError, ValueError):
        names = set()
    if len(names) != 2 or not out.endswith(".tar"):
        raise TinyclapError(f"--out {out}: give a name with the place of a number, which ends in .tar: data-%04d.tar")


def _members(dataset: Dataset) -> list[_Member]:
    """Every clip as a member; raises for those that cannot be one."""
    generated = [clip.name for clip in dataset.clips if clip.path is None or dataset._content(clip) != clip.path]
    if generated:
        raise TinyclapError(
            f"{dataset.name}: {len(generated)} clips are no files of their own: {listed(generated)}; shards are "
            "made of files"
        )
    absent = [clip.name for clip in dataset.clips if clip.path is None or not clip.path.is_file()]
    if absent:
        raise TinyclapError(f"{dataset.name}: {len(absent)} clips have no file: {listed(absent)}")
    return [_member(number, clip) for number, clip in enumerate(dataset.clips)]


def _member(number: int, clip: Clip) -> _Member:
    assert clip.path is not None
    suffix = clip.path.suffix.lower()
    if suffix not in audio_suffixes():
        raise TinyclapError(f"{clip.path}: its suffix is none of a sound that can be decoded here; leave it out")
    said = {
        "clip": clip.name,
        "text": list(clip.captions),
        "label": clip.label,
        "fold": clip.fold,
        "split": clip.split,
        "source": clip.source,
    }
    written = json.dumps({key: value for key, value in said.items() if value not in (None, [])})
    return _Member(f"{number:0{DIGITS}d}{suffix}", clip.path, clip.path.stat().st_size, written.encode())


def _plan(members: Sequence[_Member], shard_bytes: int, clips: int | None) -> Iterator[list[_Member]]:
    """Which members go into which shard: as many as fit, one at least."""
    shard: list[_Member] = []
    size = 0
    for member in members:
        if shard and (size + member.size > shard_bytes or len(shard) == clips):
            yield shard
            shard, size = [], 0
        shard.append(member)
        size += member.size
    yield shard


def _headers(member: _Member) -> tuple[tarfile.TarInfo, tarfile.TarInfo]:
    """Of the sound and of what is said of it: no times and owners, which would differ from run to run."""
    sound, said = tarfile.TarInfo(member.name), tarfile.TarInfo(member.said_name)
    sound.size, said.size = member.size, len(member.said)
    return sound, said


def _size(members: Sequence[_Member]) -> int:
    """Bytes of a shard."""
    blocks = sum(2 * tarfile.BLOCKSIZE + _whole(member.size) + _whole(len(member.said)) for member in members)
    return -(-(blocks + 2 * tarfile.BLOCKSIZE) // RECORD_BYTES) * RECORD_BYTES


def _whole(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _write(path: Path, members: Sequence[_Member]) -> None:
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w", format=FORMAT) as tar:
            for member in members:
                sound, said = _headers(member)
                with member.file.open("rb") as content:
                    tar.addfile(sound, content)
                tar.addfile(said, io.BytesIO(member.said))
        os.chmod(temporary, 0o644)  # mkstemp makes files that nobody else may read
        os.replace(temporary, path)
    except OSError as error:
        raise TinyclapError(f"cannot write {path}: {error}; finished shards are kept") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def _holds(path: Path, members: Sequence[_Member]) -> bool:
    """Whether a file is the shard of these members: by names, sizes and what is said; newer sounds are compared."""
    if not path.is_file() or path.stat().st_size != _size(members):
        return False
    written = path.stat().st_mtime_ns
    try:
        with tarfile.open(path, "r:") as tar:
            for member in members:
                sound, said = tar.next(), tar.next()
                if sound is None or said is None or (sound.name, sound.size) != (member.name, member.size):
                    return False
                content = tar.extractfile(said)
                if said.name != member.said_name or content is None or content.read() != member.said:
                    return False
                if member.file.stat().st_mtime_ns > written and not _same(tar, sound, member.file):
                    return False
            return tar.next() is None
    except tarfile.TarError:
        return False


def _same(tar: tarfile.TarFile, sound: tarfile.TarInfo, file: Path) -> bool:
    content = tar.extractfile(sound)
    return content is not None and content.read() == file.read_bytes()


def _refuse_small_disk(folder: Path, needed: int) -> None:
    nearest = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(nearest).free
    if needed > free:
        raise TinyclapError(
            f"--out: {needed / 1e9:.3g} GB are needed in {folder}, and {free / 1e9:.3g} GB are free; free some space "
            "or give another place"
        )
