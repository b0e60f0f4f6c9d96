"""Text students: unit vectors that depend on the text alone, in whatever company it is embedded."""

from typing import Any

import pytest
import torch

from tests.support.tiny_texts import CLASSES, SENTENCE_DIM, TEXTS, placement, text_student, tokenizer
from tinyclap.errors import TinyclapError
from tinyclap.models import text_student as module
from tinyclap.models.text_student import TextStudent
from tinyclap.models.text_student_config import TextKind, TextStudentConfig

SHAPES: dict[str, dict[str, Any]] = {
    "static": {"kind": "static", "layers": 0},
    "static with layers": {"kind": "static", "layers": 2},
    "transformer": {"kind": "transformer"},
    "transformer of its table's width": {"kind": "transformer", "table_dim": 16, "heads": 1},
}
OF_MANY_LENGTHS = ["dog", "a dog barking", "", "a dog barking near the rain", "犬", "Rain, rain: RAIN!", "zebra"]


@pytest.fixture(scope="module", params=SHAPES, ids=list(SHAPES))
def student(request: pytest.FixtureRequest) -> TextStudent:
    return text_student(**SHAPES[request.param])


def test_texts_become_unit_vectors(student: TextStudent) -> None:
    found = student.embed_text(OF_MANY_LENGTHS)
    assert (found.shape, found.dtype) == ((len(OF_MANY_LENGTHS), SENTENCE_DIM), torch.float32)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(len(OF_MANY_LENGTHS)))
    assert not found.requires_grad
    assert torch.equal(student(student.tokens(OF_MANY_LENGTHS)), student.encode(student.tokens(OF_MANY_LENGTHS)))


def test_a_text_is_embedded_the_same_in_any_company(student: TextStudent) -> None:
    alone = torch.cat([student.embed_text([text]) for text in OF_MANY_LENGTHS])
    torch.testing.assert_close(student.embed_text(OF_MANY_LENGTHS), alone, atol=1e-6, rtol=0)
    turned = student.embed_text(OF_MANY_LENGTHS[::-1])
    torch.testing.assert_close(turned.flip(0), alone, atol=1e-6, rtol=0)


def test_what_fills_a_text_up_changes_nothing(student: TextStudent) -> None:
    """Nor does what the row of [PAD] holds."""
    tokens = student.tokens(["a dog barking"])
    longer = torch.nn.functional.pad(tokens, (0, student.config.max_tokens - tokens.shape[1]))
    with torch.no_grad():
        torch.testing.assert_close(student.encode(longer), student.encode(tokens), atol=1e-6, rtol=0)
        before, kept = student.encode(longer), student.table.weight[0].clone()
        student.table.weight[0] += 50.0
        torch.testing.assert_close(student.encode(longer), before, atol=1e-6, rtol=0)
        student.table.weight[0] = kept


