"""What a training's metrics.jsonl says."""

import json
from pathlib import Path
from typing import Any

TIMES = {"seconds", "data_seconds", "clips_per_s", "data_share", "processes"}


def learned(run: Path) -> list[dict[str, Any]]:
    """Of every epoch all but how long it took."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]
