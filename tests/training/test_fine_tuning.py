"""Fine-tuning a trained teacher: frozen parts, a rate for each part, adapters that are merged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.training.test_pretrain import TEMPLATES, make_teacher, make_views, sounds
from tinyclap.data.captions import Captions
from tinyclap.data.decoded import decode
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.teachers import untrained
from tinyclap.teachers.base import Part, TrainableTeacher
from tinyclap.teachers.hf import HFTeacher, load_hf
from tinyclap.training.options import LoraOptions, PretrainOptions
from tinyclap.training.pretrain import pretrain

CAPTIONS = ["a dog barking", "rain falls"]
BRIEF = PretrainOptions(epochs=2, batch_size=4, lr=0.003, text_lr=0.003, ema=0.0)


def small_clap() -> TrainableTeacher:
    """An untrained ClapModel of large patches, always the same."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {"depths": (1, 1), "heads": (1, 2), "patch_embeds_hidden_size": 8, "patch_size": 16}
    text: dict[str, Any] = {"text_hidden_size": 32, "text_layers": 1, "text_heads": 2, "vocab_size": 300}
    return untrained.new_clap(CAPTIONS, embed_dim=16, logit_scale=14.0, name="small", **shape, **text).eval()


def clap_views() -> tuple[Views, Captions]:
    """Four sounds as it hears them."""
    dataset = sounds(n_clips=4)
    decoded = decode(dataset, 48_000)
    captions = Captions([dataset.clips[window.clip] for window in decoded.windows], TEMPLATES)
    return Views(decoded, ViewSpec(per_clip=1, duration_s=10.0, mix=0.0)), captions


def state_of(teacher: TrainableTeacher, part: Part) -> list[torch.Tensor]:
    """Weights and statistics of a part."""
    return [tensor.clone() for module in teacher.parts()[part] for tensor in module.state_dict().values()]


