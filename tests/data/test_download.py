"""Downloads against a local server that drops, refuses and lies."""

import hashlib
import socket
import struct
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support import published
from tinyclap.data.published import download as module
from tinyclap.data.published.download import download
from tinyclap.data.published.esc50 import download_esc50, esc50
from tinyclap.data.published.layouts import Archive
from tinyclap.data.published.macs import ARCHIVES as MACS_ARCHIVES
from tinyclap.data.published.macs import download_macs, macs
from tinyclap.data.published.tut2017 import download_tut2017, tut2017
from tinyclap.data.published.urbansound8k import ARCHIVES as URBANSOUND8K_ARCHIVES
from tinyclap.data.published.urbansound8k import download_urbansound8k, urbansound8k
from tinyclap.errors import TinyclapError

PAYLOAD = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(PAYLOAD).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves one file, or the one asked for of several.

    `drops` holds, per request, after how many bytes the connection breaks (None: not at all).
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.payload = PAYLOAD
        self.files: dict[str, bytes] = {}  # by name, in place of the payload
        self.drops: list[int | None] = []
        self.statuses: list[int] = []  # refusals, before anything is served
        self.knows_ranges = True
        self.announces_length = True
        self.shift = 0  # a faulty server: the range it sends begins this much later
        self.asked: list[str | None] = []  # the Range header of every request

    @property
    def url(self) -> str:
        return self.url_of("file.zip")

    def url_of(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        payload = server.files.get(self.path.rpartition("/")[2], server.payload)
        server.asked.append(self.headers["Range"])
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        start = int((self.headers["Range"] or "bytes=0-")[6:-1]) if server.knows_ranges else 0
        if start >= len(payload):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(payload)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start += server.shift if start else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(payload) - 1}/{len(payload)}")
        self._send_body(payload[start:], server.drops.pop(0) if server.drops else None)

    def _send_body(self, body: bytes, drop: int | None) -> None:
        chunked = not self.server.announces_length
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        sent = body if drop is None else body[:drop]
        if chunked:
            for first in range(0, len(sent), 50_000):
                piece = sent[first : first + 50_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if drop is None:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(sent)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


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


N_CLIPS = 4


def small_esc50(folder: Path, *, missing: int = 0) -> bytes:
    """The bytes of an archive like GitHub's: one folder with the official layout in it."""
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    with zipfile.ZipFile(folder / "made.zip", "w") as archive:
        for number in range(N_CLIPS):
            name = f"{number + 1}-{number}-A-0.wav"
            rows.append(f"{name},{number + 1},0,dog,True,{number},A")
            soundfile.write(folder / name, np.sin(np.arange(4410) / (5 + number)) / 2, 44_100)
            if number >= missing:
                archive.write(folder / name, f"ESC-50-master/audio/{name}")
        archive.writestr("ESC-50-master/meta/esc50.csv", "\n".join(rows) + "\n")
        archive.writestr("ESC-50-master/README.md", "ESC-50")
    return (folder / "made.zip").read_bytes()


class TestDownloadEsc50:
    def test_from_a_breaking_connection_to_sound(
        self, server: Server, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        server.payload = small_esc50(tmp_path_factory.mktemp("made"))
        server.drops = [9_000, 5_000, None]
        root = tmp_path / "data/ESC-50"
        download_esc50(root, server.url, n_clips=N_CLIPS)
        dataset = esc50(root)
        assert [clip.fold for clip in dataset.clips] == [1, 2, 3, 4]
        assert [len(dataset.load(index, 16_000)) for index in range(N_CLIPS)] == [1600] * N_CLIPS
        assert [path.name for path in root.parent.iterdir()] == ["ESC-50"]
        download_esc50(root, server.url, n_clips=N_CLIPS)
        assert server.asked == [None, "bytes=9000-", "bytes=14000-"]

    @pytest.mark.parametrize(
        ("missing", "n_clips", "message"),
        [(0, 2000, "holds 4 clips instead of 2000"), (2, N_CLIPS, "2 clips of .* have no audio file")],
    )
    def test_an_incomplete_archive_does_not_become_the_root(
        self,
        server: Server,
        tmp_path: Path,
        tmp_path_factory: pytest.TempPathFactory,
        missing: int,
        n_clips: int,
        message: str,
    ) -> None:
        server.payload = small_esc50(tmp_path_factory.mktemp("made"), missing=missing)
        with pytest.raises(TinyclapError, match=message):
            download_esc50(tmp_path / "ESC-50", server.url, n_clips=n_clips)
        assert [path.name for path in tmp_path.iterdir()] == ["ESC-50.zip"]

    def test_another_archive(self, server: Server, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
            archive.writestr("other/a.txt", "A")
        server.payload = (tmp_path / "made.zip").read_bytes()
        with pytest.raises(
            TinyclapError, match=r"ESC-50\.zip is not ESC-50: expected one folder with meta/esc50\.csv$"
        ):
            download_esc50(tmp_path / "ESC-50", server.url)
        assert not (tmp_path / "ESC-50").exists()


@pytest.fixture
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


def only_root(root: Path) -> bool:
    return [path.name for path in root.parent.iterdir()] == [root.name]


def zipped(folder: Path, *parts: str) -> bytes:
    """The bytes of an archive with some files of a folder, in a folder of the same name."""
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(one for part in parts for one in folder.glob(part)):
            file.write(path, path.relative_to(folder.parent))
    return archive.read_bytes()


class TestDownloadUrbanSound8k:
    def serve(self, server: Server, made: Path) -> Archive:
        published.write_urbansound8k(made / "UrbanSound8K")
        with tarfile.open(made / "all.tar.gz", "w:gz") as archive:
            archive.add(made / "UrbanSound8K", "UrbanSound8K")
        server.files["all.tar.gz"] = content = (made / "all.tar.gz").read_bytes()
        return Archive(server.url_of("all.tar.gz"), ".tar.gz", md5=hashlib.md5(content).hexdigest())

    def test_from_a_breaking_connection_to_sound(self, server: Server, made: Path, tmp_path: Path) -> None:
        archive = self.serve(server, made)
        server.drops = [1_000, None]
        root = tmp_path / "data/UrbanSound8K"
        download_urbansound8k(root, [archive], n_clips=4)
        assert [clip.fold for clip in urbansound8k(root).clips] == [1, 2, 10, 10]
        assert len(urbansound8k(root).load(3, 16_000)) == 8_000
        assert only_root(root)
        download_urbansound8k(root, [archive], n_clips=4)
        assert server.asked == [None, "bytes=1000-"]

    def test_too_few_clips_and_a_damaged_archive(self, server: Server, made: Path, tmp_path: Path) -> None:
        archive = self.serve(server, made)
        root = tmp_path / "UrbanSound8K"
        with pytest.raises(TinyclapError, match=r"UrbanSound8K\.tar\.gz holds 4 clips instead of 8732: remove it"):
            download_urbansound8k(root, [archive])
        (tmp_path / "UrbanSound8K.tar.gz").unlink()
        server.files["all.tar.gz"] = server.files["all.tar.gz"][:-100]
        with pytest.raises(TinyclapError, match=r"md5: expected .*the download was removed"):
            download_urbansound8k(root, [archive], n_clips=4)
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(TinyclapError, match=r"UrbanSound8K\.tar\.gz is damaged"):
            download_urbansound8k(root, [replace(archive, md5=None)], n_clips=4)
        assert [path.name for path in tmp_path.iterdir()] == ["UrbanSound8K.tar.gz"]


def test_the_parts_of_tut2017_become_one_folder(server: Server, made: Path, tmp_path: Path) -> None:
    folder = published.write_tut2017_development(made / "TUT-acoustic-scenes-2017-development")
    parts = {"meta": ["*.txt", "*/*.txt"], "audio.1": ["audio/b*"], "audio.2": ["audio/a*"]}
    server.files = {f"{part}.zip": zipped(folder, *patterns) for part, patterns in parts.items()}
    archives = [
        Archive(server.url_of(name), f".{name}", hashlib.md5(content).hexdigest(), len(content))
        for name, content in server.files.items()
    ]
    root = tmp_path / "data/tut"
    with pytest.raises(TinyclapError, match=r"tut\.meta\.zip, .* holds 5 clips instead of 4680"):
        download_tut2017(root, "development", archives)
    assert sorted(path.name for path in root.parent.iterdir()) == ["tut.audio.1.zip", "tut.audio.2.zip", "tut.meta.zip"]
    download_tut2017(root, "development", archives, n_clips=5)
    assert len(server.asked) == 3, "what was fetched before is used"
    assert [clip.fold for clip in tut2017(root, "development").clips] == [1, 1, 2, 3, 4]
    assert only_root(root)


def test_macs_is_a_table_beside_the_audio_of_another_set(server: Server, made: Path, tmp_path: Path) -> None:
    folder = published.write_macs(made / "TAU-urban-acoustic-scenes-2019-development")
    server.files = {
        "MACS.yaml": (folder / "MACS.yaml").read_bytes(),
        "a.zip": zipped(folder, "audio/airport*"),
        "b.zip": zipped(folder, "audio/[pt]*"),
    }
    archives = [Archive(server.url_of(name), f".{name.lower()}") for name in server.files]
    root = tmp_path / "MACS"
    with pytest.raises(TinyclapError, match=r"1 clips of .*MACS\.yaml have no audio file"):
        download_macs(root, archives[:2], n_clips=3)
    download_macs(root, archives, n_clips=3)
    assert [clip.source for clip in macs(root).clips] == ["barcelona-0", "barcelona-0", "vienna-12"]
    assert only_root(root)


@pytest.mark.parametrize("archives", [URBANSOUND8K_ARCHIVES, MACS_ARCHIVES])
def test_published_addresses_and_sums_are_well_formed(archives: Sequence[Archive]) -> None:
    for archive in archives:
        assert archive.url.startswith("https://zenodo.org/records/")
        assert archive.url.endswith(archive.suffix)
        assert archive.md5 is None or len(bytes.fromhex(archive.md5)) == 16
    assert len({archive.md5 for archive in archives}) == len({archive.url for archive in archives}) == len(archives)
