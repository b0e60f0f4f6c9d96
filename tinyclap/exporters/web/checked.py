"""The page's own code, run in Node.js, to compare it with Python."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyclap.errors import GateError, MachineError

OLDEST = 18  # of Node.js; it has no DecompressionStream before
PATIENCE_S = 600.0


def node() -> str | None:
    """Node.js of this machine; None without one, or with one that is too old."""
    found = shutil.which("node")
    if found is None:
        return None
    done = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.", done.stdout)
    return found if version and int(version[1]) >= OLDEST else None


def run_selftest(program: str, folder: Path) -> Mapping[str, Any]:
    """What the selftest of a folder finds.

    Raises:
        MachineError: it cannot be run.
        GateError: the page does not compute what Python does.
    """
    command = [program, "selftest.mjs"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        found: Mapping[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"the selftest of the page did not end within {PATIENCE_S:g} s in {program}") from error
    except json.JSONDecodeError as error:
        said = [line for line in done.stderr.splitlines() if "Error" in line] or [f"exit code {done.returncode}"]
        raise MachineError(f"the page's code does not run in {program}: {said[0].strip()[:300]}") from error
    if not found["passed"]:
        raise GateError(f"the page does not compute what Python does, so nothing was written: {found['wrong'][0]}")
    return found
