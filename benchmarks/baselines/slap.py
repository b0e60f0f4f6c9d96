"""SLAP's audio tower (arXiv 2601.12594): a transformer over patches of 16 x 16 at 16 kHz, for clips of any length.

Its weights were never released. It is timed on 5 s, a clip of ESC-50: other towers fill their windows up, this one does
not. The width of its shared space is not told; 768 is that of the transformer.
"""

from benchmarks.baselines.encoder import Calls, Encoder
from tinyclap.models.vit.config import SLAP, SLAP_FRONTEND
from tinyclap.teachers.dual.vit import VitTower

EMBED_DIM, CLIP_S = SLAP.width, 5.0


def make() -> Encoder:
    """120.5 M parameters: 113.5 M of the transformer, 6.5 M of the pooling, 0.6 M of the head."""
    network = Calls(VitTower(SLAP_FRONTEND, SLAP, EMBED_DIM), lambda tower, logmel: tower.encode(logmel))
    return Encoder("SLAP, its shape", SLAP_FRONTEND, CLIP_S, network, EMBED_DIM)
