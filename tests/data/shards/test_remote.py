"""Shards elsewhere: the same clips by range requests, whatever the server does to them; and through fsspec."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.datasets import sound, tar_bytes
from tests.support.servers.http_server import Handler, Server
from tinyclap.common import download
from tinyclap.common.files import cache_root
from tinyclap.data.shards import sources
from tinyclap.data.shards.dataset import Shards, shards
from tinyclap.errors import TinyclapError

RATE = 16_000
CONTENTS = {
    f"s-{number}.tar": tar_bytes(
        [
            member
            for key in range(6)
            for member in (
                (f"{key}.flac", sound(300 + 10 * key + number)),
                (f"{key}.json", {"clip": f"{number}/{key}.flac", "text": f"tone {key}"}),
            )
        ]
    )
    for number in range(2)
}


@pytest.fixture
def local(tmp_path: Path) -> Shards:
    for name, content in CONTENTS.items():
        (tmp_path / name).write_bytes(content)
    return shards(str(tmp_path / "s-{0..1}.tar"))


@pytest.fixture
def web(server: Server) -> Server:
    server.files, server.etag = dict(CONTENTS), '"one"'
    return server


def read(server: Server) -> Shards:
    return shards(server.url_of("s-{0..1}.tar"))


def same(ours: Shards, theirs: Shards) -> bool:
    sounds = [
        np.array_equal(ours.load(number, RATE), theirs.load(number, RATE)) for number in reversed(range(len(ours)))
    ]
    return ours.fingerprint == theirs.fingerprint and ours.clips == theirs.clips and all(sounds)


def test_the_same_clips_as_on_the_disk_and_the_index_is_kept(local: Shards, web: Server) -> None:
    assert same(read(web), local)
    asked = len(web.asked)
    again = read(web)
    assert again.clips == local.clips
    assert web.asked[asked:] == ["bytes=0-0"] * 2, "only whether they changed"
    assert all(web.asked), "never a whole file"


def test_clips_in_order_are_few_requests(web: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = read(web)
    assert dataset.readers == 1, "each thread would fetch ahead for itself"
    for ahead, most in ((2**22, 4), (1, 2 + 12)):
        monkeypatch.setattr(sources, "READ_AHEAD_BYTES", ahead)
        before = len(web.asked)
        for number in range(len(dataset)):
            dataset.info(number)
            dataset.load(number, RATE)
        assert len(web.asked) - before <= most, "the file of a clip is fetched once for info and load"


def test_broken_off_it_goes_on_where_it_stopped(local: Shards, web: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "READ_AHEAD_BYTES", 4096)
    dataset = read(web)
    web.drops = [None, 1000, 0, 0, 500, None, 0, 3000, 0, 700]
    web.statuses = [503, 429]
    assert same(dataset, local)
    assert web.drops == []


def test_what_never_gets_further_is_named(web: Server) -> None:
    dataset = read(web)
    web.drops = [None, 1500, *[0] * 50]
    with pytest.raises(
        TinyclapError,
        match=r"s-0\.tar: the connection keeps breaking \(1,500 of [\d,]+ bytes from byte 512 on arrived\)",
    ):
        dataset.load(0, RATE)
    web.drops = []
    assert len(dataset.load(0, RATE)) == 8000, "the data set can be used again"


def test_missing_shards_are_listed_at_once(web: Server) -> None:
    web.absent = {"s-1.tar", "s-3.tar"}
    web.files |= {f"s-{number}.tar": CONTENTS["s-0.tar"] for number in (2, 3)}
    with pytest.raises(TinyclapError) as caught:
        shards(web.url_of("s-{0..3}.tar"))
    first, *told = str(caught.value).splitlines()
    assert first == "2 of 4 shards cannot be used:"
    for line, number in zip(told, (1, 3), strict=True):
        assert line.strip() == f"{web.url_of(f's-{number}.tar')}: the server answers 404 Not Found; check the address"


def test_a_truncated_shard_is_named(web: Server) -> None:
    for size, what in ((3000, "truncated: 0.flac ends at byte"), (5000, "truncated at byte 4,608 of 5,000")):
        web.files["s-1.tar"] = CONTENTS["s-1.tar"][:size]
        with pytest.raises(TinyclapError, match=rf"1 of 2 shards cannot be used:\n  http\S+s-1\.tar: {what}"):
            read(web)


def test_a_shard_that_changes_is_read_anew_and_not_mixed(web: Server) -> None:
    dataset = read(web)
    dataset.load(0, RATE)
    web.etag = '"two"'
    with pytest.raises(TinyclapError, match=r"s-1\.tar changed since the command began; run it again"):
        dataset.load(11, RATE)
    assert len(list((cache_root() / "shards").iterdir())) == 2
    assert len(read(web)) == 12
    assert len(list((cache_root() / "shards").iterdir())) == 4
    dataset = read(web)
    dataset.load(0, RATE)
    web.etag = '"three"'
    shard = dataset._shard(0)
    with pytest.raises(TinyclapError, match=r"s-0\.tar changed on the server while it was read; run the command again"):
        shard._fetch(0, 10)


def test_a_server_that_sends_whole_files_only_is_refused(web: Server) -> None:
    web.knows_ranges = False
    with pytest.raises(TinyclapError, match=r"ignores range requests\); download it, and name the file on the disk"):
        read(web)


def test_a_server_that_sends_another_range_is_not_trusted(web: Server) -> None:
    dataset = read(web)
    web.shift = 7
    with pytest.raises(TinyclapError, match="sends no part of a file"):
        dataset.load(1, RATE)


def test_no_network_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "FIRST_WAIT_S", 1e9)
    with pytest.raises(TinyclapError, match=r"2 of 2 shards cannot be used:\n  cannot reach http://127.*refused"):
        shards("http://127.0.0.1:9/{a,b}.tar")


def test_a_server_that_is_away_for_a_moment_is_asked_again(
    local: Shards, web: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = read(web)
    dataset._shard(0)
    away = [True, True]

    def hang_up(handler: Handler) -> None:
        if not away:
            return serve(handler)
        away.pop()
        handler.connection.close()
        handler.close_connection = True

    serve = Handler.do_GET
    monkeypatch.setattr(Handler, "do_GET", hang_up)
    np.testing.assert_array_equal(dataset.load(0, RATE), local.load(0, RATE))
    assert not away


# ---- through fsspec


def test_any_store_that_fsspec_knows(local: Shards) -> None:
    fsspec = pytest.importorskip("fsspec", reason='pip install "tinyclap[cloud]"')
    memory = fsspec.filesystem("memory")
    for name, content in CONTENTS.items():
        memory.pipe(f"/bucket/{name}", content)
    try:
        assert same(shards("memory://bucket/s-{0..1}.tar"), local)
        with pytest.raises(
            TinyclapError, match=r"1 of 3 shards cannot be used:\n  memory://bucket/s-2\.tar: no such file"
        ):
            shards("memory://bucket/s-{0..2}.tar")
        with pytest.raises(TinyclapError, match=r"nonsense://x/0\.tar: Protocol not known: nonsense"):
            shards("nonsense://x/0.tar")
    finally:
        memory.rm("/bucket", recursive=True)


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(TinyclapError, match=r's3://bucket/0\.tar needs fsspec: pip install "tinyclap\[cloud\]"'):
        shards("s3://bucket/0.tar")


def test_a_missing_store_s_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec", reason='pip install "tinyclap[cloud]"')
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(
        TinyclapError, match=r's3://bucket/0\.tar needs a package .*s3fs.*pip install "tinyclap\[cloud\]"'
    ):
        shards("s3://bucket/0.tar")


def test_a_store_that_wants_credentials_is_named_with_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec", reason='pip install "tinyclap[cloud]"')

    class Wanted(Exception):
        """As botocore's, it is no OSError."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise Wanted("Unable to locate credentials")

    monkeypatch.setitem(sys.modules, "botocore.exceptions", SimpleNamespace(BotoCoreError=Wanted))
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda _: (SimpleNamespace(info=refuse), "b/0.tar"))
    with pytest.raises(TinyclapError, match=r"s3://b/0\.tar: Unable to locate credentials"):
        shards("s3://b/0.tar")
