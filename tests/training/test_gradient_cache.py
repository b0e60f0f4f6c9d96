"""Gradient caching: the gradient of the whole batch, from parts of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training.test_pretrain import OPTIONS, make_teacher, make_views
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.training.contrastive.gradient_cache import backward_in_parts
from tinyclap.training.loop import seed_step
from tinyclap.training.losses import soft_info_nce
from tinyclap.training.pretrain import pretrain

N, PARTS = 16, 4
MATCHES = torch.eye(N)


class Batch:
    """A batch of clips with their captions, and a teacher."""

    def __init__(self, kind: str) -> None:
        self.views, self.captions = make_views(mix=0.0, n_clips=N)
        self.teacher = make_teacher(self.captions, kind)
        self.waveforms = torch.from_numpy(self.views.batch([(index, 0) for index in range(N)]))
        self.texts = [self.captions.draw(index, 0, 0) for index in range(N)]

    def encode(self, part: int, parts: int) -> list[Tensor]:
        seed_step(0, 0, 0, part)
        rows = slice(part * N // parts, (part + 1) * N // parts)
        return [self.teacher.encode_audio(self.waveforms[rows]), self.teacher.encode_text(self.texts[rows])]

    def loss(self, audio: Tensor, text: Tensor) -> Tensor:
        return soft_info_nce(audio, text, self.teacher.log_scale.exp(), MATCHES, 0.5)

    def gradients(self) -> dict[str, Tensor]:
        """As they were left, and cleared."""
        found = {
            name: parameter.grad.clone()
            for name, parameter in self.teacher.named_parameters()
            if parameter.grad is not None
        }
        self.teacher.zero_grad(set_to_none=True)
        return found


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert max(float(gradient.abs().max()) for gradient in theirs.values()) > 0.01
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-5, rtol=1e-4)


@pytest.fixture(params=["phinet", "cnn14"])
def batch(request: pytest.FixtureRequest) -> Batch:
    return Batch(request.param)


def test_without_dropout_and_batch_statistics_it_is_the_plain_gradient(batch: Batch) -> None:
    batch.teacher.eval()
    expected = batch.loss(*batch.encode(0, 1))
    expected.backward()
    plain = batch.gradients()
    loss, (audio, text) = backward_in_parts(
        lambda part, _: batch.encode(part, PARTS), PARTS, batch.loss, Tensor.backward
    )
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    assert_same(batch.gradients(), plain)
    assert not audio.requires_grad
    assert audio.shape == text.shape == (N, 32)


def test_with_dropout_and_batch_statistics_it_is_the_gradient_of_all_parts_at_once(batch: Batch) -> None:
    """The reference keeps the graphs of all parts and goes backward once."""
    batch.teacher.train()
    dropouts = [module for module in batch.teacher.modules() if isinstance(module, nn.Dropout)]
    assert any(module.p > 0 for module in dropouts)
    every = [batch.encode(part, PARTS) for part in range(PARTS)]
    batch.loss(*(torch.cat(list(tower)) for tower in zip(*every, strict=True))).backward()
    at_once = batch.gradients()
    backward_in_parts(lambda part, _: batch.encode(part, PARTS), PARTS, batch.loss, Tensor.backward)
    assert_same(batch.gradients(), at_once)


def test_a_tower_without_gradients_has_none(batch: Batch) -> None:
    batch.teacher.eval()

    def encode(part: int, again: bool) -> Sequence[Tensor]:
        audio, text = batch.encode(part, PARTS)
        return audio, text.detach()

    backward_in_parts(encode, PARTS, batch.loss, Tensor.backward)
    found = batch.gradients()
    assert found
    assert not [name for name in found if name.startswith("text.")]


def without_chance(teacher: TrainableTeacher) -> TrainableTeacher:
    """No dropout, and norms by their running statistics."""
    for module in teacher.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.eval()
            module.train = lambda mode=True, module=module: module  # type: ignore[method-assign]
    return teacher


@pytest.mark.parametrize("kind", ["phinet", "cnn14"])
def test_a_step_ends_where_the_large_batch_ends(kind: str, tmp_path: Path) -> None:
    """With norms that stand still. The rate is such that Adam's first step, about the rate, tells."""
    views, captions = make_views()
    options = replace(OPTIONS, epochs=1, batch_size=32, lr=1e-3, text_lr=1e-3, ema=0.0, text_epochs=0, warmup_share=0.0)
    ends = []
    for parts in (1, PARTS):
        (tmp_path / str(parts)).mkdir()
        teacher = without_chance(make_teacher(captions, kind))
        begun = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
        pretrain(teacher, views, captions, replace(options, micro_batches=parts), tmp_path / str(parts))
        ends.append(teacher.state_dict())
    moved = max(float((ends[0][name] - begun[name]).abs().max()) for name in begun)
    assert moved == pytest.approx(1e-3, rel=0.1)
    for name, tensor in ends[0].items():
        torch.testing.assert_close(ends[1][name], tensor, atol=1e-5, rtol=0)


def test_no_more_than_a_part_passes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views, captions = make_views()
    teacher = make_teacher(captions, "phinet")
    heard: list[int] = []
    usual = teacher.encode_logmel

    def encode_logmel(logmel: Tensor) -> Tensor:
        heard.append(len(logmel))
        return usual(logmel)

    monkeypatch.setattr(teacher, "encode_logmel", encode_logmel)
    pretrain(teacher, views, captions, replace(OPTIONS, epochs=1, batch_size=16, micro_batches=8), tmp_path)
    assert heard == [2] * (2 * 2 * 8)
