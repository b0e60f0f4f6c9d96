"""What readers of published data sets share: a folder checked, tables read, audio found, archives fetched."""

import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tinyclap.audio.formats import audio_suffixes
from tinyclap.audio.listing import audio_files
from tinyclap.common.download import download
from tinyclap.common.files import refuse_pointer
from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.folder import check_folder
from tinyclap.data.published.archives import extract
from tinyclap.errors import TinyclapError, listed

DOWNLOADED = "get it with download: true in the data section (evaluate: --set download=true)"


@dataclass(frozen=True)
class Layout:
    """What the folder of a published data set holds.

    Attributes:
        name: of the data set.
        tables: files relative to the root; the first that is there lists the clips.
        audio: folder relative to the root.
        remedy: where to get the data set and how it has to lie, for the end of an error.
    """

    name: str
    tables: tuple[str, ...]
    audio: str
    remedy: str

    def table(self, root: Path) -> Path | None:
        """The file in `root` that lists the clips, None if there is none."""
        return next((root / table for table in self.tables if (root / table).is_file()), None)

    def check(self, root: Path) -> Path:
        """The table of the data set in `root`; raises TinyclapError, with the way to mend it, where there is none."""
        if not root.exists():
            raise TinyclapError(f"no {self.name} at {root.absolute()}: the folder does not exist; {self.remedy}")
        check_folder(root)
        table = self.table(root)
        if table is not None and (root / self.audio).is_dir():
            return table
        inside = [path.absolute() for path in sorted(root.iterdir()) if path.is_dir() and self.table(path)]
        hint = f"there is one in {inside[0]}: give that as root" if inside else self.remedy
        expected = f"{' or '.join(self.tables)} and {self.audio}/"
        raise TinyclapError(f"no {self.name} at {root.absolute()}: expected {expected} in it; {hint}")


@dataclass(frozen=True)
class Archive:
    """A file to download: `suffix` follows the root's name while it is kept beside it."""

    url: str
    suffix: str
    md5: str | None = None
    size: int | None = None  # bytes


def read_table(
    table: Path,
    columns: Sequence[str],
    *,
    whole: Sequence[str] = (),
    header: Sequence[str] | None = None,
    delimiter: str = ",",
) -> list[dict[str, str]]:
    """The rows of a table, with every one of `columns` filled and those in `whole` being whole numbers.

    Args:
        table: file.
        columns: that are needed.
        whole: some of them.
        header: the names of all columns, where the first line does not tell them.
        delimiter: between fields.

    Raises:
        TinyclapError: unreadable, a column missing, fields empty or of the wrong kind (with their lines).
    """
    refuse_pointer(table)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, header, restval="", delimiter=delimiter)
            given = reader.fieldnames or []
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TinyclapError(f"{table} cannot be read: {error}") from error
    missing = [column for column in columns if column not in given]
    if missing:
        raise TinyclapError(f"{table}: no column {listed(missing)}; expected {', '.join(columns)}, got {listed(given)}")
    full = {line for line, row in rows if all(row[key] for key in columns)}
    wrong = [line for line, row in rows if line not in full or not all(row[key].isdecimal() for key in whole)]
    if wrong:
        kinds = "".join(f" or a {key} that is no number" for key in whole)
        raise TinyclapError(f"{table}: empty field{kinds} in line {listed(wrong)}")
    return [row for _, row in rows]


class AudioFolder:
    """The audio files below a folder, found by the name that a table gives them, whatever their suffix."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = audio_files(folder)
        # Where one stem comes with several suffixes and none is the table's, the first of audio_suffixes() wins.
        suffixes = audio_suffixes()
        files.sort(key=lambda path: (suffixes.index(path.suffix.lower()), path), reverse=True)
        self._by_name = {path.relative_to(folder).as_posix(): path for path in files}
        self._by_stem = {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}

    def find(self, name: str) -> Path | None:
        """The file of that name relative to the folder, else one with the same stem; `name` may have no suffix."""
        stem = PurePosixPath(name)
        if stem.suffix.lower() in audio_suffixes():
            stem = stem.with_suffix("")
        return self._by_name.get(name) or self._by_stem.get(str(stem))


def with_audio(clips: Sequence[Clip], folder: Path, table: Path, prefix: str = "") -> list[Clip]:
    """Clips named as in a table, with their files and the names of these, which are told apart by `prefix`.

    Raises TinyclapError with the number of clips that have no file.
    """
    audio = AudioFolder(folder)
    files = [audio.find(clip.name) for clip in clips]
    missing = [clip.name for clip, path in zip(clips, files, strict=True) if path is None]
    if missing:
        raise TinyclapError(
            f"{len(missing)} clips of {table} have no audio file in {folder}, in any of {' '.join(audio_suffixes())}: "
            f"{listed(missing)}; copy them there, or remove the folder and get it again"
        )
    return [
        replace(clip, name=prefix + path.relative_to(folder).as_posix(), path=path)
        for clip, path in zip(clips, files, strict=True)
        if path is not None
    ]


def fetch(
    root: Path | str, layout: Layout, archives: Sequence[Archive], read: Callable[[Path], Dataset], n_clips: int
) -> None:
    """Download a published data set into `root`; nothing is done where it already lies.

    Archives are kept as `<root><suffix>.part` while they are incomplete, so that an interrupted download goes on, and
    removed in the end. Their folders become one; a file that is no archive is the table. All is read and the clips
    are counted before the folder appears at `root`.

    Args:
        root: the new folder.
        layout: of the data set.
        archives: with one folder each.
        read: gives the data set in a folder.
        n_clips: that it has.

    Raises:
        TinyclapError: `root` holds something else (which is left alone), and as `download` and `extract` do.
    """
    root = Path(root).absolute()
    if layout.table(root):
        return
    expected = " or ".join(layout.tables)
    if root.exists():
        raise TinyclapError(f"{root} exists but holds no {expected}: remove it, or download to another folder")
    files = [download(one.url, root.with_name(root.name + one.suffix), md5=one.md5, size=one.size) for one in archives]
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as temporary:
        whole = Path(temporary, "whole")
        for number, file in enumerate(files):
            _unpack(file, Path(temporary, str(number)), whole, layout)
        if not layout.table(whole):
            raise TinyclapError(f"{listed(files)} is not {layout.name}: expected one folder with {expected}")
        n_found = len(read(whole))
        if n_found != n_clips:
            counted = f"{listed(files)} holds {n_found} clips instead of {n_clips}"
            raise TinyclapError(f"{counted}: remove it and download again")
        os.replace(whole, root)
    for file in files:
        file.unlink()


def _unpack(file: Path, temporary: Path, whole: Path, layout: Layout) -> None:
    """Put what an archive's folder holds into `whole`, or the table itself."""
    whole.mkdir(exist_ok=True)
    table = whole / layout.tables[0]
    if file.suffix == table.suffix:
        shutil.copy(file, table)
        return
    extract(file, temporary)
    for path in temporary.glob("*/**/*"):
        if path.is_file():
            target = whole.joinpath(*path.relative_to(temporary).parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
