"""What a text student learns: each text embedded once, whatever stops it, and captions as its word pieces."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.tiny_texts import TEXTS, captions, text_student
from tinyclap.common.row_store import BLOCK_ROWS
from tinyclap.data.texts.corpus import Caption, Corpus, build_corpus
from tinyclap.data.texts.files import LabelList
from tinyclap.errors import TinyclapError
from tinyclap.models.text_student import TextStudent
from tinyclap.teachers.encoder import TextTarget
from tinyclap.training.targets import TeacherTargets
from tinyclap.training.text_targets import CaptionTokens, in_store_order, text_embeddings
from tinyclap.training.vocabulary import reduced_vocabulary

DIM = 16


class Reader:
    """Embeds each text as a random vector of its own; notes what it reads."""

    def __init__(self) -> None:
        self.read: list[list[str]] = []
        self.stop_at: int | None = None
        self.cannot: set[str] = set()

    def embed(self, texts: list[str]) -> torch.Tensor:
        if self.stop_at is not None and self.count + len(texts) > self.stop_at:
            raise KeyboardInterrupt
        self.read.append(texts)
        return torch.from_numpy(np.stack([self.vector(text) for text in texts])).float()

    def vector(self, text: str) -> np.ndarray:
        if text in self.cannot:
            return np.full(DIM, np.nan)
        drawn = np.random.default_rng(list(text.encode())).normal(size=DIM)
        unit: np.ndarray = drawn / np.linalg.norm(drawn)
        return unit

    @property
    def count(self) -> int:
        return sum(map(len, self.read))

    def target(self, fingerprint: str = "reader") -> TextTarget:
        return TextTarget(self.embed, DIM, fingerprint)


def files(targets: TeacherTargets) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(targets.folder.iterdir())}


def texts(count: int) -> list[Caption]:
    return [Caption(text, text, "captions") for text in TEXTS[:count]]


# ---- what is stored


def test_every_meaning_is_embedded_in_float16() -> None:
    reader, learned = Reader(), texts(37)
    stored = text_embeddings(reader.target(), learned, "reader")
    assert stored.embeddings.shape == (37, 1, DIM)
    assert stored.embeddings.dtype == np.float16
    exact = np.stack([reader.vector(caption.text) for caption in learned])
    np.testing.assert_allclose(stored.embeddings[:, 0], exact, atol=3e-4)
    assert stored.rounding_error == pytest.approx(np.abs(stored.embeddings[:, 0] - exact).max(), abs=1e-7)
    assert (stored.teacher_forwards, reader.count) == (37, 37)


def test_a_second_call_reads_nothing() -> None:
    first = text_embeddings(Reader().target(), texts(37), "reader")
    again = Reader()
    second = text_embeddings(again.target(), texts(37), "the same under another name")
    assert (second.teacher_forwards, again.count) == (0, 0)
    np.testing.assert_array_equal(second.embeddings, first.embeddings)


@pytest.mark.parametrize("stop_at", [0, 1, 16, 40, 54])
def test_stopped_and_taken_up_again_it_ends_with_the_same_bytes(
    stop_at: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = files(text_embeddings(Reader().target(), texts(55), "reader"))
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path))
    reader = Reader()
    reader.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        text_embeddings(reader.target(), texts(55), "reader")
    read = reader.count
    assert read == stop_at // BLOCK_ROWS * BLOCK_ROWS
    reader.stop_at = None
    stored = text_embeddings(reader.target(), texts(55), "reader")
    assert (stored.teacher_forwards, reader.count) == (55 - read, 55)
    assert files(stored) == whole


def test_an_embedding_that_is_not_finite_is_named_by_its_text() -> None:
    reader, learned = Reader(), texts(40)
    reader.cannot = {TEXTS[20]}
    with pytest.raises(TinyclapError) as caught:
        text_embeddings(reader.target(), learned, "big teacher")
    assert str(caught.value) == f"teacher big teacher: the embedding of the text {TEXTS[20]!r} is not finite"
    reader.cannot = set()
    assert text_embeddings(reader.target(), learned, "big teacher").teacher_forwards == 40 - BLOCK_ROWS


def test_whatever_changes_an_embedding_is_another_store() -> None:
    base = texts(5)
    others = [
        text_embeddings(Reader().target(), base, "reader"),
        text_embeddings(Reader().target("another"), base, "reader"),
        text_embeddings(Reader().target(), base[::-1], "reader"),
        text_embeddings(Reader().target(), base[:4], "reader"),
        text_embeddings(Reader().target(), [*base[:3], Caption("x", f"{TEXTS[3]} {TEXTS[4]}", "g")], "reader"),
    ]
    assert len({targets.folder for targets in others}) == len(others)
    read_otherwise = [replace(caption, text="something else", group="x") for caption in base]
    assert text_embeddings(Reader().target(), read_otherwise, "reader").folder == others[0].folder


def test_texts_of_one_length_are_embedded_at_once() -> None:
    """So that little of a batch is padding."""
    reader = Reader()
    ordered = in_store_order(Corpus(captions(), {}, "", {}))
    assert sorted(caption.text for caption in ordered) == sorted(TEXTS)
    text_embeddings(reader.target(), ordered, "reader")
    spans = [(min(map(len, batch)), max(map(len, batch))) for batch in reader.read]
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert in_store_order(Corpus(captions(), {}, "", {})) == ordered


# ---- what is read and what it means


def test_a_misspelling_learns_the_embedding_of_the_right_word() -> None:
    names = LabelList(labels=("thunderstorm", "dishwasher", "rooster"))
    corpus = build_corpus([names], misspelled_share=1.0)
    slips = [caption for caption in corpus.captions if caption.group == "misspellings"]
    assert {caption.meaning for caption in slips} == {"thunderstorm", "dishwasher", "rooster"}
    reader, ordered = Reader(), in_store_order(corpus)
    stored = text_embeddings(reader.target(), ordered, "reader").embeddings[:, 0]
    assert not {caption.text for caption in slips} & {text for batch in reader.read for text in batch}
    for caption, row in zip(ordered, stored, strict=True):
        np.testing.assert_allclose(row, reader.vector(caption.meaning), atol=3e-4)
    student = text_student()
    student.tokenizer = reduced_vocabulary([caption.text for caption in ordered], 64, least_uses=1)
    tokens = CaptionTokens(student, ordered)
    slip = next(number for number, caption in enumerate(ordered) if caption in slips)
    right = next(number for number, caption in enumerate(ordered) if caption.text == ordered[slip].meaning)
    assert tokens.batch([(slip, 0)]).tolist() != tokens.batch([(right, 0)]).tolist()
    assert stored[slip].tolist() == stored[right].tolist()


# ---- word pieces


@pytest.fixture
def student() -> TextStudent:
    return text_student()


def rows(numbers: Sequence[int]) -> list[tuple[int, int]]:
    return [(number, 0) for number in numbers]


def test_captions_are_the_students_own_word_pieces(student: TextStudent) -> None:
    long = " ".join(["rain"] * 20)
    learned = [Caption(text, "of no matter", "g") for text in ("dog", "a dog barking", long, "", "Zebra")]
    tokens = CaptionTokens(student, learned)
    assert len(tokens) == 5
    assert tokens.per_clip == 1
    assert tokens.sizes is not None
    alone = [student.tokens([caption.text]) for caption in learned]
    assert list(tokens.sizes) == [1, 3, 8, 0, alone[4].shape[1]]
    for number, own in enumerate(alone):
        assert torch.equal(tokens.batch(rows([number])), own)
    together = tokens.batch(rows([1, 2, 0, 1]))
    assert torch.equal(together, student.tokens(["a dog barking", long, "dog", "a dog barking"]))
    assert together.dtype == torch.int64


def test_all_numbers_of_the_largest_vocabulary_are_kept(student: TextStudent) -> None:
    """They are stored in 16 bits."""
    tokens = CaptionTokens(student, texts(3))
    tokens._rows[1] = np.array([65_535, 40_000], np.uint16)
    assert tokens.batch(rows([1])).tolist() == [[65_535, 40_000]]


def test_word_pieces_of_another_student_are_refused(student: TextStudent) -> None:
    tokens = CaptionTokens(student, texts(3))
    tokens.check(student)
    tokens.check(text_student("static"))
    other = text_student()
    other.tokenizer = reduced_vocabulary(["entirely other words"] * 3, 64)
    for wrong in (other, object()):
        with pytest.raises(TinyclapError, match="read by another tokenizer than the student's"):
            tokens.check(wrong)
