"""A bundle with words, and a folder of sounds."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.sounds import noise, write
from tests.support.tiny_bundles import tiny_bundle
from tinyclap import Library
from tinyclap.runtime.bundle import Bundle

NAMES = ("dogs/bark_01.wav", "dogs/bark_02.wav", "drums/kick_04.wav", "drums/SnareHit.wav", "rain.flac")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "bundle", text=True, int8=True)


@pytest.fixture(scope="session")
def wordless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "wordless", input_kind="waveform")


@pytest.fixture
def bundle(made: Path) -> Bundle:
    return Bundle.load(made)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Five sounds of 0.5 to 2.5 s, the first of which has the first seed."""
    folder = tmp_path / "sounds"
    for seed, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name, noise(0.5 + 0.5 * seed, seed))
    return folder


@pytest.fixture
def home(made: Path, sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with sounds and a library of them, and nothing named by the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINYCLAP_LIBRARY", raising=False)
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / "cache"))
    Library.create("library", made).add(["sounds"], progress=False)
    return tmp_path


def check(library: Library, folder: Path) -> None:
    """The library holds each file that is there once, with the vector that the bundle makes of it."""
    rows = library.rows()
    paths = [row.path for row in rows]
    assert sorted(paths) == sorted(path for path in folder.rglob("*.*") if path.name != "bad.wav")
    if paths:
        expected = library.bundle.embed(paths)
        np.testing.assert_allclose(library.embeddings(), expected, atol=1e-6)
        np.testing.assert_allclose(library.embeddings([row.row for row in rows]), expected, atol=1e-6)
        assert {hit.path for hit in library.find(like=paths[0], n=10**6)} == set(paths)
    named = library.catalogue.run("SELECT count(*) FROM names")[0][0]
    assert named == library.catalogue.run("SELECT count(*) FROM files")[0][0]
