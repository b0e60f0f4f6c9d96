"""Shards beside the folder of the same clips: equal order, losses and weights? How fast? Writes results/shards.json.

    python -m benchmarks.training.shards [--clips 240] [--rounds 3] [--epochs 3]

Generated clips of 5 s as FLAC files, and the same in tars of 80. Each round lists and decodes both in caches of their
own, in turns; then a student is distilled from each, with random targets, and its losses and weights are compared bit
for bit. The files lie in the memory of the system, so that the work of the reader is compared, not a disk.
"""

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from tinyclap.common.files import write_json
from tinyclap.data import Dataset
from tinyclap.data.decoded import decode
from tinyclap.data.folder import folder
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.shards.dataset import shards
from tinyclap.data.shards.writing import write_shards
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.embeddings.similarity import unit
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig
from tinyclap.runs.provenance import environment
from tinyclap.training.distill import distill, teacher_mean
from tinyclap.training.options import DistillOptions
from tinyclap.training.sampling import epoch_batches
from tinyclap.training.spectrograms import LogMelViews

RESULT = Path(__file__).parents[1] / "results" / "shards.json"
SECONDS, RATE, DIM, SHARD = 5.0, 16_000, 64, 80
KINDS = ("folder", "shards")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        write_clips(Path(root), given.clips)
        times: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for number in range(given.rounds):
            for kind in KINDS if number % 2 == 0 else reversed(KINDS):
                os.environ["TINYCLAP_CACHE"] = f"{root}/cache-{kind}-{number}"
                times[kind].append(timed(Path(root), kind))
        trained = {}
        for kind in KINDS:
            os.environ["TINYCLAP_CACHE"] = f"{root}/cache-{kind}-0"
            trained[kind] = train(opened(Path(root), kind), Path(root) / f"run-{kind}", given.epochs)
    plain, packed = (trained[kind] for kind in KINDS)
    rates = {kind: given.clips / statistics.median(one["decode_s"] for one in times[kind]) for kind in KINDS}
    result = {
        "command": f"python -m benchmarks.training.shards --clips {given.clips} --rounds {given.rounds} "
        f"--epochs {given.epochs}",
        "environment": environment(seed=0),
        "clips": given.clips,
        "epochs": given.epochs,
        "order_equal": plain["order"] == packed["order"],
        "losses_equal": plain["losses"] == packed["losses"],
        "weights_equal": plain["weights"] == packed["weights"],
        "losses": plain["losses"],
        "times": times,
        "decoded_clips_per_s": rates,
        "ratio": rates["shards"] / rates["folder"],
    }
    write_json(RESULT, result)
    sys.stdout.write(
        json.dumps({key: result[key] for key in (*_EQUAL, "decoded_clips_per_s", "ratio")}, indent=2) + "\n"
    )


_EQUAL = ("order_equal", "losses_equal", "weights_equal")


def write_clips(root: Path, clips: int) -> None:
    """The same sounds as files and in shards."""
    generated = Procedural(clips, duration_s=SECONDS)
    (root / "sounds").mkdir()
    for index, clip in enumerate(generated.clips):
        soundfile.write(root / "sounds" / f"{clip.name}.flac", generated.load(index, RATE), RATE)
    write_shards(folder(root / "sounds"), str(root / "s-%04d.tar"), clips=SHARD)


def opened(root: Path, kind: str) -> Dataset:
    """The data set of a kind."""
    if kind == "folder":
        return folder(root / "sounds")
    last = len(list(root.glob("s-*.tar"))) - 1
    return shards(f"{root}/s-{{0000..{last:04d}}}.tar")


def timed(root: Path, kind: str) -> dict[str, float]:
    """Seconds to list and to decode everything, the hash of each file included, with an empty cache."""
    began = time.perf_counter()
    dataset = opened(root, kind)
    listed = time.perf_counter()
    decode(dataset, RATE)
    return {"list_s": listed - began, "decode_s": time.perf_counter() - began}


def train(dataset: Dataset, run: Path, epochs: int) -> dict[str, Any]:
    """Order, losses and weights of a training."""
    spec = ViewSpec(per_clip=2, duration_s=SECONDS)
    student = Student(_config())
    inputs = LogMelViews(Views(decode(dataset, RATE), spec), student.frontend)
    rng = np.random.default_rng(0)
    targets = unit(rng.standard_normal((len(inputs), spec.per_clip, DIM)).astype(np.float32))
    run.mkdir()
    options = DistillOptions(epochs=epochs, batch_size=16)
    learned = distill(student, targets, teacher_mean(targets), inputs, options, run)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    total = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in learned.state_dict().values()))
    names = [dataset.clips[window.clip].name for window in inputs.views.decoded.windows]
    order = [names[index] for batch in epoch_batches(len(inputs), options.batch_size, 0, 0) for index in batch]
    return {"order": order, "losses": [row["loss"] for row in rows], "weights": total.hexdigest()}


def _config() -> StudentConfig:
    torch.manual_seed(0)
    return StudentConfig(embed_dim=DIM, window_s=SECONDS)


if __name__ == "__main__":
    main()
