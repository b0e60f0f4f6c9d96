"""What `tinyclap export --c` says at its end: memory, what was measured, and the command to run next."""

import dataclasses
import json
from pathlib import Path

from tinyclap.common.machine import shell_path
from tinyclap.exporters.c.report import CReport, measured_lines


def as_object(folder: Path, report: CReport) -> str:
    """The folder and what was measured as one JSON object."""
    return json.dumps({"c": str(folder), **dataclasses.asdict(report)})


def as_table(folder: Path, report: CReport) -> str:
    """The same as text."""
    place = shell_path(folder)
    build = f"cc -std=c99 -O3 -I{place}/src {place}/src/tinyclap.c {place}/test/selftest.c -lm -o selftest"
    labels = f"{report.labels} as constants" if report.labels else "none"
    rows = [("precision", report.precision), ("labels", labels), ("C", str(folder)), ("next", f"{build} && ./selftest")]
    return "\n".join([*measured_lines(report), "", *(f"{what:<9} {value}" for what, value in rows)])
