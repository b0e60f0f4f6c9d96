"""What another process on the machine costs a training; writes benchmarks/results/neighbour.json.

    python -m benchmarks.training.neighbour [--rounds 3] [--seconds 10]

A step of the quickstart's student and a block of its teacher's embeddings, each in a process of its own, alone and
beside a process that keeps one core busy: as `tinyclap distill` computes (small students with one thread, a part of the
block in each thread), with one thread, and with as many for each operation as there are cores, which in OpenMP's
parallel regions wait as GNU OpenMP's do by default, spin briefly (`GOMP_SPINCOUNT`, what the command sets) or not at
all. Medians of steps, the ways in turn in every round; `share` is the speed beside the neighbour over the speed alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tinyclap.common.files import write_json
from tinyclap.common.row_store import BLOCK_ROWS
from tinyclap.common.threads import CHOSEN, SPIN_COUNT, SPINS
from tinyclap.runs.provenance import environment

RESULT = Path(__file__).parents[1] / "results" / "neighbour.json"
CORES = os.cpu_count() or 1
OURS = "tinyclap's"
WAYS = {
    OURS: (CORES, {SPIN_COUNT: str(SPINS)}),
    "one thread": (1, {}),
    "OpenMP's default": (CORES, {}),
    "brief spins": (CORES, {SPIN_COUNT: str(SPINS)}),
    "no spins": (CORES, {"OMP_WAIT_POLICY": "PASSIVE"}),
}
WORK = ("train", "embed")
AT_ONCE = 8  # clips that are one part of a block
BUSY = "while True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--measure", nargs=2, metavar=("WORK", "WAY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        json.dump(steps(given.measure[0], given.measure[1], given.seconds), sys.stdout)
        return
    taken: dict[tuple[str, str, str], list[float]] = {}
    for _ in range(given.rounds):
        for work in WORK:
            for way in WAYS:
                for which in ("alone", "beside"):
                    found = measured(work, way, given.seconds, busy=which == "beside")
                    taken.setdefault((work, way, which), []).append(found)
    rows: list[dict[str, Any]] = []
    for work in WORK:
        for way, (threads, settings) in WAYS.items():
            alone, beside = (statistics.median(taken[work, way, which]) for which in ("alone", "beside"))
            row: dict[str, Any] = {"work": work, "way": way, "threads": threads, "settings": settings}
            rows.append(row | {"alone_s": alone, "beside_s": beside, "share": alone / beside})
            sys.stdout.write(f"{work:6} {way:16} {alone:.3f} s alone, {beside:.3f} s beside a neighbour\n")
    command = "python -m benchmarks.training.neighbour"
    write_json(RESULT, {"command": command, "environment": environment(seed=0), "rounds": given.rounds, "rows": rows})


def measured(work: str, way: str, seconds: float, *, busy: bool) -> float:
    """Median seconds of a step in a process of its own."""
    neighbour = subprocess.Popen([sys.executable, "-c", BUSY]) if busy else None
    try:
        own = {name: value for name, value in os.environ.items() if name not in CHOSEN} | WAYS[way][1]
        command = [sys.executable, "-m", "benchmarks.training.neighbour", "--measure", work, way]
        done = subprocess.run(
            [*command, "--seconds", str(seconds)], env=own, capture_output=True, check=True, text=True
        )
    finally:
        if neighbour:
            neighbour.kill()
            neighbour.wait()
    return statistics.median(json.loads(done.stdout))


def steps(work: str, way: str, seconds: float) -> list[float]:
    """Seconds of each step after the first two; at least one."""
    import torch

    from tinyclap.common.allocator import keep_freed_memory
    from tinyclap.config.load_recipe import load_recipe
    from tinyclap.hardware.traced_costs import count_macs
    from tinyclap.models.student import Student
    from tinyclap.models.threads import threads_for
    from tinyclap.pipelines.build import build_teacher
    from tinyclap.training.distill import BACKWARD

    torch.set_num_threads(WAYS[way][0])
    keep_freed_memory()
    recipe = load_recipe("quickstart", task="distill")
    teacher = build_teacher(recipe.taught_by)
    student = Student(recipe.student.with_embedding(teacher.embed_dim, recipe.views.longest_s)).train()
    frontend = student.config.frontend
    size = recipe.training.batch_size
    logmel = torch.randn(size, 1, frontend.n_frames(student.config.window_samples), frontend.n_mels)
    target = torch.nn.functional.normalize(torch.randn(size, teacher.embed_dim), dim=-1)
    sound = 0.1 * torch.randn(BLOCK_ROWS, round(recipe.views.longest_s * teacher.sample_rate))
    optimizer = torch.optim.AdamW(student.parameters())

    def step() -> None:
        if work == "embed":
            for part in sound.split(BLOCK_ROWS if way == OURS else AT_ONCE):
                teacher.embed_audio(part)
            return
        optimizer.zero_grad()
        (-(student.encode(logmel) * target).sum(-1).mean()).backward()
        optimizer.step()

    taken: list[float] = []
    end = time.perf_counter() + seconds
    macs = BACKWARD * size * count_macs(student, student.encode, logmel[:1])
    with threads_for(macs) if (work, way) == ("train", OURS) else nullcontext():
        while len(taken) < 3 or time.perf_counter() < end:
            began = time.perf_counter()
            step()
            taken.append(time.perf_counter() - began)
    return taken[2:]


if __name__ == "__main__":
    main()
