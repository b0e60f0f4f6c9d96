"""How fast each step of a distillation goes on this machine, from a minute of it on a few clips."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from tinyclap.audio.checks import AudioError
from tinyclap.common.files import parse_json
from tinyclap.common.row_store import BLOCK_ROWS
from tinyclap.data.dataset import Dataset
from tinyclap.data.decoded import DecodeLimits, decode
from tinyclap.data.folder import folder
from tinyclap.data.procedural.dataset import LONGEST_S, Procedural
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError, listed
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student import Student
from tinyclap.models.threads import threads_for
from tinyclap.pipelines.scale.estimate import MEASURED, Range
from tinyclap.teachers.encoder import Encoder
from tinyclap.training.distill import BACKWARD, TargetBatches, distill, teacher_mean
from tinyclap.training.distributed import build_accelerator
from tinyclap.training.inputs import StudentInputs
from tinyclap.training.options import DistillOptions
from tinyclap.training.spectrograms import LogMelViews

ROUNDS, CLIPS = 3, 8  # of each measurement, and clips in a round
STEPS = 2  # in an epoch of the measured training
GENERATED_RATE = 44_100


@contextmanager
def generated(clip_s: float) -> Iterator[Dataset]:
    """Generated sounds as files, in place of clips that are not here."""
    seconds = min(max(clip_s, 0.1), LONGEST_S)
    with tempfile.TemporaryDirectory(prefix="tinyclap-") as root:
        clips = Procedural(ROUNDS * CLIPS, duration_s=seconds)
        for index in range(len(clips)):
            soundfile.write(Path(root) / f"{index}.flac", clips.load(index, GENERATED_RATE), GENERATED_RATE)
        yield folder(root)


@contextmanager
def cache_of_its_own() -> Iterator[None]:
    """A cache that is empty, and gone afterwards: what is measured is made and not found."""
    before = os.environ.get("TINYCLAP_CACHE")
    with tempfile.TemporaryDirectory(prefix="tinyclap-") as cache:
        os.environ["TINYCLAP_CACHE"] = cache
        try:
            yield
        finally:
            if before is None:
                del os.environ["TINYCLAP_CACHE"]
            else:
                os.environ["TINYCLAP_CACHE"] = before


def decoding(dataset: Dataset, sample_rate: int, limits: DecodeLimits) -> Range:
    """Seconds of sound that one process decodes in a second, reading of the files for their fingerprint included."""
    rates = []
    for number in range(min(ROUNDS, len(dataset))):
        part = dataset.spread(CLIPS, number)
        began = time.perf_counter()
        decoded = decode(part, sample_rate, **limits)
        rates.append(sum(window.duration_s for window in decoded.windows) / (time.perf_counter() - began))
    return _measured(rates)


def of_files(dataset: Dataset) -> tuple[float, Range]:
    """Mean length of clips, seconds, and bytes of their files for each second; 0 of what is generated.

    Raises:
        TinyclapError: none of them can be read.
    """
    each, faults = [], []
    for index, clip in enumerate(dataset.clips):
        try:
            each.append((dataset._file_size(clip), dataset.info(index).duration_s))
        except AudioError as error:
            faults.append(str(error))
    seconds = sum(length for _, length in each)
    if not seconds:
        raise TinyclapError(f"{dataset.name}: none of {len(dataset)} clips can be read: {listed(faults)}")
    mean = sum(size for size, _ in each) / seconds
    return seconds / len(each), Range.exactly(mean, f"measured on {len(each)} clips" if mean else "generated")


def rendering(views: Views) -> Range:
    """Views that one process renders in a second."""
    return _rounds(views.batch, views)


def embedding(teacher: Encoder, views: Views, device: torch.device) -> Range:
    """Views that a teacher embeds in a second, given their waveforms."""
    teacher.to(device)
    per_clip = views.spec.per_clip

    def ready(rows: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        lengths = views.lengths([clip * per_clip + k for clip, k in rows])
        return torch.from_numpy(views.batch(rows)), torch.from_numpy(lengths)

    return _rounds(lambda given: teacher.embed_audio(*given).float().cpu(), views, ready)


def spectrograms(views: Views, student: Student) -> Range:
    """Views that one process renders and makes the student's spectrogram of in a second."""
    inputs = LogMelViews(views, student.frontend, keep=False)
    return _rounds(inputs.batch, views)


