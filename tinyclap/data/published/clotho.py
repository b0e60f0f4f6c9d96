"""Clotho in its official layout. It cannot be fetched for you: Python does not read its archives (.7z)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.published.layouts import Layout, read_table, with_audio

ClothoSplit = Literal["development", "validation", "evaluation"]


CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))


def clotho(root: Path | str, splits: Sequence[ClothoSplit] = ("development",)) -> Dataset:
    """Clotho 2.1: sounds of 15 to 30 s from Freesound with five captions each.

    A split is `clotho_captions_<split>.csv` beside the folder `<split>/`. Raises TinyclapError for another layout,
    missing columns, and clips without a file (of any audio suffix).
    """
    clips: list[Clip] = []
    for split in dict.fromkeys(splits):
        name = f"clotho_captions_{split}.csv"
        layout = Layout(
            "Clotho",
            (name,),
            split,
            f"get {name} and clotho_audio_{split}.7z from https://zenodo.org/records/4783391 and unpack the archive "
            f"there (`7z x`), which gives the folder {split}",
        )
        table = layout.check(Path(root))
        rows = read_table(table, ("file_name", *CAPTIONS))
        named = [Clip(row["file_name"], captions=tuple(row[key] for key in CAPTIONS), split=split) for row in rows]
        clips += with_audio(named, Path(root, split), table, f"{split}/")
    return Dataset("Clotho", clips)
