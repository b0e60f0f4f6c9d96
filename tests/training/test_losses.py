"""Losses against their formulas, written out by hand in numpy or taken from torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tinyclap.embeddings.joint_space import heads_of
from tinyclap.errors import TinyclapError
from tinyclap.training.losses import (
    CentredCosineLoss,
    CosineLoss,
    PerTeacherLoss,
    RelationalLoss,
    TextAnchorLoss,
    distillation_loss,
    lowest_info_nce,
    soft_info_nce,
)
from tinyclap.training.options import DistillOptions


def unit(rows: int, seed: int, dim: int = 8) -> Tensor:
    """Unit vectors in a cone, as a CLAP's embeddings are."""
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64) + 1.0, dim=-1)


SCALE = torch.tensor(10.0, dtype=torch.float64)
STUDENT, TEACHER = unit(6, 0), unit(6, 1)
MEAN = unit(50, 2).mean(0)


def centred_cosine(student: np.ndarray, teacher: np.ndarray, mean: np.ndarray, plain_weight: float) -> float:
    losses = []
    for s, t in zip(student, teacher, strict=True):
        a, b = s - mean, t - mean
        centred = (a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))
        losses.append(1 - centred + plain_weight * (1 - s @ t))
    return float(np.mean(losses))


# ---- distillation


def test_cosine_by_hand() -> None:
    expected = np.mean([1 - s @ t for s, t in zip(STUDENT.numpy(), TEACHER.numpy(), strict=True)])
    assert CosineLoss()(STUDENT, TEACHER).item() == pytest.approx(expected, rel=1e-12)
    assert CosineLoss()(TEACHER, TEACHER).item() == pytest.approx(0, abs=1e-12)
    assert CosineLoss()(-TEACHER, TEACHER).item() == pytest.approx(2)


@pytest.mark.parametrize("plain_weight", [0.0, 0.2, 3.0])
def test_centred_cosine_by_hand(plain_weight: float) -> None:
    criterion = CentredCosineLoss(MEAN, plain_weight)
    expected = centred_cosine(STUDENT.numpy(), TEACHER.numpy(), MEAN.numpy(), plain_weight)
    assert criterion(STUDENT, TEACHER).item() == pytest.approx(expected, rel=1e-9)
    assert criterion(TEACHER, TEACHER).item() == pytest.approx(0, abs=1e-9)


