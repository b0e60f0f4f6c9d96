"""INT8 arithmetic: single operations against published formulas, a network against its rounding tried in torch."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.generated_c import compiled, exporter, tool
from tests.support.tiny_exports import clips
from tinyclap.exporters.c.calibrate import calibrated, fake_rounded, rounded_weights
from tinyclap.exporters.c.fixed_point import Affine, affine, hard_swish, multiplier, rounded, table
from tinyclap.exporters.c.layers import network_of
from tinyclap.exporters.c.maps import corrected_shape, embedded, layers_by_name
from tinyclap.exporters.calibration import logmels

OPENED = """
#include "src/tinyclap.c"
int tried_finish(int sum, int m, int shift, int zero) { return finished(ending_of(m, shift, zero, NULL), sum); }
int tried_rescale(int x, int m, int shift) { return rescaled(x, m, shift); }
int tried_add(int a, int b, const int *s) {
    const addition_t add = {{s[0], s[1], s[2], 0}, {s[3], s[4], s[5], 0}, {s[6], s[7], 0, s[8]}};
    return added(&add, (int8_t)a, (int8_t)b);
}
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / "cache"))


def high_mul(a: int, b: int) -> int:
    """gemmlowp's SaturatingRoundingDoublingHighMul (fixedpoint.h): C's division goes towards zero."""
    product = a * b
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    return abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)


def divide(x: int, exponent: int) -> int:
    """gemmlowp's RoundingDivideByPOT."""
    mask = 2**exponent - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def rescaled(x: int, by: tuple[int, int]) -> int:
    """TensorFlow Lite's MultiplyByQuantizedMultiplier (kernels/internal/common.h), of two roundings."""
    value, shift = by
    return divide(high_mul(x * 2 ** max(shift, 0), value), max(-shift, 0))


def clipped(x: int) -> int:
    return max(-128, min(127, x))


def test_single_operations_are_tensorflow_lites(out: Path) -> None:
    exporter(int8=True, min_agreement=0.0, min_cosine=0.9).write(out)
    (out / "opened.c").write_text(OPENED)
    flags = ["-std=c99", "-O2", "-fPIC", "-shared", "-Isrc", "opened.c", "-lm", "-o", "opened.so"]
    subprocess.run([tool("gcc"), *flags], cwd=out, check=True)
    library, rng = ctypes.CDLL(str(out / "opened.so")), np.random.default_rng(0)
    for factor in np.exp(rng.uniform(np.log(1e-5), np.log(0.49), 300)):
        by, zero = multiplier(float(factor)), int(rng.integers(-128, 128))
        about = rng.integers(-200, 200, 6) / factor  # half steps among them
        for total in [*np.round(about), *np.round((np.floor(about * factor) + 0.5) / factor), 0, -1, 1]:
            x = int(np.clip(total, -(2**28), 2**28))
            assert library.tried_rescale(x, *by) == rescaled(x, by)
            assert library.tried_finish(x, *by, zero) == clipped(rescaled(x, by) + zero)
    for _ in range(300):
        one, two, total = (Affine(float(np.exp(rng.normal())), int(rng.integers(-128, 128))) for _ in range(3))
        twice = 2 * max(one.scale, two.scale)
        first, second = multiplier(one.scale / twice), multiplier(two.scale / twice)
        last = multiplier(twice / (2**20 * total.scale))
        a, b = (int(value) for value in rng.integers(-128, 128, 2))
        terms = rescaled((a - one.zero) * 2**20, first) + rescaled((b - two.zero) * 2**20, second)
        numbers = (*first, one.zero, *second, two.zero, *last, total.zero)
        assert library.tried_add(a, b, (ctypes.c_int * 9)(*numbers)) == clipped(rescaled(terms, last) + total.zero)


def test_the_network_rounds_as_it_does_in_torch(out: Path) -> None:
    made = exporter(int8=True, min_agreement=0.0, min_cosine=0.9)
    made.write(out)
    network, sounds = network_of(made.student), made.calibration_set
    found = calibrated(network, list(logmels(made.student, sounds.train, sounds.calibration)))
    layers = layers_by_name(network)

    def through(name: str, x: torch.Tensor) -> torch.Tensor:
        if name in layers:
            x = x + corrected_shape(found.biases[name].astype(np.float32))
        return fake_rounded(name, x, found.image_scale, found.stored)

    code = compiled(out, made.student)
    for row in range(4):
        logmel = made.student.frontend(torch.from_numpy(clips(1).waveform(row))[None])
        with torch.no_grad():
            tried = torch.nn.functional.normalize(embedded(rounded_weights(network), logmel, through)).numpy()[0]
        assert float(tried @ code.embed_logmel(logmel.numpy()[0, 0])) > 0.998


def test_numbers_are_stored_as_near_as_their_steps_allow() -> None:
    for factor in (1e-4, 0.3, 0.5, 0.999999999, 1.0, 7.3):
        value, shift = multiplier(factor)
        assert 2**30 <= value < 2**31
        assert value / 2**31 * 2.0**shift == pytest.approx(factor, rel=1e-9)
    assert multiplier(0.0) == (0, 0)
    stored, values = affine(-1.0, 3.0), np.linspace(-1, 3, 99)
    np.testing.assert_allclose(stored.real(stored.stored(values)), values, atol=stored.scale * 0.51)
    assert stored.real(np.array([stored.zero], np.int8))[0] == 0
    read, written = affine(-3.0, 6.0), affine(-0.4, 6.0)
    numbers = np.arange(-128, 128)
    made = written.real(table(hard_swish, read, written))
    np.testing.assert_allclose(made, hard_swish(read.real(numbers)), atol=written.scale * 0.51)
    weights, scales = rounded(np.array([[1.0, -2.0], [0.0, 0.0]], np.float32))
    np.testing.assert_array_equal(weights, [[64, -127], [0, 0]])
    assert scales[0] == pytest.approx(2 / 127)
