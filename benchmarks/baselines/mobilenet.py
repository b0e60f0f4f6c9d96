"""MobileNetV3-Large on spectrograms, as EfficientAT uses it (arXiv 2211.04772): 128 mel bands, 10 s at 32 kHz."""

from torch import nn
from torchvision.models import mobilenet_v3_large

from benchmarks.baselines.encoder import Calls, Encoder
from tinyclap.audio.log_mel.spec import FrontendSpec

EMBED_DIM, WINDOW_S = 512, 10.0
SPEC = FrontendSpec(32_000, 1024, 800, 320, 128, f_min=0.0, f_max=15_000.0)


def mn04() -> Encoder:
    """Width 0.4."""
    return _make("MobileNetV3 x 0.4 (mn04)", 0.4)


def mn10() -> Encoder:
    """Width 1, as DCLAP's student has it too."""
    return _make("MobileNetV3 (mn10)", 1.0)


def _make(name: str, width: float) -> Encoder:
    network = mobilenet_v3_large(width_mult=width, num_classes=EMBED_DIM)
    stem = network.features[0][0]
    network.features[0][0] = nn.Conv2d(1, stem.out_channels, 3, stride=2, padding=1, bias=False)
    return Encoder(
        name, SPEC, WINDOW_S, Calls(network, lambda network, logmel: network(logmel.transpose(2, 3))), EMBED_DIM
    )
