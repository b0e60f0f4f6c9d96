"""A library as a table for other programs: CSV, or Parquet with the vectors."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyclap.common.files import whole_file
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

    A .csv has COLUMNS, tags separated by "|"; a .parquet also `embedding`, a list of float32. Where the rows are
    numbered anew meanwhile (`index --compact`), it is written again.

    Raises:
        TinyclapError: another suffix, a file that is there without `overwrite`, or pyarrow is not installed.
    """
    if out.suffix not in KINDS:
        raise TinyclapError(f"{out}: the name of the table must end in {' or '.join(KINDS)}")
    if out.exists() and not overwrite:
        raise TinyclapError(f"{out} exists already; replace it with --overwrite, or choose another name")
    arrow = _arrow() if out.suffix == ".parquet" else None
    with whole_file(out) as temporary:
        return _written(library, temporary, arrow)


class _NumberedAnewError(Exception):
    """What was written so far has other numbers than what follows would have."""


def _written(library: "Library", path: Path, arrow: tuple[Any, Any] | None) -> int:
    while True:
        try:
            return _write_csv(library, path) if arrow is None else _write_parquet(library, path, *arrow)
        except _NumberedAnewError:
            continue


def _batches(library: "Library", *, vectors: bool) -> Iterator[tuple[list[Hit], np.ndarray]]:
    """Rows and, where asked for, their embeddings (else none).

    Raises:
        _NumberedAnewError: between two batches the rows were.
    """
    with library.catalogue.reading():
        generation, numbers = library.state_key()[1], library.numbers()
    for first in range(0, len(numbers), ROWS_AT_ONCE):
        some = numbers[first : first + ROWS_AT_ONCE]
        with library.catalogue.reading():
            if library.state_key()[1] != generation:
                raise _NumberedAnewError
            batch = library.rows(some), library.embeddings(some if vectors else some[:0])
        yield batch


def _values(hit: Hit) -> tuple[Any, ...]:
    return (hit.row, str(hit.path), hit.start_s, hit.end_s, hit.duration_s, hit.sample_rate, hit.tags)


def _write_csv(library: "Library", path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        written = csv.writer(stream, lineterminator="\n")
        written.writerow(COLUMNS)
        for batch, _ in _batches(library, vectors=False):
            written.writerows([*_values(hit)[:-1], "|".join(hit.tags)] for hit in batch)
            count += len(batch)
    return count


def _write_parquet(library: "Library", path: Path, arrow: Any, parquet: Any) -> int:
    kinds = (arrow.int64(), arrow.string(), *[arrow.float64()] * 3, arrow.int32(), arrow.list_(arrow.string()))
    fields = [*zip(COLUMNS, kinds, strict=True), ("embedding", arrow.list_(arrow.float32()))]
    schema, count = arrow.schema(fields), 0
    with parquet.ParquetWriter(str(path), schema) as written:
        for batch, vectors in _batches(library, vectors=True):
            columns = [list(column) for column in zip(*map(_values, batch), strict=True)]
            columns[-1] = [list(tags) for tags in columns[-1]]
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
