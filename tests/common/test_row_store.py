"""Stored rows: whatever stops the filling, it goes on where it was and ends with the same bytes."""

import errno
import resource
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinyclap.common.parallel import prepared_ahead
from tinyclap.common.row_store import BLOCK_ROWS, Filled, RowStore, fill_stores
from tinyclap.errors import TinyclapError

N_ROWS, WIDTH = 55, 64  # the last block is not full
ROWS = np.random.default_rng(0).uniform(-1, 1, (N_ROWS, WIDTH)).astype(np.float32)


def fill_with(
    folder: Path, compute: Callable[[range, np.ndarray], np.ndarray], dtype: type = np.float16, scale: float = 1.0
) -> Filled:
    shape = (N_ROWS, WIDTH)
    return fill_stores([RowStore(folder, shape, dtype, compute, scale)], lambda rows: ROWS[rows], progress="test")[0]


def copy(rows: range, prepared: np.ndarray) -> np.ndarray:
    return prepared


def refuse(rows: range, prepared: np.ndarray) -> np.ndarray:
    raise AssertionError(f"{rows} are computed again")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """The files of a store that was filled in one go."""
    return files(fill_with(tmp_path / "whole", copy).folder)


def test_rows_are_stored_rounded_and_the_error_is_told(tmp_path: Path) -> None:
    filled = fill_with(tmp_path / "store", copy)
    assert filled.rows.dtype == np.float16
    np.testing.assert_array_equal(filled.rows, ROWS.astype(np.float16))
    assert filled.rounding_error == np.abs(filled.rows - ROWS).max()
    assert 0 < filled.rounding_error <= 2**-12  # half a step of float16 just below 1
    assert filled.computed == N_ROWS


def test_integers_stand_for_multiples_of_the_scale(tmp_path: Path) -> None:
    filled = fill_with(tmp_path / "store", copy, np.int16, scale=0.01)
    assert filled.rows.dtype == np.int16
    np.testing.assert_array_equal(filled.rows, np.round(ROWS / 0.01))
    assert filled.rounding_error == pytest.approx(np.abs(filled.rows * 0.01 - ROWS).max(), abs=1e-6)
    assert filled.rounding_error < 0.005 + 1e-6


def test_a_disk_that_is_too_small_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_with(tmp_path / "store", copy)
    monkeypatch.setattr(
        "tinyclap.common.row_store.shutil.disk_usage", lambda _: SimpleNamespace(free=N_ROWS * WIDTH * 2 - 1)
    )
    with pytest.raises(TinyclapError, match=r"test: .* GB are needed in .*other.*TINYCLAP_CACHE.*views\.per_clip"):
        fill_with(tmp_path / "other", refuse)
    assert fill_with(tmp_path / "store", refuse).computed == 0, "what is stored needs no more room"


@pytest.mark.parametrize("name", ["rows.npy", "blocks.npy"])
@pytest.mark.parametrize("kept_bytes", [None, 0, 100, 700])
def test_a_damaged_store_is_made_again(
    tmp_path: Path, whole: dict[str, bytes], name: str, kept_bytes: int | None
) -> None:
    path = fill_with(tmp_path / "store", copy).folder / name
    if kept_bytes is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:kept_bytes])
    fill_with(tmp_path / "store", copy)
    assert files(tmp_path / "store") == whole


def test_what_is_stored_is_read_only_and_not_computed_again(tmp_path: Path) -> None:
    first = fill_with(tmp_path / "store", copy)
    again = fill_with(tmp_path / "store", refuse)
    assert (again.computed, again.rounding_error) == (0, first.rounding_error)
    np.testing.assert_array_equal(again.rows, first.rows)
    with pytest.raises(ValueError, match="read-only"):
        again.rows[0] = 0


