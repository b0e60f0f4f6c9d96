"""The base install on its own: its size, and how long a first answer takes; writes results/base_install.json.

    python -m benchmarks.device.base_install BUNDLE SOUND

Installs the project without extras into a fresh virtual environment, adds up its files, and times `tinyclap classify`
from the start of the process to its answer (median of several; the first one, on cold disk caches, apart).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from tinyclap.common.files import write_json
from tinyclap.runs.provenance import environment

PROJECT = Path(__file__).parents[2]
RESULT = Path(__file__).parents[1] / "results" / "base_install.json"
RUNS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="made by `tinyclap export --onnx`")
    parser.add_argument("sound", type=Path, help="an audio file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        site = next(Path(folder).glob("lib/python*/site-packages"))
        pip_bytes = size_bytes(site)
        began = time.perf_counter()
        subprocess.run([f"{folder}/bin/pip", "install", "-q", str(PROJECT)], check=True)
        install_s = time.perf_counter() - began
        command = [f"{folder}/bin/tinyclap", "classify", str(given.sound), "--bundle", str(given.bundle), "--json"]
        taken, answers = [], []
        for _ in range(RUNS + 1):
            began = time.perf_counter()
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            taken.append(time.perf_counter() - began)
            answers.append(json.loads(done.stdout))
        listed = subprocess.run([f"{folder}/bin/pip", "freeze"], check=True, stdout=subprocess.PIPE, text=True).stdout
        result = {
            "command": "python -m benchmarks.device.base_install BUNDLE SOUND",
            "environment": environment(seed=0),
            "installed_bytes": size_bytes(site) - pip_bytes,
            "install_s": install_s,
            "packages": [line for line in listed.splitlines() if "==" in line],
            "first_classify_s": taken[0],
            "classify_s": statistics.median(taken[1:]),
            "answers_alike": all(answer == answers[0] for answer in answers),
        }
    write_json(RESULT, result)
    sys.stdout.write(RESULT.read_text(encoding="utf-8"))


def size_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


if __name__ == "__main__":
    main()
