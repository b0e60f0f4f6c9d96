"""How embedding a data set grows with its size: time, and peak memory; writes benchmarks/results/growth.json.

    python -m benchmarks.training.growth [--sizes 1000 10000 100000]

For every size a process of its own decodes so many generated clips of 1 s, lets a small teacher embed one view of
each (`training.targets`: what `tinyclap distill` begins with) and tells how long it took and the most
memory it held. The cache lies in a temporary folder.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinyclap.common.files import write_json
from tinyclap.common.machine import peak_rss_bytes
from tinyclap.runs.provenance import environment

RESULT = Path(__file__).parents[1] / "results" / "growth.json"
DURATION_S = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--one", type=int, help="measure this size in this process and print it")
    given = parser.parse_args()
    if given.one:
        sys.stdout.write(json.dumps(measured(given.one)) + "\n")
        return
    rows = [in_its_own_process(size) for size in given.sizes]
    first, last = rows[0], rows[-1]
    exponent = math.log(last["wall_s"] / first["wall_s"]) / math.log(last["clips"] / first["clips"])
    result = {
        "command": f"python -m benchmarks.training.growth --sizes {' '.join(map(str, given.sizes))}",
        "environment": environment(seed=0),
        "clip_s": DURATION_S,
        "rows": rows,
        "exponent": exponent,  # of time over clips: 1 is linear
        "memory_ratio": last["peak_rss_bytes"] / first["peak_rss_bytes"],
    }
    write_json(RESULT, result)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def in_its_own_process(size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "benchmarks.training.growth", "--one", str(size)]
        surroundings = {**os.environ, "TINYCLAP_CACHE": cache}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=surroundings)
        measured: dict[str, Any] = json.loads(done.stdout)
        return measured


def measured(size: int) -> dict[str, Any]:
    """Decode and embed so many clips."""
    import torch

    from tinyclap.data.decoded import decode
    from tinyclap.data.procedural.dataset import Procedural
    from tinyclap.data.view_spec import FIXED
    from tinyclap.data.views import Views
    from tinyclap.models.student_config import StudentConfig
    from tinyclap.teachers.untrained import new_dual, new_text
    from tinyclap.training.targets import teacher_embeddings

    torch.manual_seed(0)
    text = new_text(["a dog barks"], 128, vocab_size=300, hidden_size=32, layers=1, heads=1)
    config = StudentConfig(embed_dim=128, window_s=DURATION_S)
    teacher = new_dual(
        config, text, embed_dim=128, window_s=DURATION_S, prompts=["{}"], logit_scale=10.0, name="small"
    ).eval()
    began = time.perf_counter()
    decoded = decode(Procedural(size, duration_s=DURATION_S), teacher.sample_rate)
    decoded_s = time.perf_counter() - began
    stored = teacher_embeddings(teacher, Views(decoded, replace(FIXED, duration_s=DURATION_S)))
    assert stored.teacher_forwards == size
    return {
        "clips": size,
        "wall_s": time.perf_counter() - began,
        "decode_s": decoded_s,
        "peak_rss_bytes": peak_rss_bytes(),
        "ms_per_clip": 1000 * (time.perf_counter() - began) / size,
    }


if __name__ == "__main__":
    main()
