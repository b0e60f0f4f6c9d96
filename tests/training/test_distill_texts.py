"""Text students in the training loop: they learn their teacher's words, and resume bit for bit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from tests.support.learned import learned
from tests.support.tiny_texts import captions
from tests.teachers import test_tagger
from tinyclap.data.texts.corpus import Caption
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.models.text_student import TextStudent
from tinyclap.models.text_student_config import TextEncoderConfig, TextKind
from tinyclap.teachers.encoder import TextTarget
from tinyclap.teachers.sentence_encoder import load_sentence_encoder
from tinyclap.teachers.tagger import TaggerTeacher
from tinyclap.training.distill import distill, teacher_mean
from tinyclap.training.options import DistillOptions
from tinyclap.training.text_start import new_text_student
from tinyclap.training.text_targets import CaptionTokens

TRANSFORMER = TextEncoderConfig("transformer", table_dim=16, dim=16, layers=1, heads=2, max_tokens=8)
STATIC = TextEncoderConfig("static", table_dim=16, layers=0, max_tokens=8)
OPTIONS = DistillOptions(epochs=3, batch_size=16, lr=0.01, ema=0.9, head_epochs=1)
SHAPES: dict[TextKind, TextEncoderConfig] = {"transformer": TRANSFORMER, "static": STATIC}


@dataclass(frozen=True)
class Lesson:
    """Captions, and what their embeddings should be, (captions, 1, E)."""

    target: TextTarget
    captions: Sequence[Caption]
    embeddings: np.ndarray

    def student(self, config: TextEncoderConfig) -> TextStudent:
        return new_text_student(config, self.target, self.captions, "abc", 0)


def lesson(target: TextTarget, learned: Sequence[Caption]) -> Lesson:
    embeddings = target.embed([caption.meaning for caption in learned]).numpy().astype(np.float16)
    return Lesson(target, learned, embeddings[:, None])


@cache
def small() -> Lesson:
    """Of an untrained tagger's words, in sentences of 32 dimensions."""
    return lesson(test_tagger.small("tags", calibrated=False).text_target(), captions(64))


def trained(
    learned: Lesson, run: Path, config: TextEncoderConfig = TRANSFORMER, options: DistillOptions = OPTIONS, **more: Any
) -> TextStudent:
    student = learned.student(config)
    inputs = more.pop("inputs", None) or CaptionTokens(student, learned.captions)
    mean = teacher_mean(learned.embeddings)
    return distill(student, learned.embeddings, mean, inputs, options, run, seed=1, **more)


def weights(student: TextStudent) -> torch.Tensor:
    return torch.cat([tensor.flatten().double() for tensor in student.state_dict().values()])


def train(run: Path, accelerator: Accelerator, **changes: Any) -> torch.Tensor:
    """The weights of a whole training; `changes` of its options."""
    return weights(trained(small(), run, options=replace(OPTIONS, **changes), accelerator=accelerator))


# ---- learning


@pytest.fixture(scope="module")
def published(minilm_root: Path) -> TextTarget:
    """A sentence encoder as a tagger's teacher shows it."""
    encoder = load_sentence_encoder(str(minilm_root))
    return TaggerTeacher(test_tagger.small_tagger(), encoder, calibrated=False).text_target()


@pytest.fixture(scope="module")
def unseen(published: TextTarget) -> Lesson:
    """Captions that are not learned, of words that are."""
    return lesson(published, captions()[1::8])


@pytest.fixture(scope="module")
def seen(published: TextTarget) -> Lesson:
    return lesson(published, captions()[::2])


@pytest.mark.parametrize("kind", SHAPES)
def test_a_published_sentence_encoder_is_learned(kind: TextKind, seen: Lesson, unseen: Lesson, tmp_path: Path) -> None:
    mean = teacher_mean(seen.embeddings)

    def centred_cosine(student: TextStudent) -> float:
        with torch.no_grad():
            ours = student.encode(student.tokens([caption.text for caption in unseen.captions])).numpy()
        return float((unit(ours - mean) * unit(unseen.embeddings[:, 0] - mean)).sum(axis=1).mean())

    config = replace(SHAPES[kind], table_dim=64, dim=64)
    options = DistillOptions(epochs=10, batch_size=16, lr=0.01, ema=0.9)
    before, student = centred_cosine(seen.student(config)), trained(seen, tmp_path, config, options)
    assert not student.training
    assert centred_cosine(student) > max(0.8, before + 0.5)
    rows = learned(tmp_path)
    assert [row["epoch"] for row in rows] == list(range(1, 11))
    assert rows[-1]["centred_cosine"] > 0.85
    assert rows[-1]["loss"] < 0.3 * rows[0]["loss"]


