"""What `tinyclap export --tflite` says at its end: memory, what was measured, and what is to be done next."""

import dataclasses
import json
from pathlib import Path

from tinyclap.common.machine import shell_path
from tinyclap.exporters.tflite.report import TfliteReport, measured_lines


def as_object(file: Path, report: TfliteReport) -> str:
    """The file and what was measured as one JSON object."""
    return json.dumps({"tflite": str(file), **dataclasses.asdict(report)})


def as_table(file: Path, report: TfliteReport) -> str:
    """The same as text."""
    operators = ", ".join(f"{name} {count}" for name, count in report.operators.items())
    rows = [
        ("size", f"{report.size_bytes:,} bytes"),
        ("input", f"{report.input} log-mel; its scale and front end stand in the file's metadata, tinyclap"),
        ("operators", operators),
        ("tflite", str(file)),
        ("next", f"xxd -i {shell_path(file)} > model.h, beside the front end of `tinyclap export --c`"),
    ]
    return "\n".join([*measured_lines(report), "", *(f"{what:<9} {value}" for what, value in rows)])
