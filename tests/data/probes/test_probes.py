"""The puzzles of the probes: the same for a seed, fair by construction, and recorded as they say."""

import re
from collections import Counter

import numpy as np
import pytest

from tinyclap.data.probes import wordings
from tinyclap.data.probes.probes import PROBES, puzzles_of
from tinyclap.data.probes.puzzles import Probe, Puzzle, Sum, scenes_of, texts_of
from tinyclap.data.probes.scenes import EVENTS, Part, Scene, render
from tinyclap.data.procedural.classes import SOUNDS
from tinyclap.data.procedural.synthesis import INTERNAL_RATE
from tinyclap.errors import TinyclapError

TURNED = ("attributes", "negation", "order")


def named(name: str, kind: str) -> Probe:
    return next(probe for probe in PROBES if (probe.name, probe.kind) == (name, kind))


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))


def sounds(scene: Scene) -> list[str]:
    return sorted(part.label for part in scene.parts)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: f"{probe.name}-{probe.kind}")
class TestEveryProbe:
    def test_a_seed_makes_the_same_and_another_seed_others(self, probe: Probe) -> None:
        assert puzzles_of(probe, 6, 3) == puzzles_of(probe, 6, 3)
        assert puzzles_of(probe, 3, 3) == [one for one in puzzles_of(probe, 6, 3) if one.group < 3]
        assert puzzles_of(probe, 6, 3) != puzzles_of(probe, 6, 4)

    def test_nothing_is_offered_twice(self, probe: Probe) -> None:
        for puzzle in puzzles_of(probe, 40, 0):
            assert len(puzzle.asked) == len(set(puzzle.asked)) == len(set(puzzle.texts)) == len(puzzle.texts)
            assert len(puzzle.targets) in (0, len(puzzle.asked))
            for text in (*puzzle.texts, *(one for one in puzzle.asked if isinstance(one, str))):
                assert text == text.strip()
                assert not re.search(r"[{}]|  | ,|\ba [aeiou]", text), text

    def test_what_is_asked_is_of_its_kind(self, probe: Probe) -> None:
        for puzzle in puzzles_of(probe, 4, 0):
            terms = [term for one in puzzle.asked for term in (one.terms if isinstance(one, Sum) else (one,))]
            assert any(isinstance(term, Scene) for term in terms) == (probe.kind == "sounds")


@pytest.mark.parametrize("name", TURNED)
@pytest.mark.parametrize("kind", ["sounds", "texts"])
def test_no_word_and_no_sound_gives_away_what_is_turned_round(name: str, kind: str) -> None:
    for puzzle in puzzles_of(named(name, kind), 60, 0):
        if name == "negation" and kind == "sounds" and puzzle.group % 2:  # a with b beside a alone
            alone, both = (sounds(one) for one in puzzle.asked if isinstance(one, Scene))
            assert set(alone) < set(both)
            continue
        assert words(puzzle.texts[0]) == words(puzzle.texts[1])
        if kind == "texts":
            first, second = puzzle.asked
            assert isinstance(first, str)
            assert isinstance(second, str)
            assert words(first) == words(second)
        elif name != "negation":
            first, second = puzzle.asked
            assert isinstance(first, Scene)
            assert isinstance(second, Scene)
            assert sounds(first) == sounds(second)


def test_pairs_make_a_grid_in_which_one_half_names_two() -> None:
    for name in ("together", "arithmetic"):
        for puzzle in puzzles_of(named(name, "sounds"), 20, 0):
            mixtures = puzzle.targets or puzzle.asked
            pairs = [sounds(scene) for scene in mixtures if isinstance(scene, Scene)]
            assert Counter(label for pair in pairs for label in pair).most_common()[-1][1] == 2
            assert len({wordings.kind_of(label) for pair in pairs for label in pair}) == 4
            for text, pair in zip(puzzle.texts, pairs, strict=True):
                assert sorted(text.split(" and ")) == sorted(wordings.NAMES[label].happening for label in pair)


def test_paraphrases_are_other_words_for_the_recordings_of_the_names() -> None:
    names, others = (puzzles_of(named(name, "sounds"), 10, 0) for name in ("names", "paraphrase"))
    assert len(others) == 3 * len(names)
    for puzzle in others:
        usual = names[puzzle.group]
        assert puzzle.asked == usual.asked
        assert not set(puzzle.texts) & set(usual.texts)
        for scene, text in zip(puzzle.asked, puzzle.texts, strict=True):
            assert isinstance(scene, Scene)
            assert text in wordings.captions_of(scene.parts[0].label)


