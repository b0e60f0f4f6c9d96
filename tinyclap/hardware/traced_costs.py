"""What a network costs, counted by running it: parameters, multiply-accumulates (MACs), activations alive at once.

`costs` has the same in closed form, for students. Convention: one MAC is one multiplication with its addition, counted
for convolutions, linear layers and matrix products as fvcore counts them, and for the two products of attention.
Normalisation, activations, pooling, rows looked up and other element-wise work is left out; an operator that is in
neither list is an error, because fvcore would count it as zero without a word. The log-mel front end is not included.
"""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tinyclap.errors import TinyclapError

ATTENTION = "scaled_dot_product_attention"
COUNTED = {"conv", "linear", "matmul", "addmm", "bmm", "einsum", ATTENTION}
LEFT_OUT = {
    "batch_norm",
    "layer_norm",
    "adaptive_avg_pool2d",
    "upsample_bicubic2d",
    "embedding",
    "numpy_T",
    "index_select",
    "amin",
    "rms_norm",
}
ELEMENT_WISE = {
    *("add", "add_", "sub", "rsub", "mul", "div", "neg", "pow", "square", "reciprocal", "rsqrt", "sqrt", "exp", "abs"),
    *("ne", "gt", "lt", "le", "where", "masked_fill", "clamp", "clamp_min", "mean", "sum", "max", "min", "amax"),
    *("sign", "log", "atan", "cos", "sin", "softplus", "glu", "ones_like"),
    *("relu", "relu_", "hardtanh", "hardtanh_", "hardswish", "hardswish_", "gelu", "silu", "sigmoid", "tanh"),
    *(
        "softmax",
        "linalg_vector_norm",
        "dropout",
        "dropout_",
        "hardsigmoid",
        "feature_dropout",
        "adaptive_avg_pool1d",
        "avg_pool2d",
    ),
    *("upsample_bicubic2d", "zeros", "ones", "full", "fill_", "copy_", "index_add_", "expand_as", "repeat", "roll"),
    *("cat", "stack", "pad", "constant_pad_nd", "unflatten"),
}


def n_parameters(module: nn.Module) -> int:
    """Number of trainable or frozen parameters; running statistics are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())


class _Call(nn.Module):
    def __init__(self, owner: nn.Module, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.owner, self.function = owner, function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


@contextmanager
def _as_it_was(owner: nn.Module) -> Iterator[None]:
    """Modes and plain attributes are put back: some models of transformers keep a tensor of the trace as an attribute,
    which no later export can follow.
    """
    before = {module: dict(vars(module)) for module in owner.modules()}
    try:
        yield
    finally:
        for module, attributes in before.items():
            vars(module).update(attributes)


def count_macs(owner: nn.Module, function: Callable[[Tensor], Tensor], example: Tensor) -> int:
    """MACs of `function(example)` in evaluation mode.

    Args:
        owner: the module whose weights `function` uses; it is left as it was.
        function: maps a tensor to a tensor.
        example: input with a batch of one.

    Raises:
        TinyclapError: an operator that is neither counted nor known to be element-wise.
    """
    with _as_it_was(owner), torch.no_grad():
        analysis = FlopCountAnalysis(_Call(owner.eval(), function), example)
        analysis.set_op_handle(f"aten::{ATTENTION}", _attention)
        analysis.uncalled_modules_warnings(False).unsupported_ops_warnings(False).tracer_warnings("none")
        logging.getLogger("fvcore").setLevel(logging.ERROR)
        counted = analysis.by_operator()
        unknown = {name.removeprefix("aten::") for name in analysis.unsupported_ops()}
        unknown -= ELEMENT_WISE | LEFT_OUT
    unknown |= set(counted) - COUNTED - LEFT_OUT
    if unknown:
        raise TinyclapError(
            f"cannot count the MACs of {', '.join(sorted(unknown))}; add them to traced_costs.py, counted or left out"
        )
    return int(sum(value for name, value in counted.items() if name in COUNTED))


def _attention(inputs: list[Any], _: list[Any]) -> int:
    """MACs of queries (..., L, E) with keys (..., S, E), and of what comes of it with values (..., S, F)."""
    query, key, value = (tensor.type().sizes() for tensor in inputs[:3])
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


@torch.no_grad()
def count_activations(owner: nn.Module, function: Callable[[Tensor], Tensor], example: Tensor) -> int:
    """The most numbers that are alive at the same time in `function(example)`, by when each is last used.

    While an operator runs, its inputs, its outputs and all that is needed later are alive. Element-wise operators write
    over an input of the same size that nothing needs later; a padded copy takes no room. Weights are left out.

    Args:
        owner: the module whose weights `function` uses, in evaluation mode.
        function: maps a tensor to a tensor.
        example: its input.
    """
    weights = {_storage(tensor) for tensor in (*owner.parameters(), *owner.buffers())}
    with _Recorder() as recorder:
        function(example)
    last_use = {key: number for number, step in enumerate(recorder.steps) for key in step.reads}
    alive, most = {_storage(example): example.numel()}, example.numel()
    for number, step in enumerate(recorder.steps):
        dying = [key for key in step.reads if key in alive and last_use[key] == number]
        for key, size in step.writes.items():
            if key in alive or key in weights or key in dying:  # a view, or truly in place
                continue
            takes_over = [old for old in dying if alive.get(old) == size or step.name in PADDING]
            if step.name in PADDING or (step.name in IN_PLACE and takes_over):
                alive[key] = alive.pop(takes_over[0])
            else:
                alive[key] = size
        most = max(most, sum(alive.values()))
        alive = {key: size for key, size in alive.items() if last_use.get(key, -1) > number}
    return most


PADDING = {"constant_pad_nd"}
IN_PLACE = ELEMENT_WISE | {"native_batch_norm", "_native_batch_norm_legit_no_training", "native_layer_norm", "clone"}


class _Step:
    """One operator: what it reads and writes, by storage, and how many numbers that is."""

    def __init__(self, name: str, read: Any, written: Any) -> None:
        self.name = name
        self.reads = {_storage(tensor) for tensor in tree_leaves(read) if isinstance(tensor, Tensor)}
        self.tensors = [tensor for tensor in tree_leaves(written) if isinstance(tensor, Tensor)]
        self.writes = {_storage(tensor): tensor.numel() for tensor in self.tensors}


class _Recorder(TorchDispatchMode):
    """Notes every operator; keeps all tensors, so that no storage is mistaken for another one."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[_Step] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.steps.append(_Step(func.overloadpacket.__name__, (args, kwargs), result))
        return result


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
