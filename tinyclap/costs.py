"""What a network costs: parameters and multiply-accumulates (MACs).

Convention: one MAC is one multiplication with its addition, counted for convolutions, linear layers and matrix
products as fvcore counts them. Normalisation, activations, pooling and other element-wise work is left out; an operator
that is in neither list is an error, because fvcore would count it as zero without a word. The log-mel front end is not
included.
"""

import logging
from collections.abc import Callable

import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn

from tinyclap.errors import TinyclapError

COUNTED = {"conv", "linear", "matmul", "addmm", "bmm", "einsum"}
LEFT_OUT = {"batch_norm", "layer_norm", "adaptive_avg_pool2d", "upsample_bicubic2d"}
ELEMENT_WISE = {
    *("add", "add_", "sub", "rsub", "mul", "div", "neg", "pow", "square", "rsqrt", "sqrt", "exp", "abs"),
    *("ne", "gt", "lt", "where", "masked_fill", "clamp", "clamp_min", "mean", "sum", "max", "min", "amax"),
    *("relu", "relu_", "hardtanh", "hardtanh_", "hardswish", "hardswish_", "gelu", "silu", "sigmoid", "tanh"),
    *("softmax", "linalg_vector_norm", "dropout", "feature_dropout", "adaptive_avg_pool1d", "avg_pool2d"),
    *("upsample_bicubic2d", "zeros", "ones", "full", "fill_", "copy_", "index_add_", "expand_as", "repeat", "roll"),
    *("cat", "stack", "pad", "constant_pad_nd"),
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


def count_macs(owner: nn.Module, function: Callable[[Tensor], Tensor], example: Tensor) -> int:
    """MACs of `function(example)` in evaluation mode.

    Args:
        owner: the module whose weights `function` uses.
        function: maps a tensor to a tensor.
        example: input with a batch of one.

    Raises:
        TinyclapError: an operator that is neither counted nor known to be element-wise.
    """
    modes = {module: module.training for module in owner.modules()}
    analysis = FlopCountAnalysis(_Call(owner.eval(), function), example)
    analysis.uncalled_modules_warnings(False).unsupported_ops_warnings(False).tracer_warnings("none")
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with torch.no_grad():
        counted = analysis.by_operator()
        unknown = {name.removeprefix("aten::") for name in analysis.unsupported_ops()} - ELEMENT_WISE
    for module, training in modes.items():
        module.training = training
    unknown |= set(counted) - COUNTED - LEFT_OUT
    if unknown:
        raise TinyclapError(
            f"cannot count the MACs of {', '.join(sorted(unknown))}; add them to costs.py, counted or left out"
        )
    return int(sum(value for name, value in counted.items() if name in COUNTED))
