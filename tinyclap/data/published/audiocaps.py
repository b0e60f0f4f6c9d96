"""AudioCaps in its official layout. It cannot be fetched for you: its clips are on YouTube."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.published.layouts import AudioFolder, Layout, read_table
from tinyclap.errors import TinyclapError

AudioCapsSplit = Literal["train", "val", "test"]


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
