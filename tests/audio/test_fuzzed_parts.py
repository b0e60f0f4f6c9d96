"""Damaged files that have to be written anew, joined ones and those of other containers: heard, or refused by name."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.audio.test_joined import KINDS, made
from tests.audio.test_media import write_media
from tests.support.mutations import damaged, refusable, seeds
from tinyclap.audio import files

MEDIA = (("m4a", "aac", "mp4"), ("mka", "ac3", "matroska"), ("wma", "wmav2", "asf"), ("caf", "alac", "caf"))


def check(path: Path) -> None:
    with refusable(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(files.read(path, 16_000)).all()


@pytest.mark.parametrize("seed", seeds(100))
def test_a_damaged_file_of_several(tmp_path: Path, seed: int) -> None:
    kind = list(KINDS)[seed % len(KINDS)]
    content = made(400, 0.4, **KINDS[kind]) + made(900, 0.4, **KINDS[kind])
    if kind == "mp3" and seed % 4 < 2:
        content = content[content.index(b"\xff", 40) :]  # without the frame that says how long it is
    path = tmp_path / f"a.{kind}"
    path.write_bytes(damaged(content, np.random.default_rng(seed)))
    check(path)


@pytest.mark.parametrize("seed", seeds(16))
def test_a_damaged_file_of_another_container(tmp_path: Path, seed: int) -> None:
    suffix, codec, container = MEDIA[seed % len(MEDIA)]
    path = tmp_path / f"a.{suffix}"
    write_media(path, codec, container)
    path.write_bytes(damaged(path.read_bytes(), np.random.default_rng(seed)))
    check(path)
