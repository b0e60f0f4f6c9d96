"""What is understood, scored: by models of which it is known what they understand."""

import itertools
import json

import numpy as np
import pytest

from tinyclap.data.probes import wordings
from tinyclap.data.probes.probes import PROBES, puzzles_of
from tinyclap.data.probes.puzzles import Puzzle, Sum, texts_of
from tinyclap.data.probes.scenes import Scene
from tinyclap.errors import TinyclapError
from tinyclap.evaluation.probe import ALL_OF_TWO, Ears, Vectors, Words, probe, solve

RATE = 16_000


def bag_of_sounds(puzzle: Puzzle) -> Vectors:
    """Embeddings of a model that knows which classes there are, and nothing else: a dimension for each."""
    labels = list(wordings.NAMES)
    items = [*puzzle.asked, *puzzle.targets, *puzzle.texts]
    terms = [term for item in items for term in (item.terms if isinstance(item, Sum) else (item,))]

    def holds(term: Scene | str, label: str) -> bool:
        if isinstance(term, Scene):
            return label in [part.label for part in term.parts]
        name = wordings.NAMES[label]
        known = {
            name.happening,
            name.paced.format("slowly"),
            name.paced.format("quickly"),
            *wordings.captions_of(label),
        }
        return any(text and text in term for text in known) or name.thing in term.replace(",", "").split()

    return {term: np.array([float(holds(term, label)) for label in labels]) for term in terms}


def means(name: str, kind: str = "sounds", n: int = 24) -> tuple[float, float]:
    found = next(one for one in PROBES if (one.name, one.kind) == (name, kind))
    results = [solve(puzzle, bag_of_sounds(puzzle)) for puzzle in puzzles_of(found, n, 0)]
    texts, sounds = (np.concatenate([result[side] for result in results]) for side in ("texts", "sounds"))
    return float(texts.mean()), float(sounds.mean())


class TestWhoKnowsSoundsAndNoMore:
    @pytest.mark.parametrize("name", ["names", "together", "arithmetic"])
    def test_finds_what_is_there(self, name: str) -> None:
        assert means(name) == (1.0, 1.0)

    @pytest.mark.parametrize("name", ["order", "attributes"])
    @pytest.mark.parametrize("kind", ["sounds", "texts"])
    def test_is_right_by_chance_about_what_is_said(self, name: str, kind: str) -> None:
        assert means(name, kind) == (0.5, 0.5)

    def test_knows_nothing_of_numbers(self) -> None:
        found = next(one for one in PROBES if (one.name, one.kind) == ("counting", "sounds"))
        for puzzle in puzzles_of(found, 5, 0):
            assert solve(puzzle, {one: np.ones(3) for one in bag_of_sounds(puzzle)})["texts"].tolist() == [0.25] * 4


def test_one_half_of_a_pair_is_worth_half() -> None:
    """The text alone or the recording alone fits two of four mixtures."""
    puzzle = Puzzle("arithmetic", "texts", ("a", "b", "c", "d"), ("ax", "bx", "cx", "dx"))
    first, second = np.eye(4)[:2]
    vectors: dict[Scene | str, np.ndarray] = {"a": first, "b": first, "c": second, "d": second}
    vectors |= {text: vectors[text[0]] for text in puzzle.texts}
    assert solve(puzzle, vectors)["texts"].tolist() == [0.5] * 4


def test_a_sum_is_of_unit_vectors() -> None:
    puzzle = Puzzle("arithmetic", "texts", (Sum(("a", "b")), Sum(("a", "c"))), ("ab", "ac"))
    a, b, c = np.eye(3)
    vectors: Vectors = {"a": 1000 * a, "b": b, "c": 5 * c, "ab": a + b, "ac": a + c}
    found = solve(puzzle, vectors)
    assert found["texts"].tolist() == found["sounds"].tolist() == [1.0, 1.0]
    assert found["chosen"].tolist() == [0, 1]


