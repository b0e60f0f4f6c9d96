"""FSD50K in its official layout. It cannot be fetched for you: Python does not read its split archives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.published.layouts import Layout, read_table, with_audio
from tinyclap.embeddings.zero_shot import clean_label

Fsd50kSplit = Literal["train", "val", "eval"]


def fsd50k(root: Path | str, splits: Sequence[Fsd50kSplit] = ("train", "val")) -> Dataset:
    """FSD50K: 51,197 sounds of 0.3 to 30 s from Freesound, each of several of 200 classes.

    The layout is `FSD50K.ground_truth/` beside `FSD50K.dev_audio/` (train and val) and `FSD50K.eval_audio/`. The one
    caption of a clip lists its classes. Raises TinyclapError for another layout, missing columns, and clips without a
    file (of any audio suffix).
    """
    root = Path(root)
    clips: list[Clip] = []
    for part in dict.fromkeys("eval" if split == "eval" else "dev" for split in splits):
        folder = f"FSD50K.{part}_audio"
        layout = Layout(
            "FSD50K",
            (f"FSD50K.ground_truth/{part}.csv",),
            folder,
            f"get FSD50K.ground_truth.zip and all parts of {folder} (.zip, .z01, ...) from "
            "https://zenodo.org/records/4060432, join the parts with "
            f"`zip -s 0 {folder}.zip --out whole.zip`, and unzip both",
        )
        table = layout.check(root)
        rows = read_table(table, ("fname", "labels", *(["split"] if part == "dev" else [])))
        named = [
            Clip(row["fname"], captions=(_listed(row["labels"]),), split="eval" if part == "eval" else row["split"])
            for row in rows
        ]
        clips += with_audio([clip for clip in named if clip.split in splits], root / folder, table, f"{folder}/")
    return Dataset("FSD50K", clips)


def _listed(labels: str) -> str:
    return ", ".join(map(clean_label, labels.split(",")))