def test_about_the_origin_centred_cosine_is_the_cosine() -> None:
    criterion = CentredCosineLoss(torch.zeros_like(MEAN), plain_weight=0.0)
    assert criterion(STUDENT, TEACHER).item() == pytest.approx(CosineLoss()(STUDENT, TEACHER).item(), rel=1e-9)


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def divergence(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """KL(theirs || ours) of softmaxes, mean over rows."""
    pairs = [(softmax(our), softmax(their)) for our, their in zip(ours, theirs, strict=True)]
    return float(np.mean([np.sum(q * (np.log(q) - np.log(p))) for p, q in pairs]))


def test_text_anchors_by_hand() -> None:
    texts = unit(5, 3)
    criterion = TextAnchorLoss(texts, temperature=0.2)
    expected = divergence(*([texts.numpy() @ row / 0.2 for row in rows.numpy()] for rows in (STUDENT, TEACHER)))
    assert criterion(STUDENT, TEACHER).item() == pytest.approx(expected, rel=1e-9)
    assert criterion(TEACHER, TEACHER).item() == pytest.approx(0, abs=1e-12)


def test_relations_by_hand() -> None:
    def to_others(rows: np.ndarray) -> list[np.ndarray]:
        centred = [(row - MEAN.numpy()) / np.linalg.norm(row - MEAN.numpy()) for row in rows]
        return [np.array([a @ b / 0.2 for b in centred if b is not a]) for a in centred]

    criterion = RelationalLoss(MEAN, temperature=0.2)
    expected = divergence(to_others(STUDENT.numpy()), to_others(TEACHER.numpy()))
    assert criterion(STUDENT, TEACHER).item() == pytest.approx(expected, rel=1e-9)
    assert criterion(TEACHER, TEACHER).item() == pytest.approx(0, abs=1e-12)
    assert criterion(STUDENT[:1], TEACHER[:1]).item() == 0, "one clip has no others"


def test_the_options_name_the_loss() -> None:
    texts = unit(5, 3)
    parts = {
        "text_weight": TextAnchorLoss(texts, 0.1),
        "relational_weight": RelationalLoss(MEAN, 0.1),
    }
    plain = distillation_loss(DistillOptions(), MEAN)(STUDENT, TEACHER).item()
    assert plain == CentredCosineLoss(MEAN)(STUDENT, TEACHER).item()
    for name, part in parts.items():
        whole = distillation_loss(DistillOptions(**{name: 0.5}), MEAN, texts)(STUDENT, TEACHER).item()  # type: ignore[arg-type]
        assert whole == pytest.approx(plain + 0.5 * part(STUDENT, TEACHER).item(), rel=1e-9)
    with pytest.raises(TinyclapError, match="needs the teacher's embeddings of the texts"):
        distillation_loss(DistillOptions(text_weight=0.5), MEAN)


def test_what_all_clips_share_earns_a_centred_loss_nothing() -> None:
    """A student that always answers the mean direction looks good by plain cosine and bad by the centred one."""
    lazy = F.normalize(MEAN, dim=0).expand(6, -1)
    assert CosineLoss()(lazy, TEACHER).item() < 0.4
    assert CentredCosineLoss(MEAN, plain_weight=0.0)(lazy, TEACHER).item() > 0.8


@pytest.mark.parametrize("criterion", [CosineLoss(), CentredCosineLoss(MEAN)], ids=["cosine", "centred"])
def test_micro_batches_average_to_the_batch(criterion: torch.nn.Module) -> None:
    whole = STUDENT.clone().requires_grad_()
    criterion(whole, TEACHER).backward()
    parts = STUDENT.clone().requires_grad_()
    losses = [criterion(parts[i : i + 2], TEACHER[i : i + 2]) for i in (0, 2, 4)]
    (torch.stack(losses).mean()).backward()
    assert torch.stack(losses).mean().item() == pytest.approx(criterion(STUDENT, TEACHER).item(), rel=1e-12)
    torch.testing.assert_close(parts.grad, whole.grad)


def test_the_mean_follows_the_device_and_is_not_trained() -> None:
    criterion = CentredCosineLoss(MEAN)
    assert list(criterion.parameters()) == []
    assert criterion.float().mean.dtype == torch.float32


# ---- contrast


def clip_loss(audio: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """CLIP's own form."""
    logits = scale * audio @ text.T
    labels = torch.arange(len(audio))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def test_with_one_text_per_sound_it_is_the_clip_loss() -> None:
    matches = torch.eye(6, dtype=torch.float64)
    audio = STUDENT.clone().requires_grad_()
    reference = STUDENT.clone().requires_grad_()
    loss, expected = soft_info_nce(audio, TEACHER, SCALE, matches), clip_loss(reference, TEACHER, SCALE)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(audio.grad, reference.grad)


def test_matches_need_no_norm() -> None:
    matches = torch.rand(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    once, scaled = (soft_info_nce(STUDENT, TEACHER, SCALE, factor * matches) for factor in (1.0, 7.0))
    torch.testing.assert_close(once, scaled)


def test_by_hand_with_shares() -> None:
    rng = np.random.default_rng(0)
    matches = rng.random((6, 6)) * (rng.random((6, 6)) < 0.5) + np.eye(6)
    logits = 10.0 * STUDENT.numpy() @ TEACHER.numpy().T
    total = 0.0
    for table, wanted in ((logits, matches), (logits.T, matches.T)):
        for i in range(6):
            for j in range(6):
                share = wanted[i, j] / wanted[i].sum()
                total -= share * (table[i, j] - np.log(np.exp(table[i]).sum())) / 12
    loss = soft_info_nce(STUDENT, TEACHER, SCALE, torch.from_numpy(matches))
    assert loss.item() == pytest.approx(total, rel=1e-9)


def pull(similarity: Tensor, matches: Tensor, hardness: float = 0.0) -> Tensor:
    """How strongly the loss pulls each sound and text together (negative: pushes them apart), (B, B)."""
    leaf = similarity.clone().requires_grad_()
    soft_info_nce(torch.eye(len(leaf), dtype=torch.float64), leaf.T, SCALE, matches, hardness).backward()
    assert leaf.grad is not None
    return -leaf.grad


def test_clips_that_share_a_caption_are_no_negatives() -> None:
    matches = torch.eye(3, dtype=torch.float64)[[0, 0, 1, 2]]  # sounds 0 and 1 have one caption
    matches = matches @ matches.T
    torch.testing.assert_close(torch.sign(pull(torch.zeros_like(matches), matches)), 2 * matches - 1)
    alone = pull(torch.zeros_like(matches), torch.eye(4, dtype=torch.float64))
    assert alone[0, 1] < 0  # without saying so, they are pushed apart


def test_sounds_that_share_a_caption_can_reach_the_lower_bound() -> None:
    captions = torch.eye(3, 8, dtype=torch.float64)[[0, 0, 1, 2]]
    loss = soft_info_nce(captions, captions, 20 * SCALE, (captions @ captions.T > 0.5).double())
    assert loss.item() == pytest.approx(np.log(2) / 2, abs=1e-9)  # half the rows are split between two


def test_hard_negatives_cost_more_the_closer_they_are() -> None:
    similarity = torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    matches = torch.eye(3, dtype=torch.float64)
    pulls = torch.stack([pull(similarity, matches, hardness)[0] for hardness in (0.0, 1.0, 3.0)])
    close, far = pulls[:, 1], pulls[:, 2]
    assert close[2] < close[1] < close[0] < 0
    assert far[0] < far[1] < far[2] < 0  # what is far already is left alone


def test_hardness_by_hand() -> None:
    similarity = STUDENT @ TEACHER.T
    logits = SCALE * similarity + 2.0 * similarity * (1 - torch.eye(6, dtype=torch.float64))
    labels = torch.arange(6)
    expected = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
    loss = soft_info_nce(STUDENT, TEACHER, SCALE, torch.eye(6, dtype=torch.float64), 2.0)
    torch.testing.assert_close(loss, expected)
    assert loss > clip_loss(STUDENT, TEACHER, SCALE)


@pytest.mark.parametrize(("scale", "pairs"), [(0.07, 8), (1.0, 8), (14.2857, 32)])
def test_nothing_comes_below_the_lowest_info_nce_and_a_simplex_reaches_it(scale: float, pairs: int) -> None:
    lowest, factor = lowest_info_nce(scale, pairs), torch.tensor(scale, dtype=torch.float64)
    corners = torch.eye(pairs, dtype=torch.float64)
    simplex = F.normalize(corners - corners.mean(0), dim=-1)
    assert soft_info_nce(simplex, simplex, factor, corners).item() == pytest.approx(lowest, abs=1e-12)
    generator = torch.Generator().manual_seed(0)
    audio, text = (torch.randn(pairs, 40, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    optimizer = torch.optim.Adam([audio, text], lr=0.05)
    for _ in range(300):
        loss = soft_info_nce(F.normalize(audio, dim=-1), F.normalize(text, dim=-1), factor, corners)
        assert loss.item() >= lowest
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() == pytest.approx(lowest, rel=0.02, abs=1e-3)
    assert lowest_info_nce(scale, 1) == 0.0


def test_a_scale_of_0_07_leaves_a_batch_of_8_near_its_logarithm() -> None:
    assert lowest_info_nce(0.07, 8) == pytest.approx(2.010, abs=5e-4)
    assert lowest_info_nce(1 / 0.07, 8) < 1e-5


# ---- several teachers


HEADS = heads_of(("a", "b"), (5, 3), (1.0, 3.0))


def test_of_several_teachers_each_part_is_centred_by_itself() -> None:
    """By hand: parts at unit norm about their own means, averaged by weight, and the plain cosine of the whole."""
    student, teacher = STUDENT, torch.cat([0.5 * unit(6, 3, 5), 0.75**0.5 * unit(6, 4, 3)], dim=1)
    means = [unit(50, 5, 5).mean(0), unit(50, 6, 3).mean(0)]
    mean = torch.cat([0.5 * means[0], 0.75**0.5 * means[1]])
    parts = []
    for share, place, centre in ((0.25, slice(0, 5), means[0]), (0.75, slice(5, 8), means[1])):
        ours, theirs = (F.normalize(rows[:, place], dim=-1).numpy() for rows in (student, teacher))
        parts.append(share * centred_cosine(ours, theirs, centre.numpy(), 0.0))
    plain = float((1 - (student * teacher).sum(1)).mean())
    criterion = distillation_loss(DistillOptions(plain_weight=0.2), mean, heads=HEADS)
    assert criterion(student, teacher).item() == pytest.approx(sum(parts) + 0.2 * plain, rel=1e-9)
    assert criterion(teacher, teacher).item() == pytest.approx(0, abs=1e-9)


def test_how_long_a_teachers_part_is_only_the_plain_cosine_tells() -> None:
    teacher = torch.cat([0.5 * unit(6, 3, 5), 0.75**0.5 * unit(6, 4, 3)], dim=1)
    other = torch.cat([0.75**0.5 * unit(6, 3, 5), 0.5 * unit(6, 4, 3)], dim=1)
    assert PerTeacherLoss(HEADS, MEAN, 0.0)(other, teacher).item() == pytest.approx(0, abs=1e-9)
    assert PerTeacherLoss(HEADS, MEAN, 0.2)(other, teacher).item() > 0.01


def test_the_plain_loss_of_several_teachers_is_the_mean_of_their_cosines_by_weight() -> None:
    ours, theirs = [unit(6, 7, 5), unit(6, 8, 3)], [unit(6, 3, 5), unit(6, 4, 3)]
    joined = [torch.cat([0.5 * one, 0.75**0.5 * other], dim=1) for one, other in (ours, theirs)]
    cosines = [(one * other).sum(1).mean().item() for one, other in zip(ours, theirs, strict=True)]
    found = distillation_loss(DistillOptions(loss="cosine"), MEAN, heads=HEADS)(*joined).item()
    assert found == pytest.approx(1 - 0.25 * cosines[0] - 0.75 * cosines[1], rel=1e-9)
