"""Labels from examples: which files, what a bundle gets, and what a user is told."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.sounds import RATE, write
from tests.support.tiny_bundles import tiny_background, tiny_bundle
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.matching.adapt import HEADING, WORDS_COUNT, adapt, write_adapted
from tinyclap.matching.examples import find_examples
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import read_manifest
from tinyclap.runtime.judge import Answer
from tinyclap.runtime.selftest import selftest


def tone(hz: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wave = 0.3 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE) + rng.normal(0, 0.01, RATE)
    return wave.astype(np.float32)


def answer_by_label(answer: Answer) -> list[tuple[str, float]]:
    return [(each.label, each.cosine) for each in answer]


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Two classes of tones, four files each."""
    for label, hz in (("Dog", 300.0), ("clock_tick", 3000.0)):
        (tmp_path / "mine" / label).mkdir(parents=True)
        for number in range(4):
            write(tmp_path / "mine" / label / f"{number}.wav", tone(hz, number))
    return tmp_path / "mine"


class TestExamples:
    def test_a_folder_is_a_label_and_one_within_it_a_recording(self, examples: Path) -> None:
        (examples / "Dog" / "kitchen").mkdir()
        for number in (0, 1):
            (examples / "Dog" / f"{number}.wav").rename(examples / "Dog" / "kitchen" / f"{number}.wav")
        write(examples / "stray.wav", tone(100, 0))
        found = [each for each in find_examples(examples) if each.label == "Dog"]
        assert [each.file.name for each in found] == ["2.wav", "3.wav", "0.wav", "1.wav"]
        assert len({each.recording for each in found}) == 3
        assert found[2].recording == found[3].recording
        assert {each.label for each in find_examples(examples)} == {"Dog", "clock_tick"}

    def test_shots_are_of_different_recordings_first(self, examples: Path) -> None:
        (examples / "Dog" / "kitchen").mkdir()
        for number in (0, 1, 2):
            (examples / "Dog" / f"{number}.wav").rename(examples / "Dog" / "kitchen" / f"{number}.wav")
        for seed in range(5):
            drawn = [each for each in find_examples(examples, shots=2, seed=seed) if each.label == "Dog"]
            assert len({each.recording for each in drawn}) == 2
        draws = {tuple(str(each.file) for each in find_examples(examples, shots=2, seed=seed)) for seed in range(5)}
        assert len(draws) > 1
        assert find_examples(examples, shots=2, seed=1) == find_examples(examples, shots=2, seed=1)

    def test_what_cannot_be_examples(self, examples: Path, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match="is no folder"):
            find_examples(tmp_path / "nowhere")
        with pytest.raises(TinyclapError, match=r"holds 0 folder\(s\) with sounds"):
            find_examples(examples / "Dog")
        (examples / "dog").mkdir()
        write(examples / "dog" / "a.wav", tone(100, 0))
        with pytest.raises(TinyclapError, match="'Dog' and 'dog' both read"):
            find_examples(examples)
        (tmp_path / "empty").mkdir()
        with pytest.raises(TinyclapError, match="no audio files"):
            find_examples(tmp_path / "empty")


