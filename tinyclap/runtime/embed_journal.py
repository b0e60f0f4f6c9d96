"""Unfinished work of `embed_files` on disk: rows as they come, and what became of each file; then the whole array."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from tinyclap.common.files import parse_json, write_text
from tinyclap.embeddings import quantization
from tinyclap.errors import GateError

ROWS_AT_ONCE, LARGEST_GALLERY = 4096, 20_000
FINISHING = "finishing"  # a file in the folder of unfinished work
TIME_BYTES = 16  # start and end of a row, float64


@dataclass(frozen=True)
class Embedded:
    """An array that was written.

    Attributes:
        n_rows: files in it, or windows of files.
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
    """What became of a file: a row of the array or, of its windows, several; or the reason why there is none."""

    file: str
    size_bytes: int | None
    mtime_ns: int | None
    row: int | None
    reason: str | None
    n_rows: int = 1


@dataclass(frozen=True)
class Rows:
    """What a file was embedded to, not in memory.

    Attributes:
        content: float32 rows, to be read from the beginning.
        times: start and end of each in seconds, (n, 2); None for a single row of the whole file.
    """

    content: BinaryIO
    times: list[tuple[float, float]] | None = None


class Journal:
    """Finished rows and what became of each file, appended as they come; a line is written after its row."""

    def __init__(self, folder: Path, embed_dim: int) -> None:
        self.folder, self.embed_dim = folder, embed_dim
        self.done: dict[str, FileEntry] = {}
        self._rows_file, self._times_file = folder / "rows.f32", folder / "times.f64"
        self._lines_file = folder / "files.jsonl"
        self._rows_file.touch()
        self._times_file.touch()
        kept = self._rows_file.stat().st_size // (4 * embed_dim)
        lines = self._lines_file.read_text(encoding="utf-8").splitlines() if self._lines_file.is_file() else []
        self.n_rows = 0
        for line in lines:
            try:
                entry = FileEntry(**parse_json(line))
            except (ValueError, TypeError):  # cut off by a kill
                break
            if entry.row is not None:
                if entry.row + entry.n_rows > kept:
                    break
                self.n_rows = max(self.n_rows, entry.row + entry.n_rows)
            self.done[entry.file] = entry
        write_text(self._lines_file, "".join(json.dumps(asdict(entry)) + "\n" for entry in self.done.values()))
        os.truncate(self._rows_file, self.n_rows * 4 * embed_dim)
        if self._times_file.stat().st_size:
            os.truncate(self._times_file, self.n_rows * TIME_BYTES)

    def holds(self, file: Path) -> bool:
        """Whether the file is finished and has not changed since."""
        entry, status = self.done.get(str(file)), status_of(file)
        if entry is None or status is None:
            return False
        return (entry.size_bytes, entry.mtime_ns) == (status.st_size, status.st_mtime_ns)

    def add(self, file: Path, status: os.stat_result | None, result: Rows | str) -> None:
        """Note what became of a file: its rows, or the reason why there are none."""
        size_bytes, mtime_ns = (None, None) if status is None else (status.st_size, status.st_mtime_ns)
        if isinstance(result, str):
            entry = FileEntry(str(file), size_bytes, mtime_ns, None, result)
        else:
            entry = FileEntry(str(file), size_bytes, mtime_ns, self.n_rows, None, self._append(result))
            self.n_rows += entry.n_rows
        with self._lines_file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(entry)) + "\n")
        self.done[entry.file] = entry

    def _append(self, rows: Rows) -> int:
        with rows.content as content, self._rows_file.open("ab") as stream:
            content.seek(0)
            shutil.copyfileobj(content, stream)
        if rows.times is None:
            return 1
        with self._times_file.open("ab") as stream:
            stream.write(np.array(rows.times, "<f8").tobytes())
        return len(rows.times)

    def finish(self, files: Sequence[str], out: Path, dtype: str, facts: dict[str, Any]) -> Embedded:
        """Write the array and the names in the order of `files`, and remove the folder."""
        entries = [self.done[file] for file in files]
        good, bad = [e for e in entries if e.row is not None], [e for e in entries if e.row is None]
        if not good:
            shutil.rmtree(self.folder)
            listed = "".join(f"\n  {entry.file}: {entry.reason}" for entry in bad[:10])
            of = "the file is not" if len(files) == 1 else f"none of {len(files)} files is"
            raise GateError(f"{of} usable:{listed}")
        rows = np.memmap(self._rows_file, "<f4", "r", shape=(self.n_rows, self.embed_dim))
        order = np.concatenate([np.arange(entry.n_rows) + (entry.row or 0) for entry in good])
        whole = self.folder / out.name
        empty = quantization.quantize(rows[:0], dtype)
        with whole.open("wb") as stream:
            header = {"descr": empty.dtype.str, "fortran_order": False, "shape": (len(order), empty.shape[1])}
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
            **self._times_of(good, order),
        }
        (self.folder / FINISHING).touch()  # killed from here on, the same command finishes again
        os.replace(whole, out)
        write_text(out.with_suffix(".json"), json.dumps(named, indent=2) + "\n")  # a file name need not be UTF-8
        shutil.rmtree(self.folder)
        return Embedded(len(order), quantization.bytes_per_clip(dtype, self.embed_dim), kept, bad)

    def _times_of(self, good: Sequence[FileEntry], order: np.ndarray) -> dict[str, list[Any]]:
        """Of each row, if the rows are windows: which file, start and end in seconds."""
        if not self._times_file.stat().st_size:
            return {}
        times = np.fromfile(self._times_file, "<f8").reshape(-1, 2)[order].round(6)
        file_of = [row for row, entry in enumerate(good) for _ in range(entry.n_rows)]
        return {"file_of": file_of, "start_s": times[:, 0].tolist(), "end_s": times[:, 1].tolist()}


def status_of(file: Path) -> os.stat_result | None:
    """Of a file; None where there is none."""
    return file.stat() if file.is_file() else None
