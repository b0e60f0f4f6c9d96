"""NaFlexClap's parts, by hand; tests/teachers/test_naflexclap.py compares the whole with the original."""

import pytest
import torch

from tinyclap.models.naflexclap.layers import Query, keys_only, rotated, rotation
from tinyclap.models.naflexclap.modern_text import ModernText, TextConfig
from tinyclap.models.naflexclap.vit import Vit, VitConfig, patchified, positions


@pytest.mark.parametrize("mode", ["floor", "silence", "repeat"])
def test_a_clips_last_patch_is_completed_by_itself(mode: str) -> None:
    """Not by what lies beside it in a batch; by hand."""
    config = VitConfig(mel_bins=4, patch_freq=2, patch_time=3, patch_pad_mode=mode)
    logmel = -torch.rand(2, 7, 4)
    lengths = torch.tensor([7, 4])
    logmel[1, 4:] = -99.0  # of the batch
    clip = logmel[1, :4]
    filling = {"floor": clip.min().expand(4), "silence": torch.full((4,), -100.0), "repeat": clip[-1]}[mode]
    whole = torch.cat([clip, filling.expand(2, 4)])
    wanted = [
        whole[3 * column : 3 * column + 3, 2 * row : 2 * row + 2].T.flatten() for column in (0, 1) for row in (0, 1)
    ]
    assert torch.equal(patchified(logmel, lengths, config)[1, :4], torch.stack(wanted))


def test_attention_by_turned_tokens_depends_on_their_distance() -> None:
    """And tokens before the patches are not turned."""
    config = VitConfig(mel_bins=8, patch_freq=4, patch_time=2, embed_dim=16, num_heads=1, reg_tokens=1)
    token = torch.randn(1, 1, 1, 16).expand(1, 1, 9, 16)
    turned = rotated(token, positions(8, config, token))[0, 0]
    assert torch.equal(turned[0], token[0, 0, 0])
    grid = turned[1:].reshape(4, 2, 16)  # columns, rows
    products = torch.einsum("crd,ksd->crks", grid, grid)
    torch.testing.assert_close(products[0, 0, 1, 1], products[2, 0, 3, 1])
    torch.testing.assert_close(products[0, :, 2, :], products[1, :, 3, :])
    assert (products[0, 0, 1, 0] - products[0, 0, 0, 1]).abs() > 1e-3  # a step in time is none in frequency
    angle = torch.tensor([[0.5]])
    torch.testing.assert_close(
        rotated(torch.tensor([[1.0, 0.0]]), rotation(angle, angle))[0], torch.tensor([0.8775826, 0.4794255])
    )


def test_a_query_sees_only_what_is_there() -> None:
    query = Query(8, 2, "latent", bias=True)
    x = torch.randn(2, 5, 8)
    seen = query.attended(x, keys_only(torch.tensor([5, 3]), 5))
    torch.testing.assert_close(seen[1:], query.attended(x[1:, :3], None))
    assert (seen[1] - query.attended(x, None)[1]).abs().max() > 1e-4


@pytest.mark.parametrize("gated", [False, True])
def test_padding_changes_no_clip(gated: bool) -> None:
    config = VitConfig(
        mel_bins=8, patch_freq=4, patch_time=3, embed_dim=16, depth=2, num_heads=2, reg_tokens=2, attn_gated=gated
    )
    vit = Vit(config).eval()
    logmel = torch.randn(3, 10, 8)
    lengths = torch.tensor([10, 7, 1])
    with torch.no_grad():
        together = vit(logmel, lengths)
        for number, length in enumerate(lengths.tolist()):
            torch.testing.assert_close(together[number], vit(logmel[number : number + 1, :length])[0])


@pytest.mark.parametrize("mode", ["causal", "bidirectional"])
@pytest.mark.parametrize("pool", ["eos", "mean", "map"])
def test_filling_changes_no_text(mode: str, pool: str) -> None:
    config = TextConfig(
        context_length=9,
        vocab_size=20,
        eos_id=17,
        pad_id=18,
        bos_id=19,
        width=16,
        heads=2,
        layers=2,
        attention_mode=mode,
    )
    text = ModernText(TextConfig(**{**vars(config), "pool_type": pool, "reg_tokens": 1}), 6).eval()
    ids = torch.tensor([[19, 1, 2, 17], [19, 17, 18, 18]])
    with torch.no_grad():
        torch.testing.assert_close(text(ids, (ids != 18).long())[1:], text(ids[1:, :2], torch.ones(1, 2)))
