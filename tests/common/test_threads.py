"""Threads that wait yield their core, as a process of its own shows."""

import os
import subprocess
import sys

import pytest

from tinyclap.common.threads import WAIT_POLICY

SHOW = (
    "import sys, os\n"
    "from tinyclap.cli.app import main\n"
    "sys.argv = ['tinyclap', '--version']\n"
    "try: main()\n"
    "except SystemExit: pass\n"
    f"print(os.environ[{WAIT_POLICY!r}], 'torch' in sys.modules)\n"
)


@pytest.mark.parametrize(("given", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_the_command_sets_the_policy_before_torch_is_there(given: str | None, used: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != WAIT_POLICY}
    environment |= {WAIT_POLICY: given} if given else {}
    told = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == f"{used} False"
