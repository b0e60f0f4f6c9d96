"""Many files to one array of embeddings on disk: resumable, in bounded memory, with bad files named."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from tinyclap.audio.checks import AudioError
from tinyclap.common.arrays import map_array
from tinyclap.common.files import only_one, parse_json, read_json, write_json, write_text
from tinyclap.common.parallel import prepared_ahead
from tinyclap.common.progress import Progress
from tinyclap.embeddings import quantization
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle

ROWS_AT_ONCE, LARGEST_GALLERY = 4096, 20_000
FINISHING = "finishing"  # a file in the folder of unfinished work


@dataclass(frozen=True)
class Embedded:
    """An array that was written.

    Attributes:
        n_rows: files in it.
        bytes_per_clip: of a row.
        neighbours_kept: share of the ten nearest clips of each clip that its stored form still finds, among up to
            20,000 clips of the array; None for float32, which loses none, and for fewer than 12 clips.
        bad: the files that were left out.
        was_there: the array was complete already.
    """

    n_rows: int
    bytes_per_clip: int
    neighbours_kept: float | None
    bad: list["FileEntry"]
    was_there: bool = False


@dataclass(frozen=True)
class FileEntry:
    """What became of a file: a row of the array, or the reason why there is none."""

    file: str
    size_bytes: int | None
    mtime_ns: int | None
    row: int | None
    reason: str | None


def embed_files(
    bundle: Bundle,
    files: Sequence[Path],
    out: Path,
    *,
    dtype: str = "float32",
    workers: int = 1,
    overwrite: bool = False,
) -> Embedded:
    """Embed files into `out`, (N, embed_dim) as `quantization.quantize` makes them, beside a JSON file of their names.

    Files that cannot be used have no row; the JSON file names them with the reason. What is finished is kept in a
    folder `<out>.part` until all is, so that the same command goes on after a kill; files that changed in the meantime
    are embedded again. An array that is complete, of the same files and settings, is left as it is.

    Args:
        bundle: that embeds.
        files: of which the array is made, in this order.
        out: a name that ends in .npy.
        dtype: one of `quantization.DTYPES`.
        workers: files embedded at the same time.
        overwrite: replace what is there.

    Returns:
        What was written and left out.

    Raises:
        TinyclapError: an unknown `dtype`, `out` exists or cannot be written, unfinished work of another bundle, or no
            usable file.
    """
    names = out.with_suffix(".json")
    if out.suffix != ".npy":
        raise TinyclapError(f"{out}: the name of the array must end in .npy")
    part = out.with_name(f"{out.name}.part")
    there = [str(path) for path in (out, names) if path.exists()]
    finished = None if overwrite or part.exists() else _finished(bundle, files, out, dtype)
    if finished is not None:
        return finished
    if there and not overwrite and not (part / FINISHING).exists():
        raise TinyclapError(
            f"{' and '.join(there)} exist{'s' if len(there) == 1 else ''} already; choose another name, or replace it "
            "with --overwrite"
        )
    quantization.refuse_unknown(dtype)
    if workers < 1:
        raise TinyclapError(f"threads is {workers}: it must be 1 or more")
    _make_part_folder(part, out, bundle, overwrite)
    with only_one(part / "lock", f"another process is writing {out}; wait for it, or choose another name"):
        return _embed_into(_Journal(part, bundle.embed_dim), bundle, files, out, dtype, workers)


def read_embeddings(path: str | os.PathLike[str]) -> tuple[list[str], np.ndarray]:
    """What `tinyclap embed` wrote, in whatever form: the files and their unit-norm float32 embeddings (N, embed_dim).

    Raises:
        TinyclapError: an array or its JSON file that is missing or damaged.
    """
    array = Path(path)
    names = array.with_suffix(".json")
    if not array.is_file():
        raise TinyclapError(f"there is no file {array}; make it with `tinyclap embed`")
    try:
        index = parse_json(names.read_bytes())
        files, dtype, dim = index["files"], index["dtype"], index["embed_dim"]
        stored = map_array(array)
        embeddings = quantization.dequantize(stored, dtype, dim)
        if len(files) != len(embeddings):
            raise TinyclapError(f"{len(files)} files for {len(embeddings)} rows")
    except (OSError, ValueError, KeyError, TypeError, TinyclapError) as error:
        raise TinyclapError(
            f"{array} with {names.name} cannot be read ({error}); embed the files again with --overwrite"
        ) from error
    return list(files), embeddings


def _embed_into(
    journal: "_Journal", bundle: Bundle, files: Sequence[Path], out: Path, dtype: str, workers: int
) -> Embedded:
    todo = [file for file in files if not journal.holds(file)]

    def embed(file: Path) -> tuple[Path, os.stat_result | None, np.ndarray | str]:
        status = _status(file)
        try:
            return file, status, bundle.embed(file)[0]
        except AudioError as error:
            return file, status, error.reason

    results = prepared_ahead(embed, todo, workers)
    with Progress("embed", len(files), "file", done=len(files) - len(todo)) as counter:
        for file, status, result in results:
            journal.add(file, status, result)
            counter.update()
    return journal.finish([str(file) for file in files], out, dtype, _made_by(bundle))


def _made_by(bundle: Bundle) -> dict[str, Any]:
    mapped = bundle.manifest.latent_map
    return {
        "bundle": bundle.manifest.name,
        "made_by": _hash_of(bundle),
        "graph": bundle.graph,
        "teacher": bundle.manifest.teacher["fingerprint"],  # arrays of one teacher and latent map share a space
        "latent_map": mapped and mapped["fingerprint"],
    }


def _hash_of(bundle: Bundle) -> str:
    """Of all that decides an embedding: the manifest holds its files' checksums."""
    return hashlib.sha256(f"{bundle.graph} {bundle.embed_dim} {bundle.manifest.to_json()}".encode()).hexdigest()


