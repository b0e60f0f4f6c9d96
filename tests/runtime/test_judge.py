"""Answers by hand: scores counted over a background, thresholds, silence, labels on their own."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.support.sounds import RATE, noise
from tests.support.tiny_bundles import tiny_background, tiny_bundle
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.runtime.background import NO_CLASS, Background, read_background, write_background
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import write_manifest
from tinyclap.runtime.judge import Answer, Judge
from tinyclap.runtime.labels import LabelTable

ANGLES = np.radians([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
SOUNDS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)  # the median of their cosines to (1, 0) is cos 50 degrees
CLASS_OF = np.array([0, 0, 0, 0, 0, NO_CLASS, 1, 1, 1, 1, 1])
BACKGROUND = Background(SOUNDS, np.eye(2), CLASS_OF)
TABLE = LabelTable(("right", "up"), np.eye(2, dtype=np.float32))
RIGHT = LabelTable(("right",), np.array([[1, 0]], np.float32))


def direction(degrees: float) -> np.ndarray:
    return np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])


class TestBackground:
    def test_shares_are_counted_over_pairs_of_a_sound_and_another_class(self) -> None:
        usual = [math.cos(math.radians(50)), math.sin(math.radians(50))]
        np.testing.assert_allclose(BACKGROUND.usual(np.eye(2)), usual)
        wrong = [math.sin(angle) - usual[1] for angle in ANGLES[:5]] + [
            math.cos(angle) - usual[0] for angle in ANGLES[6:]
        ]
        for excess in (-2.0, -0.3, 0.0, 2.0):
            assert BACKGROUND.share_below(np.array([excess])) == [sum(value < excess for value in wrong) / 11]
        assert BACKGROUND.largest_share == 10 / 11

    @pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.85, 10 / 11])
    def test_the_excess_at_a_share_is_where_it_is_reached(self, share: float) -> None:
        excess = BACKGROUND.excess_at(share)
        assert BACKGROUND.share_below(np.array([excess + 1e-9])) >= share
        assert BACKGROUND.share_below(np.array([excess])) < share

    def test_stored_it_is_nearly_the_same(self, tmp_path: Path) -> None:
        made = tiny_background()
        write_background(tmp_path, made)
        read = read_background(tmp_path, 16)
        np.testing.assert_allclose(read.sounds, made.sounds, atol=0.01)
        np.testing.assert_allclose(read.classes, made.classes, atol=0.01)
        np.testing.assert_array_equal(read.class_of, made.class_of)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"schema_version": 2}, "schema_version is 2, this tinyclap reads 1"),
            ({"sounds": np.zeros((40, 15), np.int8)}, r"got int8 \(40, 15\)"),
            ({"class_of": np.full(40, 4)}, "do not fit each other"),
            ({"class_of": np.zeros(39, int)}, "do not fit each other"),
            ({"class_of": np.full(40, NO_CLASS)}, "do not fit each other"),
            ({"classes": np.zeros((1, 16), np.int8), "class_of": np.zeros(40, int)}, "do not fit each other"),
            ({"classes": None}, "classes"),
        ],
    )
    def test_damaged_ones_are_refused(self, tmp_path: Path, changed: dict[str, object], message: str) -> None:
        write_background(tmp_path, tiny_background())
        arrays = dict(np.load(tmp_path / "background.npz")) | changed
        kept = {name: value for name, value in arrays.items() if value is not None}
        np.savez(tmp_path / "background.npz", **kept)
        with pytest.raises(
            TinyclapError, match=rf"background\.npz cannot be used \(.*{message}.*export the bundle again"
        ):
            read_background(tmp_path, 16)
        (tmp_path / "background.npz").write_bytes(b"PK no archive")
        with pytest.raises(
            TinyclapError, match=r"background\.npz cannot be used \(is damaged \(File is not a zip file\)\)"
        ):
            read_background(tmp_path, 16)


class TestJudge:
    def test_probabilities_of_large_scales(self) -> None:
        table = LabelTable(("a", "b", "c"), np.array([[1, 0], [0, 1], [0, 1]], np.float32))
        answer = Judge(table, 1e6, top_k=2)(np.array([0.0, 1.0]), -20.0)
        assert list(answer) == [("b", 1.0, 0.5), ("c", 1.0, 0.5)]
        assert (answer.outcome, answer.level_dbfs, answer.scores, answer.threshold) == ("label", -20.0, None, None)

    def test_without_a_threshold_several_labels_are_as_they_were(self) -> None:
        with_background = Judge(TABLE, 14.0, BACKGROUND)(direction(50), -20.0)
        assert list(with_background) == list(Judge(TABLE, 14.0)(direction(50), -20.0))
        assert with_background.outcome == "label"

    def test_a_score_is_the_share_of_sounds_to_which_no_label_fits_as_well(self) -> None:
        answer = Judge(TABLE, 14.0, BACKGROUND)(direction(5), -20.0)
        assert answer.scores is not None
        (right, up), excess = answer.scores, math.cos(math.radians(5)) - math.cos(math.radians(50))
        assert right == BACKGROUND.share_below(np.array([excess]))[0] ** 2
        assert up == (2 / 11) ** 2, "sounds at 0 and at 100 degrees fit other classes even less"
        alone = Judge(RIGHT, 14.0, BACKGROUND, threshold=0.5)(direction(5), -20.0)
        assert alone.scores == (10 / 11,)

    @pytest.mark.parametrize(("degrees", "outcome"), [(5, "label"), (200, "unknown"), (85, "label")])
    def test_below_the_threshold_it_is_unknown(self, degrees: float, outcome: str) -> None:
        answer = Judge(TABLE, 14.0, BACKGROUND, threshold=0.8)(direction(degrees), -20.0)
        assert (answer.outcome, answer.threshold, len(answer)) == (outcome, 0.8, 2)

    def test_with_a_threshold_the_best_label_is_that_of_the_highest_score(self) -> None:
        rng = np.random.default_rng(0)
        common = np.eye(8)[0]
        sounds, classes = (unit(common + 0.7 * rng.standard_normal((count, 8))) for count in (200, 10))
        background = Background(sounds, classes, np.arange(200) % 10)
        table = LabelTable(("hub", "other"), np.eye(8, dtype=np.float32)[:2])
        sound = unit(0.8 * common + 0.75 * np.eye(8)[1])
        plain = Judge(table, 14.0, background)(sound, -20.0)
        judged = Judge(table, 14.0, background, threshold=0.8)(sound, -20.0)
        assert (plain[0].label, judged[0].label, judged.outcome) == ("hub", "other", "label")
        assert plain.scores is not None
        assert judged.scores == tuple(sorted(plain.scores, reverse=True))
        assert plain.scores[0] < 0.8 < plain.scores[1]
        assert sorted(plain) == sorted(judged)

    @pytest.mark.parametrize("threshold", [0.3, 0.8, 10 / 11])
    def test_a_label_alone_has_half_at_the_threshold(self, threshold: float) -> None:
        judge = Judge(RIGHT, 14.0, BACKGROUND, threshold=threshold)
        for degrees in range(0, 181, 3):
            answer = judge(direction(degrees), -20.0)
            assert (answer[0].probability > 0.5) == (answer.outcome == "label")
        sure, unlike = judge(direction(0), -20.0), judge(direction(100), -20.0)
        assert unlike[0].probability < 0.05 < sure[0].probability

    def test_a_label_alone_is_judged_without_being_asked(self) -> None:
        many = Background(np.repeat(SOUNDS, 4, axis=0), np.eye(2), np.repeat(CLASS_OF, 4))
        answer = Judge(RIGHT, 14.0, many)(direction(100), -20.0)
        assert (answer.outcome, answer.threshold) == ("unknown", 0.95)

    def test_a_label_alone_without_a_background_is_set_against_none(self) -> None:
        answer = Judge(RIGHT, 14.0)(np.array([-0.16, 1.0]), -20.0)
        assert answer[0].probability == pytest.approx(1 / (1 + math.exp(14 * 0.16)))

    def test_labels_on_their_own(self) -> None:
        both = Judge(TABLE, 14.0, BACKGROUND, threshold=0.3, multi_label=True)
        answer = both(direction(45), -20.0)
        assert [entry.label for entry in answer] == ["right", "up"]
        for row, entry in enumerate(answer):
            table = LabelTable((entry.label,), np.eye(2, dtype=np.float32)[[row]])
            assert [entry] == Judge(table, 14.0, BACKGROUND, threshold=0.3)(direction(45), -20.0)
        assert [entry.label for entry in both(direction(0), -20.0)] == ["right"]
        nothing = both(direction(200), -20.0)
        assert (list(nothing), nothing.outcome, nothing.scores) == ([], "unknown", ())

    def test_numbers_of_numpy(self) -> None:
        settings = {"threshold": np.float64(0.8), "silence_dbfs": np.float32(-60), "top_k": np.int64(1)}
        answer = Judge(TABLE, 14.0, BACKGROUND, **settings)(direction(5), -20.0)  # type: ignore[arg-type]
        assert (answer.outcome, len(answer)) == ("label", 1)

    def test_silence_is_none_of_the_labels(self) -> None:
        judge = Judge(TABLE, 14.0, BACKGROUND, silence_dbfs=-60.0)
        assert judge(direction(5), -60.0).outcome == "label"
        answer = judge(direction(5), -60.1)
        assert (list(answer), answer.outcome, answer.level_dbfs) == ([], "silence", -60.1)
        assert Judge(TABLE, 14.0, silence_dbfs=-math.inf)(direction(5), -180.0).outcome == "label"

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"threshold": 0.0}, "threshold is 0.0: it must lie between 0 and 1"),
            ({"threshold": 1}, "threshold is 1: it must lie between 0 and 1"),
            ({"threshold": math.nan}, "threshold is nan"),
            ({"threshold": 0.9}, "threshold is 0.9: with 2 labels, .* can tell up to 0.8264"),
            ({"silence_dbfs": 3.0}, "silence_dbfs is 3.0: it must be 0 or less"),
            ({"silence_dbfs": math.nan}, "silence_dbfs is nan"),
            ({"top_k": 0}, "top_k is 0"),
        ],
    )
    def test_settings_out_of_range(self, settings: dict[str, float], message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            Judge(TABLE, 14.0, BACKGROUND, **settings)  # type: ignore[arg-type]

    @pytest.mark.parametrize("settings", [{"threshold": 0.9}, {"multi_label": True}])
    def test_a_bundle_without_background_sounds_says_so(self, settings: dict[str, float]) -> None:
        with pytest.raises(TinyclapError, match=r"made without the background sounds .*; export it again"):
            Judge(TABLE, 14.0, **settings)  # type: ignore[arg-type]


class TestBundle:
    @pytest.fixture(scope="class")
    @classmethod
    def judged(cls, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
        made = tiny_bundle(tmp_path_factory.mktemp("judged") / "bundle", text=True, background=tiny_background())
        return Bundle.load(made)

    def test_classify_judges_what_it_embeds(self, judged: Bundle) -> None:
        sounds = [noise(1.0, seed) for seed in range(3)]
        found = judged.classify(sounds, ["cow"], threshold=0.6, sample_rate=RATE)
        judge = Judge(judged.label_table(["cow"]), 14.0, judged.background, threshold=0.6)
        for sound, answer in zip(sounds, found, strict=True):
            expected = judge(judged.embed(sound, sample_rate=RATE)[0], -20.0)
            assert (list(answer), answer.scores, answer.outcome) == (list(expected), expected.scores, expected.outcome)

    def test_silence_has_a_level(self, judged: Bundle) -> None:
        quiet = (1e-4 * np.sin(np.arange(5 * RATE) * 0.3)).astype(np.float32)
        loud = quiet.copy()
        loud[3 * RATE : 4 * RATE] *= 1000  # one of five windows
        levels = [answer.level_dbfs for answer in judged.classify([quiet, loud], sample_rate=RATE)]
        assert levels == pytest.approx([-83.01, -23.01], abs=0.01)
        outcomes = [answer.outcome for answer in judged.classify([quiet, loud], sample_rate=RATE)]
        assert outcomes == ["silence", "label"]
        assert judged.classify(quiet, sample_rate=RATE, silence_dbfs=-90.0)[0].outcome == "label"
        assert judged.classify(np.zeros(RATE, np.float32), sample_rate=RATE)[0].level_dbfs == -180.0

    def test_an_answer_can_be_sent_to_another_process(self, judged: Bundle) -> None:
        answer = judged.classify(noise(1.0), ["cow", "dog"], threshold=0.5, sample_rate=RATE)[0]
        copy = pickle.loads(pickle.dumps(answer))
        assert isinstance(copy, Answer)
        assert (copy, vars(copy)) == (answer, vars(answer))

    def test_a_background_of_fewer_dimensions(self, judged: Bundle, tmp_path: Path) -> None:
        made = tiny_bundle(tmp_path / "bundle", background=tiny_background())
        nested = {"method": "rotation", "full_dim": 32, "nested": True, "fingerprint": "0", "measured": []}
        loaded = Bundle.load(made)
        loaded.manifest = type(loaded.manifest)(**{**vars(loaded.manifest), "latent_map": nested})
        write_manifest(made, loaded.manifest)
        cut = Bundle.load(made, dim=5).background
        assert cut is not None
        assert loaded.background is not None
        kept = loaded.background.sounds[:, :5]
        np.testing.assert_allclose(cut.sounds, kept / np.linalg.norm(kept, axis=1, keepdims=True), atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(cut.classes, axis=1), 1.0, atol=1e-6)

    def test_without_one_a_threshold_needs_a_new_export(self, folders: dict[str, Path]) -> None:
        with pytest.raises(TinyclapError, match=r"threshold is given, but .*export it again"):
            Bundle.load(folders["logmel"]).classify(noise(1.0), threshold=0.9, sample_rate=RATE)
