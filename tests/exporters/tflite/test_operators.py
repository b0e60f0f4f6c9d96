"""Single operators in the interpreter, bit for bit, against published formulas; padding; how a file is laid out."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.exporters.c.test_fixed_point import clipped, rescaled
from tinyclap.exporters.c.fixed_point import Affine, multiplier
from tinyclap.exporters.tflite.graph import SCHEMA, Graph, Tensor, tflite_micro
from tinyclap.exporters.tflite.padding import same_kernel

READ, WRITTEN = Affine(0.0625, -7), Affine(0.125, 11)


def computed(graph: Graph, source: Tensor, target: Tensor, values: np.ndarray) -> np.ndarray:
    """What the interpreter makes of values."""
    content = graph.packed(source, target, "a test", {})
    interpreter = tflite_micro("python.tflite_micro.runtime").Interpreter.from_bytes(content, arena_size=2**20)
    interpreter.set_input(values, 0)
    interpreter.invoke()
    found: np.ndarray = interpreter.get_output(0)
    return found


def rescaled_by(sums: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Sums with channels last, each channel by its factor, and into int8 with the zero point of WRITTEN."""
    by = [multiplier(float(factor)) for factor in factors]
    channels = [
        [clipped(rescaled(int(x), one) + WRITTEN.zero) for x in sums[..., c].ravel()] for c, one in enumerate(by)
    ]
    return np.stack([np.array(one).reshape(sums.shape[:-1]) for one in channels], -1)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_are_exact(depthwise: bool, stride: int) -> None:
    rng = np.random.default_rng(stride)
    height, width, channels, out = 6, 7, 5, 5
    weights = rng.integers(-127, 128, (out, 3, 3, 1 if depthwise else channels)).astype(np.int8)
    bias = rng.integers(-2000, 2000, out).astype(np.int32)
    scales = np.exp(rng.uniform(-7, -5, out)).astype(np.float32).astype(np.float64)
    values = rng.integers(-128, 128, (1, height, width, channels)).astype(np.int8)
    graph = Graph()
    source = graph.map("x", values.shape, "int8", READ)
    laid_out = weights[..., 0].transpose(1, 2, 0)[None] if depthwise else weights
    shape = (1, -(-height // stride), -(-width // stride), out)
    target = graph.map("y", shape, "int8", WRITTEN)
    inputs = (
        source,
        graph.constant("w", np.ascontiguousarray(laid_out), scales, 3 if depthwise else 0),
        graph.constant("b", bias, READ.scale * scales),
    )
    kind, more = ("DEPTHWISE_CONV_2D", {"depthMultiplier": 1}) if depthwise else ("CONV_2D", {})
    graph.add(kind, inputs, target, padding=0, strideH=stride, strideW=stride, **more)

    padding = [max(0, (n - 1) * stride + 3 - size) for n, size in zip(shape[1:3], (height, width), strict=True)]
    image = torch.from_numpy(values).double().permute(0, 3, 1, 2) - READ.zero
    top, left = padding[0] // 2, padding[1] // 2
    padded = F.pad(image, (left, padding[1] - left, top, padding[0] - top))
    kernel = torch.from_numpy(weights).double().permute(0, 3, 1, 2)
    sums = F.conv2d(padded, kernel, torch.from_numpy(bias).double(), stride, groups=channels if depthwise else 1)
    factors = READ.scale * scales / WRITTEN.scale
    expected = rescaled_by(sums.permute(0, 2, 3, 1).numpy(), factors)
    np.testing.assert_array_equal(computed(graph, source, target, values), expected)


def test_sums_and_products_are_exact() -> None:
    rng = np.random.default_rng(0)
    values, gates = (rng.integers(-128, 128, (1, 4, 4, 6)).astype(np.int8) for _ in range(2))
    for kind, expected in (("ADD", added), ("MUL", multiplied)):
        graph = Graph()
        source, target = (graph.map(name, values.shape, "int8", how) for name, how in (("x", READ), ("y", WRITTEN)))
        other = graph.constant("other", gates, np.array([0.03125]))
        graph.add(kind, (source, other), target)
        pairs = zip(values.ravel().tolist(), gates.ravel().tolist(), strict=True)
        known = np.array([expected(a, b) for a, b in pairs]).reshape(values.shape)
        np.testing.assert_array_equal(computed(graph, source, target, values), known)


def added(a: int, b: int) -> int:
    """TensorFlow Lite's addition (kernels/internal/reference/add.h) of READ and of a scale of 1/32."""
    twice = 2 * READ.scale
    terms = rescaled((a - READ.zero) * 2**20, multiplier(READ.scale / twice))
    terms += rescaled(b * 2**20, multiplier(0.03125 / twice))
    return clipped(rescaled(terms, multiplier(twice / (2**20 * WRITTEN.scale))) + WRITTEN.zero)


def multiplied(a: int, b: int) -> int:
    """Its multiplication (kernels/internal/reference/mul.h)."""
    by = multiplier(READ.scale * 0.03125 / WRITTEN.scale)
    return clipped(rescaled((a - READ.zero) * b, by) + WRITTEN.zero)


@pytest.mark.parametrize(("kernel", "stride", "before"), [(3, 1, 1), (3, 2, 1), (7, 4, 3), (3, 4, 1), (3, 2, 0)])
def test_zeros_around_a_kernel_pad_as_torch_does(kernel: int, stride: int, before: int) -> None:
    rng, found = np.random.default_rng(0), 0
    for size in range(kernel, 30):
        values, weights = torch.from_numpy(rng.normal(size=size)), torch.from_numpy(rng.normal(size=kernel))
        out = (size - 1) // stride + 1 if before else (size - 2) // stride + 1
        behind = max(0, (out - 1) * stride + kernel - before - size)
        expected = convolved(values, weights, stride, (before, behind))[:out]
        pair = same_kernel(size, out, kernel, stride, before)
        if pair is None:
            assert before == 0, "torch pads as much at both sides, which SAME can do"
            continue
        found += 1
        grown = F.pad(weights, pair)
        total = max(0, (out - 1) * stride + len(grown) - size)  # what SAME gives
        np.testing.assert_allclose(
            convolved(values, grown, stride, (total // 2, total - total // 2)), expected, atol=1e-12
        )
    assert found


def convolved(values: torch.Tensor, weights: torch.Tensor, stride: int, padding: tuple[int, int]) -> torch.Tensor:
    return F.conv1d(F.pad(values, padding)[None, None], weights[None, None], stride=stride)[0, 0]


def test_constants_are_aligned() -> None:
    graph, schema = Graph(), tflite_micro(SCHEMA)
    source, target = (graph.map(name, (1, 3), "float32") for name in ("x", "y"))
    for number, size in enumerate((3, 5, 1)):
        graph.constant(f"odd{number}", np.ones(size, np.int8))
    graph.add("ADD", (source, graph.constant("c", np.ones((1, 3), np.float32))), target)
    content = graph.packed(source, target, "odd sizes", {"odd": b"x" * 7})
    assert content[4:8] == b"TFL3"
    model, sizes = schema.Model.GetRootAsModel(content, 0), []
    begin: Callable[[np.ndarray], int] = lambda array: array.__array_interface__["data"][0]  # noqa: E731
    for number in range(model.BuffersLength()):
        if not model.Buffers(number).DataIsNone():
            data = model.Buffers(number).DataAsNumpy()
            assert (begin(data) - begin(np.frombuffer(content, np.uint8))) % 16 == 0
            sizes.append(len(data))
    assert sorted(sizes) == [1, 3, 5, 7, 12]
