"""AudioCaps, Clotho and FSD50K in their official layouts: with MACS, what tinyCLAP learned from (arXiv 2311.14517).

Clips have captions and no label: distillation needs neither, pretraining reads the captions. None of them can be
fetched for you: AudioCaps is on YouTube, and the archives of the others are of kinds that Python does not read.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.published.layouts import AudioFolder, Layout, read_table, with_audio
from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.errors import TinyclapError

AudioCapsSplit = Literal["train", "val", "test"]
ClothoSplit = Literal["development", "validation", "evaluation"]
Fsd50kSplit = Literal["train", "val", "eval"]
CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))


def audiocaps(root: Path | str, splits: Sequence[AudioCapsSplit] = ("train",)) -> Dataset:
    """AudioCaps: 10 s of YouTube videos with one caption (train) or five.

    A split is `<split>.csv` beside the folder `<split>/`, whose files are named `<youtube_id>_<start_time>`,
    `<youtube_id>` or `<audiocap_id>`, with any audio suffix. Videos vanish from YouTube, so clips without a file are
    left out, and a warning counts them. Raises TinyclapError for another layout and where no clip has a file.
    """
    clips: list[Clip] = []
    for split in dict.fromkeys(splits):
        found, n_listed = _audiocaps_split(Path(root), split)
        if not found:
            raise TinyclapError(f"none of the {n_listed} clips of {split}.csv has a file; {_audiocaps_remedy(split)}")
        if len(found) < n_listed:
            lost = f"{n_listed - len(found):,} of {n_listed:,} clips have no file in {Path(root, split)}"
            warnings.warn(f"AudioCaps {split}: {lost} (videos vanish from YouTube); the others are used", stacklevel=2)
        clips += found
    return Dataset("AudioCaps", clips)


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


def _audiocaps_split(root: Path, split: AudioCapsSplit) -> tuple[list[Clip], int]:
    """The clips of a split that have a file, and how many it lists."""
    table = Layout("AudioCaps", (f"{split}.csv",), split, _audiocaps_remedy(split)).check(root)
    listed: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in read_table(table, ("audiocap_id", "youtube_id", "start_time", "caption")):
        listed.setdefault((row["youtube_id"], row["start_time"]), []).append(row)
    audio = AudioFolder(root / split)
    clips = []
    for (video, start), rows in listed.items():
        names = [f"{video}_{start}", video, *(row["audiocap_id"] for row in rows)]
        path = next((path for name in names if (path := audio.find(name))), None)
        if path is not None:
            captions = tuple(row["caption"] for row in rows)
            clips.append(Clip(path.relative_to(root).as_posix(), None, captions, split=split, source=video, path=path))
    return clips, len(listed)


def _audiocaps_remedy(split: AudioCapsSplit) -> str:
    return (
        f"get dataset/{split}.csv of https://github.com/cdjkim/audiocaps and the sound of its videos from YouTube, "
        f"10 s from start_time on, as {split}/<youtube_id>.wav"
    )


def _listed(labels: str) -> str:
    return ", ".join(map(clean_label, labels.split(",")))
