"""Several teachers as one: each by its own rate, prompts and words, side by side."""

import numpy as np
import pytest
import soxr
import torch

from tests.support.tiny import SOUNDS, STYLE, sounds_teacher, style_teacher
from tinyclap.errors import TinyclapError
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.joint import JointTeacher, chosen_head, heads_in
from tinyclap.teachers.stored_embeddings import class_vectors

TEXTS = ["a dog barking", "rain on a roof"]
ROOTS = (0.25**0.5, 0.75**0.5)


@pytest.fixture(scope="module")
def both() -> JointTeacher:
    return JointTeacher((SOUNDS, STYLE), (sounds_teacher(), style_teacher()), (1.0, 3.0))


def test_it_is_the_sum_of_its_parts(both: JointTeacher) -> None:
    sounds, style = sounds_teacher(), style_teacher()
    assert (both.embed_dim, both.sample_rate, both.window_s) == (28, 48_000, 10.0)
    assert both.prompts == (*sounds.prompts, *style.prompts)
    assert both.logit_scale == pytest.approx(0.25 * sounds.logit_scale + 0.75 * style.logit_scale)
    for key in ("parameters", "macs"):
        each = [teacher.costs()[key] for teacher in (sounds, style)]
        assert None not in each
        assert both.costs()[key] == sum(value for value in each if value is not None)


def test_texts_lie_side_by_side(both: JointTeacher) -> None:
    expected = torch.cat(
        [root * one.embed_text(TEXTS) for root, one in zip(ROOTS, (sounds_teacher(), style_teacher()), strict=True)], 1
    )
    torch.testing.assert_close(both.embed_text(TEXTS), expected, atol=1e-6, rtol=0)
    target = both.text_target()
    torch.testing.assert_close(target.embed(TEXTS), expected, atol=1e-6, rtol=0)
    assert (target.embed_dim, target.placement) == (28, None)


def test_each_hears_at_its_own_rate(both: JointTeacher) -> None:
    generator = torch.Generator().manual_seed(0)
    clips = [0.3 * torch.randn(length, generator=generator) for length in (30_000, 72_000)]
    batch = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True, padding_value=9.9)
    embedded = both.embed_audio(batch, torch.tensor([30_000, 72_000]))
    for row, clip in enumerate(clips):
        lower = torch.from_numpy(soxr.resample(clip.numpy(), 48_000, 16_000, quality="HQ"))
        parts = [sounds_teacher().embed_audio(clip[None]), style_teacher().embed_audio(lower[None])]
        expected = torch.cat([root * part for root, part in zip(ROOTS, parts, strict=True)], dim=1)
        torch.testing.assert_close(embedded[row : row + 1], expected, atol=1e-5, rtol=0)


def test_classes_are_said_in_each_teachers_own_prompts(both: JointTeacher) -> None:
    labels = ("dog", "rain")
    own = [class_vectors(one, labels, one.prompts) for one in (sounds_teacher(), style_teacher())]
    found = class_vectors(both, labels, both.prompts)
    np.testing.assert_allclose(found, np.concatenate([ROOTS[0] * own[0], ROOTS[1] * own[1]], axis=1), atol=1e-6)
    chosen = class_vectors(both, labels, ("{}",))
    plain = [class_vectors(one, labels, ("{}",)) for one in (sounds_teacher(), style_teacher())]
    np.testing.assert_allclose(both.heads[1].of(chosen), plain[1], atol=1e-5)


def test_the_fingerprint_follows_teachers_and_weights(both: JointTeacher) -> None:
    one, other = sounds_teacher(), style_teacher()
    assert JointTeacher(("x", "y"), (one, other), (2.0, 6.0)).fingerprint == both.fingerprint, "names change nothing"
    assert JointTeacher((SOUNDS, STYLE), (one, other), (1.0, 1.0)).fingerprint != both.fingerprint
    assert JointTeacher((STYLE, SOUNDS), (other, one), (3.0, 1.0)).fingerprint != both.fingerprint


def test_the_same_teacher_twice_is_refused() -> None:
    with pytest.raises(TinyclapError, match=r"a and b are the same teacher, tiny; name it once, with a larger weight"):
        JointTeacher(("a", "b"), (sounds_teacher(), sounds_teacher()), (1.0, 1.0))
    with pytest.raises(TinyclapError, match="give two or more"):
        JointTeacher(("a",), (sounds_teacher(),), (1.0,))


def test_what_several_towers_cannot_be_is_said(both: JointTeacher) -> None:
    with pytest.raises(TinyclapError, match=r"section `text`, whose student .*--head sounds or --head style"):
        both.text_graph()
    with pytest.raises(TinyclapError, match="each has an audio tower of its own"):
        both.audio_graph()


def test_heads_are_found_by_name(both: JointTeacher) -> None:
    single: Teacher = sounds_teacher()
    assert heads_in(single) == ()
    assert chosen_head(heads_in(both), STYLE, "runs/x") == 1
    with pytest.raises(TinyclapError, match="runs/x has no head speech; allowed: sounds, style"):
        chosen_head(both.heads, "speech", "runs/x")
