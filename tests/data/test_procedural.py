"""Generated sounds: the same everywhere, different from each other, and told truly by their captions."""

import hashlib
import inspect
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import soxr

from tinyclap.audio import checks, files
from tinyclap.data.procedural.classes import SOUNDS
from tinyclap.data.procedural.dataset import PROCEDURAL_LABELS, Procedural
from tinyclap.data.procedural.synthesis import INTERNAL_RATE, Rng, Span, Wave, sine, sound
from tinyclap.errors import TinyclapError

N_LABELS = len(PROCEDURAL_LABELS)
EACH_CLASS = range(N_LABELS)

# What every caption of a class speaks of, where it is not always a word of the label.
SPEAKS_OF = {
    "birdsong": "bird",
    "crickets": "cricket",
    "crying_baby": "baby|infant",
    "engine": "engine|motor",
    "fireworks": "firework",
    "footsteps": "steps",
    "hammering": "hammer",
    "heartbeat": "heart",
    "laughing": "laugh",
    "snoring": "snor",
    "whistling": "whistl",
}


@pytest.fixture(scope="module")
def one_of_each() -> list[Wave]:
    clips = Procedural(N_LABELS, seed=5)
    return [clips.load(index, 16_000) for index in EACH_CLASS]


@pytest.fixture(scope="module")
def clips() -> Procedural:
    """Many clips, to read their captions."""
    return Procedural(40 * N_LABELS, seed=9)


class TestEveryClass:
    def test_there_are_many_with_everyday_names(self) -> None:
        assert N_LABELS >= 26
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in PROCEDURAL_LABELS)
        assert list(PROCEDURAL_LABELS) == sorted(PROCEDURAL_LABELS)

    @pytest.mark.parametrize("label", PROCEDURAL_LABELS)
    def test_spans_are_the_parameters_of_the_function_and_the_words_of_the_captions(self, label: str) -> None:
        source = SOUNDS[label]
        assert list(inspect.signature(source.play).parameters)[:2] == ["rng", "t"]
        assert set(list(inspect.signature(source.play).parameters)[2:]) == set(source.spans)
        named = set(re.findall(r"{(\w+)}", " ".join(source.captions)))
        assert named == {name for name, span in source.spans.items() if any(span.words)}
        assert len(set(source.captions)) >= 4
        assert source.play.__name__ == label
        assert source.play.__doc__

    def test_is_audible_finite_in_range_and_as_long_as_asked(self, one_of_each: list[Wave]) -> None:
        for label, waveform in zip(PROCEDURAL_LABELS, one_of_each, strict=True):
            assert waveform.shape == (80_000,), label
            assert waveform.dtype == np.float32, label
            assert checks.fault(waveform, 16_000) is None, label
            assert 0.01 < np.abs(waveform).max() <= 0.99, label

    @pytest.mark.parametrize(("duration_s", "sample_rate"), [(0.1, 16_000), (0.7, 22_050), (1.0001, 44_100)])
    def test_short_and_odd_lengths_and_rates(self, duration_s: float, sample_rate: int) -> None:
        clips = Procedural(2 * N_LABELS, seed=1, duration_s=duration_s)
        for index, clip in enumerate(clips.clips):
            waveform = clips.load(index, sample_rate)
            assert len(waveform) == round(duration_s * sample_rate), clip.name
            assert checks.fault(waveform, sample_rate) is None, clip.name
            assert np.abs(waveform).max() <= 0.99, clip.name

    def test_is_the_same_sound_at_every_rate(self, one_of_each: list[Wave]) -> None:
        clips = Procedural(N_LABELS, seed=5)
        for index, narrow in enumerate(one_of_each):
            wide = clips.load(index, 48_000)
            assert len(wide) == 240_000
            spectra = np.fft.rfft([narrow, soxr.resample(wide, 48_000, 16_000)])
            spectra = spectra[:, np.fft.rfftfreq(80_000, 1 / 16_000) < 7_000]
            correlation = np.real(np.vdot(*spectra)) / np.prod(np.linalg.norm(spectra, axis=1))
            assert correlation > 0.99, PROCEDURAL_LABELS[index]

    def test_other_clips_and_other_seeds_sound_different(self, one_of_each: list[Wave]) -> None:
        clips = Procedural(2 * N_LABELS, seed=5)
        reseeded = Procedural(N_LABELS, seed=6)
        for index, waveform in enumerate(one_of_each):
            for other in (clips.load(index + N_LABELS, 16_000), reseeded.load(index, 16_000)):
                assert abs(np.corrcoef(waveform, other)[0, 1]) < 0.9, PROCEDURAL_LABELS[index]


