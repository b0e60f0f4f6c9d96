"""A teacher need be no torch module: what a graph in ONNX Runtime embeds, a student learns."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.tiny import tiny_clap
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.data import Dataset
from tinyclap.data.decoded import decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import ViewSpec
from tinyclap.errors import TinyclapError
from tinyclap.evaluation.zero_shot import ZeroShotTask
from tinyclap.exporters.onnx.tower import export_tower
from tinyclap.models.long_audio import embed_long, repeat_pad
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig
from tinyclap.runtime.session import open_session, run
from tinyclap.teachers.describe import describe_teacher
from tinyclap.teachers.encoder import AudioGraph, Encoder, Teacher, TextGraph, TextTarget
from tinyclap.teachers.stored_embeddings import teacher_clips
from tinyclap.training.distill import distill, teacher_mean
from tinyclap.training.distillation_set import distillation_set
from tinyclap.training.options import DistillOptions

CLASSES = ["dog_bark", "rain", "siren"]


class GraphEncoder:
    """An audio tower in ONNX Runtime, and whatever embeds its words."""

    name, licence, logit_scale = "a graph", "mit", 10.0
    prompts: tuple[str, ...] = ("This is a sound of {}.",)

    def __init__(self, path: Path, words: Teacher) -> None:
        self.words, self.sample_rate, self.window_s, self.embed_dim = words, 48_000, 10.0, words.embed_dim
        self.fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
        self._session = open_session(path, inputs=["waveform"], output="embedding", providers=None, threads=1)
        self._window = round(self.window_s * self.sample_rate)

    def embed_audio(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        return embed_long(waveforms, lengths, self._encode, window=self._window, pad=self._pad)

    def _encode(self, windows: Tensor) -> Tensor:
        return torch.from_numpy(run(self._session, {"waveform": windows.numpy()}))

    def _pad(self, waveform: Tensor) -> Tensor:
        return repeat_pad(waveform, self._window)

    def embed_text(self, texts: list[str]) -> Tensor:
        return self.words.embed_text(texts)

    def prepare_dataset(self, dataset: Dataset) -> Dataset:
        return dataset

    def to(self, device: str | torch.device) -> "GraphEncoder":
        return self

    def costs(self) -> dict[str, int | None]:
        return {"parameters": None, "macs": None}

    def audio_graph(self) -> AudioGraph:
        raise TinyclapError("is a graph already")

    def text_target(self) -> TextTarget:
        return TextTarget(self.embed_text, self.embed_dim, self.fingerprint)

    def text_graph(self) -> TextGraph:
        return self.words.text_graph()


@pytest.fixture(scope="module")
def original() -> Teacher:
    return tiny_clap([f"This is a sound of {name}." for name in ("dog bark", "rain", "siren")], embed_dim=16)


@pytest.fixture(scope="module")
def graph(original: Teacher, tmp_path_factory: pytest.TempPathFactory) -> GraphEncoder:
    path = tmp_path_factory.mktemp("graph") / "tower.onnx"
    export_tower(original, path)
    return GraphEncoder(path, original)


def test_it_embeds_as_the_tower_that_it_was(graph: GraphEncoder, original: Teacher) -> None:
    decoded = decode(Procedural(4, duration_s=1.0), 48_000)
    encoder: Encoder = graph
    clip = torch.from_numpy(np.tile(decoded.waveform(0), 10))[None]
    torch.testing.assert_close(encoder.embed_audio(clip), original.embed_audio(clip), atol=1e-4, rtol=0)
    assert teacher_clips(graph, decoded).shape == (4, 16)
    assert describe_teacher(graph)["parameters"] is None


def test_a_student_learns_it_and_is_scored_beside_it(graph: GraphEncoder, tmp_path: Path) -> None:
    train = Procedural(126, duration_s=1.0).select(labels=CLASSES)
    config = StudentConfig(FrontendSpec(), PhiNetConfig(alpha=0.15, t0=2.0), embed_dim=16, features=16, window_s=1.0)
    torch.manual_seed(0)
    student = Student(config)
    learned = distillation_set(train, graph, student, ViewSpec(per_clip=2, duration_s=1.0))
    mean = teacher_mean(learned.targets.embeddings)
    options = DistillOptions(epochs=12, batch_size=8, lr=0.01, ema=0.9)
    student = distill(student, learned.targets.embeddings, mean, learned.inputs, options, tmp_path)
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    first, last = (float(row.split('"centred_cosine": ')[1].split(",")[0]) for row in (rows[0], rows[-1]))
    assert last > first + 0.1
    test = Procedural(126, seed=1, duration_s=1.0).select(labels=CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        task = ZeroShotTask.prepare(test, graph, [student.sample_rate], data="generated", prompts=graph.prompts)
        result = task.evaluate(graph, student, mean=mean)
    assert result["task"] == "zero-shot classification"
    assert result["teacher"]["accuracy"] is not None
    assert 0 <= result["student"]["accuracy"] <= 1
    assert result["n_clips"] == len(test)
