"""Files and folders are whole or not there, whatever happens while they are written."""

import errno
import json
import math
import os
import platform
import resource
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from tinyclap.common.files import (
    cache_root,
    cached_folder,
    can_name_file,
    is_file,
    parse_json,
    read_json,
    refuse_odd_name,
    whole_folder,
    write_array,
    write_json,
    write_text,
)
from tinyclap.errors import TinyclapError

Folder = Callable[[Path], AbstractContextManager[Path]]


@contextmanager
def full_disk() -> Iterator[None]:
    """A file size limit makes real writes fail, as a full disk does."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, previous)


def names(folder: Path) -> list[str]:
    """All entries, hidden ones included."""
    return sorted(path.name for path in folder.iterdir())


# ---- files


def test_text_and_json_are_written_with_their_folders(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b.txt", "héllo\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "héllo\n".encode()
    write_json(tmp_path / "c.json", {"name": "bébé", "values": [1, 2.5, None]})
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8")) == {"name": "bébé", "values": [1, 2.5, None]}
    assert (tmp_path / "c.json").read_text(encoding="utf-8").endswith("}\n")
    assert names(tmp_path) == ["a", "c.json"]


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "a")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644


def test_what_cannot_be_json_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"path": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == [1]
    assert names(tmp_path) == ["a.json"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with full_disk(), pytest.raises(OSError, match="File too large") as failure:
        write_text(tmp_path / "a.txt", "new" * 1000)
    assert failure.value.errno == errno.EFBIG
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_interrupted_before_the_rename_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("content", ["", "{", '{"a": 1', "[1]", "null"])
def test_damaged_json_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(TinyclapError, match=r"a\.json is damaged .*; remove it and run the command"):
        read_json(tmp_path / "a.json", {})
    assert read_json(tmp_path / "none.json", {}) == {}


def test_json_is_read_within_what_anything_here_needs() -> None:
    assert parse_json('{"a": [1, -2.5, "\\udcff", 1234567890123456789]}') == {
        "a": [1, -2.5, "\udcff", 1_234_567_890_123_456_789]
    }
    assert parse_json(f"[{'9' * 30}, {'9' * 400}]") == [1e30, math.inf]
    for levels in (100, 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json("[" * levels + "]" * levels)


def test_a_name_that_is_not_utf8_is_written_and_read_again(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.wav")
    write_json(tmp_path / "a.json", {"name": name, "é": 1})
    assert read_json(tmp_path / "a.json", {}) == {"name": name, "é": 1}
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "can"),
    [
        ("a/b.wav", True),
        ("~/a", True),
        ("x" * 255, True),
        ("x" * 256, False),
        ("é" * 200, False),
        ("a/" * 2000, True),
        ("a/" * 2100, False),
        ("~nobody-is-called-so/a", False),
    ],
)
def test_what_can_name_a_file(text: str, can: bool) -> None:
    assert can_name_file(text) is can
    assert is_file(Path(text)) is False


def test_arrays_are_whole_or_not_there(tmp_path: Path) -> None:
    write_array(tmp_path / "a.npy", np.arange(5))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2, 3, 4]
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_array(tmp_path / "a.npy", np.zeros(1000))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2, 3, 4]
    assert names(tmp_path) == ["a.npy"]


# ---- folders


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with cached_folder(tmp_path / "store") as temporary:
            (temporary / "half").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(names(tmp_path)) == 1
    mine = tmp_path / f".store-{platform.node()}-{os.getpid()}-alive"
    mine.mkdir()
    (tmp_path / ".store-elsewhere-1-x").mkdir()
    with cached_folder(tmp_path / "store"):
        pass
    assert names(tmp_path) == sorted([".store-elsewhere-1-x", mine.name, "store"])


@pytest.mark.parametrize("make", [whole_folder, cached_folder])
def test_a_folder_appears_when_it_is_whole(tmp_path: Path, make: Folder) -> None:
    target = tmp_path / "deep" / "store"
    with make(target) as temporary:
        (temporary / "a.txt").write_text("a")
        assert temporary.parent == target.parent  # the same file system, so that a rename is enough
        assert temporary.name.startswith(".")
        assert not target.exists()
    assert (target / "a.txt").read_text() == "a"
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert names(target.parent) == ["store"]


@pytest.mark.parametrize("make", [whole_folder, cached_folder])
@pytest.mark.parametrize("error", [RuntimeError("failed"), OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_an_error_leaves_no_folder(tmp_path: Path, make: Folder, error: BaseException) -> None:
    def fail() -> None:
        with make(tmp_path / "store") as temporary:
            (temporary / "a.txt").write_text("a")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert names(tmp_path) == []


def test_a_whole_folder_replaces_the_former_one(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with whole_folder(tmp_path / "store") as temporary:
            (temporary / f"{text}.txt").write_text(text)
    assert names(tmp_path) == ["store"]
    assert names(tmp_path / "store") == ["new.txt"]


def test_an_error_leaves_the_former_folder(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_folder(tmp_path / "store") as temporary:
            (temporary / "new.txt").write_text("new")
            raise RuntimeError("failed")

    with whole_folder(tmp_path / "store") as temporary:
        (temporary / "old.txt").write_text("old")
    with pytest.raises(RuntimeError, match="failed"):
        fail()
    assert names(tmp_path) == ["store"]
    assert names(tmp_path / "store") == ["old.txt"]


def test_the_faster_of_two_cached_folders_stays(tmp_path: Path) -> None:
    with cached_folder(tmp_path / "store") as slow:
        (slow / "a.txt").write_text("slow")
        with cached_folder(tmp_path / "store") as fast:
            (fast / "a.txt").write_text("fast")
    assert (tmp_path / "store" / "a.txt").read_text() == "fast"
    assert names(tmp_path) == ["store"]


def test_a_cached_folder_that_cannot_get_its_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file in the way")
    with pytest.raises(OSError, match="Not a directory"), cached_folder(tmp_path / "store") as temporary:
        (temporary / "a.txt").write_text("a")
    assert names(tmp_path) == ["store"]


# ---- the cache


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.setenv("TINYCLAP_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_root() == tmp_path / "home" / ".cache" / "tinyclap"
    assert not (tmp_path / "home").exists()


def test_a_name_that_is_no_text_is_written_and_read_again(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\xff.wav")
    write_json(tmp_path / "a.json", {"file": name, "label": "\N{CLOUD WITH RAIN}"})
    assert read_json(tmp_path / "a.json", {}) == {"file": name, "label": "\N{CLOUD WITH RAIN}"}
    write_text(tmp_path / "a.md", name)
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "a\\udcff.wav"
    refuse_odd_name(tmp_path / "\N{CLOUD WITH RAIN}")
    with pytest.raises(TinyclapError, match="its name is not valid UTF-8; rename it"):
        refuse_odd_name(tmp_path / name)
