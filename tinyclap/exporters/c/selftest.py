"""The selftest's signals, as templates/selftest.c makes them, and what is expected of them."""

import numpy as np

from tinyclap.exporters.c.text import array, defines

SIGNALS = 2


def signal(number: int, samples: int) -> np.ndarray:
    """Samples of a signal, float32 (samples,): noise, and a triangle whose pitch rises."""
    current, i = 1 + number, np.arange(samples)
    noise = np.empty(samples, np.int64)
    for at in range(samples):
        current = (current * 1664525 + 1013904223) & 0xFFFFFFFF
        noise[at] = (current >> 16) - 32768
    phase = np.cumsum(40000 * (number + 1) + (i & 0xFFFF)) & 0xFFFFFFFF
    triangle = np.abs(((phase >> 8) & 0xFFFF) - 32768) - 16384
    whole = np.trunc(triangle / 4) + np.trunc(noise / (8 << (2 * number)))
    return (whole / 32768).astype(np.float32)


def expected(embeddings: np.ndarray, least_cosine: float, largest_difference: float) -> str:
    """expected.h, of unit vectors (SIGNALS, D)."""
    limits = {
        "EXPECTED_SIGNALS": len(embeddings),
        "EXPECTED_COSINE": least_cosine,
        "EXPECTED_DIFFERENCE": largest_difference,
    }
    table = array("expected", embeddings.astype(np.float32))
    table = table.replace(f"expected[{embeddings.size}]", f"expected_numbers[{embeddings.size}]")
    view = "#define expected ((const float(*)[TINYCLAP_EMBED_DIM])expected_numbers)\n"
    return f"/* Written by `tinyclap export --c`. */\n\n{defines(limits)}\n{table}{view}"
