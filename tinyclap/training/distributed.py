"""One training in several processes (`accelerate launch`): device, precision, shares of a batch."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import numpy as np
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor

from tinyclap.common.allocator import keep_freed_memory
from tinyclap.errors import TinyclapError


def build_accelerator(precision: str, device: str | None = None) -> Accelerator:
    """Device, mixed precision and processes as `accelerate` finds them (`device="cpu"` forces the CPU)."""
    keep_freed_memory()
    # Statistics are averaged once an epoch by average_over_processes, not overwritten by the first process's.
    buffers = DistributedDataParallelKwargs(broadcast_buffers=False)
    # The others wait while the first process decodes and lets a big teacher listen, which may take hours.
    patience = InitProcessGroupKwargs(timeout=timedelta(days=7))
    accelerator = Accelerator(mixed_precision=precision, cpu=device == "cpu", kwargs_handlers=[buffers, patience])
    if precision == "fp16" and accelerator.device.type == "cpu":
        raise TinyclapError("training.precision=fp16 needs a GPU; set training.precision to no or bf16")
    return accelerator


def average_over_processes(tensors: Iterable[Tensor], accelerator: Accelerator) -> None:
    """Average BatchNorm's running statistics, which each process gathered from its own micro-batches."""
    if accelerator.num_processes == 1:
        return
    for tensor in tensors:
        if tensor.dtype.is_floating_point:
            tensor.copy_(accelerator.reduce(tensor, reduction="mean"))


def micro_batches(batch: np.ndarray, count: int, accelerator: Accelerator) -> Sequence[np.ndarray]:
    """This process's share of a batch: `count` equal micro-batches (or one for each process) dealt out in turn."""
    processes = accelerator.num_processes
    return np.split(batch, dealt_out(len(batch), count, processes))[accelerator.process_index :: processes]


def dealt_out(clips: int, count: int, processes: int) -> int:
    """In how many micro-batches so many clips are dealt out: `count`, or one for each process.

    Raises:
        TinyclapError: they cannot be dealt out evenly.
    """
    count = max(count, processes)
    if count % processes or clips % count:
        raise TinyclapError(
            f"{clips} clips in {count} micro-batches cannot be dealt out evenly to {processes} processes; make "
            f"training.micro_batches a multiple of {processes}, and training.batch_size one of training.micro_batches"
        )
    return count