class TestSameEverywhere:
    SCRIPT = """
import hashlib
from tinyclap.data.procedural.dataset import Procedural
clips = Procedural(84, seed=3, duration_s=1.5)
total = hashlib.sha256(repr(clips.clips).encode())
for index in reversed(range(84)):
    total.update(clips.load(index, 16_000).tobytes())
print(total.hexdigest(), clips.fingerprint)
"""

    def test_in_another_process(self) -> None:
        clips = Procedural(84, seed=3, duration_s=1.5)
        total = hashlib.sha256(repr(clips.clips).encode())
        for index in reversed(range(84)):
            total.update(clips.load(index, 16_000).tobytes())
        environment = {**os.environ, "PYTHONHASHSEED": "7"}
        told = subprocess.run(
            [sys.executable, "-c", self.SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        assert told.stdout.split() == [total.hexdigest(), clips.fingerprint]

    def test_however_many_there_are_and_in_any_order(self) -> None:
        few, many = Procedural(3, seed=2), Procedural(100, seed=2)
        later = many.load(2, 16_000)
        assert few.clips == many.clips[:3]
        assert np.array_equal(few.load(2, 16_000), later)

    def test_the_global_random_state_is_neither_read_nor_moved(self) -> None:
        np.random.seed(0)
        before = np.random.get_state()[1].copy()  # type: ignore[index]
        waveform = Procedural(1).load(0, 16_000)
        assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]
        np.random.seed(1)
        assert np.array_equal(waveform, Procedural(1).load(0, 16_000))

    def test_a_piece_is_cut_from_the_whole(self) -> None:
        clips = Procedural(1, duration_s=2)
        whole = clips.load(0, 8_000)
        assert np.array_equal(clips.load(0, 8_000, start_s=0.5, duration_s=0.25), whole[4_000:6_000])
        assert np.array_equal(clips.load(0, 8_000, start_s=1.9, duration_s=9), whole[15_200:])


class TestDataset:
    def test_labels_go_round_and_folds_hold_every_class_equally(self) -> None:
        clips = Procedural(30, labels=["siren", "rain", "dog_bark"])
        assert [clip.label for clip in clips.clips[:4]] == ["siren", "rain", "dog_bark", "siren"]
        assert clips.labels == ["dog_bark", "rain", "siren"]
        counts = {(clip.label, clip.fold) for clip in clips.clips}
        assert counts == {(label, fold) for label in clips.labels for fold in range(1, 6)}
        assert len({clip.name for clip in clips.clips}) == 30

    def test_info(self) -> None:
        assert Procedural(1, duration_s=1.25).info(0) == files.AudioInfo(1.25, INTERNAL_RATE, 1)

    def test_a_selected_clip_keeps_its_sound(self) -> None:
        clips = Procedural(20, seed=4, labels=["siren", "rain"], duration_s=1)
        chosen = clips.select(folds=[2, 4], exclude_labels=["siren"])
        assert [clip.name for clip in chosen.clips] == [clips.clips[i].name for i in (3, 7, 13, 17)]
        assert np.array_equal(chosen.load(2, 16_000), clips.load(13, 16_000))
        assert chosen.fingerprint != clips.fingerprint

    def test_the_fingerprint_knows_all_that_changes_the_sound(self) -> None:
        def fingerprint(n: int = 4, **settings: object) -> str:
            return Procedural(n, **settings).fingerprint  # type: ignore[arg-type]

        assert fingerprint() == fingerprint(seed=0, duration_s=5, labels=PROCEDURAL_LABELS)
        others = [fingerprint(5), fingerprint(seed=1), fingerprint(duration_s=4), fingerprint(labels=["rain"])]
        assert len({fingerprint(), *others}) == 5

    @pytest.mark.parametrize(
        ("settings", "names"),
        [
            ({"n_clips": 0}, "n_clips is 0; allowed: 1 or more"),
            ({"n_clips": 1, "seed": -1}, "seed is -1; allowed: 0 or more"),
            ({"n_clips": 1, "duration_s": 0}, "duration_s is 0; allowed: 0.1 to 600 seconds"),
            ({"n_clips": 1, "duration_s": -2.0}, "duration_s is -2.0; allowed"),
            ({"n_clips": 1, "duration_s": float("nan")}, "duration_s is nan; allowed"),
            ({"n_clips": 1, "labels": ["rain", "rian"]}, "rian; allowed: alarm_clock, birdsong"),
            ({"n_clips": 1, "labels": []}, "empty list of labels; allowed: alarm_clock"),
            ({"n_clips": 1, "labels": ["rain", "rain"]}, "given twice: rain"),
        ],
    )
    def test_arguments_that_make_no_data_set(self, settings: dict, names: str) -> None:
        with pytest.raises(TinyclapError, match=re.escape(names)):
            Procedural(**settings)

    @pytest.mark.parametrize(
        ("arguments", "names"),
        [
            ((0,), "sample_rate is 0; allowed: a whole number"),
            ((-16_000,), "sample_rate is -16000"),
            ((16_000, -1.0), "start_s is -1.0; allowed: 0 or more"),
            ((16_000, 0.0, 0.0), "duration_s is 0.0; allowed: above 0"),
            ((16_000, 7.0), "lasts 5 s, nothing at 7 s"),
        ],
    )
    def test_pieces_that_cannot_be_had(self, arguments: tuple, names: str) -> None:
        with pytest.raises(TinyclapError, match=re.escape(names)):
            Procedural(1).load(0, *arguments)

    def test_a_new_class_is_one_function(self, monkeypatch: pytest.MonkeyPatch) -> None:
        @sound("a {pitch_hz} ping", pitch_hz=Span(500, 2000, ("low", "high")))
        def ping(rng: Rng, t: Wave, pitch_hz: float) -> Wave:
            return sine(t, pitch_hz)

        monkeypatch.setitem(SOUNDS, "ping", ping)
        clips = Procedural(8, labels=["ping"], duration_s=1)
        assert {clip.captions for clip in clips.clips} == {("a low ping",), ("a high ping",)}
        for index, clip in enumerate(clips.clips):
            spectrum = np.abs(np.fft.rfft(clips.load(index, 16_000)))
            assert (np.argmax(spectrum) < 1_000) == (clip.captions == ("a low ping",))


class TestCaptions:
    def test_every_caption_speaks_of_its_class(self, clips: Procedural) -> None:
        for clip in clips.clips:
            pattern = SPEAKS_OF.get(str(clip.label), str(clip.label).replace("_", "|"))
            assert all(re.search(pattern, caption) for caption in clip.captions), clip

    def test_no_two_classes_share_a_caption(self, clips: Procedural) -> None:
        said: dict[str, set] = {}
        for clip in clips.clips:
            for caption in clip.captions:
                said.setdefault(caption, set()).add(clip.label)
        assert all(len(labels) == 1 for labels in said.values())

    def test_one_to_three_that_read_well(self, clips: Procedural) -> None:
        assert {len(clip.captions) for clip in clips.clips} == {1, 2, 3}
        for caption in {caption for clip in clips.clips for caption in clip.captions}:
            assert re.fullmatch(r"[a-z][a-z ,-]*[a-z]", caption), caption
            assert "  " not in caption
            assert " ," not in caption
            assert not re.search(r"\ba [aeio]|\ban [^aeiou]", caption), caption

    def test_each_class_has_many(self, clips: Procedural) -> None:
        for label in PROCEDURAL_LABELS:
            assert len({text for clip in clips.clips if clip.label == label for text in clip.captions}) >= 4, label

    def test_words_follow_the_value(self) -> None:
        rng = np.random.default_rng(0)
        drawn = sorted(Span(0.2, 5, ("slow", "", "fast")).draw(rng) for _ in range(300))
        assert [word for _, word in drawn] == sorted((word for _, word in drawn), key=["slow", "", "fast"].index)
        assert 0.2 <= drawn[0][0] < 0.25
        assert 4 < drawn[-1][0] <= 5
        assert 80 < sum(word == "" for _, word in drawn) < 120

    def test_words_are_true_of_the_sound(self) -> None:
        clips = Procedural(24, labels=["whistling"], duration_s=3)
        pitches: dict[str, list[float]] = {"low": [], "high": []}
        for index, clip in enumerate(clips.clips):
            word = re.search(r"a (low|high) whistled", " ".join(clip.captions))
            if word:
                power = np.abs(np.fft.rfft(clips.load(index, 16_000))) ** 2
                pitches[word[1]].append(float(np.average(np.arange(len(power)) / 3, weights=power)))
        assert min(len(found) for found in pitches.values()) >= 2
        assert np.mean(pitches["low"]) * 1.3 < np.mean(pitches["high"])
