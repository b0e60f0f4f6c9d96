"""The audio towers of LAION's CLAPs: HTSAT tiny (clap-htsat-unfused) and base (larger_clap_*), 10 s at 48 kHz."""

from transformers import ClapAudioConfig, ClapAudioModelWithProjection

from benchmarks.baselines.encoder import Calls, Encoder
from tinyclap.audio.log_mel.spec import FrontendSpec

EMBED_DIM, WINDOW_S = 512, 10.0
SPEC = FrontendSpec(48_000, 1024, 1024, 480, 64, f_min=50.0, f_max=14_000.0)


def tiny() -> Encoder:
    """28.2 M parameters, 5.91 GMAC."""
    return _make("LAION CLAP, HTSAT tiny", 96, (2, 2, 6, 2))


def base() -> Encoder:
    """68.6 M parameters, 15.33 GMAC."""
    return _make("LAION CLAP, HTSAT base", 128, (2, 2, 12, 2))


def _make(name: str, width: int, depths: tuple[int, ...]) -> Encoder:
    config = ClapAudioConfig(
        patch_embeds_hidden_size=width,
        hidden_size=width * 2 ** (len(depths) - 1),
        depths=list(depths),
        num_attention_heads=[4, 8, 16, 32],
        num_hidden_layers=len(depths),
        projection_dim=EMBED_DIM,
    )
    network = Calls(
        ClapAudioModelWithProjection(config), lambda model, logmel: model(input_features=logmel).audio_embeds
    )
    return Encoder(name, SPEC, WINDOW_S, network, EMBED_DIM)
