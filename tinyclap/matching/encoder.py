"""What scores: a model that embeds sounds and texts in one space. Here a bundle; `pipelines.clap_score` has others."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.audio import checks, files
from tinyclap.audio.checks import AudioError
from tinyclap.common.parallel import prepared_ahead
from tinyclap.common.progress import counted
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import TEXT_FILES
from tinyclap.runtime.embed_sound import EmbeddedSound
from tinyclap.runtime.sounds import Sound

Embed = Callable[[Sound], EmbeddedSound]
EmbedTexts = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Encoder:
    """A model at work.

    Attributes:
        kind: "bundle", "student" (of a run) or "teacher".
        name: for people.
        identity: two with the same one give the same embeddings.
        sample_rate: to which sounds are resampled, Hz.
        window_s: length of a window, seconds.
        words: whose its text side is.
        embed_sound: a file, or mono samples at `sample_rate`, to its unit vector and level; AudioError for a sound that
            cannot be used.
        embed_texts: N texts to unit-norm (N, D).
    """

    kind: str
    name: str
    identity: str
    sample_rate: int
    window_s: float
    words: str
    embed_sound: Embed
    embed_texts: EmbedTexts

    def described(self) -> dict[str, Any]:
        """For a result file."""
        names = ("kind", "name", "identity", "sample_rate", "window_s", "words")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Embedded:
    """Files as embeddings.

    Attributes:
        files: those that could be used.
        embeddings: of each, unit-norm float32 (N, D).
        levels_dbfs: of each, see `audio.level`.
        bad: the others, and why.
    """

    files: Sequence[Path]
    embeddings: np.ndarray
    levels_dbfs: Sequence[float]
    bad: Mapping[Path, str]


def bundle_encoder(bundle: Bundle) -> Encoder:
    """A bundle with a text side; `embed_texts` raises a TinyclapError for one that has none."""
    manifest = bundle.manifest
    embed_sound = partial(bundle.embed_with_level, sample_rate=None)

    def embed(sound: Sound) -> EmbeddedSound:
        rate = bundle.sample_rate if isinstance(sound, np.ndarray) else None
        return embed_sound(sound, sample_rate=rate)

    return Encoder(
        "bundle",
        manifest.name,
        text_identity(bundle, bundle.graph),
        bundle.sample_rate,
        manifest.window_s,
        str((manifest.text or {}).get("words", "the teacher")),
        embed,
        bundle.embed_text,
    )


def text_identity(bundle: Bundle, *further: str) -> str:
    """A hash of all that decides a bundle's embeddings of texts, and of `further` files of it."""
    manifest = bundle.manifest
    names = [name for name in (*TEXT_FILES, *further) if name in manifest.files]
    text = sorted((key, value) for key, value in (manifest.text or {}).items() if key != "words")
    parts = [(name, manifest.files[name]["sha256"]) for name in names]
    return hashlib.blake2b(
        repr([parts, text, bundle.embed_dim, *([bundle.part.head] if bundle.part.head else [])]).encode(),
        digest_size=16,
    ).hexdigest()


def embed_clips(
    encoder: Encoder, sounds: Sequence[Path], *, peak_dbfs: float | None = None, workers: int = 1, what: str = "embed"
) -> Embedded:
    """Embed files, one vector for each.

    Args:
        encoder: that embeds.
        sounds: files.
        peak_dbfs: of which each sound's peak is made first; None leaves levels as they are.
        workers: files embedded at the same time.
        what: is done, for the progress bar.
    """

    def embed(file: Path) -> EmbeddedSound | str:
        try:
            return encoder.embed_sound(file if peak_dbfs is None else at_peak(file, encoder.sample_rate, peak_dbfs))
        except AudioError as error:
            return error.reason

    results: Iterator[EmbeddedSound | str] = prepared_ahead(embed, sounds, workers)
    found = list(zip(sounds, counted(results, what, len(sounds), "file"), strict=True))
    good = [(file, made) for file, made in found if not isinstance(made, str)]
    return Embedded(
        [file for file, _ in good],
        np.stack([made.embedding for _, made in good]) if good else np.empty((0, 0), np.float32),
        [made.level_dbfs for _, made in good],
        {file: made for file, made in found if isinstance(made, str)},
    )


def at_peak(file: Path, sample_rate: int, peak_dbfs: float) -> np.ndarray:
    """A file's mono samples (T,) with their peak at a level; silence stays as it is. Raises AudioError."""
    samples = waveform(file, sample_rate)
    peak = float(np.abs(samples).max())
    return samples if peak == 0 else (samples * (10 ** (peak_dbfs / 20) / peak)).astype(np.float32)


def waveform(file: Path, sample_rate: int) -> np.ndarray:
    """A file's mono samples, float32 (T,), at a sample rate. Raises AudioError for one that cannot be used."""
    samples = files.read(file, sample_rate)
    reason = checks.unusable(samples, sample_rate)
    if reason:
        raise AudioError(os.fspath(file), reason)
    return samples
