"""UrbanSound8K, 8,732 labelled urban recordings of up to 4 s in 10 folds (J. Salamon et al., ACM Multimedia 2014).

The official layout is `metadata/UrbanSound8K.csv` beside `audio/fold1` to `audio/fold10`; licence CC BY-NC 3.0.
"""

from collections.abc import Sequence
from pathlib import Path

from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.published.layouts import DOWNLOADED, Archive, Layout, fetch, read_table, with_audio

COLUMNS = ("slice_file_name", "fsID", "fold", "class")
RECORD = "https://zenodo.org/records/1203745"
URBANSOUND8K_CLIPS = 8732
URBANSOUND8K = Layout(
    "UrbanSound8K",
    ("metadata/UrbanSound8K.csv",),
    "audio",
    f"{DOWNLOADED}, or unpack UrbanSound8K.tar.gz of {RECORD}",
)
ARCHIVES = (Archive(f"{RECORD}/files/UrbanSound8K.tar.gz", ".tar.gz", md5="9aa69802bbf37fb986f71ec1483a196e"),)


def urbansound8k(root: Path | str) -> Dataset:
    """UrbanSound8K in its official layout: label, fold and Freesound recording of every clip.

    Clips of one recording share a `source` and a fold. Raises TinyclapError for another layout, missing columns, and
    clips without a file (of any audio suffix).
    """
    root = Path(root)
    table = URBANSOUND8K.check(root)
    clips = [
        Clip(
            f"fold{row['fold']}/{row['slice_file_name']}", label=row["class"], fold=int(row["fold"]), source=row["fsID"]
        )
        for row in read_table(table, COLUMNS, whole=["fold"])
    ]
    return Dataset("UrbanSound8K", with_audio(clips, root / "audio", table))


def download_urbansound8k(
    root: Path | str, archives: Sequence[Archive] = ARCHIVES, *, n_clips: int = URBANSOUND8K_CLIPS
) -> None:
    """Fetch UrbanSound8K (6 GB) from Zenodo into `root`, as `fetch` does."""
    fetch(root, URBANSOUND8K, archives, urbansound8k, n_clips)