def _finished(bundle: Bundle, files: Sequence[Path], out: Path, dtype: str) -> Embedded | None:
    """An array that is complete: of these files as they are now, of this bundle and form; else None."""
    try:
        index = read_json(out.with_suffix(".json"), {})
    except TinyclapError:  # another file of that name
        return None
    wanted = {**_made_by(bundle), "embed_dim": bundle.embed_dim, "dtype": dtype}
    if not (out.is_file() and isinstance(index, dict) and all(index.get(key) == wanted[key] for key in wanted)):
        return None
    try:
        bad = [FileEntry(entry["file"], None, None, None, entry["reason"]) for entry in index["bad"]]
        left = {entry.file for entry in bad}
        in_order = [str(file) for file in files if str(file) not in left]
        n_rows, kept = len(map_array(out)), index["neighbours_kept"]
        then = list(zip(index["sizes"], index["mtimes_ns"], strict=True))
    except (ValueError, KeyError, TypeError, TinyclapError):
        return None
    known = {*in_order, *left} == {str(file) for file in files} and in_order == index["files"]
    statuses = [_status(Path(file)) for file in in_order]
    now = [(status.st_size, status.st_mtime_ns) if status else None for status in statuses]
    if not known or now != then or n_rows != len(in_order):
        return None
    return Embedded(n_rows, quantization.bytes_per_clip(dtype, bundle.embed_dim), kept, bad, was_there=True)