def test_a_tagger_texts_are_learned_through_their_sentences(tmp_path: Path) -> None:
    """What follows the sentences stays as it was, and the student's texts come to lie beside the teacher's."""
    teacher = test_tagger.small("tags", calibrated=False)
    learned = lesson(teacher.text_target(), captions(64))
    options = DistillOptions(epochs=20, batch_size=16, lr=0.03, ema=0.9)
    fresh, student = learned.student(TRANSFORMER).eval(), trained(learned, tmp_path, options=options)
    assert learned.target.placement is not None
    for name, numbers in learned.target.placement.state_dict().items():
        assert torch.equal(student.state_dict()[f"placement.{name}"], numbers)
    texts = [caption.text for caption in learned.captions]
    wanted = teacher.embed_text(texts)
    apart = [1 - (one.embed_text(texts) * wanted).sum(-1).mean().item() for one in (fresh, student)]
    assert apart[1] < 0.2 * apart[0]


def test_texts_of_a_further_loss_change_what_is_learned(tmp_path: Path) -> None:
    anchors = small().target.embed(["rain", "a dog", "music"]).numpy()
    options = replace(OPTIONS, text_weight=1.0)
    plain, anchored = trained(small(), tmp_path / "a"), trained(small(), tmp_path / "b", options=options, texts=anchors)
    assert not torch.equal(weights(plain), weights(anchored))
    with pytest.raises(TinyclapError, match=r"training\.text_weight needs the teacher's embeddings of the texts"):
        trained(small(), tmp_path / "c", options=options)


# ---- stopped in the middle


class StoppedError(Exception):
    pass


class Stopping(CaptionTokens):
    """Stops at a step."""

    def __init__(self, student: TextStudent, learned: Sequence[Caption], stop_at: int) -> None:
        super().__init__(student, learned)
        self.left = stop_at

    def batch(self, rows: Sequence[tuple[int, int]]) -> torch.Tensor:
        if not self.left:
            raise StoppedError
        self.left -= 1
        return super().batch(rows)


@pytest.fixture(scope="module", params=SHAPES)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[TextKind, Path]:
    """A kind, and a training of it that nothing stopped."""
    run = tmp_path_factory.mktemp("whole")
    torch.save(weights(trained(small(), run, SHAPES[request.param])), run / "weights.pt")
    return request.param, run


@pytest.mark.parametrize("stops", [(4,), (6, 1, 10)], ids=str)
def test_stopped_anywhere_it_resumes_to_the_same_weights(
    whole: tuple[TextKind, Path], stops: tuple[int, ...], tmp_path: Path
) -> None:
    """At the end of an epoch, of four steps; several times, at last in the stage of the head."""
    (kind, run), broken = whole, tmp_path / "broken"
    for stop_at in stops:
        inputs = Stopping(small().student(SHAPES[kind]), small().captions, stop_at)
        with pytest.raises(StoppedError):
            trained(small(), broken, SHAPES[kind], inputs=inputs)
    resumed = trained(small(), broken, SHAPES[kind])
    assert torch.equal(weights(resumed), torch.load(run / "weights.pt", weights_only=True))
    assert learned(broken) == learned(run)
    assert len(learned(run)) == 4


def test_micro_batches_add_up_to_the_batch(tmp_path: Path) -> None:
    """Nothing of a text student looks at its neighbours."""
    options = replace(OPTIONS, head_epochs=0)
    one = trained(small(), tmp_path / "one", options=options)
    four = trained(small(), tmp_path / "four", options=replace(options, micro_batches=4))
    torch.testing.assert_close(weights(four), weights(one), atol=1e-3, rtol=0)
    losses = [[row["loss"] for row in learned(tmp_path / name)] for name in ("one", "four")]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_what_does_not_belong_together_is_named(tmp_path: Path) -> None:
    student = small().student(TRANSFORMER)
    tokens, mean = CaptionTokens(student, small().captions), teacher_mean(small().embeddings)
    with pytest.raises(
        TinyclapError, match=r"shape \(64, 1, 20\), but clips, views and student's width make \(64, 1, 3"
    ):
        distill(student, small().embeddings[..., :20], mean, tokens, OPTIONS, tmp_path)
    with pytest.raises(TinyclapError, match=r"shape \(63, 1, 32\)"):
        distill(student, small().embeddings[1:], mean, tokens, OPTIONS, tmp_path)
    other = new_text_student(TRANSFORMER, small().target, captions(8), "abc", 0)
    with pytest.raises(TinyclapError, match="read by another tokenizer than the student's"):
        distill(other, small().embeddings, mean, tokens, OPTIONS, tmp_path)
