"""Memory that a process has used and will use again stays its own."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of mallopt(3)
LARGEST = 2**31 - 1
PAD_BYTES = 2**26


def keep_freed_memory() -> bool:
    """Let glibc's malloc keep what is freed instead of giving large blocks back to the system; whether it could.

    A training step frees and takes blocks of tens of megabytes a hundred times, and every page that comes back from the
    system is cleared and mapped again: four tenths of the time of a small student's step on a CPU.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl has none
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, LARGEST), mallopt(M_TOP_PAD, PAD_BYTES)])