class TestAdapt:
    def test_the_table_holds_examples_and_words(self, bundle: Bundle, examples: Path, tmp_path: Path) -> None:
        found = find_examples(examples)
        made = adapt(bundle, found)
        words = bundle.label_table(["dog", "clock tick"]).embeddings
        for row, label in enumerate(made.labels):
            own = unit(bundle.embed([each.file for each in found if each.label == label]).astype(float).mean(axis=0))
            np.testing.assert_allclose(made.vectors[row], unit(4 * own + WORDS_COUNT * words[row]), atol=1e-6)
        out = write_adapted(bundle, made, tmp_path / "adapted")
        again = Bundle.load(out)
        assert again.labels == ("Dog", "clock_tick")
        np.testing.assert_array_equal(again.label_table().embeddings, made.vectors)
        assert all(test.passed for test in selftest(out))
        cosines = made.vectors @ bundle.embed(tone(400.0, 9), sample_rate=RATE)[0]
        (answer,) = again.classify(tone(400.0, 9), sample_rate=RATE)
        assert dict(answer_by_label(answer)) == pytest.approx(dict(zip(made.labels, cosines, strict=True)), abs=1e-6)
        told = json.loads((out / "labels.json").read_text())["examples"]
        assert told["labels"] == {"Dog": 4, "clock_tick": 4}

    def test_tones_are_told_apart_by_examples_alone(self, bundle: Bundle, examples: Path, tmp_path: Path) -> None:
        made = adapt(bundle, find_examples(examples), words=0)
        again = Bundle.load(write_adapted(bundle, made, tmp_path / "adapted"))
        for label, hz in (("Dog", 300.0), ("clock_tick", 3000.0)):
            assert again.classify(tone(hz, 9), sample_rate=RATE)[0][0].label == label
        assert made.check is not None
        assert made.check.adapted.accuracy == 1.0

    @pytest.mark.parametrize("method", ["centroid", "linear"])
    def test_without_words(self, bundle: Bundle, examples: Path, method: str) -> None:
        made = adapt(bundle, find_examples(examples), words=0, method=method)  # type: ignore[arg-type]
        assert (made.words, made.nameless) == (0, None)
        assert made.check is not None
        assert made.check.words is not None  # still compared with
        assert made.check.n == 8

    def test_a_bundle_without_words_takes_examples_alone(self, examples: Path, tmp_path: Path) -> None:
        bare = Bundle.load(tiny_bundle(tmp_path / "bare", labels=None))
        made = adapt(bare, find_examples(examples))
        assert made.words == 0
        assert made.nameless
        assert "has no text side" in made.nameless
        assert made.check is not None
        assert made.check.words is None
        assert Bundle.load(write_adapted(bare, made, tmp_path / "out")).labels == ("Dog", "clock_tick")
        with pytest.raises(TinyclapError, match="--words is 2, but bundle"):
            adapt(bare, find_examples(examples), words=2)

    def test_files_that_cannot_be_used_are_named(self, bundle: Bundle, examples: Path) -> None:
        (examples / "Dog" / "0.wav").write_bytes(b"no sound")
        write(examples / "Dog" / "1.wav", np.zeros(RATE, np.float32))
        made = adapt(bundle, find_examples(examples))
        assert made.counts == (2, 4)
        assert [Path(file).name for file, _ in made.bad] == ["0.wav", "1.wav"]
        assert "silence" in made.bad[1][1]
        for number in (2, 3):
            (examples / "Dog" / f"{number}.wav").write_bytes(b"no sound")
        with pytest.raises(TinyclapError, match="no usable example of Dog"):
            adapt(bundle, find_examples(examples))

    def test_the_same_files_in_both(self, bundle: Bundle, examples: Path) -> None:
        for number in range(4):
            write(examples / "clock_tick" / f"{number}.wav", tone(300.0, number))
        with pytest.raises(TinyclapError, match="sound the same"):
            adapt(bundle, find_examples(examples), words=0)

    def test_one_example_each_cannot_be_checked_without_words(self, bundle: Bundle, examples: Path) -> None:
        assert adapt(bundle, find_examples(examples, shots=1), words=0).check is None
        assert adapt(bundle, find_examples(examples, shots=1)).check is not None  # by the words, with the others' help


class TestWritten:
    def test_the_background_is_adapted_too(self, examples: Path, tmp_path: Path) -> None:
        """A threshold asks how well sounds fit the vectors of classes that they are not of: vectors made alike."""
        source = Bundle.load(tiny_bundle(tmp_path / "judged", text=True, bert=True, background=tiny_background()))
        made = adapt(source, find_examples(examples, shots=3))
        before, after = (
            Bundle.load(folder).background
            for folder in (source.folder, write_adapted(source, made, tmp_path / "adapted"))
        )
        assert before is not None
        assert after is not None
        np.testing.assert_allclose(after.sounds, before.sounds, atol=1e-6)
        heard = [unit(before.sounds[before.class_of == row].mean(axis=0)) for row in range(len(before.classes))]
        expected = unit(3 * np.array(heard) + WORDS_COUNT * before.classes)
        np.testing.assert_allclose(after.classes, expected, atol=0.01)  # a byte for each number
        np.testing.assert_array_equal(after.class_of, before.class_of)

    def test_again_and_in_place(self, bundle: Bundle, examples: Path, tmp_path: Path) -> None:
        made = adapt(bundle, find_examples(examples))
        out = write_adapted(bundle, made, tmp_path / "adapted")
        with pytest.raises(TinyclapError, match="exists already"):
            write_adapted(bundle, made, out)
        write_adapted(Bundle.load(out), adapt(Bundle.load(out), find_examples(examples, shots=1)), out, overwrite=True)
        assert (out / "README.md").read_text().count(HEADING) == 1
        assert read_manifest(out).name == bundle.manifest.name
        (tmp_path / "other").mkdir()
        with pytest.raises(TinyclapError, match="is no bundle, so it is left alone"):
            write_adapted(bundle, made, tmp_path / "other", overwrite=True)
