"""Costs by formula against costs counted by running, of random students; writes benchmarks/results/costs.json.

    python -m benchmarks.device.costs [--students 200]

Parameters and MACs (fvcore; element-wise operators left out on both sides, unknown ones an error) must agree exactly,
and the peak of the activations alive at once, traced operator by operator, within 2 %. The students are those of
tests/hardware/test_macs_ram_flash.py, drawn at random: variants, strides, front ends, heads, windows. Then the space of
`tinyclap search` is counted and filtered by a budget, which is timed.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

from tests.hardware.test_macs_ram_flash import drawn
from tinyclap.common.files import write_json
from tinyclap.hardware import macs_ram_flash, traced_costs
from tinyclap.hardware.budget import Budget
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig
from tinyclap.runs.provenance import environment
from tinyclap.scaling.design_space import enumerate_space, space_around

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=200)
    given = parser.parse_args()
    other_parameters, other_macs, errors = [], [], []
    for seed in range(given.students):
        config = drawn(seed)
        student, formula = Student(config).eval(), macs_ram_flash.student_costs(config)
        logmel = torch.zeros(1, 1, config.frontend.n_frames(config.window_samples), config.frontend.n_mels)
        if formula.parameters != traced_costs.n_parameters(student):
            other_parameters.append(seed)
        if formula.macs != traced_costs.count_macs(student, student.encode, logmel):
            other_macs.append(seed)
        traced = traced_costs.count_activations(student, student.encode, logmel)
        errors.append(abs(max(layer.live for layer in formula.layers) / traced - 1))
    result = {
        "command": f"python -m benchmarks.device.costs --students {given.students}",
        "environment": environment(seed=0),
        "students": given.students,
        "parameters_differ": other_parameters,
        "macs_differ": other_macs,
        "largest_relative_error_of_the_peak": max(errors),
        "enumeration": enumeration(),
    }
    write_json(RESULTS / "costs.json", result)
    sys.stdout.write(
        f"{given.students} students: parameters differ {len(other_parameters)} times, MACs {len(other_macs)} times; "
        f"peak activations within {max(errors):.1%}; {result['enumeration']}\n"
    )


def enumeration() -> dict[str, float]:
    """How long counting all students of a search takes, and how many fit."""
    base = StudentConfig()
    space = space_around(base, 32_000, 512)
    began = time.perf_counter()
    found = enumerate_space(space, Budget(macs=5_000_000, ram_bytes=128 * 1024, flash_bytes=512 * 1024))
    return {"students": found.counted, "fitting": len(found), "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    main()