class _Journal:
    """Finished rows and what became of each file, appended as they come; a line is written after its row."""

    def __init__(self, folder: Path, embed_dim: int) -> None:
        self.folder, self.embed_dim = folder, embed_dim
        self.done: dict[str, FileEntry] = {}
        self._rows_file, self._lines_file = folder / "rows.f32", folder / "files.jsonl"
        self._rows_file.touch()
        kept = self._rows_file.stat().st_size // (4 * embed_dim)
        lines = self._lines_file.read_text(encoding="utf-8").splitlines() if self._lines_file.is_file() else []
        self.n_rows = 0
        for line in lines:
            try:
                entry = FileEntry(**parse_json(line))
            except (ValueError, TypeError):  # cut off by a kill
                break
            if entry.row is not None:
                if entry.row >= kept:
                    break
                self.n_rows = max(self.n_rows, entry.row + 1)
            self.done[entry.file] = entry
        write_text(self._lines_file, "".join(json.dumps(asdict(entry)) + "\n" for entry in self.done.values()))
        os.truncate(self._rows_file, self.n_rows * 4 * embed_dim)

    def holds(self, file: Path) -> bool:
        """Whether the file is finished and has not changed since."""
        entry, status = self.done.get(str(file)), _status(file)
        if entry is None or status is None:
            return False
        return (entry.size_bytes, entry.mtime_ns) == (status.st_size, status.st_mtime_ns)

    def add(self, file: Path, status: os.stat_result | None, result: np.ndarray | str) -> None:
        """Note what became of a file: its embedding, or the reason why there is none."""
        size_bytes, mtime_ns = (None, None) if status is None else (status.st_size, status.st_mtime_ns)
        row, reason = (None, result) if isinstance(result, str) else (self.n_rows, None)
        if isinstance(result, np.ndarray):
            with self._rows_file.open("ab") as stream:
                stream.write(result.astype("<f4").tobytes())
            self.n_rows += 1
        entry = FileEntry(str(file), size_bytes, mtime_ns, row, reason)
        with self._lines_file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(entry)) + "\n")
        self.done[entry.file] = entry

    def finish(self, files: Sequence[str], out: Path, dtype: str, facts: dict[str, Any]) -> Embedded:
        """Write the array and the names in the order of `files`, and remove the folder."""
        entries = [self.done[file] for file in files]
        good, bad = [e for e in entries if e.row is not None], [e for e in entries if e.row is None]
        if not good:
            shutil.rmtree(self.folder)
            listed = "".join(f"\n  {entry.file}: {entry.reason}" for entry in bad[:10])
            raise TinyclapError(f"none of {len(files)} files is usable:{listed}")
        rows = np.memmap(self._rows_file, "<f4", "r", shape=(self.n_rows, self.embed_dim))
        order = np.array([entry.row for entry in good])
        whole = self.folder / out.name
        empty = quantization.quantize(rows[:0], dtype)
        with whole.open("wb") as stream:
            header = {"descr": empty.dtype.str, "fortran_order": False, "shape": (len(good), empty.shape[1])}
            npy.write_array_header_1_0(stream, header)
            for first in range(0, len(order), ROWS_AT_ONCE):
                stream.write(quantization.quantize(rows[order[first : first + ROWS_AT_ONCE]], dtype).tobytes())
        some = rows[order[:: -(-len(order) // LARGEST_GALLERY)]]
        kept = None if dtype == "float32" else quantization.neighbours_kept(some, dtype)
        skipped = [{"file": entry.file, "reason": entry.reason} for entry in bad]
        named = {
            **facts,
            "embed_dim": self.embed_dim,
            "dtype": dtype,
            "neighbours_kept": kept,
            "files": [entry.file for entry in good],
            "bad": skipped,
            "sizes": [entry.size_bytes for entry in good],
            "mtimes_ns": [entry.mtime_ns for entry in good],
        }
        (self.folder / FINISHING).touch()  # killed from here on, the same command finishes again
        os.replace(whole, out)
        write_text(out.with_suffix(".json"), json.dumps(named, indent=2) + "\n")  # a file name need not be UTF-8
        shutil.rmtree(self.folder)
        return Embedded(len(good), quantization.bytes_per_clip(dtype, self.embed_dim), kept, bad)


def _make_part_folder(folder: Path, out: Path, bundle: Bundle, overwrite: bool) -> None:
    """The folder of unfinished work, made if need be."""
    made_by = {"bundle": _hash_of(bundle)}
    try:
        if folder.is_dir() and read_json(folder / "job.json", {}) != made_by:
            if not overwrite:
                raise TinyclapError(
                    f"{folder} holds unfinished work of another bundle; remove it, choose another name, or replace it "
                    "with --overwrite"
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "job.json", made_by)
    except (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise TinyclapError(f"{out} cannot be written ({error.strerror}); choose another place") from error


def _status(file: Path) -> os.stat_result | None:
    return file.stat() if file.is_file() else None
