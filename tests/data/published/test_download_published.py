"""Published data sets from a breaking connection to sound, and archives that are others."""

import hashlib
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support import published
from tests.support.servers.http_server import Server
from tinyclap.data.published.esc50 import download_esc50, esc50
from tinyclap.data.published.layouts import Archive
from tinyclap.data.published.macs import ARCHIVES as MACS_ARCHIVES
from tinyclap.data.published.macs import download_macs, macs
from tinyclap.data.published.tut2017 import download_tut2017, tut2017
from tinyclap.data.published.urbansound8k import ARCHIVES as URBANSOUND8K_ARCHIVES
from tinyclap.data.published.urbansound8k import download_urbansound8k, urbansound8k
from tinyclap.errors import TinyclapError

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
