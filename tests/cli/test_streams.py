"""Whatever standard output and error can write, and whoever has stopped reading them: one message, and no traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.commands import RATE
from tests.support.tiny_bundles import tiny_bundle

ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "utf-8": {"PYTHONIOENCODING": "utf-8"},
}
RAIN = "rain \N{CLOUD WITH RAIN}"
NOT_TEXT = os.fsdecode(b"bad\xff.wav")
FAULTS = ("Traceback", "Exception ignored")

# Every command's help, and what it says of a name that is none: in one process, as one import is enough.
EVERY_COMMAND = """
import sys
import typer
from tinyclap.cli import app
commands = typer.main.get_command(app.app).commands
for arguments in [[], *([name] for name in commands), ["recipes", "cp"]]:
    for words in ([*arguments, "--help"], [*arguments, sys.argv[1]]):
        sys.argv[1:] = words
        try:
            app.main()
        except SystemExit:
            print("ended", words[0].encode("ascii", "replace"))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a bundle of odd labels, a run, and sounds of odd names."""
    folder = tmp_path_factory.mktemp("home")
    tiny_bundle(folder / "bundle", labels=("dog", RAIN))
    sounds = folder / "sounds"
    sounds.mkdir()
    soundfile.write(sounds / "a.wav", np.random.default_rng(0).normal(0, 0.1, RATE), RATE)
    content = (sounds / "a.wav").read_bytes()
    for name in (f"{RAIN}.wav", "br\u00e9ve.wav", NOT_TEXT):
        (sounds / name).write_bytes(content)
    run = folder / "runs" / RAIN
    run.mkdir(parents=True)
    (run / "recipe.yaml").write_text(f"task: distill\nname: {RAIN}\n", encoding="utf-8")
    (run / "env.json").write_text('{"started": "2026-01-01T00:00:00+00:00"}')
    return folder


def started(home: Path, arguments: Sequence[str], **environment: str) -> "subprocess.Popen[bytes]":
    whole = {**os.environ, "TINYCLAP_CACHE": str(home / "cache"), **environment}
    command = [sys.executable, "-m", "tinyclap", *arguments]
    return subprocess.Popen(command, cwd=home, env=whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def told(home: Path, arguments: Sequence[str], **environment: str) -> tuple[int, str, str]:
    """Exit code, output and error, as far as these are UTF-8."""
    with started(home, arguments, **environment) as process:
        out, err = process.communicate()
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


@pytest.mark.parametrize("environment", ENCODINGS.values(), ids=ENCODINGS)
class TestEncodings:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("classify", "sounds", "--bundle", "bundle"),
            ("classify", "sounds", "--bundle", "bundle", "--csv"),
            ("embed", "sounds", "--bundle", "bundle", "--out", "a.npy", "--overwrite"),
            ("report",),
            ("info", "bundle"),
        ],
        ids=lambda arguments: "-".join((arguments[0], *arguments[4:5])),
    )
    def test_text(self, home: Path, environment: dict[str, str], arguments: Sequence[str]) -> None:
        code, out, err = told(home, arguments, **environment)
        assert not [fault for fault in FAULTS if fault in out + err], err
        assert code in (0, 1), err  # 1 where a name is no text
        assert out
        assert "sounds/bad" in err or arguments[0] in ("report", "info")

    def test_json_is_json(self, home: Path, environment: dict[str, str]) -> None:
        _, out, err = told(home, ["classify", "sounds", "--bundle", "bundle", "--json"], **environment)
        assert not [fault for fault in FAULTS if fault in err], err
        found = json.loads(out)
        if environment.get("LC_ALL") != "C":  # to Python file names are ASCII there, and this one is none
            assert f"sounds/{RAIN}.wav" in [entry["file"] for entry in found["results"]]
            assert len(found["bad"]) == 1
        assert RAIN in [entry["label"] for entry in found["results"][0]["predictions"]]
        assert {entry["reason"] for entry in found["bad"]} == {"its name is not valid UTF-8; rename it"}

    def test_help_and_refusals_of_every_command(self, home: Path, environment: dict[str, str]) -> None:
        whole = {**os.environ, "TINYCLAP_CACHE": str(home / "cache"), **environment}
        command = [sys.executable, "-c", EVERY_COMMAND, f"{RAIN}{NOT_TEXT}"]
        done = subprocess.run(command, cwd=home, env=whole, capture_output=True)
        text = (done.stdout + done.stderr).decode("utf-8", "replace")
        assert done.returncode == 0, text
        assert not [fault for fault in FAULTS if fault in text], text
        assert text.count("ended") >= 40


@pytest.mark.parametrize(
    "command", [("--help",), ("devices",), ("models",), ("classify", "sounds", "--bundle", "bundle")]
)
def test_a_reader_that_has_gone(home: Path, command: Sequence[str]) -> None:
    with started(home, command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read().decode()
    assert not [fault for fault in FAULTS if fault in err], err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_behind_the_streams(home: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "tinyclap", "devices"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=home, text=True)
        assert (done.returncode, done.stderr.startswith("error: disk full")) == (1, True), done.stderr
        assert subprocess.run([*command, "none"], stderr=full, cwd=home).returncode == 2