def assembling(student: Student, views: Views, batch_size: int) -> Range:
    """Clips a second that one process puts into batches, with their targets, from stored spectrograms."""
    inputs = _Repeated(LogMelViews(views, student.frontend), STEPS * batch_size)
    targets = _targets(inputs, student)
    made = TargetBatches(targets, inputs, torch.empty(0), nn.Identity(), 0, batch_size, None)
    rates = []
    for batch in [pairs for epoch in range(1 + ROUNDS) for pairs in made.of_epoch(epoch)]:
        began = time.perf_counter()
        made.batch(batch, torch.device("cpu"))
        rates.append(batch_size / (time.perf_counter() - began))
    return _measured(rates[STEPS:])


def training(student: Student, views: Views, options: DistillOptions, run: Path) -> tuple[Range, Range]:
    """Clips a second, by a short training: put into batches from stored spectrograms; and trained on, without this."""
    inputs = _Repeated(LogMelViews(views, student.frontend), STEPS * options.batch_size)
    targets = _targets(inputs, student)
    short = replace(options, epochs=1 + ROUNDS, head_epochs=0, text_weight=0.0, balance_clusters=0)
    with threads_for(BACKWARD * student_costs(student.config).macs * options.batch_size):
        accelerator = build_accelerator(options.precision)
        distill(student, targets, teacher_mean(targets), inputs, short, run, accelerator=accelerator)
    rows = [parse_json(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()][1:]
    clips = STEPS * options.batch_size
    assembled = [clips / max(row["data_seconds"], 1e-9) for row in rows]
    return _measured(assembled), _measured([clips / (row["seconds"] - row["data_seconds"]) for row in rows])


def _targets(inputs: StudentInputs, student: Student) -> np.ndarray:
    """Embeddings of no meaning, unit norm (clips, views, D)."""
    shape = (len(inputs), inputs.per_clip, student.embed_dim)
    return unit(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


class _Repeated:
    """A few inputs in place of many."""

    def __init__(self, inputs: LogMelViews, count: int) -> None:
        self._inputs, self._count = inputs, count
        self.per_clip = inputs.per_clip
        self.sizes: np.ndarray | None = None

    def __len__(self) -> int:
        return self._count

    def batch(self, rows: Sequence[tuple[int, int]]) -> Tensor:
        return self._inputs.batch([(index % len(self._inputs), view) for index, view in rows])

    def check(self, student: Any) -> None:
        self._inputs.check(student)


def few_views(spec: ViewSpec) -> ViewSpec:
    """The same views, two of each clip, or one of each length."""
    return replace(spec, per_clip=min(spec.per_clip, max(2, len(spec.durations_s))))


def _rounds(
    work: Callable[[Any], object], views: Views, ready: Callable[[Sequence[tuple[int, int]]], Any] = list
) -> Range:
    """Views a second of some work on blocks of them, of which the first warms up; `ready` is not counted."""
    rows = [divmod(row, views.spec.per_clip) for row in range(len(views) * views.spec.per_clip)]
    rates = []
    for number in range(1 + ROUNDS):
        block = [rows[(number * BLOCK_ROWS + place) % len(rows)] for place in range(BLOCK_ROWS)]
        given = ready(block)
        began = time.perf_counter()
        work(given)
        rates.append(BLOCK_ROWS / (time.perf_counter() - began))
    return _measured(rates[1:])


def _measured(rates: Sequence[float]) -> Range:
    """The slowest round and the fastest."""
    return Range(min(rates), max(rates), MEASURED)
