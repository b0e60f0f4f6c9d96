"""Sounds whose class is known, from a folder that holds a folder for each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyclap.audio.listing import no_audio, split_files
from tinyclap.common.files import as_text
from tinyclap.embeddings.zero_shot import prompts_for
from tinyclap.errors import TinyclapError


@dataclass(frozen=True)
class Example:
    """A sound whose class is known; `recording` tells which examples were cut from one."""

    file: Path
    label: str
    recording: str


def find_examples(root: Path, *, shots: int | None = None, seed: int = 0) -> list[Example]:
    """The examples below a folder that holds a folder for each class, in the order of their paths.

    Files in a folder of their own within a class's folder (dog/kitchen/1.wav) are of one recording; a file that lies in
    the class's folder itself is a recording.

    Args:
        root: the folder.
        shots: examples of each class, at most: drawn by `seed`, of different recordings as far as there are; None for
            all.
        seed: of the draw.

    Raises:
        TinyclapError: no such folder, no audio files there, fewer than two classes, or names that read alike.
    """
    if not root.is_dir():
        raise TinyclapError(f"--examples: {root} is no folder; give one that holds a folder of sounds for each label")
    sounds, others = split_files(root)
    if not sounds:
        raise no_audio(root, others)
    by_label: dict[str, list[Example]] = {}
    for file in sorted(sounds, key=lambda path: path.parts):
        label, *inside = map(as_text, file.relative_to(root).parts)
        if inside:
            recording = "/".join((label, *(inside[:1] if len(inside) > 1 else inside)))
            by_label.setdefault(label, []).append(Example(file, label, recording))
    if len(by_label) < 2:
        raise TinyclapError(
            f"--examples: {root} holds {len(by_label)} folder(s) with sounds; two or more are needed, one for each "
            "label, e.g. dog/1.wav and rain/2.wav"
        )
    prompts_for(list(by_label), ("{}",))  # refuses what reads alike
    rng = np.random.default_rng(seed)
    return [example for each in by_label.values() for example in (each if shots is None else drawn(each, shots, rng))]


def drawn(examples: Sequence[Example], shots: int, rng: np.random.Generator) -> list[Example]:
    """So many of the examples of a class: one of each recording, then a second of each, and so on."""
    seen: dict[str, int] = {}
    turns = []
    for at in rng.permutation(len(examples)):
        recording = examples[at].recording
        seen[recording] = seen.get(recording, 0) + 1
        turns.append((seen[recording], int(at)))
    chosen = sorted(at for _, at in sorted(turns, key=lambda turn: turn[0])[:shots])
    return [examples[at] for at in chosen]
