"""The training loop: it learns, in two stages, every view in turn; `test_processes` kills and launches it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.data.decoded import decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig
from tinyclap.training.distill import distill, teacher_mean, view_number
from tinyclap.training.distributed import build_accelerator
from tinyclap.training.options import DistillOptions
from tinyclap.training.spectrograms import LogMelViews

DIM = 16
FRONTEND = FrontendSpec(sample_rate=8000, n_fft=256, win_length=256, hop_length=160, n_mels=24, f_max=4000)
SPEC = ViewSpec(per_clip=2, duration_s=1.0)
OPTIONS = DistillOptions(epochs=4, batch_size=8, lr=0.005, ema=0.9, head_epochs=2)


def make_views(n_clips: int = 16) -> LogMelViews:
    return LogMelViews(
        Views(decode(Procedural(n_clips, duration_s=1.0), 8000), replace(SPEC, seed=3)), LogMel(FRONTEND)
    )


def make_student(seed: int = 0) -> Student:
    torch.manual_seed(seed)
    config = StudentConfig(
        FRONTEND, PhiNetConfig(alpha=0.2, dropout=0.1), embed_dim=DIM, features=32, window_s=1.0, head="projection"
    )
    return Student(config)


def make_targets(n_clips: int = 16) -> np.ndarray:
    """Embeddings in a narrow cone, as a CLAP's are."""
    rng = np.random.default_rng(0)
    raw = rng.standard_normal((n_clips, 1, DIM)) + 2.0 + 0.1 * rng.standard_normal((n_clips, 2, DIM))
    return (raw / np.linalg.norm(raw, axis=-1, keepdims=True)).astype(np.float16)


MEAN = teacher_mean(make_targets())


def weights(student: Student) -> torch.Tensor:
    return torch.cat([tensor.flatten().double() for tensor in student.state_dict().values()])


class StoppedError(Exception):
    """Stands for a kill between two epochs."""


def train(run: Path, accelerator: Accelerator, stop_after: int | None = None, **changes: Any) -> torch.Tensor:
    """The weights of a whole training; `changes` of its options. It may be stopped after so many epochs."""
    options = replace(OPTIONS, **changes)

    def watch(epoch: int, _: object) -> None:
        if epoch == stop_after:
            raise StoppedError

    given = (make_student(), make_targets(), MEAN, make_views(), options, run)
    return weights(distill(*given, seed=1, accelerator=accelerator, watch=watch))


def test_student_learns_its_teacher(tmp_path: Path) -> None:
    before = make_student()
    student = distill(
        make_student(),
        make_targets(),
        MEAN,
        make_views(),
        DistillOptions(epochs=30, batch_size=8, lr=0.01, ema=0.9),
        tmp_path,
    )
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, 31))
    assert rows[-1]["centred_cosine"] > rows[0]["centred_cosine"] + 0.15
    assert not student.training
    assert not torch.equal(weights(before), weights(student))


def test_second_stage_moves_the_head_alone(tmp_path: Path) -> None:
    first, both = tmp_path / "first", tmp_path / "both"
    first.mkdir()
    both.mkdir()
    one = distill(
        make_student(), make_targets(), MEAN, make_views(), DistillOptions(epochs=2, batch_size=8, lr=0.01), first
    )
    two = distill(
        make_student(),
        make_targets(),
        MEAN,
        make_views(),
        DistillOptions(epochs=2, batch_size=8, lr=0.01, head_epochs=2),
        both,
    )
    trunks = [{k: v for k, v in s.state_dict().items() if not k.startswith("head.")} for s in (one, two)]
    assert all(torch.equal(trunks[0][key], trunks[1][key]) for key in trunks[0])
    assert not torch.equal(*(s.state_dict()["head.linear1.weight"] for s in (one, two)))


def test_every_view_is_used_in_turn() -> None:
    assert sorted(view_number(5, epoch, 4) for epoch in range(4)) == [0, 1, 2, 3]


def test_teacher_mean_is_exact() -> None:
    targets = make_targets()
    np.testing.assert_allclose(teacher_mean(targets), targets.astype(np.float64).mean((0, 1)), atol=1e-7)


def test_speed_is_told_of_every_epoch(tmp_path: Path) -> None:
    train(tmp_path, build_accelerator("no", "cpu"))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        assert row["clips_per_s"] == pytest.approx(16 / row["seconds"], rel=1e-5)
        assert row["data_share"] == pytest.approx(row["data_seconds"] / row["seconds"], rel=1e-5)
        assert 0 < row["data_share"] < 1
        assert "processes" not in row


def test_recomputed_blocks_train_to_the_same_weights(tmp_path: Path) -> None:
    trained = []
    for on in (False, True):
        (run := tmp_path / str(on)).mkdir()
        trained.append(train(run, build_accelerator("no", "cpu"), gradient_checkpointing=on))
    assert torch.equal(*trained)
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / str(on) / "metrics.jsonl").read_text().splitlines()]
        for on in (False, True)
    ]
    assert losses[0] == losses[1]


def test_mismatches_are_named(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=r"shape \(16, 3, 16\)"):
        distill(make_student(), np.zeros((16, 3, DIM), np.float16), MEAN, make_views(), OPTIONS, tmp_path)
    other = Views(decode(Procedural(16, duration_s=1.0), 16_000), replace(SPEC, seed=3))
    with pytest.raises(TinyclapError, match="16000 Hz for a student that expects 8000 Hz"):
        LogMelViews(other, LogMel(FRONTEND))
    coarser = LogMelViews(make_views().views, LogMel(replace(FRONTEND, n_mels=16)), keep=False)
    with pytest.raises(TinyclapError, match="another front end"):
        distill(make_student(), make_targets(), MEAN, coarser, OPTIONS, tmp_path)


def test_kept_spectrograms_are_the_rendered_ones() -> None:
    kept = make_views()
    rendered = LogMelViews(kept.views, kept.frontend, keep=False)
    rows = [(3, 1), (0, 0), (15, 1)]
    torch.testing.assert_close(kept.batch(rows), rendered.batch(rows), atol=0.0051, rtol=0)


def test_a_loss_that_is_not_finite_stops_with_a_remedy(tmp_path: Path) -> None:
    targets = make_targets()
    targets[0] = np.nan
    with pytest.raises(TinyclapError, match=r"training\.lr"):
        distill(make_student(), targets, MEAN, make_views(), OPTIONS, tmp_path)