@pytest.mark.parametrize("stop_at", range(0, N_ROWS, BLOCK_ROWS))
def test_stopped_at_any_block_it_ends_with_the_same_bytes(
    tmp_path: Path, whole: dict[str, bytes], stop_at: int
) -> None:
    def stop(rows: range, prepared: np.ndarray) -> np.ndarray:
        if rows.start == stop_at:
            raise RuntimeError("stopped")
        return prepared

    with pytest.raises(RuntimeError, match="stopped"):
        fill_with(tmp_path / "store", stop)
    filled = fill_with(tmp_path / "store", copy)
    assert filled.computed == N_ROWS - stop_at
    assert files(filled.folder) == whole


def test_a_full_disk_is_an_error_and_what_was_stored_stays(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """A file size limit makes the real write fail, as a full disk does: in the middle of the third block."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill_the_disk(rows: range, prepared: np.ndarray) -> np.ndarray:
        resource.setrlimit(resource.RLIMIT_FSIZE, (128 + 40 * WIDTH * 2, hard))
        return prepared

    try:
        with pytest.raises(OSError, match="File too large") as failure:
            fill_with(tmp_path / "store", fill_the_disk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert failure.value.errno == errno.EFBIG
    filled = fill_with(tmp_path / "store", copy)
    assert filled.computed == N_ROWS - 2 * BLOCK_ROWS
    assert files(filled.folder) == whole


def test_stores_of_the_same_things_share_what_is_prepared_and_each_computes_what_it_lacks(tmp_path: Path) -> None:
    prepared: list[int] = []

    def prepare(rows: range) -> np.ndarray:
        prepared.append(rows.start)
        return ROWS[rows]

    def stop(rows: range, values: np.ndarray) -> np.ndarray:
        if rows.start == 2 * BLOCK_ROWS:
            raise RuntimeError("stopped")
        return values

    with pytest.raises(RuntimeError, match="stopped"):
        fill_with(tmp_path / "one", stop, np.float32)
    one = RowStore(tmp_path / "one", (N_ROWS, WIDTH), np.float32, copy)
    half = RowStore(tmp_path / "half", (N_ROWS, WIDTH // 2), np.float32, lambda rows, values: values[:, ::2])
    filled, halved = fill_stores([one, half], prepare, progress="test")
    assert prepared == list(range(0, N_ROWS, BLOCK_ROWS)), "once for both"
    assert (filled.computed, halved.computed) == (N_ROWS - 2 * BLOCK_ROWS, N_ROWS)
    np.testing.assert_array_equal(filled.rows, ROWS)
    np.testing.assert_array_equal(halved.rows, ROWS[:, ::2])
    fill_stores([one, half], prepare, progress="test")
    assert len(prepared) == len(range(0, N_ROWS, BLOCK_ROWS)), "nothing is prepared that nobody lacks"


def test_two_that_start_at_once_fill_one_store(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first is about to make its store, the second makes and fills it: the faster one's stays."""
    rename = Path.rename

    def be_late(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        fill_with(tmp_path / "store", copy)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", be_late)
    assert fill_with(tmp_path / "store", refuse).computed == 0
    assert files(tmp_path / "store") == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "whole"]


def test_items_come_in_order_prepared_one_ahead_in_another_thread() -> None:
    log: list[str] = []
    threads = set()

    def prepare(item: int) -> int:
        threads.add(threading.current_thread())
        log.append(f"prepare {item}")
        return 10 * item

    ahead = prepared_ahead(prepare, [1, 2, 3, 4])
    assert log == []
    assert list(ahead) == [10, 20, 30, 40]
    assert log == ["prepare 1", "prepare 2", "prepare 3", "prepare 4"]
    assert threading.current_thread() not in threads
    assert list(prepared_ahead(prepare, [])) == []


def test_no_more_than_one_item_waits() -> None:
    started: list[int] = []
    ahead = prepared_ahead(lambda item: started.append(item) or item, range(100))  # type: ignore[func-returns-value]
    assert next(ahead) == 0
    assert len(started) <= 2
    ahead.close()  # type: ignore[attr-defined]
    assert len(started) <= 2


def test_an_error_in_preparing_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(prepared_ahead(lambda item: 1 // item, [1, 0, 1]))
