"""`index` killed at random moments loses and doubles nothing."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.library.conftest import check
from tests.support.sounds import noise, write
from tinyclap import Library

# Makes one file for each line that comes on standard input, and ends only if that does.
_STEP_BY_STEP = """
import sys, threading
from tinyclap import Library
from tinyclap.library import update

update.COMMIT_S = 0.02
make, lock = update.Updater._make, threading.Lock()

def step(updater, task, **how):
    with lock:
        sys.stdin.readline()
    return make(updater, task, **how)

update.Updater._make = step
library = Library.open(sys.argv[1])
print("ready", flush=True)
library.add([sys.argv[2]], 2, progress=False)
sys.stdin.read()
"""


def kill_at_random(made: Path, tmp_path: Path, kills: int) -> None:
    """Files come, change, move and go, and `index` is killed at random moments of each update."""
    rng = random.Random(kills)
    folder = tmp_path / "sounds"
    folder.mkdir()
    library = Library.create(tmp_path / "lib", made, codes="float32")
    partly = 0
    for turn in range(kills):
        for number in range(12):
            write(folder / f"{turn}-{number}.wav", noise(0.3, 100 * turn + number))
        rng.choice(sorted(folder.iterdir())).unlink()
        rng.choice(sorted(folder.iterdir())).rename(folder / f"moved-{turn}.wav")
        write(rng.choice(sorted(folder.iterdir())), noise(0.4, 10_000 + turn))
        command = [sys.executable, "-c", _STEP_BY_STEP, str(library.folder), str(folder)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n" * rng.choice((3, 6, 9, 400)))  # the last: all of them, and what comes after
        process.stdin.flush()
        time.sleep(rng.uniform(0, 0.25))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        partly += len(library) < len(list(folder.iterdir()))
        some = library.rows()  # what is valid is whole at every moment
        assert len({row.path for row in some}) == len(some)
        assert np.allclose(np.linalg.norm(library.embeddings(), axis=1), 1, atol=1e-5)
    assert partly
    library.add([folder], 2, progress=False)
    check(library, folder)
    library.compact()
    check(library, folder)


def test_kills_lose_and_double_nothing(made: Path, tmp_path: Path) -> None:
    kill_at_random(made, tmp_path, 3)


@pytest.mark.slow
def test_twenty_kills_lose_and_double_nothing(made: Path, tmp_path: Path) -> None:
    kill_at_random(made, tmp_path, 20)
