"""Threads that wait yield their core soon, as a process of its own shows."""

import os
import subprocess
import sys

import pytest

from tinyclap.common.threads import CHOSEN, SPIN_COUNT, SPINS

SHOW = (
    "import sys, os\n"
    "from tinyclap.cli.app import main\n"
    "sys.argv = ['tinyclap', '--version']\n"
    "try: main()\n"
    "except SystemExit: pass\n"
    f"print(os.environ.get({SPIN_COUNT!r}), 'torch' in sys.modules)\n"
)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, str(SPINS)),
        ({SPIN_COUNT: "5"}, "5"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, None),
        ({"OMP_NUM_THREADS": "2"}, None),
    ],
)
def test_the_command_sets_it_before_torch_is_there(given: dict[str, str], used: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in CHOSEN} | given
    shown = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == f"{used} False"
