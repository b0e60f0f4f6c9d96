"""A transformer over patches: no clip depends on its neighbours, and places are told by distance alone."""

import math

import pytest
import torch
from torch import Tensor

from tinyclap.models.heads import AttentionPool
from tinyclap.models.vit.config import SLAP, VitConfig
from tinyclap.models.vit.encoder import VitEncoder
from tinyclap.models.vit.layers import Turns
from tinyclap.models.vit.patches import Patches, cut

CONFIG = VitConfig(patch_frames=4, patch_mels=8, width=32, layers=3, heads=2, hidden=48, span=4)
LENGTHS = (40, 3, 25, 4)  # frames


def encoder(config: VitConfig = CONFIG) -> VitEncoder:
    torch.manual_seed(0)
    return VitEncoder(config).double().eval()


def logmels() -> list[Tensor]:
    torch.manual_seed(1)
    return [20 * torch.randn(frames, 16, dtype=torch.float64) - 50 for frames in LENGTHS]


def together(padding: float = -100.0) -> Patches:
    """The clips in one batch; patches that belong to none hold `padding`."""
    padded = torch.nn.utils.rnn.pad_sequence(logmels(), batch_first=True, padding_value=-100.0)
    patches = cut(padded, CONFIG, -100.0, torch.tensor(LENGTHS))
    assert patches.valid is not None
    return patches._replace(values=patches.values.masked_fill(~patches.valid.unsqueeze(-1), padding))


def test_patches_stand_in_the_order_of_time_then_pitch() -> None:
    """Of a spectrogram whose values are their own places; the last patch is filled up with silence."""
    frames, mels = torch.meshgrid(torch.arange(6.0), torch.arange(16.0), indexing="ij")
    patches = cut((100 * frames + mels).unsqueeze(0), CONFIG, -100.0)
    assert patches.valid is None
    assert patches.columns.tolist() == [0, 0, 1, 1]
    assert patches.rows.tolist() == [0, 1, 0, 1]
    own = [[100 * frame + mel for frame in range(4) for mel in range(8, 16)]]
    assert patches.values[0, 1].tolist() == own[0]
    assert patches.values[0, 2].tolist() == [*[100 * f + m for f in (4, 5) for m in range(8)], *[-100.0] * 16]


def test_a_clips_tokens_do_not_depend_on_its_batch() -> None:
    """To rounding in float64, 1e-12: also with neighbours ten times as long, and whatever the padding holds."""
    network, pool = encoder(), AttentionPool(32, 2).double().eval()
    for padding in (-100.0, 1e6):
        batch = together(padding)
        dense = network(batch)
        assert dense.isfinite().all()
        pooled = pool(dense, batch.valid)
        for row, logmel in enumerate(logmels()):
            alone = network(cut(logmel.unsqueeze(0), CONFIG, -100.0))
            torch.testing.assert_close(dense[row : row + 1, : alone.shape[1]], alone, atol=1e-12, rtol=0)
            torch.testing.assert_close(pooled[row : row + 1], pool(alone), atol=1e-12, rtol=0)
        assert batch.counts == [20, 2, 14, 2]


def test_no_gradient_reaches_the_padding() -> None:
    network, batch = encoder(), together()
    assert batch.valid is not None
    values = batch.values.clone().requires_grad_()
    network(batch._replace(values=values))[batch.valid].sum().backward()
    assert values.grad is not None
    assert values.grad[~batch.valid].abs().max() == 0
    assert values.grad[batch.valid].abs().amax(-1).min() > 0


def test_places_are_told_by_distance_alone() -> None:
    """Moved to places far beyond any training, a clip's tokens are the same; in another order they are not."""
    network = encoder()
    patches = cut(logmels()[0].unsqueeze(0), CONFIG, -100.0)
    moved = patches._replace(columns=patches.columns + 1000, rows=patches.rows + 7)
    tokens = network(patches)
    torch.testing.assert_close(network(moved), tokens, atol=1e-9, rtol=0)
    stretched = patches._replace(columns=2 * patches.columns)
    assert (network(stretched) - tokens).abs().max() > 1e-3


def test_a_turned_pair_is_a_rotation_by_its_place() -> None:
    """RoFormer's equation 15, pair by pair in complex numbers: half of the pairs by time, half by pitch."""
    columns, rows = torch.tensor([0, 3, 9]), torch.tensor([0, 1, 3])
    torch.manual_seed(0)
    x = torch.randn(1, 1, 3, 8, dtype=torch.float64)
    turned = Turns(columns, rows, 8, torch.float64)(x)[0, 0]
    pairs = torch.complex(x[0, 0, :, :4], x[0, 0, :, 4:])
    for token in range(3):
        for pair, (place, speed) in enumerate([(columns, 1.0), (columns, 0.01), (rows, 1.0), (rows, 0.01)]):
            angle = float(place[token]) * speed
            expected = complex(pairs[token, pair]) * complex(math.cos(angle), math.sin(angle))
            assert complex(turned[token, pair], turned[token, pair + 4]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("global_every", "reach"), [(4, 3 * 2), (3, 10), (1, 10)])
def test_local_blocks_see_a_span(global_every: int, reach: int) -> None:
    """Three blocks that each see two columns to either side reach six columns; a global one all."""
    config = VitConfig(4, 8, width=32, layers=3, heads=2, hidden=48, span=4, global_every=global_every)
    network, patches = encoder(config), cut(logmels()[0].unsqueeze(0), config, -100.0)
    values = patches.values.clone().requires_grad_()
    network(patches._replace(values=values))[0, :2].sum().backward()
    assert values.grad is not None
    reached = patches.columns[values.grad[0].abs().amax(-1) > 0].max()
    assert int(reached) == min(reach, int(patches.columns.max()))


def test_the_default_shape_is_slaps() -> None:
    """12 blocks of 768, 12 heads, 3072 inside, no biases: 4 d^2 + 3 d h a block, two norms each and one at the end."""
    with torch.device("meta"):
        network = VitEncoder(SLAP)
    d, h = 768, 3072
    expected = 12 * (4 * d * d + 3 * d * h + 2 * d) + 16 * 16 * d + d
    assert sum(parameter.numel() for parameter in network.parameters()) == expected
    assert expected / 1e6 == pytest.approx(113.5, abs=0.1)
    patches = cut(torch.zeros(1, 3000, 64), SLAP, -100.0)
    assert patches.values.shape == (1, 752, 256)  # 25 a second, 30 s


def test_a_shape_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"width.* a multiple of 4 \* heads = 20"):
        VitConfig(width=32, heads=5)


def test_attention_pooling_is_multi_head_attention_with_one_query() -> None:
    """torch.nn.MultiheadAttention with the same weights, its query before the projection that ours is behind."""
    torch.manual_seed(0)
    pool, reference = AttentionPool(32, 4).double(), torch.nn.MultiheadAttention(32, 4, batch_first=True).double()
    tokens, valid = torch.randn(2, 5, 32, dtype=torch.float64), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    with torch.no_grad():
        reference.in_proj_weight[:32] = torch.eye(32)
        reference.in_proj_bias[:32] = 0.0
        reference.in_proj_weight[32:], reference.in_proj_bias[32:] = pool.inputs.weight, pool.inputs.bias
        reference.out_proj.load_state_dict(pool.output.state_dict())
        query = pool.query.reshape(1, 1, 32).expand(2, -1, -1)
        attended, _ = reference(query, tokens, tokens, key_padding_mask=~valid)
        expected = (attended + pool.feed_forward(pool.norm(attended))).squeeze(1)
        torch.testing.assert_close(pool(tokens, valid), expected, atol=1e-12, rtol=0)
