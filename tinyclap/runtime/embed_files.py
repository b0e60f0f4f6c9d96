"""Many files to one array of embeddings on disk: resumable, in bounded memory, with bad files named."""

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyclap.audio.checks import AudioError
from tinyclap.audio.read_by_workers import found_by, found_in
from tinyclap.common.arrays import map_array
from tinyclap.common.crew.team import ALONE, Team
from tinyclap.common.crew.work import Make
from tinyclap.common.files import only_one, parse_json, read_json, write_json
from tinyclap.common.parallel import prepared_ahead
from tinyclap.common.progress import Progress
from tinyclap.embeddings import quantization
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.embed_journal import FINISHING, Embedded, FileEntry, Journal, Rows, status_of
from tinyclap.runtime.embed_sound import EmbedOptions, hop_samples, timed_embeddings

AHEAD = 4  # files read ahead for each worker, so that a long one keeps none of the others waiting


def embed_files(
    bundle: Bundle,
    files: Sequence[Path],
    out: Path,
    *,
    dtype: str = "float32",
    workers: int = 1,
    team: Team = ALONE,
    overwrite: bool = False,
    windows: bool = False,
    hop_s: float | None = None,
    channel: int | None = None,
) -> Embedded:
    """Embed files into `out`, (N, embed_dim) as `quantization.quantize` makes them, beside a JSON file of their names.

    With `windows` a row is a window of a file, and the JSON file says of which file (`file_of`, its place in `files`)
    and when it starts and ends (`start_s`, `end_s`).

    Files that cannot be used have no row; the JSON file names them with the reason. What is finished is kept in a
    folder `<out>.part` until all is, so that the same command goes on after a kill; files that changed in the meantime
    are embedded again. An array that is complete, of the same files and settings, is left as it is.

    Args:
        bundle: that embeds.
        files: of which the array is made, in this order.
        out: a name that ends in .npy.
        dtype: one of `quantization.DTYPES`.
        workers: files embedded at the same time.
        team: processes or a cluster that embed in place of these threads (`common.crew`).
        overwrite: replace what is there.
        windows: embed every window of the files rather than each file as a whole.
        hop_s, channel: as for `Bundle.embed_windows` or, without `windows`, `Bundle.embed`.

    Returns:
        What was written and left out.

    Raises:
        TinyclapError: an unknown `dtype`, `out` exists or cannot be written, unfinished work of another bundle, no
            usable file, or a hop that is none.
    """
    hop = hop_samples(bundle, hop_s, at_most_window=not windows)
    hop_s = hop / bundle.sample_rate if windows else hop_s
    job = _Job(bundle, windows, {"hop_s": hop_s, "channel": channel})
    names = out.with_suffix(".json")
    if out.suffix != ".npy":
        raise TinyclapError(f"{out}: the name of the array must end in .npy")
    part = out.with_name(f"{out.name}.part")
    there = [str(path) for path in (out, names) if path.exists()]
    finished = None if overwrite or part.exists() else _finished(job, files, out, dtype)
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
    _make_part_folder(part, out, job, overwrite)
    with only_one(part / "lock", f"another process is writing {out}; wait for it, or choose another name"):
        return _embed_into(Journal(part, bundle.embed_dim), job, files, out, dtype, (workers, team))


def read_embeddings(path: str | os.PathLike[str]) -> tuple[list[str], np.ndarray]:
    """What `tinyclap embed` wrote, in whatever form: of each row the file, and unit-norm float32 (N, embed_dim).

    Raises:
        TinyclapError: an array or its JSON file that is missing or damaged.
    """
    files, _, embeddings = _read(Path(path))
    return files, embeddings


