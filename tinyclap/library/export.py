"""A library as a table for other programs: CSV, or Parquet with the vectors."""

import csv
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyclap.common.install import extra_line
from tinyclap.errors import TinyclapError
from tinyclap.library.answers import Hit

if TYPE_CHECKING:
    from tinyclap.library.library import Library

COLUMNS = ("row", "path", "start_s", "end_s", "duration_s", "sample_rate", "tags")
ROWS_AT_ONCE = 4096
KINDS = (".csv", ".parquet")


def export(library: "Library", out: Path, *, overwrite: bool = False) -> int:
    """Write every row of a library to `out`, whole or not at all, and return how many.

    A .csv has COLUMNS, tags separated by "|"; a .parquet also `embedding`, a list of float32.

    Raises:
        TinyclapError: another suffix, a file that is there without `overwrite`, or pyarrow is not installed.
    """
    if out.suffix not in KINDS:
        raise TinyclapError(f"{out}: the name of the table must end in {' or '.join(KINDS)}")
    if out.exists() and not overwrite:
        raise TinyclapError(f"{out} exists already; replace it with --overwrite, or choose another name")
    arrow = _arrow() if out.suffix == ".parquet" else None
    out.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}-")
    os.close(descriptor)
    try:
        count = _write_csv(library, Path(name)) if arrow is None else _write_parquet(library, Path(name), *arrow)
        os.chmod(name, 0o644)
        os.replace(name, out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return count


def _batches(library: "Library") -> Iterator[list[Hit]]:
    rows = library.rows()
    yield from (rows[first : first + ROWS_AT_ONCE] for first in range(0, len(rows), ROWS_AT_ONCE))


def _values(hit: Hit) -> tuple[Any, ...]:
    return (hit.row, str(hit.path), hit.start_s, hit.end_s, hit.duration_s, hit.sample_rate, hit.tags)


def _write_csv(library: "Library", path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        written = csv.writer(stream, lineterminator="\n")
        written.writerow(COLUMNS)
        for batch in _batches(library):
            written.writerows([*_values(hit)[:-1], "|".join(hit.tags)] for hit in batch)
            count += len(batch)
    return count


def _write_parquet(library: "Library", path: Path, arrow: Any, parquet: Any) -> int:
    kinds = (arrow.int64(), arrow.string(), *[arrow.float64()] * 3, arrow.int32(), arrow.list_(arrow.string()))
    fields = [*zip(COLUMNS, kinds, strict=True), ("embedding", arrow.list_(arrow.float32()))]
    schema, count = arrow.schema(fields), 0
    with parquet.ParquetWriter(str(path), schema) as written:
        for batch in _batches(library):
            columns = [list(column) for column in zip(*map(_values, batch), strict=True)]
            columns[-1] = [list(tags) for tags in columns[-1]]
            vectors = library.embeddings([hit.row for hit in batch])
            offsets = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
            embedding = arrow.ListArray.from_arrays(offsets, arrow.array(vectors.ravel()))
            arrays = [arrow.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
            written.write_table(arrow.Table.from_arrays([*arrays, embedding], schema=schema))
            count += len(batch)
    return count


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise TinyclapError(f"a .parquet file needs pyarrow: {extra_line('parquet')}; or write a .csv") from error
    return pyarrow, parquet