def is_same(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


PARTS: tuple[Part, ...] = ("audio", "text", "head")


@pytest.mark.parametrize("kind", ["phinet", "cnn14"])
def test_the_parts_of_a_teacher_are_all_of_it(kind: str) -> None:
    teacher = make_teacher(make_views()[1], kind)
    named = [id(each) for part in PARTS for module in teacher.parts()[part] for each in module.parameters()]
    assert sorted([*named, id(teacher.log_scale)]) == sorted(map(id, teacher.parameters()))


def test_the_parts_of_a_clap_model_are_all_of_it() -> None:
    teacher = small_clap()
    assert isinstance(teacher, HFTeacher)
    named = [id(each) for part in PARTS for module in teacher.parts()[part] for each in module.parameters()]
    scales = [id(teacher.model.logit_scale_a), id(teacher.model.logit_scale_t)]
    assert sorted([*named, *scales]) == sorted(map(id, teacher.parameters()))


@pytest.mark.parametrize("kind", ["phinet", "cnn14"])
@pytest.mark.parametrize("frozen", PARTS)
def test_a_frozen_part_ends_as_it_was(kind: str, frozen: Part, tmp_path: Path) -> None:
    """Also the running statistics of its norms."""
    views, captions = make_views(mix=0.0, n_clips=8)
    teacher = make_teacher(captions, kind)
    teacher.freeze([frozen])
    before = {part: state_of(teacher, part) for part in PARTS}
    pretrain(teacher, views, captions, BRIEF, tmp_path, is_new=False)
    assert [part for part in PARTS if is_same(before[part], state_of(teacher, part))] == [frozen]


def test_each_part_has_its_rate(tmp_path: Path) -> None:
    """Adam's first step is as long as the rate."""
    views, captions = make_views(mix=0.0, n_clips=8)
    teacher = make_teacher(captions, "cnn14")
    before = {part: state_of(teacher, part) for part in PARTS}
    scale = teacher.log_scale.item()
    options = replace(BRIEF, epochs=1, batch_size=8, weight_decay=0.0, warmup_share=0.0)
    options = replace(options, lr=1e-3, text_lr=1e-4, head_lr=1e-2)
    pretrain(teacher, views, captions, options, tmp_path)
    for part, rate in zip(PARTS, (1e-3, 1e-4, 1e-2), strict=True):
        after = [each for module in teacher.parts()[part] for each in module.state_dict(keep_vars=True).values()]
        pairs = [(old, new) for old, new in zip(before[part], after, strict=True) if isinstance(new, nn.Parameter)]
        moved = max(float((new - old).abs().max()) for old, new in pairs)
        assert moved == pytest.approx(rate, rel=0.1), part
    assert abs(teacher.log_scale.item() - scale) == pytest.approx(1e-2, rel=0.1)


def test_statistics_of_a_trained_teacher_go_on(tmp_path: Path) -> None:
    """A new one's are those of the first batch after a step; a trained one's are moved by the momentum."""
    views, captions = make_views(mix=0.0, n_clips=8)
    options = replace(BRIEF, epochs=1, batch_size=8)
    moved = []
    for is_new in (True, False):
        (tmp_path / str(is_new)).mkdir()
        teacher = make_teacher(captions, "cnn14")
        norm = next(module for module in teacher.modules() if isinstance(module, torch.nn.BatchNorm2d))
        assert norm.running_mean is not None
        norm.running_mean.fill_(100.0)
        pretrain(teacher, views, captions, options, tmp_path / str(is_new), is_new=is_new)
        moved.append((norm.running_mean - 100.0).abs().max().item())
    assert moved[1] == pytest.approx(0.1 * moved[0], rel=1e-3)


class TestAdapters:
    """With peft, which is an extra."""

    @pytest.fixture(autouse=True)
    def _needs_peft(self) -> None:
        pytest.importorskip("peft", reason='pip install "tinyclap[lora]"')

    def teacher(self) -> TrainableTeacher:
        return small_clap().requires_grad_(True)

    def test_merged_the_teacher_is_what_was_trained_and_ordinary(self, tmp_path: Path) -> None:
        from tinyclap.training.contrastive.lora import Adapters

        views, captions = clap_views()
        teacher, untouched = self.teacher(), self.teacher()
        names = list(teacher.state_dict())
        teacher.freeze(["head"])
        adapters = Adapters(teacher, LoraOptions(rank=2))
        waveforms = torch.from_numpy(views.batch([(index, 0) for index in range(3)]))
        torch.testing.assert_close(teacher.embed_audio(waveforms), untouched.embed_audio(waveforms))
        trained = {name for name, each in teacher.named_parameters() if each.requires_grad}
        assert all(".lora_" in name or "logit_scale" in name for name in trained)
        assert any("audio_model" in name for name in trained)
        assert any("text_model" in name for name in trained)
        pretrain(teacher, views, captions, replace(BRIEF, lr=0.02, text_lr=0.02), tmp_path, is_new=False)
        audio, text = teacher.embed_audio(waveforms), teacher.embed_text(CAPTIONS)
        assert (audio - untouched.embed_audio(waveforms)).abs().max() > 1e-3
        assert (text - untouched.embed_text(CAPTIONS)).abs().max() > 1e-3
        adapters.merge()
        assert list(teacher.state_dict()) == names
        torch.testing.assert_close(teacher.embed_audio(waveforms), audio, atol=1e-5, rtol=0)
        torch.testing.assert_close(teacher.embed_text(CAPTIONS), text, atol=1e-5, rtol=0)
        teacher.save_pretrained(tmp_path / "saved", "card")
        again = load_hf(str(tmp_path / "saved"))
        assert torch.equal(again.embed_audio(waveforms), teacher.embed_audio(waveforms))
        assert again.fingerprint == teacher.fingerprint
        buffers = {name for name, _ in untouched.named_buffers()}
        own = dict(untouched.named_parameters())
        changed = [name for name, each in teacher.named_parameters() if not torch.equal(each, own[name])]
        assert all(name.endswith("weight") and own[name].ndim == 2 for name in changed if "logit_scale" not in name)
        assert all(torch.equal(teacher.get_buffer(name), untouched.get_buffer(name)) for name in buffers)

    def test_interrupted_it_ends_the_same(self, tmp_path: Path) -> None:
        from tinyclap.training.contrastive.lora import Adapters

        views, captions = clap_views()
        ends = []
        for stop in (None, 1):
            run = tmp_path / str(stop)
            run.mkdir()
            for epochs in [2] if stop is None else [stop, 2]:
                torch.manual_seed(0)
                teacher = self.teacher()
                adapters = Adapters(teacher, LoraOptions(rank=2, dropout=0.1))
                options = replace(BRIEF, epochs=epochs, schedule="constant", warmup_share=0.0)
                pretrain(teacher, views, captions, options, run, is_new=False)
            adapters.merge()
            ends.append(teacher.state_dict())
        assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])

    def test_a_tower_of_convolutions_has_none(self) -> None:
        from tinyclap.training.contrastive.lora import Adapters

        teacher = make_teacher(make_views()[1], "cnn14")
        with pytest.raises(TinyclapError, match=r"the audio tower of teacher cnn14 is made of convolutions"):
            Adapters(teacher, LoraOptions())
        Adapters(teacher, LoraOptions(towers=("text",))).merge()
