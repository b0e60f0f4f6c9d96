"""What every training leaves behind: its summary, its evaluation, its report."""

import dataclasses
from pathlib import Path
from typing import Any

from tinyclap.common.files import write_json
from tinyclap.data.decoded import Decoded
from tinyclap.reports.run_report import write_report
from tinyclap.runs.results import write_evaluation


def training_clips(decoded: Decoded) -> dict[str, Any]:
    """How many clips were trained on, and which could not be used."""
    clips = len({window.clip for window in decoded.windows})
    return {"clips": clips, "bad_clips": [dataclasses.asdict(clip) for clip in decoded.bad]}


def finish_run(run: Path, summary: dict[str, Any], evaluation: dict[str, Any] | None) -> None:
    """Write `evaluation.json`, `summary.json` and the report of a run folder."""
    if evaluation is not None:
        write_evaluation(run, evaluation, evaluation["data"])
    write_json(run / "summary.json", summary)  # last but the report: it is what marks a finished run
    write_report(run)
