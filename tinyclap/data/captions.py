"""What is said of each clip, for training on pairs of sound and text."""

from collections.abc import Sequence

import numpy as np

from tinyclap.data.dataset import Clip
from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.errors import TinyclapError


class Captions:
    """What is said of each decoded clip: a caption drawn per epoch, and the group within which none is a negative.

    Args:
        clips: one per decoded window.
        templates: with `{}`, for clips that have a label but no caption.

    Raises:
        TinyclapError: clips with neither label nor caption.
    """

    def __init__(self, clips: Sequence[Clip], templates: Sequence[str]) -> None:
        silent = [clip.name for clip in clips if not clip.captions and clip.label is None]
        if silent:
            raise TinyclapError(
                f"pretraining needs a label or a caption for every clip; {len(silent)} have neither, e.g. {silent[0]}"
            )
        labels = [None if clip.label is None else clean_label(clip.label) for clip in clips]
        self.choices = [
            tuple(
                dict.fromkeys([*clip.captions, *([template.format(label) for template in templates] if label else [])])
            )
            for clip, label in zip(clips, labels, strict=True)
        ]
        names = [label or clip.captions[0] for clip, label in zip(clips, labels, strict=True)]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self.groups = np.array([numbers[name] for name in names])

    def draw(self, index: int, seed: int, epoch: int, stream: int = 1) -> str:
        """The caption of clip `index` in an epoch; streams draw independently."""
        choices = self.choices[index]
        return choices[int(np.random.default_rng([seed, index, epoch, stream]).integers(len(choices)))]

    def alike(self, batch: np.ndarray) -> np.ndarray:
        """Which clips of a batch belong to the same group: bool (B, B)."""
        return self.groups[batch][:, None] == self.groups[batch][None, :]
