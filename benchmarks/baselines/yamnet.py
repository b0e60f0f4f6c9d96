"""YAMNet's shape (tensorflow/models, research/audioset/yamnet): MobileNetV1 on 0.96 s at 16 kHz, every 0.48 s."""

from torch import nn

from benchmarks.baselines.encoder import Calls, Encoder
from tinyclap.audio.log_mel.spec import FrontendSpec

EMBED_DIM, WINDOW_S = 1024, 0.96
SPEC = FrontendSpec(16_000, 512, 400, 160, 64, f_min=125.0, f_max=7_500.0)
# Stride and output channels of each depthwise-separable layer.
LAYERS = (
    *((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512),) * 5,
    *((2, 1024), (1, 1024)),
)


def make() -> Encoder:
    """3.2 M parameters without its classifier, 69 MMAC per patch."""
    layers, width = [_layer(1, 32, 2)], 32
    for stride, channels in LAYERS:
        layers += [_layer(width, width, stride, groups=width), _layer(width, channels, 1, kernel=1)]
        width = channels
    # 0.96 s are 96 frames; centred, the front end makes one more.
    network = Calls(nn.Sequential(*layers), lambda trunk, logmel: trunk(logmel[:, :, :-1]).mean((2, 3)))
    return Encoder("YAMNet (MobileNetV1)", SPEC, WINDOW_S, network, EMBED_DIM)


def _layer(in_channels: int, channels: int, stride: int, *, kernel: int = 3, groups: int = 1) -> nn.Module:
    convolution = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels, eps=1e-4), nn.ReLU())
