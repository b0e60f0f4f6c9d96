"""What a device owner copies: every example runs against a bundle, every command of the README exists."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.tiny_bundles import tiny_bundle
from tinyclap.runtime.bundle import Bundle

EXAMPLES = Path(__file__).parents[2] / "export" / "python"
RATE = 16_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A device's folder with a bundle, a sound and the examples."""
    folder = tmp_path_factory.mktemp("home")
    tiny_bundle(folder / "tinyclap" / "bundle")
    shutil.copytree(EXAMPLES, folder / "tinyclap", dirs_exist_ok=True)
    samples = np.random.default_rng(0).normal(0, 0.1, 3 * RATE)
    soundfile.write(folder / "tinyclap" / "sound.wav", samples, RATE)
    return folder


def execute(home: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of the device's virtual environment with this Python."""
    programs = {"tinyclap": [sys.executable, "-m", "tinyclap"], "python": [sys.executable]}
    program = programs[Path(command[0]).name]
    return subprocess.run([*program, *command[1:]], capture_output=True, text=True, cwd=home / "tinyclap")


def test_the_example_is_short_and_says_what_is_heard(home: Path) -> None:
    assert len((EXAMPLES / "classify.py").read_text().splitlines()) <= 30
    done = execute(home, ["python", "classify.py", "bundle", "sound.wav"])
    best = Bundle.load(home / "tinyclap" / "bundle").classify(home / "tinyclap" / "sound.wav", top_k=3)[0]
    told = "\t".join(f"{label} {probability:.0%}" for label, _, probability in best)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sound.wav\t{told}\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say what is heard"),
        (["nowhere", "a.wav"], "error: nowhere is not a bundle"),
        (["bundle", "x"], "error: x: no such"),
    ],
)
def test_the_example_fails_with_a_message(home: Path, arguments: list[str], message: str) -> None:
    done = execute(home, ["python", "classify.py", *arguments])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)


def test_the_service_listens(home: Path) -> None:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(EXAMPLES / "tinyclap-listen.service")
    assert set(unit) - {"DEFAULT"} == {"Unit", "Service", "Install"}
    command = shlex.split(unit["Service"]["ExecStart"].replace("%h", str(home)))
    assert Path(command[0]) == home / "tinyclap" / ".venv" / "bin" / "tinyclap"
    done = execute(home, [*command, "--file", "sound.wav"])
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["time_s"] for line in done.stdout.splitlines()] == [1.0, 2.0, 3.0]


def test_the_commands_of_the_readme_run(home: Path) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    commands = [shlex.split(line) for line in lines if re.match(r"\.venv/bin/(tinyclap|python) ", line)]
    assert [command[1] for command in commands] == ["selftest", "classify", "listen", "classify.py"]
    for command in commands:
        done = execute(home, [*command, "--file", "sound.wav"] if command[1] == "listen" else command)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout
