"""How sounds that are none of the labels look to a bundle, by which a cosine becomes a share of such sounds.

A label's cosines to unrelated sounds lie about a value of its own; what lies above it is the *excess*. How large an
excess chance makes is measured at the export, on pairs of generated sounds with the names of other classes than their
own. So any label can be judged, also one that nobody thought of then (benchmarks/esc50/unknown.py says how well).
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tinyclap.common.arrays import read_arrays
from tinyclap.common.files import write_bytes
from tinyclap.embeddings.quantization import dequantize, quantize
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle_contents import BACKGROUND

SCHEMA_VERSION = 1
NO_CLASS = -1  # of a sound of which nobody says what it is
STORED = "int8"
ARRAYS = ("sounds", "classes", "class_of")


@dataclass(frozen=True)
class Background:
    """Embeddings of sounds, and vectors of the classes that some of them belong to, both unit-norm float32.

    Attributes:
        sounds: (N, D).
        classes: (C, D).
        class_of: integers (N,), the class of each sound or NO_CLASS.
    """

    sounds: np.ndarray
    classes: np.ndarray
    class_of: np.ndarray

    def usual(self, labels: np.ndarray) -> np.ndarray:
        """The median cosine of each label's unit vector (L, D) to the sounds, (L,)."""
        middle: np.ndarray = np.median(self.sounds @ labels.T, axis=0)
        return middle

    def share_below(self, excess: np.ndarray) -> np.ndarray:
        """Of pairs of a sound and a class that is not its own, the share with a smaller excess; always below 1."""
        count = np.searchsorted(self._by_chance, excess, side="left")
        share: np.ndarray = count / (len(self._by_chance) + 1)
        return share

    def excess_at(self, share: float) -> float:
        """The excess beyond which `share_below` is at least `share`."""
        count = int(np.ceil(share * (len(self._by_chance) + 1)))
        return float(self._by_chance[min(max(count, 1), len(self._by_chance)) - 1])

    @property
    def largest_share(self) -> float:
        """What `share_below` cannot exceed."""
        return len(self._by_chance) / (len(self._by_chance) + 1)

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> "Background":
        """The same in another space, e.g. of fewer dimensions: `function` takes unit vectors (n, D) there."""
        return Background(function(self.sounds), function(self.classes), self.class_of)

    def by_examples(self, count: float, words: float) -> "Background":
        """The same for label vectors that are made of examples (`embeddings.few_shot`): so are those of the classes.

        Args:
            count: examples of a label, for which a class's own sounds stand here.
            words: examples that a label's words count as.
        """
        heard = np.zeros((len(self.classes), self.sounds.shape[1]))
        known = self.class_of != NO_CLASS
        np.add.at(heard, self.class_of[known], self.sounds[known])
        there = heard.any(axis=1)
        numbers = np.append(np.where(there, np.cumsum(there) - 1, NO_CLASS), NO_CLASS)  # the last of no class at all
        made = unit(count * unit(heard[there]) + words * self.classes[there]).astype(np.float32)
        return Background(self.sounds, made, numbers[self.class_of])

    @cached_property
    def _by_chance(self) -> np.ndarray:
        """The excess of every sound to every class that is not its own, in ascending order."""
        known = self.class_of != NO_CLASS
        excess = self.sounds[known] @ self.classes.T - self.usual(self.classes)
        others = np.arange(len(self.classes)) != self.class_of[known][:, None]
        return np.sort(excess[others])


def write_background(folder: Path, background: Background) -> None:
    """Write a background into the folder of a bundle, a byte for each number."""
    content = io.BytesIO()
    np.savez_compressed(
        content,
        schema_version=SCHEMA_VERSION,
        sounds=quantize(background.sounds, STORED),
        classes=quantize(background.classes, STORED),
        class_of=background.class_of.astype(np.int16),
    )
    write_bytes(folder / BACKGROUND, content.getvalue())


def read_background(folder: Path, embed_dim: int) -> Background:
    """The background of a bundle.

    Raises:
        TinyclapError: it is damaged, of another schema, or does not fit the bundle.
    """
    path = folder / BACKGROUND
    try:
        stored = read_arrays(path)
        missing = [name for name in ("schema_version", *ARRAYS) if name not in stored]
        if missing:
            raise TinyclapError(f"it holds no {', '.join(missing)}")
        if (version := stored["schema_version"].tolist()) != SCHEMA_VERSION:
            raise TinyclapError(f"schema_version is {version}, this tinyclap reads {SCHEMA_VERSION}")
        sounds, classes, class_of = (stored[name] for name in ARRAYS)
        made = Background(dequantize(sounds, STORED, embed_dim), dequantize(classes, STORED, embed_dim), class_of)
        counted = class_of.shape == (len(sounds),) and class_of.dtype.kind == "i"
        if (
            not (counted and np.isin(class_of, range(NO_CLASS, len(classes))).all())
            or len(classes) < 2
            or not (class_of != NO_CLASS).any()
        ):
            raise TinyclapError("its sounds and classes do not fit each other")
    except TinyclapError as error:
        reason = str(error).removeprefix(f"{path} ")
        raise TinyclapError(f"{path} cannot be used ({reason}); update tinyclap, or export the bundle again") from error
    return made
