"""The front end's tables in C: window, turns of the transform, mel filters without their zeros."""

import math
from typing import Any

import numpy as np

from tinyclap.audio.log_mel.spec import MOST_GAIN, FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.exporters.c.text import array, double, real

RADICES = (4, 2, 3, 5)


def factors(n_fft: int) -> list[int]:
    """The passes of a transform of n_fft / 2 complex numbers.

    Raises:
        TinyclapError: a length with other prime factors than 2, 3 and 5.
    """
    found, rest = [], n_fft // 2
    for radix in RADICES:
        while rest % radix == 0 and rest > 1:
            found.append(radix)
            rest //= radix
    if rest != 1:
        raise TinyclapError(
            f"--c: n_fft = {n_fft} has a prime factor of {rest}; the transform in C is made of 2, 3 and 5 only"
        )
    return found or [1]


def front_end_macros(spec: FrontendSpec) -> dict[str, Any]:
    """What the C code must know of the front end."""
    passes, used = factors(spec.n_fft), np.flatnonzero(spec.mel_filterbank().any(axis=1))
    raises = spec.lowest_rms is not None
    # Quieter windows are raised later, so what lies below the floor must be kept as far down as it may come up.
    least = spec.amin * (MOST_GAIN ** -float(spec.power) if raises else 1.0)
    return {
        "N_FFT": spec.n_fft,
        "WIN_LENGTH": spec.win_length,
        "MARGIN": (spec.n_fft - spec.win_length) // 2,
        "FRAME_HOP": spec.hop_length,
        "N_MELS": spec.n_mels,
        "N_FACTORS": len(passes) if passes != [1] else 0,
        "FFT_HAS_4": int(4 in passes),
        "FFT_HAS_2": int(2 in passes),
        "FFT_HAS_ODD": int(3 in passes or 5 in passes),
        "FIRST_BIN": int(used[0]),
        "LAST_BIN": int(used[-1]),
        "PLAIN_POWER": int(spec.power == 2),
        "MAGNITUDE_POWER": double(spec.power),
        "LEAST_POWER": real(max(least, 1.2e-38)),
        "LEAST_DB": real(10 * math.log10(spec.amin)),
        "RAISES": int(raises),
        "LOWEST_RMS": double(spec.lowest_rms or 0.0),
        "MOST_GAIN": double(MOST_GAIN),
    }


def front_end_tables(spec: FrontendSpec) -> str:
    """The front end's constants."""
    angles = 2 * np.pi * np.arange(spec.n_fft // 2) / spec.n_fft
    turns = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    first, count, weights = mel_rows(spec)
    return "\n".join(
        [
            array("hann", spec.window().astype(np.float32)),
            array("turns", turns),
            array("factors", np.array(factors(spec.n_fft), np.int8)),
            array("mel_first", first.astype(np.int16 if spec.n_fft < 2**15 else np.int32)),
            array("mel_count", count.astype(np.int16 if spec.n_fft < 2**15 else np.int32)),
            array("mel_weights", weights),
        ]
    )


def mel_rows(spec: FrontendSpec) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first bin of every filter, how many follow, and their weights, float32, one filter after the other."""
    filters = spec.mel_filterbank().T
    first = np.array([np.flatnonzero(row)[0] for row in filters])
    count = np.array([np.flatnonzero(row)[-1] - begin + 1 for row, begin in zip(filters, first, strict=True)])
    rows = [row[begin : begin + size] for row, begin, size in zip(filters, first, count, strict=True)]
    return first, count, np.concatenate(rows).astype(np.float32)
