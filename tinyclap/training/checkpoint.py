"""The newest state of a training, and the metrics of its epochs."""

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import GradScaler, Tensor

from tinyclap.common.files import parse_json, refuse_pointer, write_text
from tinyclap.errors import TinyclapError
from tinyclap.training.ema import Ema


def snapshot(
    epoch: int,
    model: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    ema: Ema | None,
    scaler: GradScaler | None = None,
) -> dict[str, Any]:
    """All that a training needs to go on after `epoch` epochs; `scaler` is that of training.precision=fp16."""
    return {
        "epoch": epoch,
        "model": dict(model),
        "optimizer": optimizer.state_dict(),
        "ema": ema.state if ema else None,
        "scaler": scaler.state_dict() if scaler else None,
    }


def restore(
    state: Mapping[str, Any],
    optimizer: torch.optim.Optimizer,
    ema: Ema | None,
    scaler: GradScaler | None = None,
) -> None:
    """Put back what a `snapshot` holds besides the model."""
    optimizer.load_state_dict(state["optimizer"])
    if ema:
        ema.load(state["ema"])
    if scaler:
        scaler.load_state_dict(state["scaler"])


class Checkpoint:
    """The one newest state of a training, replaced whole; metrics after it are dropped when it is taken up again."""

    def __init__(self, run: Path) -> None:
        self.path = run / "checkpoints" / "last.pt"
        self.metrics_path = run / "metrics.jsonl"

    def save(self, state: dict[str, Any]) -> None:
        """Write tensors and plain values; a kill at any moment leaves the old state or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        try:
            with temporary.open("wb") as stream:
                torch.save(state, stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None."""
        if not self.path.is_file():
            return None
        refuse_pointer(self.path)
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, ValueError, LookupError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TinyclapError(f"{self.path} is damaged ({reason}); start again with --overwrite") from error
        whole = isinstance(state, dict) and {"epoch", "model"} <= set(state)
        if not whole or type(state["epoch"]) is not int or state["epoch"] < 0:
            raise TinyclapError(f"{self.path} is damaged (no checkpoint of a training); start again with --overwrite")
        return dict(state)

    def keep_metrics(self, epochs: int) -> None:
        """Drop the metrics of epochs that are going to be run again."""
        write_text(self.metrics_path, "".join(row + "\n" for row in self._metrics()[:epochs]))

    def spent_s(self) -> float:
        """Seconds that the finished epochs of `metrics.jsonl` took."""
        try:
            whole = [parse_json(row) for row in self._metrics() if row.endswith("}")]  # a kill may leave half a row
            return float(sum(row["seconds"] for row in whole))
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged_metrics(error) from error

    def _metrics(self) -> list[str]:
        try:
            return self.metrics_path.read_text(encoding="utf-8").splitlines() if self.metrics_path.is_file() else []
        except UnicodeDecodeError as error:
            raise self._damaged_metrics(error) from error

    def _damaged_metrics(self, error: Exception) -> TinyclapError:
        reason = f"{type(error).__name__}: {error}"
        return TinyclapError(
            f"{self.metrics_path} is damaged ({reason}); remove it and resume: only the report's past epochs are lost"
        )

    def add_metrics(self, row: dict[str, Any]) -> None:
        """Append one epoch."""
        with self.metrics_path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
