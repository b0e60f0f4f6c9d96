"""Clips per second of `tinyclap distill` beside a loop that runs the teacher in every step; writes throughput.json.

    python -m benchmarks.training.throughput [--clips 64] [--rounds 5]

The reference loop is that of the original tinyCLAP: every step reads a batch of waveforms, and runs the teacher's audio
tower and its text tower (captions padded to 100 tokens, though the loss never uses them), then the student forwards and
backwards. The teacher is Microsoft CLAP 2022's shape (CNN14 and BERT) with random weights, on generated clips of 5 s;
the student, the same in both, once the published one and once our default one. `distill` reads stored embeddings and
spectrograms. Rounds alternate: an epoch of `distill`, then a step of the reference loop, so that a machine that slows
down does so for both. What storing costs once, for as many views of a clip as the recipes take, is told beside it,
and spread over a training of 100 epochs.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertModel

from benchmarks.baselines import cnn14
from benchmarks.baselines.encoder import Encoder
from tinyclap.common.files import write_json
from tinyclap.data.decoded import decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import FIXED
from tinyclap.data.views import Views
from tinyclap.models.heads import Projection
from tinyclap.models.student import Student
from tinyclap.models.student_config import REFERENCE, StudentConfig
from tinyclap.runs.provenance import environment
from tinyclap.training.distill import distill, teacher_mean
from tinyclap.training.distributed import build_accelerator
from tinyclap.training.losses import CosineLoss
from tinyclap.training.options import DistillOptions
from tinyclap.training.spectrograms import LogMelViews

RESULT = Path(__file__).parents[1] / "results" / "throughput.json"
TOKENS, WORDS = 100, 30_522  # of a caption, as msclap pads it; of BERT's vocabulary
EPOCHS = 100  # of the paper's training
OURS = StudentConfig(frontend=REFERENCE.frontend, embed_dim=REFERENCE.embed_dim, window_s=REFERENCE.window_s)
STUDENTS = {"published": (REFERENCE, 1), "ours": (OURS, 16)}  # and the stored views of a clip, the recipes' own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if given.clips % given.batch_size:
        raise SystemExit("--clips must be a multiple of --batch-size: every step is a whole one")
    result = {
        "command": f"python -m benchmarks.training.throughput --clips {given.clips} --batch-size {given.batch_size} "
        f"--rounds {given.rounds}",
        "environment": environment(seed=0),
        "device": str(build_accelerator("no").device),
        "batch_size": given.batch_size,
        "epochs": EPOCHS,
        "students": {name: compare(config, views, given) for name, (config, views) in STUDENTS.items()},
    }
    write_json(RESULT, result)
    sys.stdout.write(json.dumps(result["students"], indent=2) + "\n")


def compare(config: StudentConfig, views_per_clip: int, given: argparse.Namespace) -> dict[str, Any]:
    """One student in both loops."""
    torch.manual_seed(0)
    device = build_accelerator("no").device
    decoded = decode(Procedural(given.clips, duration_s=REFERENCE.window_s), REFERENCE.frontend.sample_rate)
    views = Views(decoded, FIXED)
    reference = ReferenceLoop(config, views, given.batch_size, device)
    student = Student(config)
    began = time.perf_counter()
    targets = np.concatenate([reference.listen(batch) for batch in reference.batches()])
    inputs = LogMelViews(views, student.frontend, keep=True)
    inputs.batch([(index, 0) for index in range(given.clips)])
    storing_s = views_per_clip * (time.perf_counter() - began)  # measured on one view of each clip
    reference_s: list[float] = []
    with tempfile.TemporaryDirectory() as run:
        options = DistillOptions(epochs=given.rounds + 1, batch_size=given.batch_size, lr=0.001, loss="cosine")
        distill(
            student,
            targets[:, None],
            teacher_mean(targets[:, None]),
            inputs,
            options,
            Path(run),
            watch=lambda epoch, _: reference_s.append(reference.step(epoch)),
        )
        epochs = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    ours_s = [epoch["seconds"] for epoch in epochs][1:]  # the first one warms up
    ours = given.clips / statistics.median(ours_s)
    theirs = given.batch_size / statistics.median(reference_s[1:])
    with_storing = EPOCHS * given.clips / (storing_s + EPOCHS * given.clips / ours)
    return {
        "distill_clips_per_s": ours,
        "reference_clips_per_s": theirs,
        "ratio": ours / theirs,
        "views_per_clip": views_per_clip,
        "storing_s": storing_s,
        "ratio_with_storing": with_storing / theirs,
        "distill_epoch_s": ours_s,
        "reference_step_s": reference_s,
    }


class ReferenceLoop:
    """Teacher and student in every step."""

    def __init__(self, config: StudentConfig, views: Views, batch_size: int, device: torch.device) -> None:
        self.views, self.batch_size, self.device = views, batch_size, device
        self.teacher: Encoder = cnn14.make().to(device)
        self.text = BertModel(BertConfig(vocab_size=WORDS)).eval().to(device)
        self.text_projection: nn.Module = Projection(768, cnn14.EMBED_DIM).eval().to(device)
        self.student = Student(config).train().to(device)
        self.optimizer = torch.optim.Adam(self.student.parameters(), lr=0.001)
        self.criterion = CosineLoss()

    def batches(self) -> list[range]:
        n = len(self.views)
        return [range(first, min(first + self.batch_size, n)) for first in range(0, n, self.batch_size)]

    @torch.no_grad()
    def listen(self, batch: range) -> np.ndarray:
        """The teacher's embeddings (B, D)."""
        waveforms = torch.from_numpy(self.views.batch([(index, 0) for index in batch])).to(self.device)
        embedded: np.ndarray = self.teacher.encode_audio(waveforms).cpu().numpy()
        return embedded

    def step(self, number: int) -> float:
        """Seconds of one step."""
        batch = self.batches()[number % len(self.batches())]
        tokens = torch.randint(0, WORDS, (len(batch), TOKENS), device=self.device)
        began = time.perf_counter()
        waveforms = torch.from_numpy(self.views.batch([(index, 0) for index in batch])).to(self.device)
        with torch.no_grad():
            wanted = self.teacher.encode_audio(waveforms)
            self.text_projection(self.text(tokens).last_hidden_state[:, 0])
        loss = self.criterion(self.student(waveforms), wanted)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        loss.item()  # waits for a GPU
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
