"""The buffers of a network in C, and when each is in use.

Step 0 is the front end, step 1 + n block n, and pooling and head follow.
"""

from collections.abc import Iterator

from tinyclap.exporters.c.arena import FOREVER, Buffer
from tinyclap.exporters.c.layers import Block, Network
from tinyclap.exporters.c.stream import StreamShape

FRONT_END = 0


def buffers(network: Network, stream: StreamShape, *, int8: bool) -> Iterator[Buffer]:
    """All buffers of a network; maps are of int8, or of float32."""
    number, image = (1, 2) if int8 else (4, 4)
    spec, blocks = network.spec, network.blocks
    row = spec.n_mels * image
    yield Buffer("image", network.frames * row, *FOREVER)
    yield Buffer("edges", stream.starts * stream.edges * row, *FOREVER)
    yield Buffer("recent", 4 * spec.n_fft, *FOREVER)
    yield Buffer("levels", 8 * stream.chunks, *FOREVER)
    yield Buffer("spectrum", 4 * 2 * spec.n_fft, FRONT_END, FRONT_END)
    for step, block in enumerate(blocks, 1):
        yield from _of_block(f"block{step - 1}", block, step, number)
        yield from _map_after(step, block, blocks, number)
    stem, width = network.stem.conv.weights, blocks[0].width
    yield Buffer("patches", width * stem[0].size * image, 1, 1)
    yield Buffer("stem_row", _stem_row(network) * image, 1, 1)
    yield from _of_end(network, len(blocks) + 1, number)


def _of_block(name: str, block: Block, step: int, number: int) -> Iterator[Buffer]:
    hidden, positions = block.shape.hidden_channels, block.out_height * block.out_width
    yield Buffer(f"{name}.rows", 4 * (block.width + 2) * hidden * number, step, step)
    yield Buffer(f"{name}.inner", (positions if block.squeeze else block.out_width) * hidden * number, step, step)
    yield Buffer(f"{name}.sums", 4 * hidden, step, step)
    if block.squeeze is not None:
        yield Buffer(f"{name}.squeezed", (block.squeeze.out + hidden) * number, step, step)
    if block.shape.residual:
        yield Buffer(f"{name}.project_row", block.out_width * block.project.out * number, step, step)


def _map_after(step: int, block: Block, blocks: tuple[Block, ...], number: int) -> Iterator[Buffer]:
    """The map that a block writes; residual blocks that follow write over it."""
    if written_over(block):
        return
    last = step + 1
    while last <= len(blocks) and written_over(blocks[last - 1]):
        last += 1
    yield Buffer(f"map{step}", block.out_height * block.out_width * block.project.out * number, step, last)


def written_over(block: Block) -> bool:
    """Whether a block's output takes the place of its input."""
    return block.shape.residual and block.expand is not None


def map_names(blocks: tuple[Block, ...]) -> list[str]:
    """The name of the map behind each block."""
    names: list[str] = []
    for step, block in enumerate(blocks, 1):
        names.append(names[-1] if written_over(block) else f"map{step}")
    return names


def _stem_row(network: Network) -> int:
    return network.stem.left + network.spec.n_mels + stem_right(network)


def stem_right(network: Network) -> int:
    """Columns of zeros behind the image."""
    kernel, stride = network.stem.conv.weights.shape[2], network.stem.stride[1]
    needed = (network.blocks[0].width - 1) * stride + kernel
    return max(0, needed - network.stem.left - network.spec.n_mels)


def _of_end(network: Network, step: int, number: int) -> Iterator[Buffer]:
    _, width, features = network.pool_size
    if network.last is not None:
        yield Buffer("last_row", width * features * number, step, step)
    yield Buffer("frame_mean", 4 * 2 * features, step, step)
    yield Buffer("features", 4 * network.pooled, step, step + 1)
    yield Buffer("pooled", network.pooled, step, step + 1)
    yield Buffer("head", 4 * 4 * max(layer.out for layer in network.head), step + 1, step + 1)
