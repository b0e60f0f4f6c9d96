"""Pruned students: the head's algebra, what training it again changes, and the sweep."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.tiny_exports import TINY
from tinyclap.embeddings.joint_space import heads_of
from tinyclap.embeddings.latent_map import LatentMap, latent_map
from tinyclap.errors import TinyclapError
from tinyclap.models.heads import MappedProjection, Projection
from tinyclap.models.student import Student
from tinyclap.models.student_config import Head
from tinyclap.pruning.finetune import HeadTrainingSet, finetune
from tinyclap.pruning.fold import narrow, one_head, prune
from tinyclap.pruning.sweep import SweepProtocol, sweep

CONFIG = dataclasses.replace(TINY, embed_dim=24)


def new_student(head: Head = "linear") -> Student:
    torch.manual_seed(0)
    return Student(dataclasses.replace(CONFIG, head=head)).eval()


@pytest.fixture(scope="module")
def waveforms() -> torch.Tensor:
    torch.manual_seed(1)
    return 0.3 * torch.randn(40, 8000) * torch.rand(40, 1)


@pytest.mark.parametrize("head", ["linear", "projection"])
@pytest.mark.parametrize("method", ["rotation", "magnitude", "random"])
def test_pruned_is_the_map_of_the_unpruned(head: Head, method: str, waveforms: torch.Tensor) -> None:
    student = new_student(head)
    whole = student.embed_audio(waveforms).numpy()
    made = latent_map(method, 7, whole)
    pruned = prune(student, made)
    np.testing.assert_allclose(pruned.embed_audio(waveforms).numpy(), made.apply(whole), atol=2e-6)
    assert pruned.embed_dim == 7
    if method == "magnitude":  # slicing by hand
        kept = whole[:, made.matrix.argmax(1)]
        kept = kept / np.linalg.norm(kept, axis=1, keepdims=True)
        np.testing.assert_allclose(pruned.embed_audio(waveforms).numpy(), kept, atol=2e-6)
    torch.testing.assert_close(student.embed_audio(waveforms), torch.from_numpy(whole))  # is left as it was


def test_a_full_rotation_leaves_all_cosines_of_the_student(waveforms: torch.Tensor) -> None:
    student = new_student()
    whole = student.embed_audio(waveforms).numpy()
    turned = prune(student, latent_map("rotation", 24, whole)).embed_audio(waveforms).numpy()
    np.testing.assert_allclose(turned @ turned.T, whole @ whole.T, atol=1e-6)


def test_a_linear_head_shrinks_and_a_projection_gets_a_matrix_more(waveforms: torch.Tensor) -> None:
    made = latent_map("rotation", 7, new_student().embed_audio(waveforms).numpy())

    def parameters(student: Student) -> int:
        return sum(parameter.numel() for parameter in student.head.parameters())

    assert parameters(prune(new_student(), made)) == (32 + 1) * 7
    projection = new_student("projection")
    pruned = prune(projection, made)
    assert isinstance(pruned.head, MappedProjection)
    assert parameters(pruned) == parameters(projection) + 7 * 24
    small = narrow(pruned)
    assert isinstance(small.head, Projection)
    assert parameters(small) == 32 * 7 + 7 * 7 + 2 * 7
    torch.testing.assert_close(small.trunk.state_dict(), pruned.trunk.state_dict())


@pytest.mark.parametrize("head", ["linear", "projection"])
def test_pruned_twice_composes_the_maps(head: Head, waveforms: torch.Tensor) -> None:
    student = new_student(head)
    whole = student.embed_audio(waveforms).numpy()
    once = prune(student, latent_map("magnitude", 16, whole))
    twice = prune(once, latent_map("rotation", 5, once.embed_audio(waveforms).numpy()))
    assert twice.latent_map is not None
    assert twice.latent_map.method == "magnitude+rotation"
    np.testing.assert_allclose(twice.embed_audio(waveforms).numpy(), twice.latent_map.apply(whole), atol=2e-6)


@pytest.mark.parametrize("head", ["linear", "projection"])
def test_a_pruned_student_survives_its_folder(head: Head, waveforms: torch.Tensor, tmp_path: Path) -> None:
    student = new_student(head)
    pruned = prune(student, latent_map("rotation", 7, student.embed_audio(waveforms).numpy()))
    pruned.save_pretrained(tmp_path / "student")
    loaded = Student.from_pretrained(tmp_path / "student")
    torch.testing.assert_close(loaded.embed_audio(waveforms), pruned.embed_audio(waveforms), rtol=0, atol=0)
    assert loaded.latent_map is not None
    assert pruned.latent_map is not None
    assert loaded.latent_map.fingerprint == pruned.latent_map.fingerprint
    student.save_pretrained(tmp_path / "student", overwrite=True)
    assert Student.from_pretrained(tmp_path / "student").latent_map is None


def test_a_map_of_another_width_is_refused(waveforms: torch.Tensor) -> None:
    with pytest.raises(TinyclapError, match="a latent map of 20 dimensions for a student of 24"):
        prune(new_student(), LatentMap(np.eye(20, dtype=np.float32)[:3], "magnitude"))


@pytest.mark.slow
@pytest.mark.parametrize("head", ["linear", "projection"])
def test_training_the_head_again_brings_it_to_its_teacher(head: Head, waveforms: torch.Tensor) -> None:
    student = new_student(head)
    whole = student.embed_audio(waveforms).numpy()
    features = student.features(student.frontend(waveforms)).detach().numpy()
    torch.manual_seed(2)
    teacher = np.tanh(features @ np.random.default_rng(0).normal(size=(32, 24))).astype(np.float32) + 0.2
    teacher /= np.linalg.norm(teacher, axis=1, keepdims=True)
    made = latent_map("magnitude", 12, whole)
    pruned = prune(student, made)
    trained = finetune(pruned, HeadTrainingSet(features, teacher), 600, lr=0.02)
    goal = made.apply(teacher)

    def cosine(one: Student) -> float:
        return float((one.embed_audio(waveforms).numpy() * goal).sum(1).mean())

    assert cosine(trained) > max(0.8, cosine(pruned) + 0.1)
    torch.testing.assert_close(trained.trunk.state_dict(), pruned.trunk.state_dict())
    again = finetune(prune(student, made), HeadTrainingSet(features, teacher), 600, lr=0.02)
    torch.testing.assert_close(again.head.state_dict(), trained.head.state_dict(), rtol=0, atol=0)


def test_a_sweep_scores_every_method_at_every_dimension() -> None:
    rng = np.random.default_rng(0)
    classes = (np.eye(12)[:3] + 0.2).astype(np.float32)
    targets = np.arange(60) % 3
    # What tells the classes apart lies in three dimensions; the others are larger, and alike for every clip.
    sounds = np.concatenate([np.eye(3)[targets] * 0.2, np.full((60, 9), 0.4)], 1) + 0.02 * rng.normal(size=(60, 12))
    sounds = (sounds / np.linalg.norm(sounds, axis=1, keepdims=True)).astype(np.float32)

    def mapped(made: LatentMap | None) -> np.ndarray:
        return classes if made is None else made.apply(classes)

    trial = SweepProtocol(sounds, sounds, mapped, targets, n_bootstrap=100)
    rows = sweep(
        trial,
        lambda method, dim: latent_map(method, dim, sounds),
        ("rotation", "magnitude"),
        (12, 4),
        lambda made: made.apply(sounds),
    )
    found = {(row["method"], row["dim"], row["finetuned"]): row for row in rows}
    assert len(rows) == len(found) == 9
    assert found["none", 12, False]["accuracy"] == found["rotation", 12, False]["accuracy"] == 1.0
    assert found["none", 12, False]["knn10_overlap"] == 1.0
    assert found["rotation", 4, False]["accuracy"] == 1.0
    assert found["rotation", 4, True] == {**found["rotation", 4, False], "finetuned": True}
    assert found["magnitude", 4, False]["accuracy"] < 0.5
    assert found["magnitude", 4, False]["knn10_overlap"] < found["rotation", 4, False]["knn10_overlap"]
    low, high = found["magnitude", 4, False]["ci95"]
    assert low <= found["magnitude", 4, False]["accuracy"] <= high


@pytest.mark.parametrize("head", ["linear", "projection"])
def test_one_head_of_several_teachers_is_its_part_of_the_embedding(head: Head, waveforms: torch.Tensor) -> None:
    student = new_student(head)
    whole = student.embed_audio(waveforms).numpy()
    for part in heads_of(("a", "b"), (17, 7), (1.0, 2.0)):
        own = one_head(student, part)
        expected = whole[:, part.start : part.start + part.dim]
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(own.embed_audio(waveforms).numpy(), expected, atol=5e-6)
        assert (own.embed_dim, own.latent_map) == (part.dim, None), "all of its teacher's dimensions are there"
