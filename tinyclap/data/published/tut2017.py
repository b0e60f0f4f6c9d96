"""TUT Acoustic Scenes 2017, 10 s recordings of 15 scenes in Finland (A. Mesaros et al., DCASE 2017, task 1).

Two sets, each with its own folder: 4,680 development clips in 4 folds, and 1,620 of new places for evaluation. The
official layout is `meta.txt` (file, scene, place), `evaluation_setup/` and `audio/`; for non-commercial use.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.published.layouts import DOWNLOADED, Archive, Layout, fetch, read_table, with_audio
from tinyclap.errors import TinyclapError

Split = Literal["development", "evaluation"]
TUT2017 = Layout(
    "TUT Acoustic Scenes 2017",
    ("meta.txt", "evaluation_setup/evaluate.txt"),
    "audio",
    f"{DOWNLOADED}, or unpack all archives of https://zenodo.org/records/400515 "
    "(development) or https://zenodo.org/records/1040168 (evaluation) into one folder",
)
N_FOLDS = 4
N_CLIPS: dict[Split, int] = {"development": 4680, "evaluation": 1620}
RECORDS: dict[Split, str] = {
    "development": "https://zenodo.org/records/400515",
    "evaluation": "https://zenodo.org/records/1040168",
}
# Size and MD5 of every archive; None where published sums differ.
FILES: dict[Split, dict[str, tuple[int, str | None]]] = {
    "development": {
        "meta": (104_321, "9007fd4772d816590c5db5f5e9568f5d"),
        "audio.1": (1_071_445_248, "251325a9afaaad0326ad1c57f57d514a"),
        "audio.2": (1_073_453_613, "c26861e05147dc319b4250eb103d9d99"),
        "audio.3": (1_073_077_819, "a4815775f8a5e629179726ee4cd4f55a"),
        "audio.4": (1_072_822_038, "1732b03afe8c53ef8bba80ba14766e57"),
        "audio.5": (1_072_644_652, "611be754a0c951185c6ae4b7643c19a0"),
        "audio.6": (1_072_667_888, "165a201db800d3ea76fce5a9c2bd97d7"),
        "audio.7": (1_073_417_661, "c7d79db84264401c0f8680dcc36013ad"),
        "audio.8": (1_072_381_222, "35043f25123439392338c790494c7a19"),
        "audio.9": (1_072_087_738, "0805dcf5d8e6871dc9610182b2efb93a"),
        "audio.10": (1_046_262_120, "5df83a191295a04e290b125c634e13e7"),
    },
    "evaluation": {
        "meta": (4_473, None),
        "audio.1": (1_071_856_687, None),
        "audio.2": (1_073_362_972, "4085ef5fa286f2169074993a4e405953"),
        "audio.3": (1_071_521_152, "cac432579e7cf2dff0aec7aaed248956"),
        "audio.4": (382_756_463, "664bf09c3d24bd26c6b587f1d709de36"),
    },
}


def tut2017(root: Path | str, split: Split = "evaluation") -> Dataset:
    """One set of TUT Acoustic Scenes 2017: the scene and place of every clip, and the fold that tests on it.

    The evaluation set has no folds, and names places only where its table or `evaluation_setup/map.txt` does.

    Args:
        root: the unpacked folder of that set.
        split: "development" or "evaluation".

    Raises:
        TinyclapError: another layout, the other set, or clips without a file (of any audio suffix).
    """
    root = Path(root)
    table = TUT2017.check(root)
    folds = {row["file"]: fold for fold in range(1, N_FOLDS + 1) for row in _rows(_test_fold(root, fold))}
    _refuse_other(root, split, has_folds=bool(folds))
    # The evaluation set's files are numbered; a map, where there is one, tells their names with the place in front.
    places = {row["file"]: Path(row["scene"]).name.split("_")[0] for row in _rows(root / "evaluation_setup/map.txt")}
    clips = [
        Clip(
            row["file"].removeprefix("audio/"),
            label=row["scene"],
            fold=folds.get(row["file"]),
            split=split,
            source=row["place"] or places.get(row["file"]),
        )
        for row in _rows(table)
    ]
    return Dataset(f"TUT2017-{split}", with_audio(clips, root / "audio", table))


def download_tut2017(
    root: Path | str, split: Split, archives: Sequence[Archive] | None = None, *, n_clips: int | None = None
) -> None:
    """Fetch one set (development 10.7 GB, evaluation 3.6 GB) from Zenodo into `root`, as `fetch` does."""
    name = f"{RECORDS[split]}/files/TUT-acoustic-scenes-2017-{split}"
    published = [
        Archive(f"{name}.{part}.zip", f".{part}.zip", md5=md5, size=size) for part, (size, md5) in FILES[split].items()
    ]
    fetch(root, TUT2017, archives or published, partial(tut2017, split=split), n_clips or N_CLIPS[split])


def _test_fold(root: Path, fold: int) -> Path:
    return root / f"evaluation_setup/fold{fold}_evaluate.txt"


def _refuse_other(root: Path, split: Split, *, has_folds: bool) -> None:
    if has_folds and split == "evaluation":
        raise TinyclapError(f"{root.absolute()} holds TUT 2017's development set: give split: development")
    if split == "development" and not has_folds:
        raise TinyclapError(
            f"no {_test_fold(root.absolute(), 1)}, which TUT 2017's development set has: unpack its meta archive too, "
            "or give split: evaluation if this is the other set"
        )


def _rows(table: Path) -> list[dict[str, str]]:
    """File, scene and place (empty where it is not told) of every row; no rows where there is no such table."""
    if not table.is_file():
        return []
    return read_table(table, ("file", "scene"), header=("file", "scene", "place"), delimiter="\t")
