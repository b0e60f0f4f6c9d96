"""The CLAP score against sums written out, with what torch makes of the sounds and numpy of the words."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.sounds import RATE, noise, write
from tests.support.tiny_bundles import tiny_bundle, tiny_embed, tiny_text
from tinyclap.audio.checks import AudioError
from tinyclap.embeddings.distances import frechet_distance, kernel_distance
from tinyclap.errors import GateError, TinyclapError
from tinyclap.matching.clap_score import drawn_together, mean_score, read_calibration, refuse_incomplete, score
from tinyclap.matching.encoder import Encoder, bundle_encoder
from tinyclap.matching.prompts import Prompt
from tinyclap.matching.result import Result
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.embed_sound import EmbeddedSound
from tinyclap.runtime.sounds import Sound

TEXTS = ("dog", "rain", "the sound of siren", "cow", "clock tick", "dog")
PROMPTS = [Prompt(f"{number}.wav", text) for number, text in enumerate(TEXTS)]


@pytest.fixture
def expected(clips: dict[str, np.ndarray]) -> np.ndarray:
    """All cosines (clips, prompts)."""
    return tiny_embed(list(clips.values())) @ tiny_text(TEXTS).T


def cosines_of(result: Result) -> np.ndarray:
    return np.array([pair.cosine for pair in result.pairs], float)


def test_score_and_what_it_is_worth(encoder: Encoder, generated: list[Path], expected: np.ndarray) -> None:
    result = score(encoder, generated, PROMPTS)
    own = np.diagonal(expected)
    np.testing.assert_allclose(cosines_of(result), own, atol=1e-5)
    assert result.score is not None
    assert result.score.score == pytest.approx(own.mean(), abs=1e-5)
    others = [expected[i, j] for i in range(6) for j in range(5) if TEXTS[i] != TEXTS[j]]  # the sixth is "dog" again
    assert result.score.mismatched == pytest.approx(np.mean(others), abs=1e-5)
    assert (result.n_clips, result.n_prompts, result.bad, result.missing, result.unmatched) == (6, 5, {}, [], [])
    json.dumps(result.as_object())


def test_the_interval_draws_prompts_and_clips_together(
    encoder: Encoder, generated: list[Path], expected: np.ndarray
) -> None:
    own, rng = np.diagonal(expected), np.random.default_rng(0)
    groups = [own[[0, 5]], own[[1]], own[[2]], own[[3]], own[[4]]]  # the first and the last are both of "dog"
    means = [np.concatenate([groups[g] for g in draw]).mean() for draw in rng.integers(5, size=(2000, 5))]
    result = score(encoder, generated, PROMPTS)
    assert result.score is not None
    np.testing.assert_allclose(np.array(result.score.ci95), np.quantile(means, [0.025, 0.975]), atol=1e-5)


def test_pairs_that_share_something_are_drawn_together() -> None:
    pairs = [("a", "x"), ("b", "y"), ("c", "x"), ("c", "z"), ("d", "w"), ("e", "z"), ("b", "v")]
    assert drawn_together(pairs).tolist() == [0, 1, 0, 0, 2, 0, 1]
    assert mean_score(np.array([0.2, 0.4]), np.array([0, 0]), None).ci95 is None


def test_several_prompts_of_a_clip_each_count(encoder: Encoder, generated: list[Path], expected: np.ndarray) -> None:
    result = score(encoder, generated, [*PROMPTS[:2], Prompt("0", "rain")])
    assert result.score is not None
    assert result.score.score == pytest.approx((expected[0, 0] + expected[1, 1] + expected[0, 1]) / 3, abs=1e-5)
    assert result.score.ci95 is None  # all of one group
    assert result.n_clips == 2
    assert result.unmatched == [str(path) for path in generated[2:]]


def test_clipped_at_zero(encoder: Encoder, generated: list[Path], expected: np.ndarray) -> None:
    own = np.diagonal(expected)
    assert own.min() < 0 < own.max()
    result = score(encoder, generated, PROMPTS, clip=True)
    assert result.score is not None
    assert result.score.score == pytest.approx(np.maximum(own, 0).mean(), abs=1e-5)
    assert result.settings == {"peak_dbfs": None, "clip": True}


def test_a_common_peak(encoder: Encoder, generated: list[Path], clips: dict[str, np.ndarray]) -> None:
    loud = [samples / np.abs(samples).max() * 10 ** (-1 / 20) for samples in clips.values()]
    expected = np.diagonal(tiny_embed([samples.astype(np.float32) for samples in loud]) @ tiny_text(TEXTS).T)
    result = score(encoder, generated, PROMPTS, peak_dbfs=-1)
    np.testing.assert_allclose(cosines_of(result), expected, atol=1e-4)
    levels = [pair.level_dbfs or 0.0 for pair in result.pairs]
    assert np.ptp(levels) < 6 < np.ptp([pair.level_dbfs or 0.0 for pair in score(encoder, generated, PROMPTS).pairs])
    with pytest.raises(TinyclapError, match=r"peak is 3 dBFS"):
        score(encoder, generated, PROMPTS, peak_dbfs=3)


def test_what_cannot_count_is_named(encoder: Encoder, generated: list[Path]) -> None:
    generated[1].write_bytes(b"no sound")
    write(generated[2], np.zeros(RATE, np.float32))
    result = score(encoder, generated, [*PROMPTS, Prompt("9.wav", "cow")])
    assert result.pairs[1].cosine is None
    assert "cannot be decoded" in (result.pairs[1].reason or "")
    assert (result.n_clips, result.n_silent, result.missing) == (5, 1, ["9.wav"])
    assert list(result.bad) == [str(generated[1])]
    with pytest.raises(GateError) as caught:
        refuse_incomplete(result)
    assert "1 clips with a prompt are not there: 9.wav; 1 files cannot be used" in str(caught.value)
    refuse_incomplete(replace(result, missing=(), bad={}))


def test_files_at_the_same_time_change_nothing(encoder: Encoder, generated: list[Path]) -> None:
    assert score(encoder, generated, PROMPTS, workers=3) == score(encoder, generated, PROMPTS)


class TestCalibration:
    @pytest.fixture
    def teacher(self, tmp_path: Path) -> Encoder:
        """Another model with the same words."""
        return bundle_encoder(Bundle.load(tiny_bundle(tmp_path / "other", input_kind="waveform", text=True, bert=True)))

    def test_by_a_teacher(self, encoder: Encoder, teacher: Encoder, generated: list[Path], tmp_path: Path) -> None:
        alone = score(teacher, generated, PROMPTS)
        result = score(encoder, generated, PROMPTS, teacher=teacher)
        assert result.teacher_score == alone.score
        assert [pair.teacher for pair in result.pairs] == [pair.cosine for pair in alone.pairs]
        own, theirs = cosines_of(result), cosines_of(alone)
        slope, intercept = np.polyfit(own, theirs, 1)
        calibrated = np.array([pair.calibrated for pair in result.pairs], float)
        np.testing.assert_allclose(calibrated, slope * own + intercept, atol=1e-9)
        assert result.calibrated is not None
        assert alone.score is not None
        assert result.calibrated.score == pytest.approx(alone.score.score)  # as a line of least squares has it
        stored = tmp_path / "calibrated.json"
        stored.write_text(json.dumps(result.as_object()))
        later = score(encoder, generated[:4], PROMPTS[:4], calibration=read_calibration(stored, encoder))
        assert [pair.calibrated for pair in later.pairs] == [pair.calibrated for pair in result.pairs[:4]]
        with pytest.raises(TinyclapError, match="whose scores are others than those of"):
            read_calibration(stored, teacher)
        with pytest.raises(
            TinyclapError, match=r"made without --peak and --clip, and the scores here with --peak -1\.0;"
        ):
            read_calibration(stored, encoder, peak_dbfs=-1.0)
        with pytest.raises(TinyclapError, match="and the scores here with --clip; give the same options"):
            read_calibration(stored, encoder, clip=True)
        stored.write_text(json.dumps({**result.as_object(), "settings": {"peak_dbfs": "loud", "clip": False}}))
        with pytest.raises(TinyclapError, match="made with --peak loud, and the scores here without"):
            read_calibration(stored, encoder)

    def test_of_clips_that_both_can_use(self, encoder: Encoder, teacher: Encoder, generated: list[Path]) -> None:
        def deaf(sound: Sound) -> EmbeddedSound:
            if sound == generated[2]:
                raise AudioError(str(sound), "not for me")
            return teacher.embed_sound(sound)

        result = score(encoder, generated, PROMPTS, teacher=replace(teacher, embed_sound=deaf))
        assert result.calibration is not None
        assert result.calibration.n_clips == 5
        assert (result.pairs[2].teacher, result.n_clips) == (None, 6)
        with pytest.raises(TinyclapError, match="4 clips are too few to calibrate"):
            score(encoder, generated, PROMPTS[:4], teacher=teacher)

    @pytest.mark.parametrize(
        "change",
        [
            *({"slope": "a"}, {"slope": True}, {"intercept": None}, {"error": float("inf")}, {"n_clips": 6.5}),
            *({"n_clips": 0}, {"pearson_ci95": [0.8]}, {"pearson_ci95": "ab"}, {"pearson_ci95": [0, "b"]}, {"more": 1}),
        ],
    )
    def test_values_of_another_kind(self, encoder: Encoder, tmp_path: Path, change: dict[str, object]) -> None:
        line = {"slope": 0.5, "intercept": 0.1, "pearson": 0.9, "pearson_ci95": [0.8, 0.95], "spearman": 0.9}
        line |= {"error": 0.02, "n_clips": 6}
        stored = {"by": encoder.described(), "settings": {"peak_dbfs": None, "clip": False}, "calibration": line}
        path = tmp_path / "some.json"
        path.write_text(json.dumps(stored))
        assert read_calibration(path, encoder).slope == 0.5
        path.write_text(json.dumps({**stored, "calibration": {**line, **change}}))
        with pytest.raises(TinyclapError, match=r"some\.json holds no calibration"):
            read_calibration(path, encoder)

    @pytest.mark.parametrize("content", ["{}", '{"calibration": null, "by": {}}', '{"calibration": {"slope": 1}}'])
    def test_a_file_without_one(self, encoder: Encoder, tmp_path: Path, content: str) -> None:
        path = tmp_path / "some.json"
        path.write_text(content)
        with pytest.raises(TinyclapError, match="holds no calibration"):
            read_calibration(path, encoder)
        with pytest.raises(TinyclapError, match="there is no file"):
            read_calibration(tmp_path / "none.json", encoder)


class TestDistance:
    def test_to_a_reference(
        self, encoder: Encoder, generated: list[Path], clips: dict[str, np.ndarray], tmp_path: Path
    ) -> None:
        (tmp_path / "real").mkdir()
        others = [noise(1.0, seed=50 + number) * 0.5 for number in range(7)]
        paths = [write(tmp_path / "real" / f"{row}.wav", each, subtype="FLOAT") for row, each in enumerate(others)]
        result = score(encoder, generated, reference=paths)
        theirs, ours = tiny_embed(others), tiny_embed(list(clips.values()))
        assert result.score is None
        assert result.distance is not None
        assert result.distance.frechet == pytest.approx(frechet_distance(theirs, ours), rel=1e-3)
        assert result.distance.kad == pytest.approx(kernel_distance(theirs, ours), rel=1e-3)
        assert (result.distance.n_reference, result.distance.n_generated, result.distance.few) == (7, 6, True)

    def test_all_clips_are_compared_and_those_with_a_prompt_scored(
        self, encoder: Encoder, generated: list[Path]
    ) -> None:
        result = score(encoder, generated, PROMPTS[:2], reference=generated)
        assert result.distance is not None
        assert (result.n_clips, result.distance.n_generated) == (2, 6)
        assert result.distance.frechet == pytest.approx(0, abs=1e-9)


def test_nothing_to_do(encoder: Encoder, generated: list[Path]) -> None:
    with pytest.raises(TinyclapError, match="give --prompts, --reference or both"):
        score(encoder, generated)
    with pytest.raises(TinyclapError, match=r"no prompt names any of the 6 files; the first is of a\.wav"):
        score(encoder, generated, [Prompt("a.wav", "dog")])
    for path in generated:
        path.write_bytes(b"")
    with pytest.raises(TinyclapError, match="no clip with a prompt can be used"):
        score(encoder, generated, PROMPTS)


def test_a_bundle_without_words(generated: list[Path], tmp_path: Path) -> None:
    bare = bundle_encoder(Bundle.load(tiny_bundle(tmp_path / "bare")))
    with pytest.raises(TinyclapError, match="has no text side"):
        score(bare, generated, PROMPTS)
    assert score(bare, generated, reference=generated).distance is not None
