"""From an embedding and a level to an answer: which labels, none of them, or silence."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from tinyclap.audio.level import SILENCE_BELOW_DBFS
from tinyclap.common.checks import is_count, is_number, plain
from tinyclap.errors import TinyclapError
from tinyclap.runtime.background import Background
from tinyclap.runtime.labels import LabelTable, Prediction

Outcome = Literal["label", "unknown", "silence"]
UNIT_WITHIN = 0.05  # embeddings kept in fewer bits are nearly of unit norm
DEFAULT_THRESHOLD = 0.95  # where nothing else is asked for: a label alone has no others to be compared with


class Answer(list[Prediction]):
    """The labels that fit a sound, best first: none for silence.

    With a threshold the best is the one of the highest score, otherwise the one of the highest cosine.

    Attributes:
        outcome: "label"; "unknown" where no label reaches the threshold, those named being the nearest; "silence".
        level_dbfs: of the sound's loudest window, see `audio.level`.
        scores: of each prediction, its share of other sounds that fit less well; None where nothing tells.
        threshold: the score that a label had to reach; None for no such demand.
        multi_label: each label was judged on its own.
    """

    def __init__(
        self,
        predictions: Iterable[Prediction] = (),
        *,
        outcome: Outcome,
        level_dbfs: float,
        scores: tuple[float, ...] | None = None,
        threshold: float | None = None,
        multi_label: bool = False,
    ) -> None:
        super().__init__(predictions)
        self.outcome: Outcome = outcome
        self.level_dbfs = level_dbfs
        self.scores = scores
        self.threshold = threshold
        self.multi_label = multi_label


@dataclass(frozen=True)
class Judge:
    """Gives answers.

    A label's score is the share of background sounds to which no label of the table fits as well as this label fits
    the sound; judged on its own, the share to which the label itself does not. At a threshold of 0.95, about one in 20
    sounds that are none of the labels gets an answer all the same.

    A probability is the softmax over all labels of `logit_scale` times the cosine. A label that is judged on its own is
    set against a rival at the threshold, so that it has 50 % there.

    Attributes:
        table: the labels.
        logit_scale: the factor between cosine similarity and logits.
        background: what unrelated sounds look like; None where nobody measured it.
        top_k: labels in an answer, at most.
        threshold: score that a label must reach; None for no demand, but DEFAULT_THRESHOLD where a label
            is judged alone.
        silence_dbfs: sounds of a lower level are silence.
        multi_label: judge each label on its own, and give those alone that reach the threshold.

    Raises:
        TinyclapError: a setting out of range, or a threshold without a background.
    """

    table: LabelTable
    logit_scale: float
    background: Background | None = None
    top_k: int = 5
    threshold: float | None = None
    silence_dbfs: float = SILENCE_BELOW_DBFS
    multi_label: bool = False

    def __post_init__(self) -> None:
        if not is_count(plain(self.top_k)):
            raise TinyclapError(f"top_k is {self.top_k}: it must be 1 or more")
        quiet = is_number(plain(self.silence_dbfs)) and self.silence_dbfs <= 0
        if not quiet and self.silence_dbfs != -math.inf:
            raise TinyclapError(f"silence_dbfs is {self.silence_dbfs}: it must be 0 or less, in dB of full scale")
        if self.threshold is not None and not (is_number(plain(self.threshold)) and 0 < self.threshold < 1):
            raise TinyclapError(f"threshold is {self.threshold}: it must lie between 0 and 1, a share of other sounds")
        if self.background is None:
            if self.threshold is not None or self.multi_label:
                what = "threshold is given" if self.threshold is not None else "multi_label is set"
                raise TinyclapError(
                    f"{what}, but this bundle was made without the background sounds that it is judged by; export it "
                    "again (a ready-made one: `tinyclap get NAME --overwrite`)"
                )
        elif self._least > (most := self.background.largest_share**self._compared):
            raise TinyclapError(
                f"threshold is {self._least}: with {self._compared} labels, this bundle's background sounds can "
                f"tell up to {math.floor(1e4 * most) / 1e4}"
            )

    def __call__(self, embedding: np.ndarray, level_dbfs: float) -> Answer:
        """The answer to a sound with this unit vector (D,) and level."""
        if self.is_silence(level_dbfs):
            return self.silence(level_dbfs)
        wanted = self.table.embeddings.shape[1]
        if np.shape(embedding) != (wanted,) or not abs(float(np.linalg.norm(embedding)) - 1) < UNIT_WITHIN:
            raise TinyclapError(
                f"an embedding of shape {np.shape(embedding)}; expected a unit vector of {wanted} numbers"
            )
        cosines = self.table.cosines(embedding)
        scores = self._scores(cosines)
        order = np.argsort(-(cosines - self._usual if self._least else cosines), kind="stable")
        chosen = [row for row in order if not self.multi_label or scores[row] >= self._least][: self.top_k]
        probabilities = self._probabilities(cosines)
        known = bool(chosen) and scores[chosen[0]] >= self._least
        return Answer(
            [Prediction(self.table.labels[row], float(cosines[row]), float(probabilities[row])) for row in chosen],
            outcome="label" if known else "unknown",
            level_dbfs=level_dbfs,
            scores=None if self.background is None else tuple(float(scores[row]) for row in chosen),
            threshold=self._least or None,
            multi_label=self.multi_label,
        )

    def is_silence(self, level_dbfs: float) -> bool:
        """Whether a sound of this level need not be embedded."""
        return level_dbfs < self.silence_dbfs

    def silence(self, level_dbfs: float) -> Answer:
        """The answer to a sound that `is_silence`."""
        return Answer(
            outcome="silence",
            level_dbfs=level_dbfs,
            threshold=self._least or None,
            multi_label=self.multi_label,
        )

    @property
    def _alone(self) -> bool:
        return self.multi_label or len(self.table.labels) == 1

    @property
    def _compared(self) -> int:
        """Labels of which the best is taken."""
        return 1 if self.multi_label else len(self.table.labels)

    @property
    def _least(self) -> float:
        """The score that a label must reach; 0 for none."""
        if self.threshold is not None:
            return self.threshold
        return DEFAULT_THRESHOLD if self._alone and self.background is not None else 0.0

    @cached_property
    def _usual(self) -> np.ndarray:
        """The cosine (C,) that each label has to a sound that has nothing to do with it."""
        labels = self.table.embeddings
        return np.zeros(len(labels)) if self.background is None else self.background.usual(labels)

    def _scores(self, cosines: np.ndarray) -> np.ndarray:
        if self.background is None:
            return np.zeros(len(cosines))
        # As if the labels were independent of each other.
        share: np.ndarray = self.background.share_below(cosines - self._usual) ** self._compared
        return share

    def _probabilities(self, cosines: np.ndarray) -> np.ndarray:
        if not self._alone:
            return softmax(self.logit_scale * cosines)
        rival = 0.0 if self.background is None else self.background.excess_at(self._least)
        against = self.logit_scale * np.stack([cosines - self._usual, np.full(len(cosines), rival)])
        return softmax(against)[0]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Of the first axis."""
    odds = np.exp(logits - logits.max(axis=0))
    share: np.ndarray = odds / odds.sum(axis=0)
    return share
