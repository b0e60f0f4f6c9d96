"""What a timing depends on besides the model: the machine, how busy it is, and versions. No torch."""

import os
import platform
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from tinyclap.run import cpu
from tinyclap.version import __version__

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
DRIVER = GOVERNOR.with_name("scaling_driver")
# These set the clock themselves by the load, and powersave is what they call that.
SCALING = ("intel_pstate", "amd-pstate-epp", "amd_pstate_epp")


def conditions() -> dict[str, Any]:
    """As JSON, now; null for what this system does not tell."""
    import numpy
    import onnxruntime

    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": command_line(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "governor": _told(GOVERNOR),
        "scaling_driver": _told(DRIVER),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),  # numpy's own threads, of a front end that it computes
        "platform": platform.platform(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "numpy": numpy.__version__,
        "tinyclap": __version__,
    }


def command_line() -> str:
    """The command that runs now."""
    return shlex.join(["tinyclap", *sys.argv[1:]])


def cautions(told: dict[str, Any], *, comparable: bool = False) -> list[str]:
    """What makes times under these conditions doubtful, in words; `comparable`: whether --compare could help."""
    found = []
    if told["governor"] == "powersave" and told["scaling_driver"] not in SCALING:
        found.append("the processor's governor is powersave: times are longer, and vary with its clock")
    load, cores = told["load_average"], told["cores"]
    if load and cores and load[0] > cores / 2:
        remedy = "; ratios hold better with --compare" if comparable else ""
        found.append(f"this machine is busy (load {load[0]:.1f} on {cores} cores){remedy}")
    return found


def _told(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
