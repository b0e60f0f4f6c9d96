"""The parts of a training loop: schedule, optimiser, averages, batches, checkpoints."""

import copy
import json
import resource
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from tinyclap.errors import TinyclapError
from tinyclap.training.checkpoint import Checkpoint
from tinyclap.training.distributed import micro_batches
from tinyclap.training.ema import Ema, RunningStatistics
from tinyclap.training.loop import seed_step
from tinyclap.training.optim import build_optimizer, learning_rate, set_learning_rate
from tinyclap.training.options import TrainingOptions

OPTIONS = TrainingOptions(epochs=10, batch_size=4, lr=0.5, warmup_share=0.1)


def test_running_statistics_begin_as_plain_means_of_the_batches() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(3, momentum=0.25)
    batches = [5.0 + 2.0 * torch.randn(64, 3) for _ in range(6)]
    means = torch.stack([batch.mean(0) for batch in batches])
    statistics = RunningStatistics(nn.Sequential(nn.Linear(3, 3), norm))
    for step, batch in enumerate(batches):
        statistics.before(step)
        norm(batch)
        if step < 4:
            torch.testing.assert_close(norm.running_mean, means[: step + 1].mean(0))
    later = 0.75 * (0.75 * means[:4].mean(0) + 0.25 * means[4]) + 0.25 * means[5]
    torch.testing.assert_close(norm.running_mean, later)  # from then on with its own momentum
    assert norm.momentum == 0.25


def test_parts_of_a_step_count_as_one_batch() -> None:
    torch.manual_seed(0)
    norm, whole = nn.BatchNorm1d(3, momentum=0.25), nn.BatchNorm1d(3, momentum=0.25)
    statistics, of_whole = RunningStatistics(norm), RunningStatistics(whole)
    for step in range(6):
        batch = 5.0 + 2.0 * torch.randn(64, 3)
        of_whole.before(step)
        whole(batch)
        for part, rows in enumerate(batch.chunk(4)):
            with statistics.untouched():
                before = copy.deepcopy(norm.state_dict())
                normalised = norm(rows)
                assert all(torch.equal(tensor, before[name]) for name, tensor in norm.state_dict().items())
            statistics.before(step, part, 4)
            torch.testing.assert_close(norm(rows), normalised)
        torch.testing.assert_close(norm.running_mean, whole.running_mean)
    assert norm.track_running_stats


# ---- learning rate


def test_warms_up_in_a_line_then_falls_by_half_a_cosine() -> None:
    rates = np.array([learning_rate(step, 100, OPTIONS, 2.0) for step in range(100)])
    np.testing.assert_allclose(rates[:10], 2.0 * np.arange(1, 11) / 10)
    np.testing.assert_allclose(rates[10:], 1.0 + np.cos(np.pi * np.arange(90) / 90))
    assert rates[55] == pytest.approx(1.0)  # half way down
    assert 0 < rates[99] < 0.002
    assert (np.diff(rates[10:]) < 0).all()


def test_a_constant_rate_warms_up_and_stays() -> None:
    options = TrainingOptions(epochs=10, batch_size=4, lr=0.5, schedule="constant", warmup_share=0.05)
    rates = [learning_rate(step, 40, options, 1.0) for step in range(40)]
    assert rates == [0.5, *[1.0] * 39]


@pytest.mark.parametrize("total", [1, 2, 3])
def test_the_shortest_trainings_have_a_rate(total: int) -> None:
    for share in (0.0, 0.05, 0.5, 0.99):
        options = TrainingOptions(epochs=1, batch_size=1, lr=1.0, warmup_share=share)
        rates = [learning_rate(step, total, options, 1.0) for step in range(total)]
        assert all(0 < rate <= 1 for rate in rates)


def test_every_group_follows_its_own_peak() -> None:
    first, second = nn.Linear(2, 3), nn.Linear(3, 2)
    optimizer = build_optimizer([(first.parameters(), 0.1), (second.parameters(), 0.4)], OPTIONS)
    for step in (0, 9, 10, 55):
        returned = set_learning_rate(optimizer, step, 100, OPTIONS)
        rates = [group["lr"] for group in optimizer.param_groups]
        assert returned == rates[0] == pytest.approx(learning_rate(step, 100, OPTIONS, 0.1))
        assert rates[-1] == pytest.approx(4 * returned)


# ---- optimiser


def test_only_matrices_are_decayed_and_only_what_is_trained_moves() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    scale = nn.Parameter(torch.tensor(1.0))
    net[3].bias.requires_grad_(False)
    optimizer = build_optimizer([(net.parameters(), 0.1), ([scale], 0.2)], OPTIONS)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    decayed = {name: decays.get(id(parameter)) for name, parameter in net.named_parameters()}
    assert decayed == {
        "0.weight": 0.01,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
        "3.weight": 0.01,
        "3.bias": None,
    }
    assert decays[id(scale)] == 0.0
    assert all(group["params"] for group in optimizer.param_groups)


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_the_optimiser_is_the_one_asked_for(name: Literal["adam", "adamw"], kind: type) -> None:
    options = TrainingOptions(epochs=1, batch_size=1, lr=1.0, optimizer=name)
    assert type(build_optimizer([(nn.Linear(2, 2).parameters(), 0.1)], options)) is kind


# ---- steps


