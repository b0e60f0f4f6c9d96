"""The shape of a transformer over patches, and SLAP's."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Le, Lt

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.settings import Conflicts, Settings

Count = Annotated[int, Ge(1), Le(16_384)]
ANGLES = 4  # numbers of a head that turn together: a pair by time, a pair by pitch


@dataclass(frozen=True)
class VitConfig(Settings):
    """A transformer over patches of a spectrogram; the defaults are SLAP's audio tower (arXiv 2601.12594), 113 M.

    Args:
        patch_frames: of a patch; a clip's last one is filled up with silence.
        patch_mels: of a patch; they divide the front end's n_mels.
        width: of the tokens.
        layers: blocks of attention and feed-forward.
        heads: of attention.
        hidden: width inside the feed-forward (SwiGLU).
        span: columns of patches that a local block sees around a token, half to each side.
        global_every: each block of this number sees the whole clip, those between them a span; 1 for all.
        dropout: of what a block adds, while training.
    """

    place: ClassVar[str] = "audio.vit"

    patch_frames: Count = 16
    patch_mels: Count = 16
    width: Count = 768
    layers: Annotated[int, Ge(1), Le(256)] = 12
    heads: Count = 12
    hidden: Count = 3072
    span: Annotated[int, Ge(2), Le(16_384)] = 24
    global_every: Annotated[int, Ge(1), Le(256)] = 3
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0

    def conflicts(self) -> Conflicts:
        """Heads that do not share the width, or cannot be turned by two positions."""
        if self.width % (ANGLES * self.heads):
            yield "width", f"a multiple of {ANGLES} * heads = {ANGLES * self.heads}"


SLAP = VitConfig()
SLAP_FRONTEND = FrontendSpec(16_000, n_fft=512, win_length=400, hop_length=160, n_mels=64)
"""25 ms every 10 ms, 64 bands. The paper says no more of it; the lowest frequency is ours."""
