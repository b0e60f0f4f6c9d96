"""CNN14: the published sizes and names, its forward pass against the description of the paper, step by step."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.errors import TinyclapError
from tinyclap.models.cnn14 import Cnn14

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
SMALL = 1 / 32


def ms_clap_names() -> set[str]:
    """Names under audio_encoder.base. in a checkpoint of Microsoft CLAP 2022, front end and tagging layer aside."""
    names = {f"bn0.{part}" for part in NORM} | {"fc1.weight", "fc1.bias"}
    for block in range(1, 7):
        for layer in (1, 2):
            names |= {f"conv_block{block}.conv{layer}.weight"}
            names |= {f"conv_block{block}.bn{layer}.{part}" for part in NORM}
    return names


def by_hand(weights: dict[str, Tensor], logmel: Tensor) -> Tensor:
    def norm(x: Tensor, name: str) -> Tensor:
        shift, scale, mean, var = (weights[f"{name}.{part}"][:, None, None] for part in ("bias", *NORM[:1], *NORM[2:4]))
        return (x - mean) / torch.sqrt(var + 1e-5) * scale + shift

    x = norm(logmel.permute(0, 3, 2, 1), "bn0").permute(0, 3, 2, 1)
    for block in range(1, 7):
        for layer in (1, 2):
            name = f"conv_block{block}"
            x = F.conv2d(x, weights[f"{name}.conv{layer}.weight"], padding=1)
            x = norm(x, f"{name}.bn{layer}").clamp_min(0)
        if block < 6:
            height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
            x = x[:, :, :height, :width].unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    rows = x.mean(3)
    pooled = rows.max(2).values + rows.mean(2)
    return (pooled @ weights["fc1.weight"].T + weights["fc1.bias"]).clamp_min(0)


@pytest.fixture
def tower() -> Cnn14:
    torch.manual_seed(0)
    tower = Cnn14(width=SMALL)
    for module in tower.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
            nn.init.normal_(module.running_mean, 0, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
    return tower.eval()


def test_full_size_is_the_published_one() -> None:
    with torch.device("meta"):
        tower = Cnn14()
    assert tower.out_channels == 2048
    assert sum(parameter.numel() for parameter in tower.parameters()) == 79_673_792
    assert set(tower.state_dict()) == ms_clap_names()


def test_computes_what_the_paper_describes(tower: Cnn14) -> None:
    logmel = torch.randn(2, 1, 101, 64) * 20 - 30
    embedding = tower(logmel)
    assert embedding.shape == (2, tower.out_channels) == (2, 64)
    assert float(embedding.detach().max()) > 0
    torch.testing.assert_close(embedding, by_hand(tower.state_dict(), logmel), rtol=1e-4, atol=1e-4)


def test_loads_a_checkpoint_once_its_prefix_is_gone(tower: Cnn14) -> None:
    checkpoint = {f"audio_encoder.base.{name}": value for name, value in tower.state_dict().items()}
    other = Cnn14(width=SMALL).eval()
    other.load_state_dict({name.removeprefix("audio_encoder.base."): value for name, value in checkpoint.items()})
    logmel = torch.randn(1, 1, 64, 64)
    assert torch.equal(other(logmel), tower(logmel))


def test_trains_all_its_weights_and_hears_every_band() -> None:
    torch.manual_seed(0)
    tower = Cnn14(width=SMALL)
    logmel = torch.randn(8, 1, 64, 64, requires_grad=True)
    tower(logmel).square().sum().backward()
    assert [name for name, p in tower.named_parameters() if p.grad is None or not bool((p.grad != 0).any())] == []
    assert logmel.grad is not None
    assert bool((logmel.grad.abs().sum((0, 1, 2)) > 0).all())


def test_is_deterministic_in_evaluation_and_drops_out_in_training(tower: Cnn14) -> None:
    logmel = torch.randn(2, 1, 64, 64)
    assert torch.equal(tower(logmel), tower(logmel))
    tower.train()
    assert not torch.equal(tower(logmel), tower(logmel))


def test_a_clip_does_not_depend_on_its_neighbours(tower: Cnn14) -> None:
    logmel = torch.randn(3, 1, 64, 64)
    torch.testing.assert_close(tower(logmel)[1:2], tower(logmel[1:2]), rtol=0, atol=1e-5)


def test_width_scales_the_channels() -> None:
    tower = Cnn14(n_mels=32, width=0.125)
    assert tower.out_channels == 256
    assert tower.eval()(torch.zeros(1, 1, 32, 32)).shape == (1, 256)


def test_refuses_sizes_that_vanish() -> None:
    with pytest.raises(TinyclapError, match=r"width = 0\.01 is not allowed; it must be at least 1/64"):
        Cnn14(width=0.01)
    with pytest.raises(TinyclapError, match="n_mels = 16 is not allowed; it must be at least 32"):
        Cnn14(n_mels=16)
    with pytest.raises(TinyclapError, match="31 frames; it needs at least 32"):
        Cnn14(width=SMALL)(torch.zeros(1, 1, 31, 64))