def test_rounding_does_not_decide() -> None:
    puzzle = Puzzle("order", "texts", ("a", "b"), ("c", "d"))
    same = np.array([1.0, 0.0])
    vectors: Vectors = {"a": same, "b": same, "c": same, "d": same + np.array([0.0, 1e-9])}
    found = solve(puzzle, vectors)
    assert found["texts"].tolist() == found["sounds"].tolist() == [0.5, 0.5]


def test_chance_of_all_of_two_counted() -> None:
    """Of the 24 orders of the cosines of two recordings with two texts, those in which each finds its own."""
    right = 0
    for order in itertools.permutations(range(4)):
        cosines = np.array(order).reshape(2, 2)
        own = cosines.diagonal()
        right += bool((own == cosines.max(axis=0)).all() and (own == cosines.max(axis=1)).all())
    assert right / 24 == ALL_OF_TWO


def spectrum(recordings: np.ndarray) -> np.ndarray:
    """Ears of sixteen bands."""
    power = np.abs(np.fft.rfft(recordings)) ** 2
    return np.stack([band.sum(axis=1) for band in np.array_split(power, 16, axis=1)], axis=1) + 1e-9


def letters(texts: list[str]) -> np.ndarray:
    """Words of as many letters."""
    return np.array([[text.count(letter) + 0.1 for letter in "abcdefghijklmnop"] for text in texts])


class TestProbe:
    def test_every_pair_is_measured_on_sounds_and_all_words_on_texts(self) -> None:
        heard: list[tuple[int, ...]] = []

        def listen(recordings: np.ndarray) -> np.ndarray:
            heard.append(recordings.shape)
            return spectrum(recordings)

        ears = [Ears("teacher", RATE, 7.0, listen), Ears("student", RATE, 1.0, spectrum, lambda rows: rows[:, ::-1])]
        words = [Words("teacher", letters), Words("student", lambda texts: letters(texts)[:, ::-1])]
        found = probe(ears, words, n=1, n_bootstrap=20)
        assert json.loads(json.dumps(found)) == found
        assert {shape[1] for shape in heard} == {7 * RATE}
        assert sum(shape[0] for shape in heard) == found["recordings"] == 22
        assert [(row["probe"], row["kind"]) for row in found["probes"]] == [(one.name, one.kind) for one in PROBES]
        for row in found["probes"]:
            assert row["chance"] == 1 / row["choices"]
            pairs = [(by.get("ears"), by["words"]) for by in row["by"]]
            if row["kind"] == "texts":
                assert pairs == [(None, "teacher"), (None, "student")]
                continue
            both = ("teacher", "student")
            assert pairs == [(one, other) for one in both for other in both]
            # Both hear alike, and the student's place for the teacher's words is where the student's own words lie.
            of = {(by.pop("ears"), by.pop("words")): by for by in row["by"]}
            assert of["teacher", "student"] == of["student", "teacher"]
            assert of["teacher", "teacher"] == of["student", "student"]
            assert ("agreement" in of["teacher", "teacher"]) == (row["probe"] == "paraphrase")

    def test_words_alone_hear_nothing(self) -> None:
        found = probe([], [Words("student", letters)], n=3, n_bootstrap=20)
        assert {row["kind"] for row in found["probes"]} == {"texts"}
        assert (found["recordings"], found["duration_s"]) == (0, None)
        every = [puzzle for one in PROBES if one.kind == "texts" for puzzle in puzzles_of(one, 3, 0)]
        assert found["texts"] == len(texts_of(every))
        by = {row["probe"]: row["by"][0] for row in found["probes"]}
        # The same letters in another order are the same to it.
        for name in ("order", "negation"):
            assert by[name]["right_text"]["accuracy"] == 0.5
            assert by[name]["all"]["accuracy"] == 0.0
        assert by["order"]["right_text"]["n"] == 3 * 2 * 2

    def test_words_are_needed(self) -> None:
        with pytest.raises(TinyclapError, match="give words"):
            probe([], [])
