"""What every training leaves behind: its summary, its evaluation, its report."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyclap.common.files import write_json
from tinyclap.data.decoded import Decoded
from tinyclap.reports.run_report import write_report
from tinyclap.runs.results import write_evaluation


def training_clips(decoded: Decoded) -> dict[str, Any]:
    """How many clips were trained on, and which could not be used."""
    clips = len({*decoded.windows.clips})
    return {"clips": clips, "bad_clips": [dataclasses.asdict(clip) for clip in decoded.bad]}


def finish_run(
    run: Path, summary: dict[str, Any], evaluation: dict[str, Any] | None, further: Sequence[dict[str, Any]] = ()
) -> None:
    """Write `evaluation.json`, with `further` evaluations behind the first, `summary.json` and the report of a run."""
    if evaluation is not None:
        for each in (evaluation, *reversed(further)):  # the newest comes first
            write_evaluation(run, each, evaluation["data"])
    write_json(run / "summary.json", summary)  # last but the report: it is what marks a finished run
    write_report(run)
