"""A test set and the training must share no clip and no recording."""

from pathlib import Path

import pytest

from tinyclap.data import Clip, Concat, Dataset
from tinyclap.data.overlap import clips_in_training, refuse_overlap
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.errors import TinyclapError


def files(root: Path, **sources: str | None) -> Dataset:
    return Dataset(root.name, [Clip(name, source=source, path=root / name) for name, source in sources.items()])


def names(train: Dataset, test: Dataset) -> list[str]:
    return [clip.name for clip in clips_in_training(train, test)]


def test_the_same_file_by_another_path(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "own")
    (tmp_path / "own").mkdir()
    train, test = files(tmp_path / "own", a=None, b=None), files(tmp_path / "link", b=None, c=None)
    assert names(train, test) == ["b"]
    assert names(Concat([train, Procedural(2)]), Concat([test])) == ["link/b"]


def test_another_clip_of_the_same_recording(tmp_path: Path) -> None:
    train = files(tmp_path / "x", a="1", b="2")
    assert names(train, files(tmp_path / "x", c="2", d="3", e=None)) == ["c"]
    assert names(train, files(tmp_path / "y", c="2")) == [], "another folder numbers its own recordings"


def test_a_copy_under_another_name(tmp_path: Path) -> None:
    for name, content in {"x/a": b"one", "x/b": b"two", "y/c": b"one", "y/d": b"six", "y/e": b"", "x/f": b""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert names(files(tmp_path / "x", a=None, b=None, f=None), files(tmp_path / "y", c=None, d=None, e=None)) == ["c"]


def test_generated_clips_by_seed_and_number() -> None:
    train = Procedural(60, seed=3)
    assert len(names(train, Procedural(84, seed=3, duration_s=1.0))) == 60
    assert names(train, Procedural(60, seed=4)) == []
    assert len(names(Concat([train, Procedural(4)]), Procedural(84, seed=3))) == 60


def test_the_error_counts_and_names(tmp_path: Path) -> None:
    train = files(tmp_path, a="1", b="2")
    refuse_overlap(train, files(tmp_path, c="3"))
    with pytest.raises(TinyclapError, match=r"test: 1 of its 2 clips are in data\.train too.*: d \(of recording 1\)"):
        refuse_overlap(train, files(tmp_path, c="3", d="1"))
