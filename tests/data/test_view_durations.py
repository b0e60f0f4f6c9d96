"""Views of several lengths take turns; the teacher embeds each at its own, the student repeats it to its window."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.tiny import tiny_clap
from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.audio.windows import fit
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.training.spectrograms import LogMelViews
from tinyclap.training.targets import teacher_embeddings

RATE = 48_000
SPEC = ViewSpec(per_clip=3, duration_s=(1.0, 0.5))


@pytest.fixture(scope="module")
def decoded() -> Decoded:
    return decode(Procedural(3, duration_s=2.0), RATE)


def test_views_take_turns_and_one_length_alone_is_as_ever(decoded: Decoded) -> None:
    views = Views(decoded, SPEC)
    assert [len(views.waveform(1, k)) for k in range(3)] == [RATE, RATE // 2, RATE]
    assert views.lengths(range(9)).tolist() == [RATE, RATE // 2, RATE] * 3
    alone = Views(decoded, replace(SPEC, duration_s=1.0))
    np.testing.assert_array_equal(views.waveform(1, 2), alone.waveform(1, 2))
    assert SPEC.longest_s == 1.0
    assert SPEC.fingerprint != replace(SPEC, duration_s=1.0).fingerprint


def test_a_batch_is_padded_with_zeros(decoded: Decoded) -> None:
    views = Views(decoded, SPEC)
    batch = views.batch([(0, 0), (0, 1)])
    assert batch.shape == (2, RATE)
    np.testing.assert_array_equal(batch[1, : RATE // 2], views.waveform(0, 1))
    assert not batch[1, RATE // 2 :].any()


def test_the_teacher_embeds_each_view_at_its_own_length(decoded: Decoded) -> None:
    views, teacher = Views(decoded, SPEC), tiny_clap(["a dog barking", "rain falls"], embed_dim=16)
    stored = teacher_embeddings(teacher, views).embeddings
    for k in range(3):
        alone = teacher.embed_audio(torch.from_numpy(views.waveform(2, k))[None])[0]
        np.testing.assert_allclose(stored[2, k].astype(np.float32), alone.numpy(), atol=1e-3)


@pytest.mark.parametrize("keep", [True, False])
def test_the_student_takes_a_short_view_repeated_to_its_window(decoded: Decoded, keep: bool) -> None:
    views, frontend = Views(decoded, SPEC), LogMel(FrontendSpec(RATE, 1024, 1024, 480))
    inputs = LogMelViews(views, frontend, keep=keep)
    expected = frontend(torch.from_numpy(fit(views.waveform(1, 1), RATE))[None])
    torch.testing.assert_close(inputs.batch([(1, 1)]), expected, atol=0.006, rtol=0)


RECIPE = """task: distill
name: x
teacher: {kind: hf, source: demo}
data: {train: {kind: procedural, n_clips: 8, duration_s: 2.0}}
"""


def test_a_recipe_may_name_several(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(RECIPE)
    recipe = load_recipe(tmp_path / "x.yaml", ["views.duration_s=[2, 0.5]"], task="distill")
    assert recipe.views.durations_s == (2.0, 0.5)
    with pytest.raises(TinyclapError, match=r"views\.time_mask_s: got 0\.5, allowed: less than duration_s = 0\.5"):
        load_recipe(tmp_path / "x.yaml", ["views.duration_s=[2, 0.5]", "views.time_mask_s=0.5"])
    with pytest.raises(TinyclapError, match=r"views\.duration_s: got several, allowed: one with task: pretrain"):
        load_recipe("demo_teacher", ["views.duration_s=[2, 0.5]"])
