"""ESC-50, 2,000 labelled environmental recordings of 5 s in 5 folds (K. J. Piczak, ACM Multimedia 2015).

The official layout is `meta/esc50.csv` beside `audio/`; licence CC BY-NC 3.0, ten of the classes (ESC-10) CC BY 3.0.
"""

import csv
import os
import tempfile
from pathlib import Path

from tinyclap.audio import AUDIO_SUFFIXES
from tinyclap.data.base import Clip, Dataset, shown
from tinyclap.data.download import download, extract_zip
from tinyclap.data.folder import audio_files, check_folder
from tinyclap.errors import TinyclapError

ESC50_URL = "https://github.com/karoldvl/ESC-50/archive/master.zip"
ESC50_CLIPS = 2000
META = "meta/esc50.csv"
COLUMNS = ("filename", "fold", "category", "esc10", "src_file")


def esc50(root: Path | str, *, esc10: bool = False) -> Dataset:
    """ESC-50 in its official layout: label, fold and source recording of every clip.

    Args:
        root: holds `meta/esc50.csv` and `audio/`. The files may have any audio suffix: the csv's stem decides.
        esc10: keep the rows marked as ESC-10 only.

    Raises:
        TinyclapError: another layout, columns missing, or clips without a file.
    """
    root = Path(root)
    _check_layout(root)
    files = audio_files(root / "audio")
    by_name = {path.name: path for path in files}
    # Where one stem comes with several suffixes and none is the csv's, the first in AUDIO_SUFFIXES wins.
    files.sort(key=lambda path: (AUDIO_SUFFIXES.index(path.suffix.lower()), path), reverse=True)
    by_stem = {path.stem: path for path in files}
    clips, missing = [], []
    for row in _rows(root / META, esc10):
        path = by_name.get(row["filename"]) or by_stem.get(Path(row["filename"]).stem)
        if path is None:
            missing.append(row["filename"])
        else:
            clip = Clip(path.name, label=row["category"], fold=int(row["fold"]), source=row["src_file"], path=path)
            clips.append(clip)
    if missing:
        raise TinyclapError(
            f"{len(missing)} clips of {root / META} have no audio file in {root / 'audio'}, in any of "
            f"{' '.join(AUDIO_SUFFIXES)}: {shown(missing)}; copy them there, or remove the folder and download it again"
        )
    return Dataset("ESC-10" if esc10 else "ESC-50", clips)


def download_esc50(root: Path | str, url: str = ESC50_URL, *, n_clips: int = ESC50_CLIPS) -> None:
    """Fetch ESC-50 (about 600 MB) into `root`; nothing is done where it already lies.

    The archive is kept as `<root>.zip.part` while it is incomplete, so that an interrupted download goes on, and
    removed in the end. GitHub makes it on demand, so its checksum is not fixed: zip's own sums, the table and the
    number of clips are verified instead before the folder appears at `root`.

    Raises TinyclapError when `root` holds something else (which is left alone), and as `download` and `extract_zip` do.
    """
    root = Path(root).absolute()
    if (root / META).is_file():
        return
    if root.exists():
        raise TinyclapError(f"{root} exists but holds no {META}: remove it, or download to another folder")
    archive = download(url, root.with_name(f"{root.name}.zip"))
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as temporary:
        extract_zip(archive, Path(temporary, "archive"))
        found = sorted(Path(temporary, "archive").glob(f"*/{META}"))
        if len(found) != 1:
            raise TinyclapError(f"{archive} is not ESC-50: expected one folder with {META}, found {len(found)}")
        unpacked = found[0].parents[1]
        n_found = len(esc50(unpacked))
        if n_found != n_clips:
            raise TinyclapError(f"{archive} holds {n_found} clips instead of {n_clips}: remove it and download again")
        os.replace(unpacked, root)
    archive.unlink()


def _check_layout(root: Path) -> None:
    remedy = f"get it with download: true in the recipe's data, or unpack {ESC50_URL}"
    if not root.exists():
        raise TinyclapError(f"no ESC-50 at {root.absolute()}: the folder does not exist; {remedy}")
    check_folder(root)
    if (root / META).is_file() and (root / "audio").is_dir():
        return
    inside = sorted(root.glob(f"*/{META}"))
    hint = f"there is one in {inside[0].parents[1].absolute()}: give that as root" if inside else remedy
    raise TinyclapError(f"no ESC-50 at {root.absolute()}: expected {META} and audio/ in it; {hint}")


def _rows(table: Path, esc10: bool) -> list[dict[str, str]]:
    """The table's rows, checked; only those marked as ESC-10 if asked."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TinyclapError(f"{table} cannot be read: {error}") from error
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise TinyclapError(f"{table}: no column {shown(missing)}; expected {', '.join(COLUMNS)}, got {shown(columns)}")
    wrong = [line for line, row in rows if not (all(row[key] for key in COLUMNS) and row["fold"].isdecimal())]
    if wrong:
        raise TinyclapError(f"{table}: empty field or a fold that is no number in line {shown(wrong)}")
    return [row for _, row in rows if not esc10 or row["esc10"].strip().lower() == "true"]
