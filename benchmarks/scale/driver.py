"""What 1,000 workers and a million clips ask of the one process that hands out parts; writes results/scale_driver.json.

    python -m benchmarks.scale.driver [--workers 1000] [--clips 1000000]

The workers are simulated: each takes `--seconds` for a part, give or take a half, and gives bytes that were made
beforehand; handing out, claims, checksums, files, and gathering them into the array are those of `tinyclap
embed-teacher`. Once with rows of 8 numbers for all clips, to see what memory and files grow with; once with rows of
512 for some, to see what a part costs. Then the clips themselves: what is held of a million that were decoded.
"""

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.crew.crew import Crew
from tinyclap.common.crew.work import Reply
from tinyclap.common.files import write_json
from tinyclap.common.parallel import as_they_end
from tinyclap.common.row_store import BLOCK, BLOCK_ROWS, DIGEST_BYTES, PARTS, RowStore
from tinyclap.data.windows import Window, Windows
from tinyclap.pipelines.scale.embed_teacher import GATHERED_AT, QUEUED
from tinyclap.runs.provenance import environment

RESULT = Path(__file__).parents[1] / "results" / "scale_driver.json"
TINY, WIDE = 8, 512
WIDE_CLIPS = 256 * 1024
HTSAT_CLIPS_PER_S = 6.0  # of a core, as the pages say of LAION's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="that a worker takes for a part")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tiny = driven(Path(folder) / "tiny", given.clips, TINY, given.workers, given.seconds)
        wide = driven(Path(folder) / "wide", WIDE_CLIPS, WIDE, given.workers, given.seconds)
        clips = held(Path(folder), given.clips)
    part_s = 512 / HTSAT_CLIPS_PER_S
    result = {
        "command": f"python -m benchmarks.scale.driver --workers {given.workers} --clips {given.clips}",
        "environment": environment(seed=0),
        "workers": given.workers,
        "tiny": tiny,
        "wide": wide,
        "clips": clips,
        "extrapolated": {
            "parts_per_s": 1 / wide["cpu_s_per_part"],
            "htsat_part_s": part_s,
            "htsat_cores": part_s / wide["cpu_s_per_part"],
            "share_of_driver_at_1000_htsat_cores": 1000 / part_s * wide["cpu_s_per_part"],
        },
    }
    write_json(RESULT, result)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


class Simulated:
    """A worker that takes its time."""

    def __init__(self, turn: int, made: "Made", seconds: float) -> None:
        self.turn, self._made, self._seconds = turn, made, seconds
        self._chance = random.Random(turn)
        self._due, self._part = 0.0, 0

    def send(self, item: int) -> None:
        """Begin a part."""
        self._part, self._due = item, time.monotonic() + self._seconds * self._chance.uniform(0.5, 1.5)

    def reply(self, timeout_s: float) -> Reply | None:
        """The part, once its time has come."""
        left = self._due - time.monotonic()
        time.sleep(min(max(left, 0.0), timeout_s))
        return Reply(self._made(self._part)) if left <= timeout_s else None

    def close(self) -> None:
        """Nothing is left to do."""


class Source:
    """So many of them."""

    def __init__(self, made: "Made", workers: int, seconds: float) -> None:
        self._made, self._workers, self._seconds = made, workers, seconds

    def size(self) -> int:
        """All of them."""
        return self._workers

    def start(self, turn: int, unwanted: Callable[[], bool]) -> Simulated:
        """At once."""
        return Simulated(turn, self._made, self._seconds)

    def close(self) -> None:
        """Nothing is left to do."""


class Made:
    """Parts' bytes, and what making them took of the processor, which is no work of a real driver."""

    def __init__(self, store: RowStore) -> None:
        self._store, self.cpu_s, self._lock = store, 0.0, threading.Lock()

    def __call__(self, part: int) -> bytes:
        began = time.thread_time()
        blocks = self._store.blocks(part)
        marks = np.ones(len(blocks), BLOCK).tobytes()
        row = np.full(self._store.shape[1], part % 997, np.float16).tobytes()
        whole = marks + row * self._store.part_rows(part)
        content = hashlib.blake2b(whole, digest_size=DIGEST_BYTES).digest() + whole
        with self._lock:
            self.cpu_s += time.thread_time() - began
        return content


def driven(folder: Path, clips: int, dim: int, workers: int, seconds: float) -> dict[str, Any]:
    """A store of one view of each clip, filled by simulated workers."""
    store = RowStore(folder, (clips, dim), np.float16, unused)
    store.missing()
    made, held_mb, most_files = Made(store), list[float](), 0
    cpu, began, computed = time.process_time(), time.monotonic(), 0
    with Crew(Source(made, workers, seconds), str, "") as crew:

        def fill(part: int) -> bool:
            with store.claim(part) as mine:
                return mine and store.put_part(part, crew(part))

        for done in as_they_end(fill, range(store.n_parts), lambda: crew.size + QUEUED):
            computed += done
            if computed % GATHERED_AT == 0:
                most_files = max(most_files, len([*folder.glob(f"{PARTS}/*")]))
                store.gather()
                held_mb.append(rss_mb())
    store.gather()
    cpu, wall = time.process_time() - cpu - made.cpu_s, time.monotonic() - began
    assert store.stored() is not None
    blocks = (folder / "blocks.npy").stat().st_size
    shutil.rmtree(folder)
    half = len(held_mb) // 2
    return {
        "clips": clips,
        "dim": dim,
        "parts": computed,
        "part_bytes": BLOCK_ROWS * 32 * dim * 2,
        "wall_s": wall,
        "cpu_s_per_part": cpu / computed,
        "files_at_most": most_files,
        "block_bytes_per_million_clips": round(blocks * 1e6 / clips),
        "memory_mb": {"first": held_mb[0], "half": held_mb[half], "last": held_mb[-1]},
    }


def held(folder: Path, clips: int) -> dict[str, Any]:
    """What is known of decoded clips: on the disk and in memory, for a tenth of them and for all."""
    path, told = folder / "windows.jsonl", {}
    for count in (clips // 10, clips):
        with path.open("w") as lines:
            for number in range(count):
                window = Window(f"shard-{number // 1000:04d}/{number}.flac", number, 1.0, 0.1, 0.5, number, 1, 1e-5)
                lines.write(json.dumps({name: getattr(window, name) for name in Window.__slots__}) + "\n")
        before, began = rss_mb(), time.monotonic()
        windows = Windows(path)
        taken = {"clips": count, "load_s": time.monotonic() - began, "memory_mb": rss_mb() - before}
        assert windows[count - 1].clip == count - 1
        told["all" if count == clips else "a_tenth"] = taken | {"disk_bytes": path.stat().st_size}
        del windows
    return told


def rss_mb() -> float:
    """Memory that this process holds now; Linux."""
    told = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]
    return int(told) / 1000


def unused(rows: range, prepared: Any) -> np.ndarray:
    raise AssertionError("the workers compute")


if __name__ == "__main__":
    main()
