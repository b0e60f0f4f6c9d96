"""What `tinyclap export --web` says at its end: what a browser loads, what was measured, and what to run next."""

import dataclasses
import json
from pathlib import Path

from tinyclap.common.machine import shell_path
from tinyclap.exporters.web.report import WebReport, measured_lines


def as_object(folder: Path, report: WebReport) -> str:
    """The folder and what was measured as one JSON object."""
    return json.dumps({"web": str(folder), **dataclasses.asdict(report)})


def as_table(folder: Path, report: WebReport) -> str:
    """The same as text."""
    own = f"{report.labels} of its own" if report.labels else "none of its own"
    rows = [
        ("bundle", f"{report.name}, {report.graph}"),
        ("labels", f"{own}, and any others in words" if report.words else own),
        ("runtime", f"onnxruntime-web {report.runtime}"),
        ("page", str(folder)),
        ("next", f"python3 -m http.server 8000 --directory {shell_path(folder)}  # then open http://localhost:8000/"),
    ]
    return "\n".join([*measured_lines(report), "", *(f"{what:<8} {value}" for what, value in rows)])
