"""The audio tower of Microsoft CLAP 2022, tinyCLAP's teacher: CNN14 and a projection, 5 s at 44.1 kHz."""

from torch import nn

from benchmarks.baselines.encoder import Encoder
from tinyclap.models.cnn14 import Cnn14
from tinyclap.models.heads import Projection
from tinyclap.teachers.msclap import SPEC, VERSIONS

EMBED_DIM = 1024


def make() -> Encoder:
    """82.82 M parameters, 13.79 GMAC."""
    network = nn.Sequential(Cnn14(), Projection(2048, EMBED_DIM))
    return Encoder("Microsoft CLAP 2022, CNN14", SPEC, VERSIONS["2022"].window_s, network, EMBED_DIM)
