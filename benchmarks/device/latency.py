"""How well timed students predict the time of others; writes benchmarks/results/latency.json.

    python -m benchmarks.device.latency --work runs/latency [--students 48]

`tinyclap latency` makes graphs of students drawn at random (up to 100 M MACs), times them from waveform to embedding on
one thread and fits a time to each kind of cost. Every student is also predicted by a fit on three quarters of the
others; the error is relative to its own time.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tinyclap.common.files import write_json
from tinyclap.hardware.latency_model import FEATURES, cross_validate, features
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student_config import StudentConfig
from tinyclap.pipelines.latency import STUDENTS, TIMES, make_students, time_students
from tinyclap.runs.provenance import environment
from tinyclap.scaling.design_space import DesignSpace, embedding_dims, frontends

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--students", type=int, default=48)
    given = parser.parse_args()
    base = StudentConfig()
    if not given.work.exists():
        make_students(
            given.work, DesignSpace(base, frontends(base.frontend, 32_000), embedding_dims(512)), given.students
        )
    fitted = time_students(given.work)
    listed = json.loads((given.work / STUDENTS).read_text(encoding="utf-8"))
    costs = [student_costs(StudentConfig.from_dict(values)) for values in listed]
    taken = np.array([row["ms"] for row in json.loads((given.work / TIMES).read_text(encoding="utf-8"))])
    found = [features(one.layers) for one in costs]
    predicted = cross_validate(np.array([[float(one[name]) for name in FEATURES] for one in found]), taken)
    errors = np.abs(predicted / taken - 1)
    result = {
        "command": f"python -m benchmarks.device.latency --work WORK --students {len(costs)}",
        "environment": environment(seed=0),
        "fit": asdict(fitted),
        "held_out": {
            "median_relative_error": float(np.median(errors)),
            "p90_relative_error": float(np.quantile(errors, 0.9)),
            "largest_relative_error": float(errors.max()),
        },
        "fastest_ms": float(taken.min()),
        "slowest_ms": float(taken.max()),
        "students": [
            {"ms": float(ms), "predicted_ms": float(guess), "macs": int(one.macs)}
            for ms, guess, one in zip(taken, predicted, costs, strict=True)
        ],
    }
    write_json(RESULTS / "latency.json", result)
    sys.stdout.write(json.dumps({key: result[key] for key in ("held_out", "fastest_ms", "slowest_ms")}) + "\n")


if __name__ == "__main__":
    main()
