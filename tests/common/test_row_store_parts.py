"""A store that several processes fill in parts: whoever is killed, nothing is lost or doubled, the bytes are equal."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinyclap.common import row_store
from tinyclap.common.files import claimed
from tinyclap.common.row_store import BLOCK_ROWS, PART_BLOCKS, RowStore, fill_stores
from tinyclap.errors import TinyclapError

PART_ROWS = BLOCK_ROWS * PART_BLOCKS
N_ROWS, WIDTH = 5 * PART_ROWS + 3 * BLOCK_ROWS + 7, 8  # neither the last part nor the last block is full
N_PARTS = 6
ROWS = np.random.default_rng(0).uniform(-1, 1, (N_ROWS, WIDTH)).astype(np.float32)


def prepare(rows: range) -> np.ndarray:
    return ROWS[rows]


def copied(rows: range, prepared: np.ndarray) -> np.ndarray:
    return prepared


def refused(rows: range, prepared: np.ndarray) -> np.ndarray:
    raise AssertionError(f"{rows} are computed again")


def unprepared(rows: range) -> np.ndarray:
    raise AssertionError(f"{rows} are prepared again")


def store(folder: Path, compute: object = copied) -> RowStore:
    made = RowStore(folder, (N_ROWS, WIDTH), np.float16, compute)  # type: ignore[arg-type]
    made.missing()
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """The files of a store that one process filled in one go."""
    return files(fill_stores([store(tmp_path / "whole")], prepare, progress="test")[0].folder)


def test_parts_in_any_order_make_the_same_bytes(tmp_path: Path, whole: dict[str, bytes]) -> None:
    parts = store(tmp_path / "parts")
    assert parts.n_parts == N_PARTS
    assert parts.missing_parts() == list(range(N_PARTS))
    filled = [parts.fill_part(part, prepare) for part in (3, 5, 0, 4)]
    assert filled == [PART_ROWS, 3 * BLOCK_ROWS + 7, PART_ROWS, PART_ROWS]
    assert parts.missing_parts() == [1, 2]
    assert parts.fill_part(3, unprepared) == 0, "a finished part is skipped"
    assert parts.stored() is None
    parts.gather()
    assert parts.missing_parts() == [1, 2]
    assert store(tmp_path / "parts", refused).fill_part(3, prepare) == 0, "a gathered one too"
    (rest,) = fill_stores([store(tmp_path / "parts")], prepare, progress="test")
    assert rest.computed == 2 * PART_ROWS, "what opens the store next computes what is missing, and nothing else"
    assert files(tmp_path / "parts") == whole


def test_what_opens_the_store_gathers_parts_itself(tmp_path: Path, whole: dict[str, bytes]) -> None:
    parts = store(tmp_path / "parts")
    for part in range(N_PARTS):
        parts.fill_part(part, prepare)
    (filled,) = fill_stores([RowStore(parts.folder, parts.shape, np.float16, refused)], prepare, progress="test")
    assert filled.computed == 0
    assert files(tmp_path / "parts") == whole, "no part is left"


def test_parts_and_blocks_of_one_store(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """One process is killed in the middle of a part; then parts are filled beside what it did."""
    stopped_at = 2 * PART_ROWS + 2 * BLOCK_ROWS

    def stop(rows: range, prepared: np.ndarray) -> np.ndarray:
        if rows.start == stopped_at:
            raise RuntimeError("stopped")
        return prepared

    with pytest.raises(RuntimeError, match="stopped"):
        fill_stores([store(tmp_path / "parts", stop)], prepare, progress="test")
    parts = store(tmp_path / "parts")
    assert parts.missing_parts() == [2, 3, 4, 5]
    for part in parts.missing_parts():
        parts.fill_part(part, prepare)
    parts.gather()
    assert files(tmp_path / "parts") == whole


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_part_is_said_and_computed_anew(tmp_path: Path, whole: dict[str, bytes], damage: str) -> None:
    parts = store(tmp_path / "parts")
    for part in range(N_PARTS):
        parts.fill_part(part, prepare)
    path = parts.folder / "parts" / "2.part"
    content = bytearray(path.read_bytes())
    content[700] ^= 1
    path.write_bytes({"cut": path.read_bytes()[:-5], "flipped": bytes(content), "empty": b""}[damage])
    with pytest.warns(UserWarning, match=r"2\.part is damaged; it is computed anew"):
        parts.gather()
    assert parts.missing_parts() == [2]
    parts.fill_part(2, prepare)
    parts.gather()
    assert files(tmp_path / "parts") == whole


def test_a_part_that_another_process_is_at_is_left_to_it(tmp_path: Path) -> None:
    parts = store(tmp_path / "parts", refused)
    (parts.folder / "parts").mkdir()
    with claimed(parts.folder / "parts" / "1.lock") as mine:
        assert mine
        assert parts.fill_part(1, prepare) == 0
    assert store(tmp_path / "parts").fill_part(1, prepare) == PART_ROWS


@pytest.mark.parametrize("write", range(1, 5))
def test_stopped_while_gathering_nothing_is_lost(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    parts = store(tmp_path / "parts")
    for part in range(N_PARTS):
        parts.fill_part(part, prepare)
    written, overwrite = [], row_store._overwrite

    def stop(path: Path, *rest: object, **more: bool) -> None:
        written.append(path)
        if len(written) == write:
            raise RuntimeError("stopped")
        overwrite(path, *rest, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(row_store, "_overwrite", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            parts.gather()
    assert parts.missing_parts() == []
    parts.gather()
    assert files(tmp_path / "parts") == whole


# ---- processes that are killed


def slowly(rows: range, prepared: np.ndarray) -> np.ndarray:
    time.sleep(0.003)
    return prepared


def work(folder: Path, log: Path) -> None:
    """What a worker does: any part that nobody is at, and a line of it in the log."""
    parts = RowStore(folder, (N_ROWS, WIDTH), np.float16, slowly)
    while parts.missing_parts():
        for part in random.sample(range(N_PARTS), N_PARTS):
            if parts.fill_part(part, prepare):
                with log.open("a") as lines:
                    lines.write(f"{part}\n")
        if random.random() < 0.3:
            parts.gather()


def test_workers_killed_at_random_moments_lose_and_double_nothing(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder, log = tmp_path / "parts", tmp_path / "log"
    parts = store(folder)
    context = multiprocessing.get_context("fork")
    chance = random.Random(0)
    for _ in range(4):
        workers = [context.Process(target=work, args=(folder, log)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            time.sleep(chance.uniform(0.02, 0.15))
            if worker.pid and worker.is_alive():
                os.kill(worker.pid, signal.SIGKILL)
        for worker in workers:
            worker.join()
    last = context.Process(target=work, args=(folder, log))
    last.start()
    last.join()
    assert last.exitcode == 0
    parts.gather()
    assert files(folder) == whole
    done = log.read_text().split()
    assert len(done) == len(set(done)), "no part was computed twice to its end"


def test_a_small_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyclap.common.row_store.shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    row_store.refuse_small_disk(tmp_path, 10, "test")
    with pytest.raises(TinyclapError, match=r"test: .* GB are needed in "):
        row_store.refuse_small_disk(tmp_path, 11, "test")