def test_micro_batches_are_dealt_out_to_the_processes_in_turn() -> None:
    def dealt(count: int, processes: int) -> list[list[list[int]]]:
        """For each process its micro-batches."""
        workers = [SimpleNamespace(num_processes=processes, process_index=index) for index in range(processes)]
        shares = [micro_batches(np.arange(8), count, cast(Accelerator, worker)) for worker in workers]
        return [[part.tolist() for part in share] for share in shares]

    assert dealt(1, 1) == [[[0, 1, 2, 3, 4, 5, 6, 7]]]
    assert dealt(4, 1) == [[[0, 1], [2, 3], [4, 5], [6, 7]]]
    assert dealt(4, 2) == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
    assert dealt(1, 2) == [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]
    for count, processes in ((3, 1), (1, 3), (1, 5), (3, 2)):
        with pytest.raises(
            TinyclapError, match=r"8 clips in \d micro-batches cannot be dealt out evenly to \d processes"
        ):
            dealt(count, processes)


def test_a_step_s_randomness_depends_on_nothing_before_it() -> None:
    def draw(seed: int, step: int, part: int = 0) -> list[float]:
        torch.rand(17)  # whatever was drawn before
        seed_step(seed, step, part)
        return torch.rand(4).tolist()

    assert draw(1, 2) == draw(1, 2)
    others = [draw(1, 2), draw(1, 3), draw(2, 2), draw(1, 2, 1), draw(2, 1)]
    assert len({tuple(numbers) for numbers in others}) == len(others)


# ---- moving average


def test_moving_average_by_hand() -> None:
    model = nn.BatchNorm1d(1)
    model.weight.data.fill_(5.0)
    ema = Ema(model, decay=0.5)
    averaged = ema.state
    average, average_mean = 5.0, 0.0
    for step, value in enumerate((1.0, 3.0, -2.0, 8.0, 4.0, 4.0, 0.0, 1.0, 2.0, 3.0)):
        model.weight.data.fill_(value)
        model.running_mean = torch.tensor([10 * value])
        model.num_batches_tracked = torch.tensor(step + 1)
        ema.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * value
        average_mean = decay * average_mean + (1 - decay) * 10 * value
        assert averaged["weight"].item() == pytest.approx(average, rel=1e-5)
        assert averaged["running_mean"].item() == pytest.approx(average_mean, rel=1e-5)
        assert averaged["num_batches_tracked"].item() == step + 1
    assert decay == 0.5


def test_the_average_keeps_what_is_trained_apart_from_the_model() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False))
    ema = Ema(model, decay=0.9)
    assert set(ema.state) == {"0.weight", "0.bias"}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    ema.write_into(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


# ---- checkpoints and metrics


STATE: dict[str, Any] = {"epoch": 3, "model": {"weight": torch.arange(4000.0)}, "ema": None}


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.load() is None
    net = nn.Linear(3, 2)
    optimizer = build_optimizer([(net.parameters(), 0.1)], OPTIONS)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    checkpoint.save({**STATE, "optimizer": optimizer.state_dict()})
    state = Checkpoint(tmp_path).load()
    assert state is not None
    assert (state["epoch"], state["ema"]) == (3, None)
    assert torch.equal(state["model"]["weight"], STATE["model"]["weight"])
    again = build_optimizer([(net.parameters(), 0.1)], OPTIONS)
    again.load_state_dict(state["optimizer"])
    for parameter in net.parameters():
        assert torch.equal(again.state[parameter]["exp_avg"], optimizer.state[parameter]["exp_avg"])


def test_a_failed_save_leaves_the_former_state(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(STATE)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, hard))
    try:
        with pytest.raises((OSError, RuntimeError)):  # torch's own writer raises the second
            checkpoint.save({**STATE, "epoch": 4})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, previous)
    state = checkpoint.load()
    assert state is not None
    assert state["epoch"] == 3
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["last.pt"]


def test_interrupted_before_the_rename_the_former_state_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(STATE)
    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save({**STATE, "epoch": 4})
    state = checkpoint.load()
    assert state is not None
    assert state["epoch"] == 3


def test_a_damaged_checkpoint_is_one_message(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(STATE)
    whole = checkpoint.path.read_bytes()
    damages = [whole[: len(whole) * share // 8] for share in range(8)]
    damages += [b"no checkpoint", b"\x80\x02no pickle either", whole[:100] + whole[200:]]
    for damage in damages:
        checkpoint.path.write_bytes(damage)
        with pytest.raises(
            TinyclapError, match=r"checkpoints/last\.pt is damaged \(.+\); start again with --overwrite"
        ):
            checkpoint.load()


def test_a_checkpoint_never_runs_code(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    checkpoint = Checkpoint(tmp_path)
    checkpoint.save({"epoch": 1, "model": Malicious()})
    with pytest.raises(TinyclapError, match=r"last\.pt is damaged"):
        checkpoint.load()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("row", [b'{"epoch": 1}', b'{"epoch": \xff}', b'{"epoch" 1}', b'{"seconds": "long"}'])
def test_damaged_metrics_are_one_message(row: bytes, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(row + b"\n")
    with pytest.raises(TinyclapError, match=r"metrics\.jsonl is damaged .*; remove it and resume"):
        Checkpoint(tmp_path).spent_s()


def test_metrics_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.keep_metrics(0)
    assert checkpoint.metrics_path.read_text() == ""
    for epoch in range(1, 6):
        checkpoint.add_metrics({"epoch": epoch, "loss": 1 / epoch})
    with checkpoint.metrics_path.open("a") as stream:
        stream.write('{"epoch": 6, "lo')  # killed while writing
    checkpoint.keep_metrics(3)
    checkpoint.add_metrics({"epoch": 4, "loss": 0.3})
    rows = [json.loads(row) for row in checkpoint.metrics_path.read_text().splitlines()]
    assert rows == [
        {"epoch": 1, "loss": 1.0},
        {"epoch": 2, "loss": 0.5},
        {"epoch": 3, "loss": pytest.approx(1 / 3)},
        {"epoch": 4, "loss": 0.3},
    ]
