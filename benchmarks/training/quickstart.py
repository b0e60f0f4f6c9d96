"""What the README's first command takes, measured as a new user meets it; writes benchmarks/results/quickstart.json.

    python -m benchmarks.training.quickstart

Runs `tinyclap distill quickstart` twice in an empty folder with an empty cache (the second time with another learning
rate, so the teacher's embeddings are there already), and times `tinyclap --help`.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tinyclap.common.files import write_json
from tinyclap.runs.provenance import environment

RESULT = Path(__file__).parents[1] / "results" / "quickstart.json"
HELP_RUNS = 9


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        surroundings = {**os.environ, "TINYCLAP_CACHE": f"{folder}/cache", "HF_HUB_OFFLINE": "1"}
        first = distill(folder, surroundings, "--run", "first")
        second = distill(folder, surroundings, "--run", "second", "training.lr=0.002")
    write_json(
        RESULT,
        {
            "command": "python -m benchmarks.training.quickstart",
            "environment": environment(seed=0),
            "help_s": statistics.median(timed(["--help"])["wall_s"] for _ in range(HELP_RUNS)),
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
            "first": first,
            "second_with_the_same_teacher_and_data": second,
        },
    )
    sys.stdout.write(RESULT.read_text(encoding="utf-8"))


def timed(arguments: list[str], **options: Any) -> dict[str, Any]:
    began = time.perf_counter()
    command = [sys.executable, "-m", "tinyclap", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options)
    return {"wall_s": time.perf_counter() - began, "stdout": done.stdout}


def distill(folder: str, surroundings: dict[str, str], *arguments: str) -> dict[str, Any]:
    """One distillation: what it took and what it reached."""
    done = timed(["distill", "quickstart", "--json", *arguments], cwd=folder, env=surroundings)
    printed = json.loads(done["stdout"])
    epochs = [json.loads(line) for line in (Path(folder) / printed["run"] / "metrics.jsonl").read_text().splitlines()]
    models = {name: printed["summary"][name] for name in ("teacher", "student")}
    return {
        "wall_s": done["wall_s"],
        "teacher_accuracy": printed["teacher"]["accuracy"],
        "teacher_ci95": printed["teacher"]["ci95"],
        "student_accuracy": printed["student"]["accuracy"],
        "student_ci95": printed["student"]["ci95"],
        "retention": printed["retention"],
        "n_clips": printed["n_clips"],
        "centred_cosine": printed["centred_cosine"],
        "teacher_forwards": printed["summary"]["teacher_forwards"],
        "data_share": sum(row["data_seconds"] for row in epochs) / sum(row["seconds"] for row in epochs),
        **{f"{name}_macs": model["macs"] for name, model in models.items()},
        **{f"{name}_window_s": model["window_s"] for name, model in models.items()},
        **{f"{name}_parameters": model["parameters"] for name, model in models.items()},
        "student_size_bytes": models["student"]["size_bytes"],
    }


if __name__ == "__main__":
    main()
