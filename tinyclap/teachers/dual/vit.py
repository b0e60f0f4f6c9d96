"""SLAP's audio tower (arXiv 2601.12594): a front end, a transformer over patches, attention pooling and a head."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.models.heads import AttentionPool
from tinyclap.models.long_audio import repeat_pad
from tinyclap.models.vit.config import VitConfig
from tinyclap.models.vit.encoder import VitEncoder
from tinyclap.models.vit.patches import Patches, cut
from tinyclap.teachers.dual.towers import LINEAR, Head


class VitTower(nn.Module):
    """Clips of any length, each at its own: nothing is cut off or repeated, and no clip depends on its neighbours.

    Args:
        frontend: of the log-mel spectrogram.
        config: of the transformer.
        embed_dim: of the shared space.
        head: into it.
    """

    def __init__(self, frontend: FrontendSpec, config: VitConfig, embed_dim: int, head: Head = LINEAR) -> None:
        super().__init__()
        if frontend.n_mels % config.patch_mels:
            raise TinyclapError(
                f"audio.vit.patch_mels is {config.patch_mels}; it must divide the {frontend.n_mels} mel bands"
            )
        self.spec, self.config, self.embed_dim, self.head_spec = frontend, config, embed_dim, head
        self.sample_rate = frontend.sample_rate
        self.frontend = LogMel(frontend)
        self.encoder = VitEncoder(config)
        self.attention_pool = AttentionPool(config.width, config.heads)
        self.projection = head.build(config.width, embed_dim)

    @property
    def shortest(self) -> int:
        """Samples of the shortest clip that the front end can transform."""
        return self.spec.n_fft // 2 + 1

    @property
    def patch_s(self) -> float:
        """Seconds of a patch; shorter clips are one, filled up with silence."""
        return self.config.patch_frames * self.spec.hop_length / self.spec.sample_rate

    def ready(self, clips: Sequence[Tensor]) -> list[Tensor]:
        """The clips, those too short for the front end repeated up to it.

        Raises:
            TinyclapError: no clips, or one without samples.
        """
        if not clips:
            raise TinyclapError("a batch without clips cannot be embedded; give at least one clip")
        empty = next((place for place, clip in enumerate(clips) if not len(clip)), None)
        if empty is not None:
            raise TinyclapError(f"clip {empty} of the batch has no samples; leave it out")
        return [clip if len(clip) >= self.shortest else repeat_pad(clip, self.shortest) for clip in clips]

    def patches(self, clips: Sequence[Tensor]) -> Patches:
        """Clips (t,) of any lengths as one batch; see `ready`."""
        clips = self.ready(clips)
        if len({len(clip) for clip in clips}) == 1:
            return self.cut(self.frontend(torch.stack(clips)))
        logmels = [self.frontend(clip.unsqueeze(0))[0, 0] for clip in clips]
        lengths = torch.tensor([len(logmel) for logmel in logmels], device=logmels[0].device)
        return self.cut(pad_sequence(logmels, batch_first=True, padding_value=self._silence).unsqueeze(1), lengths)

    def cut(self, logmel: Tensor, lengths: Tensor | None = None) -> Patches:
        """Log-mel (B, 1, frames, mels), of these lengths (B,) or all whole, as patches."""
        return cut(logmel[:, 0], self.config, self._silence, lengths)

    def pooled(self, dense: Tensor, patches: Patches) -> Tensor:
        """What the transformer makes of the patches, (B, N, width), to unit-norm (B, embed_dim)."""
        return F.normalize(self.projection(self.attention_pool(dense, patches.valid)), dim=-1)

    def encode(self, logmel: Tensor) -> Tensor:
        """(B, 1, frames, mels) -> unit-norm (B, embed_dim)."""
        patches = self.cut(logmel)
        return self.pooled(self.encoder(patches), patches)

    @property
    def _silence(self) -> float:
        """Decibels of no sound at all."""
        return 10.0 * math.log10(self.spec.amin)
