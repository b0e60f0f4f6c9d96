"""MACS, 3,930 recordings of airports, parks and squares with captions (I. Martín-Morató and A. Mesaros, DCASE 2021).

The captions are `MACS.yaml`, the sound is `audio/` of TAU Urban Acoustic Scenes 2019 (development), for non-commercial
use.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.published.layouts import DOWNLOADED, Archive, Layout, fetch, with_audio
from tinyclap.errors import TinyclapError

RECORD = "https://zenodo.org/records/5114771"
MACS_CLIPS = 3930
TAU = "https://zenodo.org/records/2589280"
MACS = Layout(
    "MACS",
    ("MACS.yaml",),
    "audio",
    f"{DOWNLOADED}, or put MACS.yaml of {RECORD} beside audio/ of TAU Urban Acoustic Scenes 2019, development ({TAU})",
)
# Size and MD5 of TAU's 21 audio archives, in order.
TAU_AUDIO = (
    (1_657_550_587, "aca4ebfd9ed03d5f747d6ba8c24bc728"),
    (1_666_219_450, "c4f170408ce77c8c70c532bf268d7be0"),
    (1_817_901_591, "c7214a07211f10f3250290d05e72c37e"),
    (1_821_710_642, "a6a62110f6699cf4432072acb1dffda6"),
    (1_803_118_466, "091a0b6d3c84b8e60e46940aa7d4a8a0"),
    (1_789_566_029, "114f4ca13e074391b98a1cfd8140de65"),
    (1_747_953_866, "5951dd2968f7a514e2afbe279c4f060d"),
    (1_728_724_513, "b0b63dc95b327e1509857c8d8a663cc3"),
    (1_667_106_209, "3c32a693a6b111ffb957be3c1dd22e9b"),
    (1_632_636_175, "0ffbf60006da520cc761fb74c878b98b"),
    (1_671_793_546, "599055d93b4c11057c29be2df54538d4"),
    (1_672_592_150, "98b8d162ff3665695c4c910e6c372cc8"),
    (1_673_481_614, "a356c08b1a5a21d433eba37ef87587f4"),
    (1_666_137_450, "f8969771e7faf7dd471d1cf78b0cf011"),
    (1_675_127_004, "4758c4b0fb7484faa632266e78850820"),
    (1_648_240_966, "a18acad9ede8ea76574216feb887f0bc"),
    (1_698_414_214, "1af7703484632f340da5c33662dc9632"),
    (1_731_093_704, "b67402bf3e08f4da394a7c18756c0fd2"),
    (1_745_153_640, "035db315f19106eb848b6f9b32bcc47c"),
    (1_774_038_704, "9cb28c74911bf8a3eadcf53f50a5b5d6"),
    (1_333_808_800, "0e44ed85c88ec036a9725b4dd1dfaea0"),
)
ARCHIVES = (
    Archive(f"{RECORD}/files/MACS.yaml", ".yaml", md5="23fcb2ebd0b109094034ef9e87972256"),
    *(
        Archive(
            f"{TAU}/files/TAU-urban-acoustic-scenes-2019-development.audio.{number}.zip",
            f".audio.{number}.zip",
            md5=md5,
            size=size,
        )
        for number, (size, md5) in enumerate(TAU_AUDIO, start=1)
    ),
)


def macs(root: Path | str) -> Dataset:
    """MACS, 10 s with two to five captions each and no label; clips of one place share a `source`.

    `root` holds `MACS.yaml` and `audio/`, where further files of TAU are passed over. Raises TinyclapError for another
    layout, other annotations, and clips without a file (of any audio suffix).
    """
    table = MACS.check(Path(root))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # as safe, and several times as fast
    try:
        files = yaml.load(table.read_text(encoding="utf-8"), Loader=loader)["files"]
        clips = [_clip(str(entry["filename"]), entry["annotations"]) for entry in files]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError) as error:
        raise TinyclapError(
            f"{table} cannot be read ({type(error).__name__}: {' '.join(str(error).split())}); expected MACS.yaml of "
            f"{RECORD}, files: with filename and annotations: with sentence"
        ) from error
    return Dataset("MACS", with_audio(clips, Path(root, "audio"), table))


def download_macs(root: Path | str, archives: Sequence[Archive] = ARCHIVES, *, n_clips: int = MACS_CLIPS) -> None:
    """Fetch MACS and the audio of all of TAU Urban Acoustic Scenes 2019 (36 GB) from Zenodo, as `fetch` does."""
    fetch(root, MACS, archives, macs, n_clips)


def _clip(name: str, annotations: list[dict[str, Any]]) -> Clip:
    """A clip of TAU: "airport-barcelona-0-0-a.wav" was recorded at the place barcelona-0."""
    captions = dict.fromkeys(str(one["sentence"]) for one in annotations)
    return Clip(name, captions=tuple(captions), source="-".join(name.split("-")[1:3]) or None)
