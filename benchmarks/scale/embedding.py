"""Teacher embeddings stored by 1 and 2 processes and Ray nodes on two cores; writes results/scale_embedding.json.

    python -m benchmarks.scale.embedding [--rounds 3] [--work runs/scale_embedding.jsonl]

A small teacher embeds 12,288 views of 1 s, in parts of 512, a thread each: by one process; by two that know nothing of
each other (`--shard 1/2`, `2/2`: what two cores give); by two workers; by one and by two nodes of one core of a Ray
cluster on this machine (`ray.cluster_utils`). The ways in turn in every round, each from an empty store, whose bytes
must be the same. `steady` is the rate after the first parts, `whole` that of the command with the start of its workers.
What is measured is kept in the work file, so that the same command goes on after it was stopped.
Needs `pip install -e ".[ray]"`.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tinyclap.common.files import write_json
from tinyclap.runs.provenance import environment

RESULT = Path(__file__).parents[1] / "results" / "scale_embedding.json"
CLIPS, VIEWS, DIM = 256, 48, 128
WARM = 4  # parts after which the rate is steady
ONE, SHARES, WORKERS, NODE, NODES = "one process", "two, by shares", "two workers", "one Ray node", "two Ray nodes"
WAYS: dict[str, tuple[int, list[tuple[str, str, str]]]] = {
    ONE: (0, [("1", "", "1/1")]),
    SHARES: (0, [("1", "", "1/2"), ("1", "", "2/2")]),
    WORKERS: (0, [("2", "", "1/1")]),
    NODE: (1, [("", "RAY", "1/1")]),
    NODES: (2, [("", "RAY", "1/1")]),
}
RECIPE = f"""
task: distill
name: scale
teacher: {{kind: dual, source: teacher}}
data:
  train: {{kind: procedural, n_clips: {CLIPS}, duration_s: 1.0}}
  test: null
