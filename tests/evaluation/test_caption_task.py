"""Retrieval for each pair of an audio and a text encoder, with models that know their clips by heart."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tinyclap.data.dataset import Clip, Dataset
from tinyclap.data.decoded import BadClip
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.evaluation import caption_task
from tinyclap.evaluation.caption_task import RetrievalTask
from tinyclap.runs.results import WAYS

CAPTIONS = {
    "dog.wav": ("a dog barks", "barking"),
    "rain.wav": ("rain",),
    "bad.wav": ("nothing",),
    "siren.wav": ("a siren",),
}
PLACES = {"a dog barks": 0, "barking": 0, "rain": 1, "a siren": 2}


class Axes:
    """Places every text on the axis of its clip, but for some that it mistakes."""

    name, fingerprint, sample_rate, latent_map = "axes", "axes", 8000, None

    def __init__(self, dim: int = 3, **mistaken: int) -> None:
        self.dim, self.places = dim, PLACES | {text.replace("_", " "): place for text, place in mistaken.items()}

    def embed_text(self, texts: list[str]) -> torch.Tensor:
        return torch.eye(self.dim)[[self.places[text] for text in texts]]


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Embeddings of all clips by whose they are; the third clip is unusable."""
    sounds = {"teacher": np.eye(3)[[0, 1, 0, 2]], "student": np.eye(3)[[0, 2, 0, 1]]}
    monkeypatch.setattr(caption_task, "teacher_clips", lambda *_: sounds["teacher"])
    monkeypatch.setattr(RetrievalTask, "student_clips", lambda self, _: sounds["student"][self.usable])
    return sounds


def task(words: Any = None, sources: tuple[str | None, ...] = (None,) * 4) -> RetrievalTask:
    clips = [
        Clip(name, captions=captions, source=source)
        for (name, captions), source in zip(CAPTIONS.items(), sources, strict=True)
    ]
    decoded: Any = SimpleNamespace(windows=SimpleNamespace(clips=(0, 1, 3)), bad=[BadClip("bad.wav", "silent")])
    return RetrievalTask(
        **{"data": "by hand", "dataset": Dataset("hand", clips), "teacher_clips": decoded, "decoded": {8000: decoded}},
        **{"n_bootstrap": 100, "seed": 0, "text_student": words},
    )


def firsts(found: dict[str, Any]) -> dict[tuple[str, str], list[float]]:
    """R@1 both ways by both encoders."""
    return {
        (audio, text): [found[audio][text][way]["recall_1"]["value"] for way in WAYS]
        for audio in ("teacher", "student")
        if audio in found
        for text in found[audio]
    }


def test_a_teacher_alone(embedded: dict[str, np.ndarray]) -> None:
    teacher: Any = Axes()
    found = task().evaluate(teacher)
    assert json.loads(json.dumps(found)) == found
    assert (found["task"], found["n_clips"], found["n_captions"], found["n_texts"]) == ("retrieval", 3, 4, 4)
    assert firsts(found) == {("teacher", "teacher_text_encoder"): [1, 1]}
    assert found["bad_clips"] == [{"name": "bad.wav", "reason": "silent"}]
    assert found["examples"] == {"audio_encoder": "teacher", "text_encoder": "teacher", "misses": []}
    assert found["by_chance"]["text_to_audio"]["recall_1"] == pytest.approx(1 / 3)
    assert "difference" not in found["teacher"]["teacher_text_encoder"]["text_to_audio"]["recall_1"]


def test_all_pairs_of_encoders(embedded: dict[str, np.ndarray]) -> None:
    """The student takes rain for a siren and the reverse, and its words take barking for rain."""
    teacher: Any = Axes()
    student: Any = Axes()
    found = task(Axes(barking=1), ("one", "one", None, None)).evaluate(teacher, student)
    assert firsts(found) == {
        ("teacher", "teacher_text_encoder"): [1, 1],
        ("teacher", "student_text_encoder"): [3 / 4, 2 / 3],  # rain is as near to its own caption as to that of the dog
        ("student", "teacher_text_encoder"): [2 / 4, 1 / 3],
        ("student", "student_text_encoder"): [1 / 4, 1 / 3],
    }
    own = found["student"]["student_text_encoder"]["text_to_audio"]["recall_1"]
    assert own["difference"] == -3 / 4
    assert own["difference_ci95"][0] <= -3 / 4 <= own["difference_ci95"][1]
    assert (found["n_recordings"], found["clustered"]) == (2, True)
    assert (found["examples"]["audio_encoder"], found["examples"]["text_encoder"]) == ("student", "student")
    texts = [miss for miss in found["examples"]["misses"] if miss["way"] == "text_to_audio"]
    assert {miss["query"] for miss in texts} == {"barking", "rain", "a siren"}
    assert {miss["first"] for miss in texts if miss["query"] == "rain"} == {"siren.wav"}


def test_a_pruned_student_is_evaluated_in_its_own_space(embedded: dict[str, np.ndarray]) -> None:
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0].astype(np.float32)
    mapped = LatentMap(turned, "random")
    embedded["student"] = mapped.apply(embedded["teacher"].astype(np.float32))
    teacher: Any = Axes()
    student: Any = Axes()
    student.latent_map = mapped
    found = firsts(task(Axes()).evaluate(teacher, student))
    assert list(found.values()) == [[1, 1]] * 4
