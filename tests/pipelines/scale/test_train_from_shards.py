"""Training from shards is training from their folder: order, losses and weights bit for bit, by one process or two."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import run
from tests.support.learned import learned
from tests.support.tiny import small_recipe, style_teacher, write_labelled
from tests.training.test_processes import free_port
from tinyclap.data.folder import folder
from tinyclap.data.shards.writing import write_shards

FEW = ("data.test=null", "training.epochs=2", "training.batch_size=4", "training.micro_batches=2")


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a teacher that takes little time."""
    monkeypatch.chdir(tmp_path)
    style_teacher().save_pretrained(tmp_path / "style", "---\nlicense: mit\n---\n# untrained\n")
    (tmp_path / "small.yaml").write_text(small_recipe("style").replace("kind: hf", "kind: dual"))
    return tmp_path / "small.yaml"


@pytest.fixture
def kinds(tmp_path: Path) -> dict[str, str]:
    """The same clips as a folder, and as shards of which the first is far larger than the last."""
    write_labelled(tmp_path / "sounds")
    plain = folder(tmp_path / "sounds")
    write_shards(plain, str(tmp_path / "s-%d.tar"), clips=len(plain) - 1)
    pattern = tmp_path / "s-{0..1}.tar"
    return {
        "folder": f"data.train={{kind: folder, root: {tmp_path / 'sounds'}}}",
        "shards": f"data.train={{kind: shards, urls: '{pattern}'}}",
    }


def told(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name, "metrics.jsonl").read_text().splitlines()]


def test_losses_and_weights_are_equal_bit_for_bit(
    recipe: Path, kinds: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for kind, section in kinds.items():
        monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / "caches" / kind))  # neither finds what the other made
        run("distill", str(recipe), section, *FEW, "--run", kind)
    assert learned(Path("shards")) == learned(Path("folder"))
    assert len(told("shards")) == 2
    weights = [Path(kind, "student", "model.safetensors").read_bytes() for kind in kinds]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_two_processes_get_equal_batches_of_unequal_shards(recipe: Path, kinds: dict[str, str], tmp_path: Path) -> None:
    for kind, section in kinds.items():
        launch("distill", str(recipe), section, *FEW, "--run", kind, cache=tmp_path / "caches" / kind)
    assert learned(Path("shards")) == learned(Path("folder"))
    for row in told("shards"):
        one, other = row["processes"]
        assert one["clips"] == other["clips"] > 0
    run("distill", str(recipe), kinds["shards"], *FEW, "--run", "alone")
    alone, two = ([row["loss"] for row in told(name)] for name in ("alone", "shards"))
    assert alone == pytest.approx(two, abs=1e-5)


def launch(*arguments: str, cache: Path) -> None:
    """A command in two processes over gloo, as `accelerate launch` starts it; each has five minutes."""
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "TINYCLAP_CACHE": str(cache)}
    shared |= {"PYTHONPATH": str(Path(__file__).parents[3])}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tinyclap", *arguments],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()[-3000:]
