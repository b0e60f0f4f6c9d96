"""The audio tower of Microsoft CLAP 2023: HTSAT and a projection, 7 s at 44.1 kHz."""

from torch import nn
from transformers import ClapAudioConfig
from transformers.models.clap.modeling_clap import ClapAudioEncoder

from benchmarks.baselines.encoder import Calls, Encoder
from tinyclap.models.heads import Projection
from tinyclap.teachers.msclap import SPEC, VERSIONS

EMBED_DIM, FEATURES = 1024, 768


def make() -> Encoder:
    """29.4 M parameters, 5.91 GMAC."""
    config = ClapAudioConfig(depths=[2, 2, 6, 2], num_attention_heads=[4, 8, 16, 32], num_hidden_layers=4)
    features = Calls(ClapAudioEncoder(config), lambda encoder, logmel: encoder(logmel).pooler_output)
    network = nn.Sequential(features, Projection(FEATURES, EMBED_DIM))
    return Encoder("Microsoft CLAP 2023, HTSAT", SPEC, VERSIONS["2023"].window_s, network, EMBED_DIM)
