"""Where a run comes from: versions, machine, commit, command and fingerprints, in `env.json`."""

import platform
import subprocess
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tinyclap.common.files import write_json
from tinyclap.common.machine import command_line, cpu


def write_provenance(folder: Path, seed: int, inputs: Mapping[str, str]) -> None:
    """Write `env.json`: the environment, the command that runs now, and the fingerprints of what is learned from."""
    write_json(folder / "env.json", environment(seed) | {"command": command_line(), "inputs": dict(inputs)})


def environment(seed: int) -> dict[str, Any]:
    """Versions, machine, commit and seed: what a result depends on besides the recipe."""
    import torch

    packages = ("tinyclap", "torch", "transformers", "accelerate", "numpy", "soxr", "soundfile")
    return {
        "started": datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "seed": seed,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in packages},
        "platform": platform.platform(),
        "cpu": cpu(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the source checkout, if tinyclap is run from one; "-dirty" where code or recipes differ from it."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # an installed package may lie in somebody else's checkout
        return None
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "tinyclap", "recipes")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
