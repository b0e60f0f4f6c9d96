"""ESC-50, 2,000 labelled environmental recordings of 5 s in 5 folds (K. J. Piczak, ACM Multimedia 2015).

The official layout is `meta/esc50.csv` beside `audio/`; licence CC BY-NC 3.0, ten of the classes (ESC-10) CC BY 3.0.
"""

from pathlib import Path

from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.published.layouts import DOWNLOADED, Archive, Layout, fetch, read_table, with_audio

ESC50_URL = "https://github.com/karoldvl/ESC-50/archive/master.zip"
ESC50_CLIPS = 2000
COLUMNS = ("filename", "fold", "category", "esc10", "src_file")
ESC50 = Layout(
    "ESC-50",
    ("meta/esc50.csv",),
    "audio",
    f"{DOWNLOADED}, or unpack {ESC50_URL}",
)


def esc50(root: Path | str, *, esc10: bool = False) -> Dataset:
    """ESC-50 in its official layout: label, fold and source recording of every clip.

    Args:
        root: holds `meta/esc50.csv` and `audio/`. The files may have any audio suffix: the csv's stem decides.
        esc10: keep the rows marked as ESC-10 only.

    Raises:
        TinyclapError: another layout, columns missing, or clips without a file.
    """
    root = Path(root)
    table = ESC50.check(root)
    clips = [
        Clip(row["filename"], label=row["category"], fold=int(row["fold"]), source=row["src_file"])
        for row in read_table(table, COLUMNS, whole=["fold"])
        if not esc10 or row["esc10"].strip().lower() == "true"
    ]
    return Dataset("ESC-10" if esc10 else "ESC-50", with_audio(clips, root / "audio", table))


def download_esc50(root: Path | str, url: str = ESC50_URL, *, n_clips: int = ESC50_CLIPS) -> None:
    """Fetch ESC-50 (about 600 MB) into `root`, as `fetch` does.

    GitHub makes the archive on demand, so its checksum is not fixed: zip's own sums, the table and the number of
    clips are verified instead.
    """
    fetch(root, ESC50, [Archive(url, ".zip")], esc50, n_clips)
