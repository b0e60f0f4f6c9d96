"""The latent map's algebra, exactly."""

from pathlib import Path

import numpy as np
import pytest

from tinyclap.embeddings.latent_map import METHODS, LatentMap, latent_map, mask_per_clip
from tinyclap.errors import TinyclapError


@pytest.fixture(scope="module")
def sounds() -> np.ndarray:
    """Unit vectors in a narrow cone that mostly lie in 6 of 24 dimensions, (200, 24)."""
    rng = np.random.default_rng(0)
    spread = np.zeros((200, 24))
    spread[:, :6] = rng.normal(size=(200, 6)) * [3, 2, 1, 1, 1, 0.5]
    turned = (spread + [2.0] + 0.02 * rng.normal(size=(200, 24))) @ np.linalg.qr(rng.normal(size=(24, 24)))[0]
    return (turned / np.linalg.norm(turned, axis=1, keepdims=True)).astype(np.float32)


def test_a_rotation_of_all_dimensions_leaves_every_cosine(sounds: np.ndarray) -> None:
    rotated = latent_map("rotation", 24, sounds).apply(sounds)
    np.testing.assert_allclose(rotated @ rotated.T, sounds @ sounds.T, atol=1e-6)


def test_magnitude_at_all_dimensions_is_the_identity(sounds: np.ndarray) -> None:
    np.testing.assert_array_equal(latent_map("magnitude", 24, sounds).matrix, np.eye(24, dtype=np.float32))
    np.testing.assert_allclose(mask_per_clip(sounds, 24), sounds, atol=1e-7)


def test_magnitude_keeps_the_dimensions_of_the_largest_mean_absolute_value(sounds: np.ndarray) -> None:
    kept = latent_map("magnitude", 5, sounds).matrix.argmax(1)
    assert set(kept) == set(np.argsort(-np.abs(sounds).mean(0))[:5])
    assert list(kept) == sorted(kept)
    np.testing.assert_allclose(
        latent_map("magnitude", 5, sounds).apply(sounds),
        sounds[:, kept] / np.linalg.norm(sounds[:, kept], axis=1, keepdims=True),
        atol=1e-6,
    )


def test_a_mask_per_clip_keeps_other_dimensions_of_every_clip(sounds: np.ndarray) -> None:
    masked = mask_per_clip(sounds, 5)
    assert ((masked != 0).sum(1) == 5).all()
    assert len({tuple(np.flatnonzero(row)) for row in masked}) > 1
    for row, before in zip(masked, sounds, strict=True):
        assert np.abs(before[row != 0]).min() >= np.abs(before[row == 0]).max()


def test_a_rotation_keeps_more_of_every_cosine_than_choosing_dimensions(sounds: np.ndarray) -> None:
    worst = {}
    for method in METHODS:
        mapped = latent_map(method, 8, sounds).apply(sounds)
        worst[method] = np.abs(mapped @ mapped.T - sounds @ sounds.T).max()
    assert worst["rotation"] < 0.02
    assert worst["rotation"] < 0.2 * min(worst["magnitude"], worst["random"])


def test_the_first_rows_of_a_rotation_are_the_smaller_rotation(sounds: np.ndarray) -> None:
    np.testing.assert_array_equal(
        latent_map("rotation", 20, sounds).matrix[:7], latent_map("rotation", 7, sounds).matrix
    )
    assert latent_map("rotation", 7, sounds).nested
    assert not latent_map("magnitude", 7, sounds).nested


def test_random_depends_on_the_seed_alone(sounds: np.ndarray) -> None:
    one, same, other = (latent_map("random", 6, sounds, seed=seed).fingerprint for seed in (0, 0, 1))
    assert one == same != other


def test_maps_compose(sounds: np.ndarray) -> None:
    first = latent_map("magnitude", 16, sounds)
    second = latent_map("rotation", 4, first.apply(sounds))
    whole = second.after(first)
    np.testing.assert_allclose(whole.apply(sounds), second.apply(first.apply(sounds)), atol=1e-6)
    assert (whole.dim, whole.full_dim, whole.method, whole.nested) == (4, 24, "magnitude+rotation", True)


def test_a_map_survives_its_file(sounds: np.ndarray, tmp_path: Path) -> None:
    written = latent_map("rotation", 5, sounds)
    written.save(tmp_path / "map")
    read = LatentMap.load(tmp_path / "map")
    assert (read.fingerprint, read.method) == (written.fingerprint, "rotation")
    (tmp_path / "map").write_bytes((tmp_path / "map").read_bytes()[:-9])
    with pytest.raises(TinyclapError, match=r"map is damaged .*; prune the run again"):
        LatentMap.load(tmp_path / "map")


@pytest.mark.parametrize(
    ("method", "dim", "message"),
    [
        ("rotation", 0, r"dim is 0; allowed: 1 to 24"),
        ("magnitude", 25, r"dim is 25; allowed: 1 to 24"),
        ("svd", 5, r"'svd' is not known; allowed: rotation, magnitude, random"),
    ],
)
def test_what_is_not_allowed(sounds: np.ndarray, method: str, dim: int, message: str) -> None:
    with pytest.raises(TinyclapError, match=message):
        latent_map(method, dim, sounds)


def test_a_matrix_that_is_no_map_is_refused(sounds: np.ndarray) -> None:
    with pytest.raises(TinyclapError, match="not orthonormal"):
        LatentMap(np.ones((2, 4), np.float32), "rotation")
    with pytest.raises(TinyclapError, match=r"shape \(5, 4\)"):
        LatentMap(np.ones((5, 4), np.float32), "rotation")
    with pytest.raises(TinyclapError, match=r"expected \(N, 24\)"):
        latent_map("rotation", 3, sounds).apply(sounds[:, :5])
