"""What benchmarks/library/files writes, counts and does again after it was stopped."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.library import files
from tests.support.sounds import noise, write
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.common.files import read_json, write_json
from tinyclap.library.library import Library


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    """230 files in folders of 100, of three sources of which one is of ESC-50."""
    monkeypatch.setattr(files, "IN_FOLDER", 100)
    sources = [tmp_path / "pool", tmp_path / "esc"]
    for path, seconds in (("pool/door-12.wav", 0.4), ("pool/rain_3.wav", 3.0), ("esc/audio/1-2-A-0.wav", 5.0)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / path, noise(seconds, len(path)))
    (tmp_path / "esc" / "meta").mkdir()
    (tmp_path / "esc" / "meta" / "esc50.csv").write_text("filename,fold,target,category\n1-2-A-0.wav,1,0,dog\n")
    bundle = tiny_bundle(tmp_path / "bundle", text=True)
    (tmp_path / "work").mkdir()
    return Namespace(bundle=bundle, sounds=sources, work=tmp_path / "work", files=230, base=None)


def test_files_are_whole_and_differ(given: Namespace) -> None:
    sounds = given.work / "sounds"
    files.write_files(sounds, given.sounds, given.files)
    paths = sorted(sounds.rglob("*.wav"))
    assert [len(list(folder.iterdir())) for folder in sorted(sounds.iterdir())] == [100, 100, 30]
    assert {path.stem.rpartition("_")[0] for path in paths} == {"door", "rain", "dog"}
    assert {(soundfile.info(path).frames, soundfile.info(path).samplerate) for path in paths} == {(16_000, 16_000)}
    contents = {path.read_bytes() for path in paths}
    assert len(contents) == 230
    for path in (sounds / "0001").iterdir():  # as though it had been stopped there
        path.unlink()
    (sounds / "0001").rmdir()
    files.write_files(sounds, given.sounds, given.files)
    assert {path.read_bytes() for path in sounds.rglob("*.wav")} == contents


def test_steps_count_what_there_is(given: Namespace) -> None:
    files.write_files(given.work / "sounds", given.sounds, given.files)
    before = {"wall_s": 1000.0, "core_s": 2000.0, "peak_rss_bytes": 1, "load_average": 0.5}
    write_json(given.work / "sessions.json", [before])
    told = files.index(given)
    assert (told["indexed"], told["unreadable"], told["processes"]) == (230, 0, 2)
    assert told["wall_s"] > 1000
    assert told["files_per_core_s"] == pytest.approx(230 / told["core_s"])
    assert files.again(given)["unchanged"] == 230
    for tries in (1, 2):
        told = files.changes(given)
        assert (told["changed"], told["moved"], told["gone"]) == (3, 3, 3)
        assert len(read_json(given.work / "tries.json", [])) == tries
    with Library.open(given.work / "library") as library:
        assert len(library) == 224
        np.testing.assert_allclose(
            library.embeddings(), library.bundle.embed([hit.path for hit in library.rows()]), atol=1e-3
        )