views: {{per_clip: {VIEWS}, duration_s: 1.0, mix: 0.2}}
student: {{head: linear}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs", "scale_embedding.jsonl"), help="what is measured")
    parser.add_argument("--one", nargs=3, metavar=("WORKERS", "RAY", "SHARE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        json.dump(stored(*given.one), sys.stdout)
        return
    os.environ.update(OMP_NUM_THREADS="1", RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0", PYTHONPATH=os.getcwd())
    work = given.work.absolute()
    with tempfile.TemporaryDirectory() as folder, pushed(Path(folder)):
        os.environ["TINYCLAP_CACHE"] = str(Path(folder) / "cache")
        Path("scale.yaml").write_text(RECIPE)
        subprocess.run([sys.executable, "-c", "from benchmarks.scale.embedding import teacher; teacher()"], check=True)
        rows, compared = measured(given.rounds, work)
    told = {"rows": rows, "equal_stores": compared, **ratios(rows)}
    facts = environment(seed=0) | {"ray": metadata.version("ray")}
    command = f"python -m benchmarks.scale.embedding --rounds {given.rounds}"
    sizes = {"clips": CLIPS, "views": VIEWS, "embed_dim": DIM, "part_rows": 512}
    write_json(RESULT, {"command": command, "environment": facts, **sizes, **told})
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


@contextmanager
def pushed(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def teacher() -> None:
    """An untrained teacher of a student's shape, saved."""
    import torch

    from tinyclap.models.student_config import StudentConfig
    from tinyclap.teachers.untrained import new_dual, new_text

    torch.manual_seed(0)
    text = new_text(["a dog barks"], DIM, vocab_size=300, hidden_size=32, layers=1, heads=1)
    config = StudentConfig(embed_dim=DIM, window_s=1.0)
    made = new_dual(config, text, embed_dim=DIM, window_s=1.0, prompts=["{}"], logit_scale=10.0, name="small")
    made.eval().save_pretrained(Path("teacher"), "---\nlicense: mit\n---\n# untrained\n")


def measured(rounds: int, work: Path) -> tuple[list[dict[str, Any]], int]:
    """Of each way the medians of what was measured, added to until there are so many rounds.

    Also how many stores were compared.
    """
    work.parent.mkdir(parents=True, exist_ok=True)
    work.touch()
    lines = [json.loads(line) for line in work.read_text().splitlines()]
    taken = {way: [line["rates"] for line in lines if line["way"] == way] for way in WAYS}
    if any(len(rows) < rounds for rows in taken.values()):
        filled([("1", "", "1/2")])  # decodes, once for all
    for number in range(rounds):
        for way, (nodes, commands) in WAYS.items():
            if len(taken[way]) > number:
                continue
            with cluster(nodes) as address:
                rates, store = filled([(workers, ray and address, share) for workers, ray, share in commands])
            taken[way].append(rates)
            lines.append({"way": way, "rates": rates, "store": store})
            with work.open("a") as stream:
                stream.write(json.dumps(lines[-1]) + "\n")
    stores = [line["store"] for line in lines if "store" in line]
    assert len({*stores}) <= 1, "every way makes the same bytes"
    medians = [
        {
            "way": way,
            "n": len(rows),
            "steady_spread": spread([told["steady_per_s"] for told in rows]),
            **{key: statistics.median(told[key] for told in rows) for key in rows[0]},
        }
        for way, rows in taken.items()
    ]
    return medians, len(stores)


def spread(rates: list[float]) -> float:
    """From the slowest to the fastest, as a share of the median."""
    return (max(rates) - min(rates)) / statistics.median(rates)


@contextmanager
def cluster(nodes: int) -> Iterator[str]:
    """The address of a Ray cluster of so many nodes of one core; none for 0."""
    if not nodes:
        yield ""
        return
    from ray.cluster_utils import Cluster

    each = {"num_cpus": 1, "object_store_memory": 200_000_000, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=each)
    for _ in range(nodes - 1):
        made.add_node(**each)
    try:
        yield str(made.address)
    finally:
        made.shutdown()


def filled(commands: list[tuple[str, str, str]]) -> tuple[dict[str, float], str]:
    """Rates of commands that fill an empty store at the same time, and the hash of its bytes."""
    stores = Path("cache", "embeddings")
    shutil.rmtree(stores, ignore_errors=True)
    began = time.monotonic()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scale.embedding", "--one", *one], stdout=subprocess.PIPE, text=True
        )
        for one in commands
    ]
    told = [json.loads(process.communicate()[0]) for process in running]
    wall_s = time.monotonic() - began
    puts = sorted(put for one in told for put in one["puts"])
    per_part = CLIPS * VIEWS / 24
    marks = [(one["cpu"][-1] - one["cpu"][0]) / (len(one["cpu"]) - 1) for one in told]
    rates = {
        "steady_per_s": per_part * (len(puts) - WARM) / (puts[-1] - puts[WARM - 1]),
        "whole_per_s": per_part * len(puts) / max(one["seconds"] for one in told),
        "first_part_s": min(one["puts"][0] - one["began"] for one in told),
        "wall_s": wall_s,
        "driver_cpu_s_per_part": statistics.mean(marks),
    }
    (rows,) = stores.glob("*/rows.npy")
    return rates, hashlib.sha256(rows.read_bytes() + rows.with_name("blocks.npy").read_bytes()).hexdigest()


def stored(workers: str, ray: str, share: str) -> dict[str, Any]:
    """Fill the store here; when each part was written, and how much of the processor this process had used then."""
    from tinyclap.common.crew.team import Team
    from tinyclap.common.row_store import RowStore
    from tinyclap.config.load_recipe import load_recipe
    from tinyclap.pipelines.scale import embed_teacher as command

    put, puts, cpu = RowStore.put_part, list[float](), list[float]()

    def noted(store: RowStore, part: int, content: bytes) -> bool:
        done = put(store, part, content)
        puts.append(time.monotonic())
        cpu.append(time.process_time())
        return done

    began = time.monotonic()
    number, shares = map(int, share.split("/"))
    team = Team(int(workers) if workers else None, ray or None)
    with patch.object(RowStore, "put_part", noted):
        (told,) = command.embed_teacher(load_recipe("scale.yaml", task="distill"), team, share=(number, shares))
    return {"puts": puts, "cpu": cpu, "began": began, "seconds": told.seconds}


def ratios(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Efficiencies beside what the cores give without any sharing, and what Ray costs."""
    by = {row["way"]: row for row in rows}
    steady = {way: row["steady_per_s"] for way, row in by.items()}
    return {
        "two_cores_give": steady[SHARES] / steady[ONE],
        "efficiency": {way: steady[way] / steady[SHARES if way in (SHARES, WORKERS, NODES) else ONE] for way in steady},
        "efficiency_whole": {
            way: by[way]["whole_per_s"] / by[SHARES if way in (SHARES, WORKERS, NODES) else ONE]["whole_per_s"]
            for way in by
        },
        "ray_start_s": by[NODES]["first_part_s"] - by[WORKERS]["first_part_s"],
    }


if __name__ == "__main__":
    main()
