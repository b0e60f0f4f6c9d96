"""Downloads against a local server that drops, refuses and lies."""

import hashlib
import socket
import struct
from pathlib import Path

import pytest

from tests.support.servers.http_server import PAYLOAD, Handler, Server
from tinyclap.common import download as module
from tinyclap.common.download import download
from tinyclap.errors import TinyclapError

SHA256 = hashlib.sha256(PAYLOAD).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new/folder/file.zip"


def only(target: Path) -> bool:
    """Nothing but the target is left of the work."""
    return [path.name for path in target.parent.iterdir()] == [target.name]


class TestDownload:
    def test_whole(self, server: Server, target: Path) -> None:
        size, md5 = len(PAYLOAD), hashlib.md5(PAYLOAD).hexdigest()
        assert download(server.url, target, sha256=SHA256.upper(), md5=md5, size=size) == target
        assert target.read_bytes() == PAYLOAD
        assert only(target)
        assert server.asked == [None]

    @pytest.mark.parametrize("announces_length", [True, False])
    def test_broken_off_several_times_goes_on_where_it_stopped(
        self, server: Server, target: Path, announces_length: bool
    ) -> None:
        server.announces_length = announces_length
        server.drops = [300_000, 0, 100_000, 1, 250_000]
        download(server.url, target, sha256=SHA256)
        assert target.read_bytes() == PAYLOAD
        assert server.asked[0] is None
        starts = [int(asked[6:-1]) for asked in server.asked[1:] if asked]
        assert len(starts) == 5
        assert starts == sorted(starts)
        assert starts[-1] > 500_000

    def test_a_server_without_ranges_starts_over(self, server: Server, target: Path) -> None:
        server.knows_ranges = False
        server.drops = [300_000, 400_000, 10]
        download(server.url, target, sha256=SHA256)
        assert target.read_bytes() == PAYLOAD
        assert len(server.asked) == 4

    def test_a_server_that_sends_another_range_is_not_trusted(self, server: Server, target: Path) -> None:
        server.shift = 7
        server.drops = [300_000]
        download(server.url, target, sha256=SHA256)
        assert target.read_bytes() == PAYLOAD
        assert server.asked == [None, "bytes=300000-", None]

    def test_resumed_after_a_killed_process(self, server: Server, target: Path) -> None:
        target.parent.mkdir(parents=True)
        target.with_name("file.zip.part").write_bytes(PAYLOAD[:123_456])
        download(server.url, target, sha256=SHA256)
        assert server.asked == ["bytes=123456-"]
        assert target.read_bytes() == PAYLOAD
        assert only(target)

    @pytest.mark.parametrize(("kept", "requests"), [(PAYLOAD, 1), (PAYLOAD + b"too much", 2)])
    def test_killed_just_before_the_end(self, server: Server, target: Path, kept: bytes, requests: int) -> None:
        target.parent.mkdir(parents=True)
        target.with_name("file.zip.part").write_bytes(kept)
        download(server.url, target, sha256=SHA256)
        assert target.read_bytes() == PAYLOAD
        assert len(server.asked) == requests

    def test_a_busy_server_is_asked_again(self, server: Server, target: Path) -> None:
        server.statuses = [503, 429, 500]
        assert download(server.url, target).read_bytes() == PAYLOAD

    def test_a_connection_that_never_gets_further_is_given_up(self, server: Server, target: Path) -> None:
        server.drops = [400_000, *[0] * 50]
        with pytest.raises(TinyclapError, match=r"keeps breaking \(400,000 of 1,000,000 .*400,000 bytes are kept in"):
            download(server.url, target)
        assert len(server.asked) == 1 + module.MAX_FAILURES
        assert target.with_name("file.zip.part").read_bytes() == PAYLOAD[:400_000]
        server.drops = []
        assert download(server.url, target).read_bytes() == PAYLOAD

    @pytest.mark.parametrize(
        ("announced", "message"),
        [
            ({"sha256": "0" * 64}, f"sha256: expected {'0' * 64}, got {SHA256}"),
            ({"md5": "0" * 32}, f"md5: expected {'0' * 32}, got {hashlib.md5(PAYLOAD).hexdigest()}"),
            ({"size": 5}, "size: expected 5 bytes, got 1,000,000"),
        ],
    )
    def test_a_wrong_checksum_removes_the_download_and_nothing_else(
        self, server: Server, target: Path, announced: dict[str, str], message: str
    ) -> None:
        target.parent.mkdir(parents=True)
        target.with_name("mine.txt").write_text("mine")
        with pytest.raises(TinyclapError, match=message):
            download(server.url, target, **announced)  # type: ignore[arg-type]
        assert [path.name for path in target.parent.iterdir()] == ["mine.txt"]

    def test_a_file_that_is_there_is_verified_and_kept(self, server: Server, target: Path) -> None:
        target.parent.mkdir(parents=True)
        target.write_bytes(b"older")
        with pytest.raises(TinyclapError, match=r"is there already, but sha256: expected .*: remove it"):
            download(server.url, target, sha256=SHA256)
        assert download(server.url, target, size=5).read_bytes() == b"older"
        assert server.asked == []

    def test_not_found(self, server: Server, target: Path) -> None:
        server.statuses = [404]
        with pytest.raises(TinyclapError, match=r"file\.zip: the server answers 404 Not Found; check the address"):
            download(server.url, target)
        assert len(server.asked) == 1

    def test_no_network_is_said_at_once(self, server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "FIRST_WAIT_S", 1e9)
        with socket.socket() as unused:  # bound, but nobody listens
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/file.zip"
            with pytest.raises(
                TinyclapError, match=r"cannot reach http://127.*refused.*; check the network and the address$"
            ):
                download(url, target)
            target.with_name("file.zip.part").write_bytes(b"12345")
            with pytest.raises(TinyclapError, match=r"check the network .*; 5 bytes are kept in .*file\.zip\.part"):
                download(url, target)

    def test_a_connection_reset_by_the_peer(
        self, server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resets = [True, True]

        def reset_first(handler: Handler) -> None:
            if not resets:
                return serve(handler)
            resets.pop()
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            handler.close_connection = True

        serve = Handler.do_GET
        monkeypatch.setattr(Handler, "do_GET", reset_first)
        assert download(server.url, target, sha256=SHA256).read_bytes() == PAYLOAD
        assert not resets

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "data/ESC-50"])
    def test_other_addresses(self, target: Path, url: str) -> None:
        with pytest.raises(TinyclapError, match="must begin with https:// or http://"):
            download(url, target)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the always full device of Linux")
    def test_a_full_disk(self, server: Server, target: Path) -> None:
        target.parent.mkdir(parents=True)
        target.with_name("file.zip.part").symlink_to("/dev/full")
        with pytest.raises(
            TinyclapError, match=r"cannot write .*file\.zip\.part: No space left on device; free some space"
        ):
            download(server.url, target)
