"""The newest thing that a report can be made of."""

from datetime import datetime
from pathlib import Path

from tinyclap.common.files import read_json
from tinyclap.runs.folder import RUNS, find_run, moment, newest_first, started
from tinyclap.runs.results import as_mapping
from tinyclap.scaling.options import RESULT


def newest_result() -> Path:
    """The run, or the search that has ended, that is the newest under `runs/`.

    Raises:
        TinyclapError: there is neither, or one does not say when it was.
    """
    times = {path.parent: _ended(path) for path in sorted(RUNS.glob(f"*/{RESULT}"))}
    runs = newest_first()
    if runs:
        times[runs[0]] = started(runs[0])
    return max(times, key=lambda folder: times[folder]) if times else find_run()


def _ended(result: Path) -> datetime:
    return moment(as_mapping(read_json(result, {}).get("environment")).get("started"), str(result), "search")
