"""Archives, unpacked whole or not at all and never outside their folder."""

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

from tinyclap.common.files import whole_folder
from tinyclap.errors import TinyclapError

TAR_SUFFIXES = (".tar.gz", ".tgz")
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError)


def extract(archive: Path | str, folder: Path | str) -> None:
    """`extract_tar` or `extract_zip`, as the archive's name says."""
    (extract_tar if str(archive).lower().endswith(TAR_SUFFIXES) else extract_zip)(archive, folder)


def extract_zip(archive: Path | str, folder: Path | str) -> None:
    """Unpack a zip archive as the new folder `folder`, whole or not at all.

    Every member is checked before any is written: absolute paths, `..`, links and devices, encrypted members.
    Raises TinyclapError for these, a damaged archive, too little space, and a folder that exists.
    """
    archive, folder = Path(archive), Path(folder)
    with _explained(archive, folder, "zip"), zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            _refuse(archive, member.filename, _unsafe_zip(member))
        folder.parent.mkdir(parents=True, exist_ok=True)
        needed, free = sum(member.file_size for member in file.infolist()), shutil.disk_usage(folder.parent).free
        if needed > free:
            raise TinyclapError(f"{archive} unpacks to {needed:,} bytes, but {folder.parent} has {free:,} left")
        with whole_folder(folder) as temporary:
            file.extractall(temporary)


def extract_tar(archive: Path | str, folder: Path | str) -> None:
    """Unpack a gzipped tar archive as the new folder `folder`, whole or not at all.

    It is read once, from front to back, so that a member is checked just before it is written: absolute paths, `..`,
    links and devices. Raises TinyclapError for these, a damaged archive, a full disk, and a folder that exists.
    """
    archive, folder = Path(archive), Path(folder)
    kind = "gzipped tar"
    with (
        _explained(archive, folder, kind),
        gzip.open(archive) as stream,
        tarfile.open(fileobj=stream, mode="r:") as file,
    ):
        # Python's own checks come on top of ours; the first releases of 3.11 do not have them.
        file.extraction_filter = getattr(tarfile, "data_filter", None)
        with whole_folder(folder) as temporary:
            for member in file:
                _refuse(archive, member.name, _unsafe_tar(member))
                file.extract(member, temporary)
            while stream.read(2**20):  # behind the last member is the checksum of all
                pass


@contextmanager
def _explained(archive: Path, folder: Path, kind: str) -> Iterator[None]:
    """What goes wrong while an archive is unpacked, as TinyclapErrors."""
    if folder.exists():
        raise TinyclapError(f"{folder} exists already: remove it, or unpack {archive} elsewhere")
    try:
        yield
    except _DAMAGE as error:
        raise TinyclapError(
            f"{archive} is damaged or no {kind} archive ({error}): remove it and download it again"
        ) from error
    except OSError as error:
        raise TinyclapError(f"cannot unpack {archive} to {folder}: {error.strerror or error}") from error


def _refuse(archive: Path, member: str, reason: str | None) -> None:
    if reason:
        raise TinyclapError(f"{archive}: member {member!r} {reason}; nothing was unpacked")


def _unsafe_zip(member: zipfile.ZipInfo) -> str | None:
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return _leads_elsewhere(member.filename) or ("is encrypted" if member.flag_bits & 1 else None)


def _unsafe_tar(member: tarfile.TarInfo) -> str | None:
    return _leads_elsewhere(member.name) or (None if member.isfile() or member.isdir() else "is a link or a device")


def _leads_elsewhere(name: str) -> str | None:
    path = PureWindowsPath(name)  # also splits at "/", and knows drives
    if path.drive or path.root:
        return "has an absolute path"
    return "leads out of the folder" if ".." in path.parts else None
