"""Copies of one recording are told from other recordings; the fingerprint against formulas."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soxr

from tests.support.sounds import write
from tinyclap import GateError, Library
from tinyclap.errors import TinyclapError
from tinyclap.library.copies import duplicates, fingerprint

RATE = 16_000


def strokes(seed: int, seconds: float = 2.0) -> np.ndarray:
    """Decaying tones and noise at random moments, float32."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    sound = rng.normal(0, 0.002, len(times))
    for begin in rng.uniform(0, seconds, 9):
        after = np.maximum(times - begin, 0)
        tone = np.sin(2 * np.pi * rng.uniform(150, 1400) * times) + rng.normal(0, 0.3, len(times))
        sound += (times >= begin) * rng.uniform(0.1, 0.4) * np.exp(-after * rng.uniform(5, 20)) * tone
    scaled: np.ndarray = (sound / np.abs(sound).max() * 0.7).astype(np.float32)
    return scaled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six recordings, and of the first two copies of many kinds."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for seed in range(6):
        write(folder / f"{seed}.wav", strokes(seed))
    for seed in range(2):
        one = strokes(seed)
        write(folder / f"{seed} softer.wav", one * 0.25)
        write(folder / f"{seed} vorbis.ogg", one, format="OGG", subtype="VORBIS")
        write(folder / f"{seed} resampled.wav", soxr.resample(one, RATE, 8000), 8000)
        write(folder / f"{seed} cut.flac", one[1200:-2000])
        shutil.copy(folder / f"{seed}.wav", folder / f"{seed} same.wav")
    write(folder / "0 half.wav", strokes(0)[:RATE])  # another length: a part, not a copy
    return folder


@pytest.fixture
def library(made: Path, folder: Path, tmp_path: Path) -> Library:
    library = Library.create(tmp_path / "lib", made)
    library.add([folder], progress=False)
    return library


def test_copies_are_found_and_nothing_else(library: Library, folder: Path) -> None:
    found = library.duplicates(progress=False)
    assert (found.compared, found.left_out) == (17, [])
    assert sorted({copy.path.name for copy in group} for group in found.groups) == [
        {f"{seed}{kind}" for kind in (".wav", " softer.wav", " vorbis.ogg", " resampled.wav", " cut.flac", " same.wav")}
        for seed in range(2)
    ]
    for group in found.groups:
        assert group[0].size_bytes == max(copy.size_bytes for copy in group)
        assert group[0].similarity == 1
        assert all(duplicates.THRESHOLD <= copy.similarity <= 1 + 1e-6 for copy in group)
        by_name = {copy.path.name[2:]: copy for copy in group}
        assert by_name["same.wav"].identical
        assert not by_name["softer.wav"].identical
        assert by_name["softer.wav"].similarity > 0.99


def test_files_that_are_gone_are_left_out_and_named(library: Library, folder: Path) -> None:
    for path in folder.glob("1*.*"):
        path.unlink()
    found = library.duplicates(progress=False)
    assert len(found.groups) == 1
    assert len(found.left_out) == 6
    assert {reason for _, reason in found.left_out} == {"no such file"}
    shutil.rmtree(folder)
    with pytest.raises(GateError, match="none of 17 files can be read"):
        library.duplicates(progress=False)


def test_files_of_the_same_bytes_are_copies_however_short(made: Path, tmp_path: Path) -> None:
    (tmp_path / "short").mkdir()
    for name, seed in (("click.wav", 1), ("click copy.wav", 1), ("other.wav", 2)):
        write(tmp_path / "short" / name, strokes(seed, 0.03))
    library = Library.create(tmp_path / "lib", made)
    library.add([tmp_path / "short"], progress=False)
    (group,) = library.duplicates(progress=False).groups
    assert [(copy.path.name, copy.similarity, copy.identical) for copy in group] == [
        ("click copy.wav", 1.0, True),
        ("click.wav", 1.0, True),
    ]


def test_a_file_that_vanishes_once_it_was_linked(tmp_path: Path) -> None:
    """The first and the last of a group are linked through another alone: how similar they are cannot be read now."""
    files = [(str(tmp_path / f"{size}.wav"), 1.0, size, None) for size in (30, 20, 10)]
    copies = duplicates._group(files, [0, 1, 2], {(0, 1): 0.99, (1, 2): 0.97})
    assert [copy.similarity for copy in copies] == [1, 0.99, 0.97]


def test_a_threshold_that_is_none(library: Library) -> None:
    for threshold in (0.0, 1.1, float("nan")):
        with pytest.raises(TinyclapError, match="above 0 and at most 1"):
            library.duplicates(threshold)


class TestFingerprint:
    def test_a_tone_has_its_power_in_its_band(self, tmp_path: Path) -> None:
        for band in range(4, fingerprint.N_BANDS):  # below them a bin is wider than a band
            hz = fingerprint.LOWEST_HZ * 2 ** ((band + 0.5) / fingerprint.BANDS_PER_OCTAVE)
            tone = np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
            powers = fingerprint.powers(write(tmp_path / "tone.wav", tone * 0.5))
            assert abs(int(powers.mean(0).argmax()) - band) <= 1
            assert powers.sum(1).max() == pytest.approx(1, abs=1e-5)

    def test_similarity_is_a_correlation_at_the_best_shift(self) -> None:
        rng = np.random.default_rng(0)
        power = rng.exponential(size=(200, fingerprint.N_BANDS)).astype(np.float32)
        assert fingerprint.similarity(power, power) == pytest.approx(1)
        assert fingerprint.similarity(power[9:], power) == pytest.approx(1, abs=1e-3)
        assert fingerprint.similarity(power, power[15:] * 7) == pytest.approx(1, abs=1e-3)
        other = rng.exponential(size=power.shape).astype(np.float32)
        logs = [np.log(each / each.max() + fingerprint.FLOOR) for each in (power, other)]
        assert fingerprint.similarity(power, other) >= np.corrcoef(logs[0].ravel(), logs[1].ravel())[0, 1] - 1e-6
        assert fingerprint.similarity(power, other) < 0.3

    def test_silence_and_the_shortest(self) -> None:
        silent = np.zeros((30, fingerprint.N_BANDS), np.float32)
        assert fingerprint.similarity(silent, silent) == 0
        assert np.isfinite(fingerprint.sketches(silent)).all()
        one = np.ones((1, fingerprint.N_BANDS), np.float32)
        assert fingerprint.sketches(one).shape == (len(fingerprint.TRIMMED), fingerprint.SLICES * fingerprint.N_BANDS)
        assert -1 <= fingerprint.similarity(one, one) <= 1


def test_pairs_are_those_of_comparing_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BLOCK", 16)
    rng = np.random.default_rng(1)
    sketches = rng.normal(size=(100, 3, 8))
    sketches /= np.linalg.norm(sketches, axis=2, keepdims=True)
    durations_s = rng.uniform(1, 3, 100)
    expected = set()
    for one in range(100):
        for other in range(one + 1, 100):
            best = max(
                max(sketches[one, 0] @ sketches[other, way], sketches[one, way] @ sketches[other, 0])
                for way in range(3)
            )
            lengths = sorted(durations_s[[one, other]])
            if best >= 0.7 and lengths[0] >= duplicates.SHORTEST_SHARE * lengths[1]:
                expected.add((one, other))
    found = [tuple(sorted(pair)) for pair in duplicates.alike(sketches, durations_s, least=0.7)]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert expected