def read_windows(path: str | os.PathLike[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """What `tinyclap embed --windows` wrote: of each window the file, start and end in seconds (N, 2), and embedding.

    Raises:
        TinyclapError: as `read_embeddings` does, and for an array of whole files.
    """
    files, times, embeddings = _read(Path(path))
    if times is None:
        raise TinyclapError(f"{path} has a row for each file and no windows; make it with `tinyclap embed --windows`")
    return files, times, embeddings


def _read(array: Path) -> tuple[list[str], np.ndarray | None, np.ndarray]:
    names = array.with_suffix(".json")
    if not array.is_file():
        raise TinyclapError(f"there is no file {array}; make it with `tinyclap embed`")
    try:
        index = parse_json(names.read_bytes())
        files, dtype, dim, times = index["files"], index["dtype"], index["embed_dim"], None
        if "file_of" in index:
            files = [files[at] for at in index["file_of"]]
            times = np.array([index["start_s"], index["end_s"]], np.float64).T
        embeddings = quantization.dequantize(map_array(array), dtype, dim)
        if len(files) != len(embeddings) or (times is not None and times.shape != (len(files), 2)):
            raise TinyclapError(f"{len(files)} files for {len(embeddings)} rows")
    except (OSError, ValueError, KeyError, IndexError, TypeError, TinyclapError) as error:
        raise TinyclapError(
            f"{array} with {names.name} cannot be read ({error}); embed the files again with --overwrite"
        ) from error
    return list(files), times, embeddings


class _Job(NamedTuple):
    """What is done with each file: a row of the whole, or one of every window."""

    bundle: Bundle
    windows: bool
    options: EmbedOptions

    def rows(self, file: Path, folder: Path) -> Rows:
        """Raises AudioError for a file that cannot be used."""
        if not self.windows:
            return Rows(io.BytesIO(self.bundle.embed(file, **self.options)[0].astype("<f4").tobytes()))
        content, times = tempfile.TemporaryFile(dir=folder), []  # noqa: SIM115 - closed by whoever reads it
        try:
            for start_s, end_s, embedding in timed_embeddings(self.bundle, file, **self.options):
                content.write(embedding.astype("<f4").tobytes())
                times.append((start_s, end_s))
        except BaseException:
            content.close()
            raise
        return Rows(content, times)

    def settings(self) -> dict[str, Any]:
        """What decides an embedding: the manifest holds its files' checksums."""
        bundle = self.bundle
        head = f"{bundle.part.head} " if bundle.part.head else ""
        text = f"{bundle.graph} {bundle.embed_dim} {head}{bundle.manifest.to_json()}"
        made_by = hashlib.sha256(text.encode()).hexdigest()
        windows = {"windows": True} if self.windows else {}
        return {
            "bundle": made_by,
            **windows,
            **{key: value for key, value in self.options.items() if value is not None},
        }

    def facts(self) -> dict[str, Any]:
        """For the JSON file."""
        manifest = self.bundle.manifest
        return {
            "bundle": manifest.name,
            "made_by": self.settings()["bundle"],
            "windows": self.windows,
            "graph": self.bundle.graph,
            "teacher": self.bundle.part.teacher["fingerprint"],  # arrays of one teacher and latent map share a space
            "latent_map": manifest.latent_map and manifest.latent_map["fingerprint"],
            **self.options,
        }


def _embed_into(
    journal: Journal, job: _Job, files: Sequence[Path], out: Path, dtype: str, by: tuple[int, Team]
) -> Embedded:
    todo = [file for file in files if not journal.holds(file)]
    with (
        _embedding(job, journal.folder, *by) as (rows_of, width),
        Progress("embed", len(files), "file", done=len(files) - len(todo)) as counter,
    ):

        def embed(file: Path) -> tuple[Path, os.stat_result | None, Rows | str]:
            status = status_of(file)
            try:
                return file, status, rows_of(file)
            except AudioError as error:
                return file, status, error.reason

        for file, status, result in prepared_ahead(embed, todo, width):
            journal.add(file, status, result)
            counter.update()
    return journal.finish([str(file) for file in files], out, dtype, job.facts())


@contextmanager
def _embedding(job: _Job, folder: Path, threads: int, team: Team) -> Iterator[tuple[Callable[[Path], Rows], int]]:
    """What embeds a file, and by how many threads it is to be called at the same time."""
    if team.is_alone:
        yield lambda file: job.rows(file, folder), threads
        return

    def received(file: Path) -> Rows:
        content, times = found_by(crew, file, file)
        return Rows(io.BytesIO(content), times)

    with team.crew(partial(_made_ready, job), str) as crew:
        yield received, AHEAD * crew.size


def _made_ready(job: _Job, turn: int) -> Make:
    """In a worker: what embeds a file."""

    def rows(file: Path) -> tuple[bytes, list[tuple[float, float]] | None]:
        made = job.rows(file, Path(tempfile.gettempdir()))
        with made.content as content:
            content.seek(0)
            return content.read(), made.times

    return lambda file: found_in(file, lambda: rows(file))


def _finished(job: _Job, files: Sequence[Path], out: Path, dtype: str) -> Embedded | None:
    """An array that is complete: of these files as they are now, of this job and form; else None."""
    try:
        index = read_json(out.with_suffix(".json"), {})
    except TinyclapError:  # another file of that name
        return None
    wanted = {**job.facts(), "embed_dim": job.bundle.embed_dim, "dtype": dtype}
    if not (out.is_file() and isinstance(index, dict) and all(index.get(key) == wanted[key] for key in wanted)):
        return None
    try:
        bad = [FileEntry(entry["file"], None, None, None, entry["reason"]) for entry in index["bad"]]
        left = {entry.file for entry in bad}
        in_order = [str(file) for file in files if str(file) not in left]
        n_rows, kept = len(map_array(out)), index["neighbours_kept"]
        kept = None if kept is None else float(kept)
        then = list(zip(index["sizes"], index["mtimes_ns"], strict=True))
    except (ValueError, KeyError, TypeError, TinyclapError):
        return None
    known = {*in_order, *left} == {str(file) for file in files} and in_order == index["files"]
    statuses = [status_of(Path(file)) for file in in_order]
    now = [(status.st_size, status.st_mtime_ns) if status else None for status in statuses]
    if not known or now != then or n_rows != len(index.get("file_of", in_order)):
        return None
    return Embedded(n_rows, quantization.bytes_per_clip(dtype, job.bundle.embed_dim), kept, bad, was_there=True)


def _make_part_folder(folder: Path, out: Path, job: _Job, overwrite: bool) -> None:
    """The folder of unfinished work, made if need be."""
    made_by = job.settings()
    try:
        if folder.is_dir() and read_json(folder / "job.json", {}) != made_by:
            if not overwrite:
                raise TinyclapError(
                    f"{folder} holds unfinished work of another bundle or other settings; remove it, choose another "
                    "name, or replace it with --overwrite"
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "job.json", made_by)
    except (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise TinyclapError(f"{out} cannot be written ({error.strerror}); choose another place") from error
