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
        some: whether clips may have neither, which an objective learns from that needs no words.

    Attributes:
        known: clips of which something is said, bool (N,).

    Raises:
        TinyclapError: clips with neither label nor caption, or with `some` none with either.
    """

    def __init__(self, clips: Sequence[Clip], templates: Sequence[str], *, some: bool = False) -> None:
        self.known = np.array([bool(clip.captions) or clip.label is not None for clip in clips], bool)
        silent = [clip.name for clip, known in zip(clips, self.known, strict=True) if not known]
        if silent and not some:
            raise TinyclapError(
                f"pretraining needs a label or a caption for every clip; {len(silent)} have neither, e.g. {silent[0]}; "
                "caption them, leave them out, or learn from their sound alone with training.masked"
            )
        if len(silent) == len(clips):
            raise TinyclapError(f"none of the {len(clips)} clips has a label or a caption, so no words can be learned")
        labels = [None if clip.label is None else clean_label(clip.label) for clip in clips]
        self.choices = [
            tuple(
                dict.fromkeys([*clip.captions, *([template.format(label) for template in templates] if label else [])])
            )
            for clip, label in zip(clips, labels, strict=True)
        ]
        pairs = enumerate(zip(clips, labels, strict=True))
        names = [label or (clip.captions[0] if clip.captions else number) for number, (clip, label) in pairs]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self.groups = np.array([numbers[name] for name in names])

    def draw(self, index: int, seed: int, epoch: int, stream: int = 1) -> str:
        """The caption of clip `index` in an epoch, empty where it has none; streams draw independently."""
        choices = self.choices[index] or ("",)
        return choices[int(np.random.default_rng([seed, index, epoch, stream]).integers(len(choices)))]

    def alike(self, batch: np.ndarray) -> np.ndarray:
        """Which clips of a batch belong to the same group: bool (B, B)."""
        return self.groups[batch][:, None] == self.groups[batch][None, :]
