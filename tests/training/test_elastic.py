"""A training goes on with another number of processes: what stays equal, and that none waits for the others."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.test_processes import finish, free_port, start

OPTIONS = {"micro_batches": 2, "head_epochs": 0, "epochs": 4}
STOPPED = {**OPTIONS, "stop_after": 2}


def train(run: Path, processes: int, options: dict[str, Any], *, stopped: bool = False) -> None:
    """In one process, or in several that speak over gloo."""
    shared: dict[str, str] = {}
    if processes > 1:
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        shared = {
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
            "ACCELERATE_USE_CPU": "true",
            **place,
        }
    started = [
        start(
            "test_distill", run, options, **shared, **({"RANK": str(rank), "LOCAL_RANK": str(rank)} if shared else {})
        )
        for rank in range(processes)
    ]
    for process in started:
        if not stopped:
            finish(process)
            continue
        _, errors = process.communicate(timeout=300)
        assert process.returncode != 0
        assert b"StoppedError" in errors, errors.decode()[-3000:]


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_it_goes_on_with_another_number_of_processes(first: int, then: int, tmp_path: Path) -> None:
    train(tmp_path / "whole", 1, OPTIONS)
    train(tmp_path / "changed", first, STOPPED, stopped=True)
    assert len(rows(tmp_path / "changed")) == 2
    train(tmp_path / "changed", then, OPTIONS)
    whole, changed = rows(tmp_path / "whole"), rows(tmp_path / "changed")
    assert [row["epoch"] for row in changed] == [1, 2, 3, 4]
    assert [row["lr"] for row in changed] == [row["lr"] for row in whole]
    np.testing.assert_allclose([row["loss"] for row in changed], [row["loss"] for row in whole], atol=1e-5)


@pytest.mark.slow
def test_each_process_gets_as_many_clips_and_tells_its_speed(tmp_path: Path) -> None:
    train(tmp_path, 2, OPTIONS)
    for row in rows(tmp_path):
        one, other = row["processes"]
        assert one["clips"] == other["clips"] == 8
        assert row["clips_per_s"] <= one["clips_per_s"] + other["clips_per_s"] * (1 + 1e-6)
        assert 0 < min(one["data_share"], other["data_share"]) <= row["data_share"]
        assert row["data_share"] <= max(one["data_share"], other["data_share"]) < 1
