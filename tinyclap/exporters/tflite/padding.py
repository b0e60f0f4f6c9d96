"""Torch's padding by TensorFlow Lite's SAME, without a padded copy of the map."""

MOST = 8


def same_kernel(size: int, out: int, kernel: int, stride: int, before: int) -> tuple[int, int] | None:
    """How many zeros before and behind a kernel let SAME put as many zeros before the map as torch does.

    SAME gives ceil(size / stride) numbers and puts half of the padding that these need before the map, rounded down: of
    an even number of rows at stride 2 none for a kernel of 3, where torch has one. A kernel of 4 needs two.

    Args:
        size: of the map along an axis.
        out: of what is computed.
        kernel: length of the kernel.
        stride: along the axis.
        before: zeros before the map.

    Returns:
        The zeros before and behind; None where there are none such.
    """
    if out != -(-size // stride):
        return None
    for more in range(MOST):
        padding = max(0, (out - 1) * stride + kernel + more - size)
        lead = padding // 2 - before
        if 0 <= lead <= more:
            return lead, more - lead
    return None
