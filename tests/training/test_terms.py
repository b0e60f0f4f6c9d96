"""SLAP's objectives, each against a plain computation."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.training.tiny_vit import ALL, CAPTIONING, MASKED, clips, heard, tower_of, vit_teacher, vit_views
from tinyclap.errors import TinyclapError
from tinyclap.training.contrastive.captioning import Captioner
from tinyclap.training.contrastive.gradient_cache import backward_in_parts
from tinyclap.training.contrastive.masked import MaskedPatches, balanced, hidden_patches
from tinyclap.training.contrastive.objectives import BatchLoss, Heard, Objectives
from tinyclap.training.losses import sigmoid_loss, soft_info_nce


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


def test_a_batch_in_parts_has_the_gradient_of_the_whole() -> None:
    """Without dropout, and without the masked loss, whose targets are balanced over each part."""
    views, captions = vit_views()
    teacher = vit_teacher().eval()
    objectives = Objectives(teacher, replace(ALL, masked=None), 0).eval()
    learned = {**dict(teacher.named_parameters()), **dict(objectives.named_parameters())}
    batch = np.arange(8)
    loss_of = BatchLoss(objectives, captions, batch, torch.eye(8), teacher.log_scale)

    def encode(part: np.ndarray) -> list[Tensor]:
        sounds = [torch.from_numpy(views.waveform(int(clip), 0)) for clip in part]
        texts = [captions.draw(int(clip), 0, 0) for clip in part]
        audio, *more = objectives.audio(teacher, Heard(part.tolist(), sounds, texts, 0))
        return [audio, teacher.encode_text(texts), *more]

    loss = loss_of(*encode(batch))
    loss.backward()
    whole = {name: one.grad.clone() for name, one in learned.items() if one.grad is not None}
    for one in learned.values():
        one.grad = None
    parts = np.array_split(batch, 4)
    cached, _ = backward_in_parts(lambda part, _: encode(parts[part]), 4, loss_of, Tensor.backward)
    assert cached.item() == pytest.approx(loss.item(), abs=1e-5)
    assert any(name.startswith("captioner") for name in whole)
    for name, gradient in whole.items():
        torch.testing.assert_close(learned[name].grad, gradient, atol=1e-5, rtol=1e-4)


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
