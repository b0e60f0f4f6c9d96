"""A text student before its training: its first table is the teacher's, of whatever kind that is."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.tiny_texts import TEXTS, captions
from tests.teachers import test_laion, test_msclap, test_tagger, test_teachers
from tinyclap.data.texts.corpus import Caption
from tinyclap.models.text_student import TextStudent
from tinyclap.models.text_student_config import PlacementConfig, TextEncoderConfig
from tinyclap.teachers.encoder import TextTarget
from tinyclap.training.text_start import main_directions, new_text_student

WIDE = TextEncoderConfig("static", table_dim=128, layers=0)  # wider than any table here, so that nothing of it is lost
WORDS = ("a", "dog", "rain", "barking", "falling", "siren", "near")

MAKERS: dict[str, Callable[[], Any]] = {
    "hf": test_teachers.make_hf,
    "laion": test_laion.TestContract.make,
    "msclap": test_msclap.TestContract2023.make,
    "dual": lambda: test_teachers.make_dual(test_teachers.PHINET),
    "tags": lambda: test_tagger.small("tags", calibrated=False),
    "names": lambda: test_tagger.small("names", calibrated=False),
}


@pytest.fixture(scope="module", params=MAKERS, ids=list(MAKERS))
def teacher(request: pytest.FixtureRequest) -> Any:
    return MAKERS[request.param]()


def started(target: TextTarget, config: TextEncoderConfig = WIDE, seed: int = 0) -> TextStudent:
    return new_text_student(config, target, captions(), "abc", seed)


def distances(rows: np.ndarray) -> np.ndarray:
    return np.array([np.linalg.norm(one - other) for one, other in combinations(rows.astype(np.float64), 2)])


def rows_of(student: TextStudent, words: tuple[str, ...] | list[str]) -> np.ndarray:
    numbers = student.tokenizer.get_vocab()
    rows: np.ndarray = student.table.weight.detach().numpy()[[numbers[word] for word in words]]
    return rows


def assert_proportional(found: np.ndarray, expected: np.ndarray) -> None:
    assert expected.min() > 0
    np.testing.assert_allclose(found / found.mean(), expected / expected.mean(), rtol=1e-3)


def test_words_are_as_far_apart_as_their_tokens_are_in_the_teachers_table(teacher: Any) -> None:
    target = teacher.text_target()
    assert target.table is not None
    known = [word for word in WORDS if target.tokenizer.unk_token_id not in target.tokenizer(word)["input_ids"]]
    ids = [target.tokenizer(word, add_special_tokens=False)["input_ids"] for word in known]
    expected = np.stack([target.table[own].mean(0).numpy() for own in ids])
    assert len(known) >= 4
    assert any(len(own) > 1 for own in ids) or len(known) < len(WORDS)
    assert_proportional(distances(rows_of(started(target), known)), distances(expected))


def test_it_is_of_its_teachers_space(teacher: Any) -> None:
    target = teacher.text_target()
    student = started(target)
    assert student.config.teacher == "abc"
    assert (student.config.embed_dim, student.config.space_dim) == (target.embed_dim, teacher.embed_dim)
    assert student.eval().embed_text(TEXTS[:3]).shape == (3, teacher.embed_dim)
    learned = target.embed(TEXTS[:3])
    if student.placement is None:
        assert student.config.placement is None
        return
    torch.testing.assert_close(student.placement(learned), teacher.embed_text(TEXTS[:3]), atol=1e-6, rtol=0)
    assert student.placement is not target.placement
    classes = 527 if teacher.space == "tags" else None
    assert student.config.placement == PlacementConfig(classes, teacher.temperature)


def by_random(calls: list[list[str]] | None = None, dim: int = 6) -> TextTarget:
    """Another random vector for each text, and no table."""

    def embed(texts: list[str]) -> torch.Tensor:
        if calls is not None:
            calls.append(texts)
        drawn = [np.random.default_rng(list(text.encode())).normal(size=dim) for text in texts]
        return torch.nn.functional.normalize(torch.from_numpy(np.stack(drawn)).float(), dim=-1)

    return TextTarget(embed, dim, "random")


def test_without_a_table_word_pieces_begin_as_their_texts_embeddings() -> None:
    calls: list[list[str]] = []
    target = by_random(calls)
    student = started(target)
    numbers = student.tokenizer.get_vocab()
    asked = [text for texts in calls for text in texts]
    assert asked == [token.removeprefix("##") for token in sorted(numbers, key=lambda token: numbers[token])]
    assert max(map(len, calls)) <= 256
    pieces = [*WORDS, "##s", "##k"]
    expected = target.embed([piece.removeprefix("##") for piece in pieces]).numpy()
    assert_proportional(distances(rows_of(student, pieces)), distances(expected))


def test_nor_with_a_tokenizer_that_cannot_be_read() -> None:
    plain = by_random()
    odd = TextTarget(plain.embed, plain.embed_dim, "odd", None, object(), torch.randn(5, 3))
    assert torch.equal(started(odd).table.weight, started(plain).table.weight)


def test_the_same_seed_gives_the_same_student() -> None:
    target = by_random()
    config = TextEncoderConfig("transformer", table_dim=5, dim=8, layers=1, heads=2)
    torch.manual_seed(77)
    first = started(target, config).state_dict()
    torch.manual_seed(78)
    again, other = started(target, config).state_dict(), started(target, config, seed=1).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert torch.equal(first["table.weight"], other["table.weight"])
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_the_vocabulary_is_no_larger_than_asked_or_needed() -> None:
    target = by_random()
    small = started(target, TextEncoderConfig("static", vocabulary=64, layers=0))
    assert small.config.vocabulary == small.tokenizer.get_vocab_size() == len(small.table.weight) <= 64
    few = new_text_student(WIDE, target, [Caption("rain", "rain", "names")] * 3, "abc", 0)
    assert few.config.vocabulary < 20
    assert few.eval().embed_text(["rain", "rain in Spain"]).shape == (2, 6)


# ---- main directions


def table(count: int = 40, dim: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows that differ most along a few directions, and how often each is used."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, dim)) * (3.0 ** -np.arange(dim)) @ np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    return rows + 2.0, rng.integers(0, 50, count)


@pytest.mark.parametrize("dim", [6, 9])
def test_all_directions_keep_inner_products_about_the_mean(dim: int) -> None:
    rows, uses = table()
    made = main_directions(rows, dim, uses)
    assert made.shape == (40, dim)
    assert made.dtype == np.float32
    assert not made[:, 6:].any()
    centred = rows - ((uses + 1.0) / (uses + 1.0).sum()) @ rows
    exact = centred @ centred.T
    np.testing.assert_allclose(made @ made.T / np.trace(made @ made.T), exact / np.trace(exact), atol=1e-6)
    assert made[:, :6].std() == pytest.approx(1, rel=1e-5)


def test_fewer_directions_are_those_of_the_rows_as_often_as_they_are_used() -> None:
    rows, uses = table()
    repeated = np.repeat(rows, uses + 1, axis=0)
    centred = repeated - repeated.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2]
    expected = (rows - repeated.mean(axis=0)) @ directions.T
    made = main_directions(rows, 2, uses)
    np.testing.assert_allclose(np.abs(made), np.abs(expected) / expected.std(), atol=1e-4)
    flat = main_directions(rows, 2, np.zeros(40, int))
    assert np.abs(np.abs(flat) - np.abs(made)).max() > 0.01


def test_directions_are_signed_alike_whichever_way_the_rows_are_scaled_and_moved() -> None:
    rows, uses = table()
    made = main_directions(rows, 4, uses)
    np.testing.assert_allclose(main_directions(100 * rows - 7, 4, uses), made, atol=1e-4)
    order = np.random.default_rng(3).permutation(40)
    np.testing.assert_allclose(main_directions(rows[order], 4, uses[order]), made[order], atol=1e-4)


def test_rows_all_alike_have_no_direction() -> None:
    assert not main_directions(np.ones((5, 3)), 2, np.arange(5)).any()


def test_words_of_texts_that_are_not_learned_are_in_the_vocabulary() -> None:
    target = TextTarget(lambda texts: torch.ones(len(texts), 3), 3, "x")
    config = TextEncoderConfig("static", vocabulary=200, table_dim=2, layers=0)
    learned = captions(40)
    without = new_text_student(config, target, learned, "t", 0)
    student = new_text_student(config, target, learned, "t", 0, further=["the zither plays"] * 5)
    assert "zither" not in without.tokenizer.get_vocab()
    assert "zither" in student.tokenizer.get_vocab()
