"""Contrastive gradients of a batch that need not fit into memory: gradient caching.

The loss compares all clips of a batch, but each tower's gradient needs of the others their embeddings alone. So every
part of the batch is embedded without a graph; the loss of all embeddings gives the gradient at each; then each part is
embedded again, with a graph, and the gradient at its embeddings is taken on from there: Gao et al. 2021, "Scaling Deep
Contrastive Learning Batch Size under Memory Limited Setup" (arXiv 2101.06983), section 3. Graphs are as large as a
part, and the sum over parts is the gradient of the whole batch, if a part is embedded the same way twice.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Encode = Callable[[int, bool], Sequence[Tensor]]


def backward_in_parts(
    encode: Encode, n_parts: int, loss_of: Callable[..., Tensor], backward: Callable[[Tensor], object]
) -> tuple[Tensor, list[Tensor]]:
    """Add the gradient of a batch's loss to the parameters, a part of the batch at a time.

    Args:
        encode: number of a part, and whether it is the second time -> one tensor (b, D) for each tower. Both times the
            same: the caller replays what is random.
        n_parts: of the batch.
        loss_of: the towers' embeddings of the whole batch, (B, D) each, float32 -> scalar.
        backward: of the loss, e.g. `accelerator.backward`, which may scale it.

    Returns:
        The loss, and each tower's embeddings of the whole batch, without gradients.
    """
    with torch.no_grad():
        pieces = [encode(part, False) for part in range(n_parts)]
    whole = [torch.cat(list(tower)).float().requires_grad_() for tower in zip(*pieces, strict=True)]
    loss = loss_of(*whole)
    backward(loss)
    sizes = [len(piece[0]) for piece in pieces]
    gradients = [torch.zeros_like(tensor) if tensor.grad is None else tensor.grad for tensor in whole]
    shares = list(zip(*(gradient.split(sizes) for gradient in gradients), strict=True))
    for part in range(n_parts):
        pairs = zip(encode(part, True), shares[part], strict=True)
        trained = [(tensor, gradient.to(tensor.dtype)) for tensor, gradient in pairs if tensor.requires_grad]
        if trained:
            torch.autograd.backward([tensor for tensor, _ in trained], [gradient for _, gradient in trained])
    return loss.detach(), [tensor.detach() for tensor in whole]
