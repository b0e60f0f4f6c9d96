"""`tinyclap cache`: what lies there, by kind, and what is removed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import failure, invoke, run
from tests.support.datasets import sound, write_shard
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.common.cache_lock import cache_folder, cache_to_oneself, use_cache
from tinyclap.common.files import cache_root
from tinyclap.common.row_store import RowStore, fill_stores
from tinyclap.data.decoded import decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.shards.dataset import shards
from tinyclap.errors import TinyclapError
from tinyclap.runtime.published_weights import AUDIOSET_ONTOLOGY, PUBLISHED
from tinyclap.runtime.ready_made import place
from tinyclap.teachers.stored_embeddings import remembered
from tinyclap.workspace.clear_cache import DAY_S

KEY = "0123456789abcdef" * 2


def fill() -> dict[str, int]:
    """Something of every kind, by the functions that put it there where they are quick; bytes by kind."""
    decode(Procedural(2, duration_s=1.0), 8000)
    remembered(["texts", "x"], lambda: np.zeros((3, 4), np.float32), "a teacher")
    store = RowStore(cache_folder("logmels") / KEY, (3, 4), np.float16, lambda rows, _: np.ones((len(rows), 4)))
    fill_stores([store], lambda rows: rows, progress="rows")
    shards(str(write_shard(cache_root().parent / f"{cache_root().name}.tar", [("0.flac", sound())])))
    for path in (PUBLISHED["mn04_as"].weights.place, AUDIOSET_ONTOLOGY.part):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    tiny_bundle(place("everyday"))
    return {kind.name: sizes(kind) for kind in cache_root().iterdir() if kind.name != "locks"}


def sizes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def told(*arguments: str) -> dict[str, tuple[int, int]]:
    """Entries and bytes by kind, as --json tells them."""
    return {
        row["kind"]: (row["entries"], row["size_bytes"])
        for row in json.loads(run("cache", *arguments, "--json"))["kinds"]
    }


def age(days: float) -> None:
    """Everything in the cache was last used so long ago."""
    then = time.time() - days * DAY_S
    for path in [cache_root(), *cache_root().rglob("*")]:
        os.utime(path, (then, then))


def test_an_empty_cache_is_told_of_and_not_made() -> None:
    cache_root().rmdir()
    out = run("cache")
    assert out.startswith(f"cache    {cache_root()} ($TINYCLAP_CACHE)\n")
    assert "all         0        0 B" in out
    assert not cache_root().exists()


def test_what_lies_there_by_kind() -> None:
    expected = fill()
    found = told()
    assert {kind: size for kind, (_, size) in found.items()} == expected
    assert [count for count, _ in found.values()] == [1, 1, 1, 1, 2, 1]
    assert told("audio", "logmels").keys() == {"audio", "logmels"}
    row = json.loads(run("cache", "audio", "--json"))["kinds"][0]
    assert abs(time.time() - time.mktime(time.strptime(row["last_used"][:19], "%Y-%m-%dT%H:%M:%S"))) < 3600
    assert "'sounds' is no kind; allowed: embeddings, audio" in _usage_error("cache", "sounds")


def test_all_but_the_ready_made_bundles_is_removed() -> None:
    before = fill()
    out = run("cache", "--clear")
    assert "audio: 1 removed" in out
    assert "of ready-made bundles stay unless they are named" in out
    assert told() == {
        **dict.fromkeys(("embeddings", "audio", "shards", "logmels", "weights"), (0, 0)),
        "bundles": (1, before["bundles"]),
    }
    out = json.loads(run("cache", "--clear", "bundles", "--json"))
    assert (out["cleared"], out["size_bytes"]) == (True, before["bundles"])
    assert not place("everyday").exists()
    assert run("cache", "--clear") == "0 B freed\n"


def test_what_was_removed_is_made_again() -> None:
    fill()
    run("cache", "--clear", "audio", "embeddings")
    assert told()["logmels"][0] == 1
    assert len(decode(Procedural(2, duration_s=1.0), 8000)) == 2
    assert remembered(["texts", "x"], lambda: np.ones((1, 1), np.float32), "a teacher").shape == (1, 1)


def test_only_what_was_not_used_for_long() -> None:
    fill()
    age(10)
    decode(Procedural(2, duration_s=1.0), 8000)
    remembered(["texts", "x"], lambda: np.zeros((3, 4), np.float32), "a teacher")
    assert {kind: count for kind, (count, _) in told("--older-than", "7").items() if count} == {
        "shards": 1,
        "logmels": 1,
        "weights": 2,
        "bundles": 1,
    }
    assert "clear    tinyclap cache logmels --clear --older-than 7" in run("cache", "logmels", "--older-than", "7")
    assert told("--clear", "--older-than", "11")["logmels"] == (0, 0)
    assert told("--clear", "--older-than", "7")["weights"] == (2, 10)
    assert {kind: count for kind, (count, _) in told().items() if count} == {"audio": 1, "embeddings": 1, "bundles": 1}


def test_what_is_not_tinyclaps_stays() -> None:
    fill()
    for name in (
        "audio/rain.wav",
        f"audio/{KEY}",
        "embeddings/mine/a.npy",
        "weights/own.pt",
        "bundles/mine/bundle.json",
        "x",
    ):
        (cache_root() / name).parent.mkdir(parents=True, exist_ok=True)
        (cache_root() / name).write_text("mine")
    own = Path(cache_root().parent / "own")
    own.mkdir()
    (own / "a").write_text("mine")
    (cache_root() / "logmels" / KEY[::-1]).symlink_to(own)
    unfinished = cache_root() / "audio" / f".{KEY}-machine-123-abc"
    unfinished.mkdir()
    run("cache", "--clear")
    run("cache", "--clear", "bundles")
    left = {path.relative_to(cache_root()).as_posix() for path in cache_root().rglob("*") if path.is_file()}
    assert {name for name in left if not name.startswith("locks/")} == {
        *("audio/rain.wav", f"audio/{KEY}", "embeddings/mine/a.npy", "weights/own.pt", "bundles/mine/bundle.json", "x"),
    }
    assert (own / "a").exists()
    assert not unfinished.exists()


@pytest.mark.parametrize("use", ["use_cache()", "held(Path('run')).__enter__()"])
def test_nothing_is_removed_while_another_process_uses_the_cache(use: str) -> None:
    before = fill()
    code = (
        "from pathlib import Path; from tinyclap.common.cache_lock import use_cache\n"
        "from tinyclap.runs.folder import held\n"
        f"kept = {use}; print('ready', flush=True); input()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdin is not None
    assert other.stdout is not None
    with other:
        assert other.stdout.readline() == "ready\n"
        message, code_ = failure("cache", "--clear")
        assert (message, code_) == (
            f"the cache {cache_root()} is in use by another tinyclap, so nothing is removed; wait for it to end",
            2,
        )
        assert {kind: size for kind, (_, size) in told().items()} == before, "to look is allowed"
        other.kill()  # a kill frees it
    assert "freed" in run("cache", "--clear")


def test_nobody_begins_to_use_a_cache_that_is_being_cleared() -> None:
    fill()
    with cache_to_oneself(), pytest.raises(TinyclapError, match=r"is clearing the cache .*; run the command again"):
        use_cache()
    use_cache()


def test_a_cache_that_may_only_be_read_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr("tinyclap.common.cache_lock._shared_lock", refuse)
    assert cache_folder("audio") == cache_root() / "audio"


def test_no_torch_is_needed() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'onnx', 'transformers')))\n"
        "sys.argv = ['tinyclap', 'cache', '--clear']; from tinyclap.cli.app import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("0 B freed\n", 0), done.stderr


def _usage_error(*arguments: str) -> str:
    with pytest.raises(AssertionError) as caught:
        invoke(*arguments)
    return str(caught.value)


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "everyones"))
    assert cache_root() == tmp_path / "own"
    monkeypatch.delenv("TINYCLAP_CACHE")
    assert cache_root() == tmp_path / "everyones" / "tinyclap"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "tinyclap"
