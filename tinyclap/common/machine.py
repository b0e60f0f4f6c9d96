"""The machine that this process runs on: its processor, how busy it is, how much memory was held, and versions."""

import os
import platform
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from tinyclap.version import __version__


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


GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


DRIVER = GOVERNOR.with_name("scaling_driver")


# These set the clock themselves by the load, and powersave is what they call that.
SCALING = ("intel_pstate", "amd-pstate-epp", "amd_pstate_epp")


def environment() -> dict[str, Any]:
    """As JSON, now; null for what this system does not tell."""
    import numpy
    import onnxruntime

    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": command_line(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "governor": _content(GOVERNOR),
        "scaling_driver": _content(DRIVER),
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


def shell_path(path: Path) -> str:
    """A path as it is typed: quoted where it holds spaces or what else means something to a shell."""
    return shlex.quote(str(path))


def has_desktop() -> bool:
    """Whether a person sits at a terminal of this machine and a browser can show them a page."""
    shown = sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ))
    return shown and sys.stdout.isatty() and "SSH_CONNECTION" not in os.environ


def cautions(facts: dict[str, Any], *, comparable: bool = False) -> list[str]:
    """What makes times under these conditions doubtful, in words; `comparable`: whether --compare could help."""
    found = []
    if facts["governor"] == "powersave" and facts["scaling_driver"] not in SCALING:
        found.append("the processor's governor is powersave: times are longer, and vary with its clock")
    load, cores = facts["load_average"], facts["cores"]
    if load and cores and load[0] > cores / 2:
        remedy = "; ratios hold better with --compare" if comparable else ""
        found.append(f"this machine is busy (load {load[0]:.1f} on {cores} cores){remedy}")
    return found


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def cpu() -> str:
    """The processor and its cores, in words."""
    info = Path("/proc/cpuinfo")
    return f"{_processor(info.read_text(encoding='utf-8') if info.is_file() else '')}, {os.cpu_count()} cores"


def _processor(info: str) -> str:
    """The processor by its name, or on boards, whose processors do not tell it, by the board's."""
    named = [line.split(":", 1) for line in info.splitlines() if ":" in line]
    facts = {key.strip(): value.strip() for key, value in named}
    return facts.get("model name") or facts.get("Model") or platform.processor() or platform.machine()


def allow_open_files(most: int = 65_536) -> None:
    """Let this process have as many files open as the system allows it to, at most so many."""
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows, where there is no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if resource.RLIM_INFINITY != soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
