"""The most memory that this process has held. No torch."""

import sys
from pathlib import Path


def peak_rss_bytes() -> int | None:
    """Bytes in RAM at the most, since this process began; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: getrusage would tell the parent's peak where that was higher
        held = [line.split()[1] for line in status.read_text(encoding="utf-8").splitlines() if line[:6] == "VmHWM:"]
        return 1024 * int(held[0]) if held else None
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
