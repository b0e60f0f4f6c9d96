"""Archives that are damaged, and archives that try to write elsewhere."""

import errno
import io
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinyclap.data.published.archives import extract, extract_tar, extract_zip
from tinyclap.errors import TinyclapError

PAYLOAD = np.random.default_rng(0).bytes(1_000_000)
ELSEWHERE = [
    ("../evil.txt", "leads out of the folder"),
    ("good/../../evil.txt", "leads out of the folder"),
    ("good\\..\\..\\evil.txt", "leads out of the folder"),
    ("/tmp/evil.txt", "has an absolute path"),
    ("C:\\evil.txt", "has an absolute path"),
    ("\\\\host\\share\\evil.txt", "has an absolute path"),
]


def write_zip(path: Path, *members: tuple[str, bytes], mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, content)
    return path


class TestExtractZip:
    def test_files_and_folders(self, tmp_path: Path) -> None:
        archive = write_zip(tmp_path / "a.zip", ("top/audio/a.txt", b"A"), ("top/..b.txt", b"B"))
        extract_zip(archive, tmp_path / "deep/out")
        assert (tmp_path / "deep/out/top/audio/a.txt").read_bytes() == b"A"
        assert (tmp_path / "deep/out/top/..b.txt").read_bytes() == b"B"
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]

    @pytest.mark.parametrize(("name", "reason"), ELSEWHERE)
    def test_members_that_would_land_elsewhere(self, tmp_path: Path, name: str, reason: str) -> None:
        archive = write_zip(tmp_path / "a.zip", ("good/a.txt", b"A"), (name, b"evil"))
        with pytest.raises(TinyclapError, match=f"{reason}; nothing was unpacked"):
            extract_zip(archive, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]

    @pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
    def test_links_and_devices(self, tmp_path: Path, kind: int) -> None:
        archive = write_zip(tmp_path / "a.zip", ("link", b"/etc/passwd"), mode=kind | 0o777)
        with pytest.raises(TinyclapError, match="'link' is a link or a device"):
            extract_zip(archive, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_encrypted(self, tmp_path: Path) -> None:
        archive = write_zip(tmp_path / "a.zip", ("a.txt", b"A"))
        content = bytearray(archive.read_bytes())
        content[content.index(b"PK\x01\x02") + 8] |= 1
        archive.write_bytes(content)
        with pytest.raises(TinyclapError, match=r"'a\.txt' is encrypted"):
            extract_zip(archive, tmp_path / "out")

    @pytest.mark.parametrize("damage", ["flipped", "cut", "no archive"])
    def test_a_damaged_archive_leaves_no_folder(self, tmp_path: Path, damage: str) -> None:
        archive = write_zip(tmp_path / "a.zip", ("a.txt", b"A"), ("b.bin", PAYLOAD))
        content = bytearray(archive.read_bytes())
        if damage == "flipped":
            content[500_000] ^= 255
        archive.write_bytes(b"<html>" * 99 if damage == "no archive" else content[: -1000 if damage == "cut" else None])
        with pytest.raises(
            TinyclapError, match=r"a\.zip is damaged or no zip archive .*: remove it and download it again"
        ):
            extract_zip(archive, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]

    def test_an_existing_folder_is_left_alone(self, tmp_path: Path) -> None:
        archive = write_zip(tmp_path / "a.zip", ("a.txt", b"A"))
        (tmp_path / "out").mkdir()
        with pytest.raises(TinyclapError, match="out exists already"):
            extract_zip(archive, tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []

    def test_space_is_asked_for_before_anything_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archive = write_zip(tmp_path / "a.zip", ("b.bin", bytes(10_000)))
        usage = type(shutil.disk_usage(tmp_path))(10_000, 9_000, 1_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(TinyclapError, match=r"unpacks to 10,000 bytes, but .* has 1,000 left"):
            extract_zip(archive, tmp_path / "out")

    def test_a_disk_that_fills_up_leaves_no_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        archive = write_zip(tmp_path / "a.zip", ("a.txt", b"A"))
        monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
        with pytest.raises(TinyclapError, match=r"cannot unpack .*: No space left on device"):
            extract_zip(archive, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def write_tar(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, "/etc/passwd", len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


class TestExtractTar:
    def test_files_and_folders(self, tmp_path: Path) -> None:
        archive = write_tar(tmp_path / "a.tar.gz", ("top/audio/a.txt", b"A"), ("top/..b.txt", b"B"))
        extract_tar(archive, tmp_path / "deep/out")
        assert (tmp_path / "deep/out/top/audio/a.txt").read_bytes() == b"A"
        assert (tmp_path / "deep/out/top/..b.txt").read_bytes() == b"B"
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]

    @pytest.mark.parametrize(("name", "reason"), ELSEWHERE)
    def test_members_that_would_land_elsewhere(self, tmp_path: Path, name: str, reason: str) -> None:
        archive = write_tar(tmp_path / "a.tar.gz", ("good/a.txt", b"A"), (name, b"evil"))
        with pytest.raises(TinyclapError, match=f"{reason}; nothing was unpacked"):
            extract_tar(archive, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
    def test_links_and_devices(self, tmp_path: Path, kind: bytes) -> None:
        archive = write_tar(tmp_path / "a.tar.gz", ("link", b""), kind=kind)
        with pytest.raises(TinyclapError, match="'link' is a link or a device"):
            extract_tar(archive, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("damage", ["flipped", "cut", "no archive", "empty"])
    def test_a_damaged_archive_leaves_no_folder(self, tmp_path: Path, damage: str) -> None:
        archive = write_tar(tmp_path / "a.tar.gz", ("a.txt", b"A"), ("b.bin", PAYLOAD))
        content = bytearray(archive.read_bytes())
        content[500_000] ^= 255 if damage == "flipped" else 0
        given: dict[str, bytes | bytearray] = {
            "flipped": content,
            "cut": content[:-1000],
            "no archive": b"<html>" * 99,
            "empty": b"",
        }
        archive.write_bytes(given[damage])
        with pytest.raises(
            TinyclapError, match=r"a\.tar\.gz is damaged or no gzipped tar archive .*: remove it and download it again"
        ):
            extract_tar(archive, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]

    def test_an_existing_folder_is_left_alone(self, tmp_path: Path) -> None:
        archive = write_tar(tmp_path / "a.tar.gz", ("a.txt", b"A"))
        (tmp_path / "out").mkdir()
        with pytest.raises(TinyclapError, match="out exists already"):
            extract_tar(archive, tmp_path / "out")

    def test_the_name_tells_the_kind(self, tmp_path: Path) -> None:
        extract(write_tar(tmp_path / "a.tar.gz", ("a.txt", b"A")), tmp_path / "one")
        extract(write_zip(tmp_path / "a.zip", ("a.txt", b"A")), tmp_path / "two")
        assert (tmp_path / "one/a.txt").read_bytes() == (tmp_path / "two/a.txt").read_bytes() == b"A"
