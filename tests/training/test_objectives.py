"""SLAP's objectives: each against a plain computation, and a training with all of them that is killed and goes on."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.training.test_pretrain import TEMPLATES, make_teacher, make_views
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.data.captions import Captions
from tinyclap.data.dataset import Clip
from tinyclap.data.decoded import decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.models.vit.config import VitConfig
from tinyclap.teachers import untrained
from tinyclap.teachers.dual.pair import DualTeacher
from tinyclap.teachers.dual.towers import Head
from tinyclap.teachers.dual.vit import VitTower
from tinyclap.training.contrastive.captioning import Captioner
from tinyclap.training.contrastive.masked import MaskedPatches, balanced, hidden_patches
from tinyclap.training.contrastive.objectives import BatchLoss, Heard, Objectives
from tinyclap.training.losses import sigmoid_loss, soft_info_nce
from tinyclap.training.options import CaptioningOptions, MaskedOptions, PretrainOptions
from tinyclap.training.pretrain import pretrain

SPEC = FrontendSpec(sample_rate=8000, n_fft=256, win_length=256, hop_length=100, n_mels=16, f_max=4000)
VIT = VitConfig(patch_frames=8, patch_mels=8, width=16, layers=2, heads=2, hidden=24, span=4, global_every=2)
MASKED = MaskedOptions(prototypes=16, ema=0.9)
CAPTIONING = CaptioningOptions(layers=1, heads=2, width=16)
ALL = PretrainOptions(epochs=4, batch_size=8, lr=0.003, text_lr=0.003, ema=0.9, masked=MASKED, captioning=CAPTIONING)
SECONDS = (0.31, 0.9, 1.4, 0.05)
LABELS = ("church_bell", "dog_bark", "rain", "siren")


def vit_views(n_clips: int = 16, silent: int = 0) -> tuple[Views, Captions]:
    """Views as long as their clips, of several lengths."""
    sounds = Procedural(n_clips, duration_s=1.5, labels=list(LABELS))
    decoded = decode(sounds, 8000)
    # Decoded clips are one after the other in a file: shorter ones are beginnings.
    decoded.windows = [
        replace(window, duration_s=SECONDS[number % 4], length=round(SECONDS[number % 4] * 8000))
        for number, window in enumerate(decoded.windows)
    ]
    clips = [
        Clip(clip.name, label=None if silent and number % silent == 1 else clip.label)
        for number, clip in enumerate(sounds.clips)
    ]
    captions = Captions(clips, TEMPLATES, some=bool(silent))
    return Views(decoded, ViewSpec(per_clip=1, duration_s=1.5, repeat=False, mix=0.3)), captions


def vit_teacher(dropout: float = 0.1) -> DualTeacher:
    """A pair of tiny transformers, always the same."""
    torch.manual_seed(0)
    texts = [template.format(label.replace("_", " ")) for label in LABELS for template in TEMPLATES]
    text = untrained.new_text(texts, 16, vocab_size=300, hidden_size=16, layers=1, heads=2, pooling="attention")
    shape = (SPEC, replace(VIT, dropout=dropout), Head())
    return untrained.new_dual(
        shape, text, embed_dim=16, window_s=1.5, prompts=TEMPLATES[:1], logit_scale=14.0, name="vit"
    )


def tower_of(teacher: DualTeacher) -> VitTower:
    assert isinstance(teacher.audio, VitTower)
    return teacher.audio


def clips() -> list[Tensor]:
    torch.manual_seed(3)
    return [0.1 * torch.randn(round(seconds * 8000)) for seconds in SECONDS]


def heard(teacher: DualTeacher) -> Heard:
    return Heard([0, 1, 2, 3], clips(), ["church bell", "a dog bark", "rain", "This is a sound of siren."], 0)


def trained(views: Views, captions: Captions, options: PretrainOptions, run: Path) -> DualTeacher:
    run.mkdir(exist_ok=True)
    teacher = pretrain(vit_teacher(), views, captions, options, run, seed=3)
    assert isinstance(teacher, DualTeacher)
    return teacher


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_clips_losses_do_not_depend_on_its_batch() -> None:
    """In a batch of other lengths as alone, to 1e-5 in float32; the masked loss without its balance over the batch."""
    teacher = vit_teacher().eval()
    tower = tower_of(teacher)
    torch.manual_seed(0)
    captioner = Captioner(16, teacher.text.tokenizer, 77, CAPTIONING).eval()
    batch = heard(teacher)
    patches = tower.patches(batch.waveforms)
    together = captioner(tower.encoder(patches), patches.valid, batch.texts)
    for row in range(4):
        own = tower.patches(batch.waveforms[row : row + 1])
        alone = captioner(tower.encoder(own), own.valid, batch.texts[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=0)
        hidden = hidden_patches(patches, 0.5, batch.clips, 3, 7)[row]
        mine = hidden_patches(own, 0.5, batch.clips[row : row + 1], 3, 7)[0]
        assert torch.equal(hidden[: len(mine)], mine)
        assert not hidden[len(mine) :].any()
        assert int(mine.sum()) == max(1, round(len(mine) / 2))
        masked = torch.where(hidden[:, None], 0.0, tower.encoder.embed(patches))
        scores = tower.encoder.attend(masked, patches)[row, : len(mine)]
        masked = torch.where(mine[:, None], 0.0, tower.encoder.embed(own))
        torch.testing.assert_close(scores, tower.encoder.attend(masked, own)[0], atol=1e-5, rtol=0)


def test_the_masked_loss_is_that_of_hidden_patches_beside_the_copys_choice() -> None:
    teacher = vit_teacher(dropout=0.0)
    encoder = tower_of(teacher).encoder
    objective = MaskedPatches(encoder, MASKED).train()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(1.1)  # so that what learns and what is followed differ
    patches = tower_of(teacher).patches(clips())
    hidden = hidden_patches(patches, 0.5, [0, 1, 2, 3], 0, 0)
    found = objective(encoder, patches, hidden)
    tokens = encoder.embed(patches).clone()
    tokens[hidden] = objective.token
    copied, prototypes = objective.encoder_copy, objective.prototypes_copy
    ours = F.log_softmax(objective.prototypes(encoder.attend(tokens, patches)) / 0.1, -1)
    theirs = torch.zeros_like(ours)
    theirs[hidden] = balanced(prototypes(copied(patches))[hidden] / 0.05)
    every = -(theirs * ours).sum(-1)
    expected = [every[row][hidden[row]].mean() for row in range(4)]
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=1e-5)
    found.sum().backward()
    assert objective.token.grad is not None
    assert objective.token.grad.abs().max() > 0
    assert all(parameter.grad is None for part in (copied, prototypes) for parameter in part.parameters())


def test_the_copy_follows_less_and_less() -> None:
    """By half a cosine from 1 - ema down to nothing."""
    encoder = tower_of(vit_teacher()).encoder
    objective = MaskedPatches(encoder, MASKED)
    with torch.no_grad():
        encoder.embedding.weight.zero_()
    followed = objective.encoder_copy.embedding.weight
    for step, towards in ((0, 0.1), (50, 0.05), (100, 0.0)):
        before = followed.clone()
        objective.follow(encoder, step, 100)
        torch.testing.assert_close(followed, (1 - towards) * before, atol=1e-6, rtol=1e-5)
    assert followed.abs().max() > 0


def test_balanced_shares_are_spread_over_prototypes() -> None:
    """All tokens that like one prototype best are spread; each still gives a whole; order within a prototype stays."""
    torch.manual_seed(0)
    scores = torch.randn(64, 8)
    scores[:, 0] += 6.0
    shares = balanced(scores)
    torch.testing.assert_close(shares.sum(1), torch.ones(64))
    assert shares.sum(0).min() > 64 / 8 * 0.8
    assert scores.softmax(1).sum(0).max() > 60


def test_a_word_is_written_from_the_sound_and_the_words_before() -> None:
    teacher = vit_teacher().eval()
    torch.manual_seed(0)
    captioner = Captioner(16, teacher.text.tokenizer, 77, CAPTIONING).eval()
    dense = torch.randn(1, 5, 16)
    tokens = teacher.text.tokenizer("a dog bark", return_tensors="pt")["input_ids"]

    def loss(text: str, sound: Tensor = dense) -> Tensor:
        return captioner(sound, None, [text])

    with torch.no_grad():
        steps = []
        for end in range(1, tokens.shape[1]):
            before = tokens[:, :end]
            mask = torch.ones(end, end, dtype=torch.bool).triu(1)
            inputs = captioner.words(before) + captioner.places.weight[:end]
            logits = captioner.decoder(inputs, captioner.memory(dense), tgt_mask=mask)[:, -1] @ captioner.words.weight.T
            steps.append(F.cross_entropy(logits, tokens[:, end]))
        torch.testing.assert_close(loss("a dog bark"), torch.stack(steps).mean()[None], atol=1e-5, rtol=0)
        assert (loss("a dog bark", 2 * dense) - loss("a dog bark")).abs() > 1e-4


def test_the_sigmoid_loss_is_siglips() -> None:
    """Its pseudocode: the mean over sounds of -log sigmoid(labels * logits), labels -1 off the diagonal."""
    torch.manual_seed(0)
    audio, text = (F.normalize(torch.randn(6, 4), dim=-1) for _ in range(2))
    scale, bias = torch.tensor(10.0), torch.tensor(-3.0)
    logits = audio @ text.T * scale + bias
    labels = 2 * torch.eye(6) - torch.ones(6, 6)
    expected = -torch.log(torch.sigmoid(labels * logits)).sum() / 6
    torch.testing.assert_close(sigmoid_loss(audio, text, scale, bias, torch.eye(6)), expected)
    shared = torch.eye(6)
    shared[0, 1] = 0.2  # a mixture has the words of both its parts
    moved = sigmoid_loss(audio, text, scale, bias, shared) - expected
    torch.testing.assert_close(moved, logits[0, 1] / -6)


def test_the_sum_is_weighted_and_clips_without_words_teach_by_sound_alone() -> None:
    _, captions = vit_views(silent=2)
    options = replace(ALL, contrastive_weight=0.5)
    objectives = Objectives(vit_teacher(), options, 0)
    batch = np.arange(8)
    assert captions.known[batch].tolist() == [number % 2 != 1 for number in range(8)]
    torch.manual_seed(0)
    audio, text = (F.normalize(torch.randn(8, 4), dim=-1) for _ in range(2))
    masked, captioned = torch.rand(8), torch.rand(8)
    loss_of = BatchLoss(objectives, captions, batch, torch.eye(8), torch.tensor(1.0))
    known = torch.arange(8) % 2 == 0
    contrastive = soft_info_nce(audio[known], text[known], torch.tensor(math.e), torch.eye(4))
    expected = 0.5 * contrastive + 1.0 * masked.mean() + 0.5 * captioned[known].mean()
    torch.testing.assert_close(loss_of(audio, text, masked, captioned), expected)
    assert loss_of.terms == pytest.approx(
        {
            "contrastive": contrastive.item(),
            "masked": masked.mean().item(),
            "captioning": captioned[known].mean().item(),
        }
    )


def test_each_objective_is_switched_by_its_section() -> None:
    teacher = vit_teacher()
    for options, names, extra in (
        (replace(ALL, masked=None), ["captioning"], "captioner"),
        (replace(ALL, captioning=None), ["masked"], "masked"),
        (replace(ALL, masked=None, captioning=None, loss="sigmoid"), [], "bias"),
    ):
        objectives = Objectives(teacher, options, 0)
        assert objectives.names == names
        assert {name.split(".")[0] for name in objectives.state_dict()} == {extra}
        assert len(objectives.audio(teacher, heard(teacher))) == 1 + len(names)


@pytest.mark.parametrize(
    ("options", "silent"),
    [
        (ALL, 0),
        (replace(ALL, loss="sigmoid", micro_batches=2, text_epochs=1), 3),
        (replace(ALL, masked=None, captioning=None), 0),
    ],
    ids=["all", "sigmoid, in parts, some without words", "contrast alone"],
)
def test_interrupted_it_ends_the_same(options: PretrainOptions, silent: int, tmp_path: Path) -> None:
    """Bit for bit: towers, and the metrics of every term."""
    views, captions = vit_views(silent=silent)
    expected = trained(views, captions, options, tmp_path / "whole")

    class Interrupted(Views):
        def waveform(self, index: int, k: int) -> np.ndarray:
            if k == 2:  # the third epoch
                raise KeyboardInterrupt
            return super().waveform(index, k)

    with pytest.raises(KeyboardInterrupt):
        trained(Interrupted(views.decoded, views.spec), captions, options, tmp_path / "broken")
    resumed = trained(views, captions, options, tmp_path / "broken")
    for mine, theirs in zip(resumed.state_dict().values(), expected.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    whole, broken = (
        [{key: value for key, value in row.items() if "seconds" not in key} for row in rows(tmp_path / run)]
        for run in ("whole", "broken")
    )
    assert whole == broken
    last = (torch.load(tmp_path / run / "checkpoints" / "last.pt", weights_only=True) for run in ("whole", "broken"))
    one, other = (state["objectives"] for state in last)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    terms = {name for name in ("contrastive", "masked", "captioning") if name in whole[0]}
    wanted = {"contrastive", *(["masked", "captioning"] if options.dense else [])}
    assert terms == wanted


def test_each_term_falls_where_it_alone_is_learned(tmp_path: Path) -> None:
    views, captions = vit_views(n_clips=32)
    brief = replace(ALL, epochs=12, ema=0.0)
    for name, options in {
        "contrastive": replace(brief, masked=None, captioning=None, text_epochs=20, lock_text=True),
        "masked": replace(brief, contrastive_weight=0.0, captioning=None),
        "captioning": replace(brief, contrastive_weight=0.0, masked=None),
    }.items():
        trained(views, captions, options, tmp_path / name)
        first, *_, last = rows(tmp_path / name)
        assert last[name] < first[name] - 0.1, name
        assert {"contrastive", "masked", "captioning"} & first.keys() == {name}


def test_a_batch_in_parts_learns_the_same_from_words(tmp_path: Path) -> None:
    """Without dropout, and without the masked loss, whose targets are balanced over each part."""
    views, captions = vit_views()
    options = replace(ALL, epochs=1, batch_size=16, lr=1e-3, text_lr=1e-3, masked=None, ema=0.0, warmup_share=0.0)
    options = replace(options, captioning=replace(CAPTIONING, dropout=0.0))
    ends = []
    for parts in (1, 4):
        (tmp_path / str(parts)).mkdir()
        teacher = vit_teacher(dropout=0.0)
        for module in teacher.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        done = pretrain(teacher, views, captions, replace(options, micro_batches=parts), tmp_path / str(parts))
        ends.append((done.state_dict(), rows(tmp_path / str(parts))[0]["loss"]))
    assert ends[0][1] == pytest.approx(ends[1][1], abs=1e-5)
    begun = vit_teacher().state_dict()
    assert max(float((ends[0][0][name] - begun[name]).abs().max()) for name in begun) == pytest.approx(1e-3, rel=0.1)
    for name, tensor in ends[0][0].items():
        torch.testing.assert_close(ends[1][0][name], tensor, atol=1e-4, rtol=0)


def test_clips_of_a_batch_are_of_about_the_same_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views, captions = vit_views(n_clips=32)
    seen: list[list[int]] = []
    usual = VitTower.patches

    def patches(tower: VitTower, clips: Sequence[Tensor]) -> object:
        seen.append([len(clip) for clip in clips])
        return usual(tower, clips)

    monkeypatch.setattr(VitTower, "patches", patches)
    trained(views, captions, replace(ALL, epochs=1), tmp_path)
    assert sorted(length for batch in seen for length in batch) == sorted([round(s * 8000) for s in SECONDS] * 8)
    assert all(len(set(batch)) == 1 for batch in seen)  # eight of each of four lengths


def test_what_a_tower_cannot_do_is_told(tmp_path: Path) -> None:
    views, captions = make_views(mix=0.0, n_clips=8)
    teacher = make_teacher(captions, "phinet")
    with pytest.raises(
        TinyclapError, match=r"training\.masked learns from the patches .* teacher phinet does not have"
    ):
        pretrain(teacher, views, captions, ALL, tmp_path)
    own_length = Views(views.decoded, replace(views.spec, repeat=False))
    with pytest.raises(TinyclapError, match=r"views\.repeat is false, but the audio tower of teacher phinet hears"):
        pretrain(teacher, own_length, captions, PretrainOptions(batch_size=8), tmp_path)


def test_clips_without_words_need_an_objective_without_words() -> None:
    silent = [Clip("a"), Clip("b", label="rain")]
    with pytest.raises(TinyclapError, match=r"1 have neither, e\.g\. a; .* with training\.masked"):
        Captions(silent, TEMPLATES)
    captions = Captions(silent, TEMPLATES, some=True)
    assert captions.known.tolist() == [False, True]
    assert captions.draw(0, 0, 0) == ""
    with pytest.raises(TinyclapError, match="none of the 1 clips has a label or a caption"):
        Captions(silent[:1], TEMPLATES, some=True)


@pytest.mark.parametrize(
    ("batch", "told"),
    [([], "a batch without clips"), ([torch.zeros(4000), torch.zeros(0)], "clip 1 of the batch has no samples")],
)
def test_no_clips_and_empty_ones_are_refused(batch: list[Tensor], told: str) -> None:
    with pytest.raises(TinyclapError, match=told):
        vit_teacher().encode_clips(batch)


@pytest.mark.parametrize("n_samples", [1, 50, 129, 400])
def test_a_clip_shorter_than_a_patch_or_a_frame_is_one_patch(n_samples: int) -> None:
    teacher = vit_teacher().eval()
    torch.manual_seed(0)
    clip = 0.1 * torch.randn(n_samples)
    assert tower_of(teacher).patches([clip]).counts == [2]  # one column of two rows
    assert teacher.embed_audio(clip[None]).isfinite().all()
