"""Contrastive pretraining: what matches what, that it learns, that a stuck training is explained."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.data.captions import Captions
from tinyclap.data.dataset import Clip
from tinyclap.data.decoded import decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig
from tinyclap.teachers import untrained
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.teachers.dual.pair import DualTeacher
from tinyclap.teachers.dual.towers import Head
from tinyclap.training.contrastive.diagnosis import diagnose
from tinyclap.training.contrastive.matching import floor, matching
from tinyclap.training.options import PretrainOptions
from tinyclap.training.pretrain import parameter_groups, pretrain

LABELS = ["church_bell", "dog_bark", "rain", "siren"]
TEMPLATES = ("This is a sound of {}.", "{}.")
OPTIONS = PretrainOptions(epochs=6, batch_size=8, lr=0.003, text_lr=0.003, ema=0.9)


def sounds(seed: int = 0, n_clips: int = 32) -> Procedural:
    return Procedural(n_clips, seed=seed, duration_s=1.0, labels=LABELS)


def make_views(mix: float = 0.5, n_clips: int = 32) -> tuple[Views, Captions]:
    dataset = sounds(n_clips=n_clips)
    decoded = decode(dataset, 8000)
    captions = Captions([dataset.clips[window.clip] for window in decoded.windows], TEMPLATES)
    return Views(decoded, ViewSpec(per_clip=1, duration_s=1.0, mix=mix)), captions


def make_teacher(captions: Captions, kind: str) -> TrainableTeacher:
    torch.manual_seed(0)
    texts = sorted({text for choices in captions.choices for text in choices})
    spec = FrontendSpec(sample_rate=8000, n_fft=512, win_length=512, hop_length=200, n_mels=32, f_max=4000)
    phinet = StudentConfig(spec, PhiNetConfig(alpha=0.3), embed_dim=32, features=64, window_s=1.0)
    text = untrained.new_text(texts, 32, vocab_size=300, hidden_size=32, layers=1, heads=2)
    audio = phinet if kind == "phinet" else (spec, 1 / 16, Head())
    return untrained.new_dual(
        audio, text, embed_dim=32, window_s=1.0, prompts=TEMPLATES[:1], logit_scale=14.0, name=kind
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["phinet", "cnn14"])
def test_it_learns_to_tell_sounds_apart(kind: str, tmp_path: Path) -> None:
    views, captions = make_views(mix=0.0, n_clips=48)
    options = PretrainOptions(epochs=40, batch_size=16, lr=0.005, text_lr=0.0025, ema=0.9)
    teacher = pretrain(make_teacher(captions, kind), views, captions, options, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < rows[0]["loss"] - 1.0
    test = sounds(seed=9, n_clips=32)
    decoded = decode(test, 8000)
    audio = teacher.embed_audio(torch.from_numpy(np.stack([decoded.waveform(index) for index in range(32)])))
    classes = teacher.embed_text([TEMPLATES[0].format(label.replace("_", " ")) for label in test.labels])
    predicted = [test.labels[int(best)] for best in (audio @ classes.T).argmax(1)]
    assert np.mean([label == clip.label for label, clip in zip(predicted, test.clips, strict=True)]) >= 0.6


@pytest.mark.parametrize(
    "options",
    [OPTIONS, replace(OPTIONS, confusable_share=1.0), replace(OPTIONS, micro_batches=4, text_epochs=1)],
    ids=["usual", "confusable", "in parts"],
)
def test_interrupted_it_ends_the_same(options: PretrainOptions, tmp_path: Path) -> None:
    views, captions = make_views()
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected = pretrain(make_teacher(captions, "phinet"), views, captions, options, whole)

    class Interrupted(Views):
        def batch(self, rows: Sequence[tuple[int, int]]) -> np.ndarray:
            if rows[0][1] == 3:  # the fourth epoch
                raise KeyboardInterrupt
            return super().batch(rows)

    with pytest.raises(KeyboardInterrupt):
        pretrain(make_teacher(captions, "phinet"), Interrupted(views.decoded, views.spec), captions, options, broken)
    resumed = pretrain(make_teacher(captions, "phinet"), views, captions, options, broken)
    assert all(
        torch.equal(mine, theirs)
        for mine, theirs in zip(resumed.state_dict().values(), expected.state_dict().values(), strict=True)
    )


def test_captions_part_before_the_sounds_join_and_stay_apart(tmp_path: Path) -> None:
    views, captions = make_views(mix=0.0)
    teacher = make_teacher(captions, "phinet")
    texts = [f"This is a sound of {label.replace('_', ' ')}." for label in LABELS]
    apart = ~torch.eye(len(texts), dtype=torch.bool)

    def likeness() -> float:
        embedded = teacher.embed_text(texts)
        return float((embedded @ embedded.T)[apart].max())

    before = likeness()
    options = PretrainOptions(epochs=1, batch_size=8, lr=0.003, text_lr=0.002, ema=0.0, text_epochs=30, lock_text=True)
    pretrain(teacher, views, captions, options, tmp_path)
    assert before > 0.8
    assert likeness() < 0.5


def test_a_locked_text_tower_is_left_as_it_is(tmp_path: Path) -> None:
    views, captions = make_views(mix=0.0)
    teacher = make_teacher(captions, "phinet")
    before = [parameter.detach().clone() for parameter in teacher.text_parameters()]
    pretrain(
        teacher, views, captions, PretrainOptions(epochs=1, batch_size=8, lr=0.003, ema=0.5, lock_text=True), tmp_path
    )
    assert all(torch.equal(old, new) for old, new in zip(before, teacher.text_parameters(), strict=True))


@pytest.mark.parametrize("kind", ["phinet", "cnn14"])
@pytest.mark.parametrize("lock_text", [False, True])
def test_towers_and_heads_learn_at_rates_of_their_own(kind: str, lock_text: bool) -> None:
    _, captions = make_views(mix=0.0)
    teacher = make_teacher(captions, kind)
    options = PretrainOptions(lr=1e-4, text_lr=1e-5, head_lr=1e-3, lock_text=lock_text)
    rates = {id(parameter): lr for parameters, lr in parameter_groups(teacher, options) for parameter in parameters}
    assert isinstance(teacher, DualTeacher)
    head = teacher.audio.head if isinstance(teacher.audio, Student) else teacher.audio.projection
    for name, parameter in teacher.named_parameters():
        is_text_head, is_text = name.startswith("text.projection"), name.startswith("text.")
        is_head = any(parameter is own for own in head.parameters()) or name == "log_logit_scale"
        locked = lock_text and is_text
        expected = None if locked else 1e-3 if is_head or is_text_head else 1e-5 if is_text else 1e-4
        assert rates.get(id(parameter)) == expected, name
    assert sum(len(parameters) for parameters, _ in parameter_groups(teacher, options)) == len(rates)


def test_without_a_rate_of_their_own_heads_learn_as_their_towers() -> None:
    _, captions = make_views(mix=0.0)
    teacher = make_teacher(captions, "cnn14")
    (audio, lr), (text, text_lr) = parameter_groups(teacher, PretrainOptions(lr=1e-4, text_lr=1e-5))
    assert (lr, text_lr, len(text)) == (1e-4, 1e-5, len(teacher.text_parameters()))
    assert len(audio) + len(text) == len(list(teacher.parameters()))


def test_a_step_moves_each_part_by_its_rate(tmp_path: Path) -> None:
    """One step of Adam moves every weight by about its rate."""
    views, captions = make_views(mix=0.0, n_clips=8)
    teacher = make_teacher(captions, "cnn14")
    before = {name: parameter.detach().clone() for name, parameter in teacher.named_parameters()}
    options = PretrainOptions(epochs=1, batch_size=8, optimizer="adam", weight_decay=0.0, warmup_share=0.0)
    options = replace(options, lr=1e-4, text_lr=1e-5, head_lr=1e-3, clip_norm=0.0)
    pretrain(teacher, views, captions, options, tmp_path)
    moved = {name: (parameter - before[name]).abs().max().item() for name, parameter in teacher.named_parameters()}
    assert moved["audio.projection.weight"] == pytest.approx(1e-3, rel=0.01)
    assert moved["text.projection.weight"] == pytest.approx(1e-3, rel=0.01)
    assert moved["audio.base.conv_block1.conv1.weight"] == pytest.approx(1e-4, rel=0.01)
    assert moved["text.encoder.encoder.layer.0.output.dense.weight"] == pytest.approx(1e-5, rel=0.02)


def test_matches_without_mixing_are_the_label_groups() -> None:
    views, captions = make_views(mix=0.0)
    batch = np.arange(8)  # four labels in turn: each is there twice
    matches = matching(views, captions, batch, k=0)
    same = captions.groups[batch][:, None] == captions.groups[batch][None, :]
    np.testing.assert_allclose(matches, same / 2)
    assert floor(matches) == pytest.approx(math.log(2), abs=1e-6)


def test_a_mixture_matches_both_its_parts_by_amplitude() -> None:
    views, captions = make_views(mix=1.0)
    batch = np.arange(8)
    matches = matching(views, captions, batch, k=5).numpy()
    np.testing.assert_allclose(matches.sum(1), 1.0, atol=1e-6)
    view = views.draw(0, 5)
    assert view.other is not None
    own, other = captions.groups[0], captions.groups[view.other.index]
    amplitude = 10 ** (-view.mix_snr_db / 20)
    share = 1.0 if own == other else 1 / (1 + amplitude)
    assert matches[0][captions.groups[batch] == own].sum() == pytest.approx(share, abs=1e-6)


def test_captions_come_from_labels_and_captions() -> None:
    clips = [Clip("a", label="door_knock"), Clip("b", captions=("rain falls",)), Clip("c", label="door_knock")]
    captions = Captions(clips, TEMPLATES)
    assert captions.choices[0] == ("This is a sound of door knock.", "door knock.")
    assert captions.choices[1] == ("rain falls",)
    assert captions.groups.tolist() == [0, 1, 0]
    assert {captions.draw(0, seed=0, epoch=epoch) for epoch in range(20)} == set(captions.choices[0])
    with pytest.raises(TinyclapError, match=r"1 have neither, e\.g\. d"):
        Captions([*clips, Clip("d")], TEMPLATES)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"loss": 2.0}, None),
        ({"logit_sd": 0.05, "logit_scale": 0.07}, "the scale is 0.07, with which no towers come below 2.010; CLIP"),
        ({"audio_cosine": 0.999}, "audio tower gives every input the same embedding"),
        ({"text_cosine": 0.999, "audio_cosine": 0.99}, "audio and text tower"),
        ({"steps": 10}, None),
        ({}, "have not met"),
    ],
)
def test_a_loss_at_ln_batch_is_explained(change: dict[str, float], told: str | None) -> None:
    row = {"loss": math.log(8), "batch": 8, "steps": 200, "logit_sd": 2.0, "audio_cosine": 0.3, "text_cosine": 0.3}
    explanation = diagnose({**row, "logit_scale": 1.0, **change})
    assert explanation is None if told is None else told in str(explanation)


def test_the_explanation_reaches_the_user_in_the_first_epoch(tmp_path: Path) -> None:
    views, captions = make_views(mix=0.0)
    teacher = make_teacher(captions, "phinet")
    with torch.no_grad():
        teacher.log_scale.fill_(math.log(0.01))  # logits too small for softmax to tell them apart
    with pytest.warns(UserWarning, match="epoch 1: the loss .* logits hardly differ"):
        pretrain(teacher, views, captions, PretrainOptions(epochs=1, batch_size=8, lr=1e-5, text_lr=1e-5), tmp_path)