def test_names_are_of_classes_and_paces_of_classes_that_have_one() -> None:
    assert set(wordings.NAMES) <= set(SOUNDS)
    assert len({name.happening for name in wordings.NAMES.values()}) == len(wordings.NAMES)
    for label, name in wordings.NAMES.items():
        assert len(wordings.captions_of(label)) >= 3, label
        assert not name.paced or "pace" in SOUNDS[label].spans, label


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (1, -1)])
def test_numbers_out_of_range_are_refused(n: int, seed: int) -> None:
    with pytest.raises(TinyclapError, match="allowed: "):
        puzzles_of(PROBES[0], n, seed)


class TestRecordings:
    def test_the_same_to_the_bit_and_another_key_is_another_recording(self) -> None:
        scene, other = (Scene((Part("dog_bark"), Part("rain")), (9, key)) for key in (0, 1))
        one = render(scene, 0, 2.0)
        assert one.dtype == np.float32
        assert one.shape == (2 * INTERNAL_RATE,)
        assert np.abs(one).max() <= 0.99
        assert np.array_equal(one, render(scene, 0, 2.0))
        assert not np.array_equal(one, render(other, 0, 2.0))
        assert not np.array_equal(one, render(scene, 1, 2.0))

    def test_every_scene_sounds(self) -> None:
        every = [puzzle for probe in PROBES for puzzle in puzzles_of(probe, 2, 5)]
        scenes = scenes_of(every)
        assert len(scenes) == len(set(scenes)) == 2 * 22
        assert all(isinstance(text, str) for text in texts_of(every))
        for scene in scenes:
            assert np.abs(render(scene, 0, 5.0)).max() > 0.05

    @pytest.mark.parametrize("turned", [False, True])
    def test_one_comes_first(self, turned: bool) -> None:
        """Thunder is low and a music box high: the halves differ in the share of what lies below 300 Hz."""
        order = ("music_box", "thunder") if turned else ("thunder", "music_box")
        low = []
        parts = (Part(order[0], 0.0, 0.5), Part(order[1], 0.5, 1.0))
        for half in np.split(render(Scene(parts, (7, 0)), 0, 6.0), 2):
            power = np.abs(np.fft.rfft(half)) ** 2
            low.append(power[: 300 * len(half) // INTERNAL_RATE].sum() / power.sum())
        assert (low[0] < low[1]) == turned

    @pytest.mark.parametrize("event", EVENTS)
    @pytest.mark.parametrize("count", [2, 3, 5])
    def test_as_often_as_it_is_said(self, event: str, count: int) -> None:
        """Stretches whose level is near the loudest, at least 0.12 s apart."""
        wave = render(Scene((Part(event, count=count),), (8, count)), 1, 5.0)
        frames = wave[: len(wave) // 320 * 320].reshape(-1, 320)
        level = np.sqrt((frames**2).mean(axis=1))
        level = np.convolve(level, np.ones(3) / 3, "same")
        above = np.flatnonzero(level > 0.6 * level.max())
        assert 1 + int((np.diff(above) > 12).sum()) == count

    def test_the_loud_one_is_louder(self) -> None:
        def low_share(level_db: float) -> float:
            parts = (Part("thunder", level_db=level_db), Part("crickets", level_db=-level_db))
            power = np.abs(np.fft.rfft(render(Scene(parts, (6, 0)), 0, 4.0))) ** 2
            return float(power[:4000].sum() / power.sum())

        assert low_share(7.0) > 2 * low_share(-7.0)

    def test_the_fast_one_is_faster(self) -> None:
        """Of a clock: more clicks in the same time."""

        def clicks(pace: float) -> int:
            wave = np.abs(render(Scene((Part("clock_ticking", pace=pace),), (4, 1)), 0, 5.0))
            level = wave[: len(wave) // 160 * 160].reshape(-1, 160).max(axis=1)
            return int((np.diff(np.flatnonzero(level > 0.5 * level.max())) > 5).sum())

        assert clicks(0.95) > 1.5 * clicks(0.05)


def test_puzzles_are_plain_data() -> None:
    puzzle = Puzzle("order", "texts", ("a", Sum(("b", "c"))), ("d", "a"))
    assert texts_of([puzzle]) == ["a", "b", "c", "d"]
    assert scenes_of([puzzle]) == []
