"""Trainings in processes of their own: killed at any moment they resume bit for bit, and two equal one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.training import test_distill, test_distill_texts

MODULES = ("test_distill", "test_distill_texts")
SCRIPT = """
import sys, torch
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.training.{module} import train
from tinyclap.training.distributed import build_accelerator
torch.set_num_threads(1)
run = Path(sys.argv[1]); run.mkdir(exist_ok=True)
accelerator = build_accelerator("no", "cpu")
weights = train(run, accelerator, **{changes!r})
if accelerator.is_main_process:
    torch.save(weights, run / "weights.pt")
"""


def start(module: str, run: Path, changes: dict[str, Any], **environment: str) -> subprocess.Popen[bytes]:
    script = SCRIPT.format(root=str(Path(__file__).parents[2]), module=module, changes=changes)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(run)], env={**os.environ, **environment}, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()[-3000:]


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_killed_at_any_moment_it_resumes_to_the_same_weights(module: str, tmp_path: Path) -> None:
    options = {"epochs": 4, "head_epochs": 2}
    finish(start(module, tmp_path / "whole", options))
    broken = tmp_path / "broken"
    killed = []
    for kill_after in (1, 3, 5):  # epochs, the last of them in the second stage
        process = start(module, broken, options)
        metrics = broken / "metrics.jsonl"
        while process.poll() is None and not (metrics.is_file() and metrics.read_text().count("\n") >= kill_after):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed.append(process.returncode == -signal.SIGKILL)
    assert any(killed), "every process ended before it was killed"
    finish(start(module, broken, options))
    assert losses(broken) == losses(tmp_path / "whole")
    ended = [torch.load(run / "weights.pt", weights_only=True) for run in (broken, tmp_path / "whole")]
    assert torch.equal(*ended)


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_two_processes_equal_one_that_accumulates(module: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    options = {"micro_batches": 2, "head_epochs": 0}
    finish(start(module, one, options))
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "LOCAL_WORLD_SIZE": "2"}
    shared |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    processes = [start(module, two, options, RANK=str(rank), LOCAL_RANK=str(rank), **shared) for rank in range(2)]
    for process in processes:
        finish(process)
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5)
    # Running statistics differ by design: averaged over the processes, or gathered from both micro-batches in turn.
    student: nn.Module = test_distill.make_student()
    if module == "test_distill_texts":
        student = test_distill_texts.small().student(test_distill_texts.TRANSFORMER)
    parameters = dict(student.named_parameters())
    learned = torch.cat([torch.full((t.numel(),), name in parameters) for name, t in student.state_dict().items()])
    trained = [torch.load(run / "weights.pt", weights_only=True) for run in (one, two)]
    torch.testing.assert_close(*(weights[learned] for weights in trained), atol=1e-3, rtol=0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
