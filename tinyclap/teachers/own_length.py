"""Teachers that hear a clip at its own length: clips of different lengths are embedded together, none sees another."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tinyclap.teachers.base import TrainableTeacher


class OwnLengthTeacher(TrainableTeacher):
    """A teacher whose encoder takes any length up to a window; `pad` only lengthens what is too short for it."""

    @property
    def any_length(self) -> bool:
        return True

    @abstractmethod
    def encode_lengths(self, logmel: Tensor, lengths: Tensor | None) -> Tensor:
        """Log-mel (B, T, mels), of these lengths (B,) in frames or all of T, to unit-norm (B, D), with gradients."""

    def encode_logmel(self, logmel: Tensor) -> Tensor:
        return self.encode_lengths(logmel[:, 0], None)

    def encode_clips(self, clips: Sequence[Tensor]) -> Tensor:
        """Clips (t,) of any lengths of a window at most, to unit-norm (n, D); each as it is embedded alone."""
        clips = [self.pad(clip) for clip in clips]
        sizes = [len(clip) for clip in clips]
        if len(set(sizes)) == 1:
            return self.encode_audio(torch.stack(list(clips)))
        logmels = [self.frontend(clip.unsqueeze(0))[0, 0] for clip in clips]
        lengths = torch.tensor([len(frames) for frames in logmels], device=logmels[0].device)
        return self.encode_lengths(pad_sequence(logmels, batch_first=True), lengths)