def test_many_texts_are_embedded_some_at_a_time(student: TextStudent, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, whole = TEXTS[:11], student.embed_text(TEXTS[:11])
    sizes = []

    def encode(tokens: torch.Tensor) -> torch.Tensor:
        sizes.append(len(tokens))
        return TextStudent.encode(student, tokens)

    monkeypatch.setattr(module, "TEXTS_AT_ONCE", 4)
    monkeypatch.setattr(student, "encode", encode)
    torch.testing.assert_close(student.embed_text(texts), whole, atol=1e-6, rtol=0)
    assert sizes == [4, 4, 3]


def test_longer_texts_are_cut(student: TextStudent) -> None:
    words = [*TEXTS[0].split(), *TEXTS[0].split()]
    assert student.tokens([" ".join(words)]).shape == (1, 8)
    long, cut = student.embed_text([" ".join(words), " ".join(words[:8])])
    assert torch.equal(long, cut)
    assert not torch.allclose(long, student.embed_text([" ".join(words[:7])])[0], atol=1e-4)


def test_case_accents_and_spaces_make_no_difference_and_words_do(student: TextStudent) -> None:
    same = student.embed_text(["a dog barking", "A  DÓG\tbarking "])
    bare = student.embed_text("a dog barking")  # one text, not thirteen
    torch.testing.assert_close(bare, same[:1], atol=1e-6, rtol=0)
    assert torch.equal(same[0], same[1])
    words = student.embed_text(["dog", "cow", "dog dog cow", ""])
    cosines = words @ words.T
    assert cosines[~torch.eye(4, dtype=torch.bool)].max() < 0.9999


@pytest.mark.parametrize(("kind", "matters"), [("static", False), ("transformer", True)])
def test_the_order_of_words_matters_to_a_transformer_alone(kind: TextKind, matters: bool) -> None:
    first, second = text_student(kind).embed_text(["a dog near the rain", "the rain near a dog"])
    assert torch.allclose(first, second, atol=1e-6) is not matters


def test_a_static_student_weighs_its_words() -> None:
    """With a large weight a word is nearly all of the text; [UNK] has a weight too."""
    student = text_student("static", layers=0)
    numbers = student.tokenizer.get_vocab()
    weights = student.trunk.get_submodule("log_weight").get_parameter("weight")
    with torch.no_grad():
        weights.fill_(0.0)
        even = student.encode(student.tokens(["dog rain"]))
        weights[numbers["dog"]] = 20.0
        found = student.encode(student.tokens(["dog rain"]))
        torch.testing.assert_close(found, student.encode(student.tokens(["dog"])), atol=1e-6, rtol=0)
        mean = student.table.weight[[numbers["dog"], numbers["rain"]]].mean(0)
        expected = torch.nn.functional.normalize(student.head(mean), dim=-1)
        torch.testing.assert_close(even[0], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["static", "transformer"])
@pytest.mark.parametrize("classes", [CLASSES, None])
def test_sentences_are_learned_and_placed_afterwards(kind: TextKind, classes: int | None) -> None:
    placed = placement(classes)
    student = text_student(kind, placed)
    tokens = student.tokens(TEXTS[:6])
    with torch.no_grad():
        sentences = student.encode(tokens)
        assert sentences.shape == (6, SENTENCE_DIM)
        assert torch.equal(student(tokens), placed(sentences))
    assert torch.equal(student.embed_text(TEXTS[:6]), placed(sentences))
    assert student.embed_text(["dog"]).shape == (1, student.config.space_dim) == (1, classes or SENTENCE_DIM)
    assert not any(name.startswith("placement") for name, _ in student.named_parameters())


def test_every_weight_is_learned() -> None:
    for shape in SHAPES.values():
        student = text_student(**shape).train()
        found = student.encode(student.tokens([*TEXTS[:40], "a dog barking near the rain and the cow"]))
        (found * torch.randn(found.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
        silent = [name for name, parameter in student.named_parameters() if not parameter.grad.abs().sum()]  # type: ignore[union-attr]
        assert not silent
        gradient = student.table.weight.grad
        assert gradient is not None
        assert not gradient[0].any(), "what fills up learns nothing"


def test_without_dropout_training_and_evaluation_are_one(student: TextStudent) -> None:
    tokens = student.tokens(TEXTS[:5])
    with torch.no_grad():
        assert torch.equal(student.train().encode(tokens), student.eval().encode(tokens))


def test_misuse_is_refused(student: TextStudent) -> None:
    with pytest.raises(TinyclapError, match="takes one text at least"):
        student.embed_text([])
    student.train()
    with pytest.raises(TinyclapError, match=r"in evaluation mode; call eval\(\) first"):
        student.embed_text(["a dog"])
    student.eval()
    with pytest.raises(TinyclapError, match=r"the tokenizer of the text student cannot read 'a \\ud800' \.\.\. \("):
        student.embed_text(["a \ud800", "dog"])
    with pytest.raises(TinyclapError, match=r"a tokenizer of \d+ word pieces for a text student of 3000"):
        TextStudent(TextStudentConfig(vocabulary=3000), tokenizer())
