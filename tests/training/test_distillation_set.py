"""What a student learns from: made once, kept, and each view rendered once where one rate serves both."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.tiny import SOUNDS, STYLE, small_recipe, sounds_teacher, style_teacher, tiny_clap
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data import build_dataset, views
from tinyclap.data.degradation import degrade, draw
from tinyclap.models.student import Student
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.joint import JointTeacher
from tinyclap.training.distillation_set import DistillationSet, distillation_set


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sample rates, one for each rendering of a view."""
    rates: list[int] = []
    render = views.render

    def counted(decoded, view):  # type: ignore[no-untyped-def]
        rates.append(decoded.sample_rate)
        return render(decoded, view)

    monkeypatch.setattr(views, "render", counted)
    return rates


def learn(folder: Path, sample_rate: int, *overrides: str) -> DistillationSet:
    path = folder / "small.yaml"
    path.write_text(small_recipe("not loaded"))
    given = [f"student.frontend.sample_rate={sample_rate}", *overrides]
    recipe = load_recipe(path, given, task="distill")
    teacher = tiny_clap(["a dog barking", "rain falls"], embed_dim=16)
    student = Student(recipe.student.with_embedding(teacher.embed_dim, recipe.views.longest_s))
    train, keep = build_dataset(recipe.data.train), recipe.training.keep_logmels
    return distillation_set(train, teacher, student, recipe.views, keep_logmels=keep, **recipe.data.limits)


def test_a_view_is_rendered_once_where_one_rate_serves_both(tmp_path: Path, rendered: list[int]) -> None:
    learned = learn(tmp_path, 48_000)
    n_views = len(learned.inputs) * learned.inputs.per_clip
    assert rendered == [48_000] * n_views
    assert learned.targets.teacher_forwards == n_views
    learn(tmp_path, 48_000)
    assert len(rendered) == n_views, "all of it is kept"


def test_at_two_rates_each_hears_its_own(tmp_path: Path, rendered: list[int]) -> None:
    learned = learn(tmp_path, 8_000)
    n_views = len(learned.inputs) * learned.inputs.per_clip
    assert rendered == [48_000] * n_views + [8_000] * n_views


def test_what_is_kept_together_is_what_is_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = learn(tmp_path, 48_000)
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / "another"))
    apart = learn(tmp_path, 48_000, "training.keep_logmels=false")
    np.testing.assert_array_equal(together.targets.embeddings, apart.targets.embeddings)
    rows = [(3, 1), (0, 0)]
    np.testing.assert_allclose(together.inputs.batch(rows), apart.inputs.batch(rows), atol=0.005 + 1e-4)


@pytest.mark.parametrize("rate", [48_000, 8_000])
def test_the_student_alone_gets_its_views_degraded(tmp_path: Path, rate: int) -> None:
    plain = learn(tmp_path, rate)
    degraded = learn(tmp_path, rate, "views.student={share: 1.0, each: 1.0, reverb_s: [0.2, 0.3]}")
    np.testing.assert_array_equal(plain.targets.embeddings, degraded.targets.embeddings)
    assert degraded.targets.teacher_forwards == 0, "its embeddings are those of the plain views"
    inputs, rows = degraded.inputs, [(3, 1), (0, 0)]
    spec = inputs.views.spec
    assert spec.student is not None
    waveforms = [
        degrade(inputs.views.waveform(index, k), rate, draw(spec.student, spec.seed, index, k)) for index, k in rows
    ]
    expected = inputs.frontend(torch.from_numpy(np.stack(waveforms)))
    torch.testing.assert_close(inputs.batch(rows), expected, atol=0.005 + 1e-3, rtol=0)
    assert (inputs.batch(rows) - plain.inputs.batch(rows)).abs().mean() > 1


def test_each_of_several_teachers_keeps_the_store_it_would_have_alone(tmp_path: Path, rendered: list[int]) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(small_recipe("not loaded"))
    recipe = load_recipe(path, task="distill")
    train, each = build_dataset(recipe.data.train), (sounds_teacher(), style_teacher())
    both = JointTeacher((SOUNDS, STYLE), each, (1.0, 3.0))

    def learned(teacher: Teacher) -> DistillationSet:
        student = Student(recipe.student.with_embedding(teacher.embed_dim, recipe.views.longest_s))
        return distillation_set(train, teacher, student, recipe.views, **recipe.data.limits)

    alone = [learned(teacher) for teacher in each]
    n_views = len(alone[0].inputs) * alone[0].inputs.per_clip
    assert sorted(set(rendered)) == [8_000, 16_000, 48_000], "each hears the views at its own rate"
    rendered.clear()
    together = learned(both)
    assert together.targets.teacher_forwards == 0
    assert not rendered, "all of it is kept"
    joined = np.concatenate(
        [
            root * one.targets.embeddings[:].astype(float)
            for root, one in zip((0.25**0.5, 0.75**0.5), alone, strict=True)
        ],
        axis=-1,
    )
    assert together.targets.embeddings.shape == (n_views // 2, 2, 28)
    np.testing.assert_allclose(together.targets.embeddings[:], joined, atol=1e-6)
