"""The store of teacher embeddings: killed anywhere it ends with the same bytes, and nothing is computed twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.common.files import cache_root
from tinyclap.common.row_store import BLOCK_ROWS
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.dataset import Dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.folder import folder
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.models.long_audio import repeat_pad
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.teachers.stored_embeddings import teacher_clips, teacher_texts
from tinyclap.training.targets import store_key, teacher_embeddings

RATE = 8000
SEGMENTS = 16
SPEC = ViewSpec(per_clip=5, duration_s=1.0)  # 11 clips of 5 views: the last block is not full
DIM = 64


class FakeTeacher(TrainableTeacher):
    """A random matrix on the logarithmic levels of a window's 16 parts; counts the windows and texts it hears."""

    def __init__(self, seed: int = 0, gain: float = 1.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.name, self.licence = "fake", "none"
        self.sample_rate, self.window_s, self.embed_dim = RATE, 1.0, DIM
        self.prompts = ("{}",)
        self.gain = gain
        self.matrix = nn.Parameter(torch.randn(SEGMENTS, DIM, generator=generator))
        self.windows_heard = self.texts_read = 0
        self.stop_at: int | None = None
        self.pause_s = 0.0
        self.nan_from: int | None = None

    def encode_audio(self, waveforms: Tensor) -> Tensor:
        if self.stop_at is not None and self.windows_heard + len(waveforms) > self.stop_at:
            raise RuntimeError("stopped")
        time.sleep(self.pause_s)
        self.windows_heard += len(waveforms)
        levels = self.gain * waveforms.unflatten(1, (SEGMENTS, -1)).square().mean(2).add(1e-9).log()
        embeddings = F.normalize(levels @ self.matrix, dim=-1)
        if self.nan_from is not None and self.windows_heard > self.nan_from:
            embeddings[-1, 0] = torch.nan
        return embeddings

    def encode_logmel(self, logmel: Tensor) -> Tensor:
        raise AssertionError("hears waveforms")

    def encode_text(self, texts: list[str]) -> Tensor:
        self.texts_read += len(texts)
        numbers = torch.tensor([[float(len(text)), float(ord(text[0]))] for text in texts])
        return F.normalize(numbers @ self.matrix[:2], dim=-1)

    def pad(self, waveform: Tensor) -> Tensor:
        return repeat_pad(waveform, self.window)

    def preprocessing(self) -> dict[str, Any]:
        return {"gain": self.gain}

    @property
    def log_scale(self) -> nn.Parameter:
        raise AssertionError("is not trained")

    def text_parameters(self) -> list[nn.Parameter]:
        return []

    def save_pretrained(self, folder: Path, card: str, *, half: bool = False) -> None:
        raise AssertionError("is not saved")


def make_views(seed: int = 0, spec: ViewSpec = SPEC, clips: Dataset | None = None) -> Views:
    return Views(decode(clips or Procedural(11, duration_s=1.0), RATE), replace(spec, seed=seed))


def files(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(store.iterdir())}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """Switches to an empty cache."""
    return lambda: monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / "other"))


@pytest.fixture
def whole(elsewhere: Callable[[], None]) -> dict[str, bytes]:
    """The files of a store that was filled in one go, in another cache."""
    expected = files(teacher_embeddings(FakeTeacher(), make_views()).folder)
    elsewhere()
    return expected


# ---- what is stored


def test_every_view_s_embedding_in_float16() -> None:
    teacher, views = FakeTeacher(), make_views()
    stored = teacher_embeddings(teacher, views)
    assert stored.embeddings.shape == (11, 5, DIM)
    assert stored.embeddings.dtype == np.float16
    exact = np.stack(
        [teacher.embed_audio(torch.from_numpy(views.batch([(i, k) for k in range(5)]))).numpy() for i in range(11)]
    )
    assert stored.rounding_error == pytest.approx(np.abs(stored.embeddings - exact).max(), abs=1e-7)
    assert 0 < stored.rounding_error < 2.5e-4  # unit vectors: half a step of float16 just below 1


def test_the_result_is_read_only() -> None:
    stored = teacher_embeddings(FakeTeacher(), make_views())
    with pytest.raises(ValueError, match="read-only"):
        stored.embeddings[0] = 0


def test_a_second_call_hears_nothing() -> None:
    teacher, views = FakeTeacher(), make_views()
    first = teacher_embeddings(teacher, views)
    assert (first.teacher_forwards, teacher.windows_heard) == (55, 55)
    again = FakeTeacher()
    second = teacher_embeddings(again, make_views())
    assert (second.teacher_forwards, again.windows_heard) == (0, 0)
    np.testing.assert_array_equal(second.embeddings, first.embeddings)
    assert (second.folder, second.rounding_error) == (first.folder, first.rounding_error)


# ---- stopped in the middle


@pytest.mark.parametrize("stop_at", [0, 1, 16, 40, 54])
def test_stopped_and_taken_up_again_it_ends_with_the_same_bytes(whole: dict[str, bytes], stop_at: int) -> None:
    teacher = FakeTeacher()
    teacher.stop_at = stop_at
    with pytest.raises(RuntimeError, match="stopped"):
        teacher_embeddings(teacher, make_views())
    teacher.stop_at = None
    stored = teacher_embeddings(teacher, make_views())
    assert stored.teacher_forwards == 55 - stop_at // BLOCK_ROWS * BLOCK_ROWS
    assert files(stored.folder) == whole


def test_killed_and_taken_up_again_it_ends_with_the_same_bytes(whole: dict[str, bytes]) -> None:
    code = """
from tests.training.test_targets import FakeTeacher, make_views
from tinyclap.training.targets import teacher_embeddings

teacher = FakeTeacher()
teacher.pause_s = 0.3
teacher_embeddings(teacher, make_views())
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    store = cache_root() / "embeddings" / store_key(FakeTeacher(), make_views())
    deadline = time.monotonic() + 60
    while not (store / "blocks.npy").is_file() or not np.load(store / "blocks.npy")["done"].any():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stored = teacher_embeddings(FakeTeacher(), make_views())
    assert 0 < stored.teacher_forwards < 55
    assert files(stored.folder) == whole


# ---- what the key depends on


def changed_weights() -> TrainableTeacher:
    teacher = FakeTeacher()
    with torch.no_grad():
        teacher.matrix[3, 5] += 1e-6
    return teacher


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).clip(-1, 1).astype(np.float32)


def test_whatever_changes_an_embedding_changes_the_key(tmp_path: Path) -> None:
    def written(waveform: np.ndarray) -> Dataset:
        soundfile.write(tmp_path / "a.wav", waveform, RATE, subtype="FLOAT")
        return folder(tmp_path)

    clip = noise(1.0)
    teacher, views = FakeTeacher(), make_views(clips=written(clip))
    keys = [
        store_key(teacher, views),
        store_key(changed_weights(), views),
        store_key(FakeTeacher(gain=1.5), views),
        store_key(teacher, make_views(seed=1, clips=folder(tmp_path))),
        store_key(teacher, make_views(spec=replace(SPEC, per_clip=6), clips=folder(tmp_path))),
        store_key(teacher, make_views(spec=replace(SPEC, gain_db=5.0), clips=folder(tmp_path))),
        store_key(teacher, make_views(spec=replace(SPEC, roll=False), clips=folder(tmp_path))),
    ]
    clip[77] += 1e-3
    keys.append(store_key(teacher, make_views(clips=written(clip))))
    assert len(set(keys)) == len(keys)
    assert store_key(FakeTeacher(), make_views(clips=folder(tmp_path))) == keys[-1]


def test_other_settings_are_another_store_beside_the_first() -> None:
    first = teacher_embeddings(FakeTeacher(), make_views())
    before = files(first.folder)
    second = teacher_embeddings(FakeTeacher(seed=1), make_views())
    assert second.teacher_forwards == 55
    assert files(first.folder) == before


# ---- what cannot be stored


def test_an_embedding_that_is_not_finite_names_the_clip() -> None:
    teacher, views = FakeTeacher(), make_views()
    teacher.nan_from = 40  # windows are heard in eights: the last of the sixth eight, row 47, is spoilt
    name = views.decoded.windows[9].name
    with pytest.raises(TinyclapError, match=rf"teacher fake: the embedding of {name} \(view 2\) is not finite"):
        teacher_embeddings(teacher, views)
    teacher.nan_from = None
    assert teacher_embeddings(teacher, views).teacher_forwards == 55 - 32


def test_views_at_another_rate_are_refused() -> None:
    views = Views(decode(Procedural(2, duration_s=1.0), 16_000), SPEC)
    with pytest.raises(TinyclapError, match="views at 16000 Hz for a teacher that expects 8000 Hz"):
        teacher_embeddings(FakeTeacher(), views)


# ---- whole clips and texts


@pytest.fixture
def mixed(tmp_path: Path) -> Decoded:
    """Four clips: a short one, a silent one, one of 2.5 s cut into three windows with an offset, one of a second."""
    lengths = {"a-short": 0.3, "c-long": 2.5, "d-second": 1.0}
    for seed, (name, seconds) in enumerate(lengths.items()):
        sound = noise(seconds, seed)
        sound[2 * RATE :] += 0.4
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "b-silent.wav", np.zeros(RATE, np.float32), RATE)
    return decode(folder(tmp_path), RATE, max_clip_s=1.0, max_bad_share=0.5)


def test_a_long_clip_is_the_mean_of_its_windows_and_an_unusable_one_is_zeros(mixed: Decoded) -> None:
    teacher = FakeTeacher()
    embeddings = clip_embeddings(teacher.embed_audio, mixed, progress="test")
    windows = [teacher.embed_audio(torch.from_numpy(mixed.waveform(index))[None])[0].numpy() for index in range(5)]
    levels = [mixed.waveform(index).std() + 1e-6 for index in range(5)]
    mean = levels[1] * windows[1] + levels[2] * windows[2] + 0.5 * levels[3] * windows[3]  # the rest is half a second
    expected = np.stack([windows[0], np.zeros(DIM), mean / np.linalg.norm(mean), windows[4]])
    np.testing.assert_allclose(embeddings, expected, atol=1e-6)
    assert embeddings.dtype == np.float32


def test_clips_are_embedded_the_same_in_any_company() -> None:
    teacher = FakeTeacher()
    decoded = decode(Procedural(20, duration_s=1.3), RATE)
    together = clip_embeddings(teacher.embed_audio, decoded, progress="test")
    alone = [teacher.embed_audio(torch.from_numpy(decoded.waveform(index))[None])[0].numpy() for index in range(20)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_teacher_s_clips_and_texts_are_kept(mixed: Decoded) -> None:
    teacher, again = FakeTeacher(), FakeTeacher()
    np.testing.assert_array_equal(teacher_clips(teacher, mixed), teacher_clips(again, mixed))
    np.testing.assert_array_equal(teacher_texts(teacher, ["a", "bc"]), teacher_texts(again, ["a", "bc"]))
    assert teacher.windows_heard == 5
    assert teacher.texts_read == 2
    assert (again.windows_heard, again.texts_read) == (0, 0)
    assert teacher_texts(again, ["abc"]).shape == (1, DIM)
    assert teacher_texts(FakeTeacher(seed=1), ["abc"])[0, 0] != teacher_texts(again, ["abc"])[0, 0]


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY damaged"])
def test_damaged_embeddings_are_computed_again(content: bytes) -> None:
    first = teacher_texts(FakeTeacher(), ["a", "bc"])
    (path,) = (cache_root() / "embeddings").glob("*/embeddings.npy")
    path.write_bytes(content)
    np.testing.assert_array_equal(teacher_texts(FakeTeacher(), ["a", "bc"]), first)


def test_clips_that_are_not_finite_are_not_kept(mixed: Decoded) -> None:
    teacher = FakeTeacher()
    teacher.nan_from = 0
    with pytest.raises(TinyclapError, match="teacher fake: an embedding of its clips is not finite"):
        teacher_clips(teacher, mixed)
    assert np.isfinite(teacher_clips(FakeTeacher(), mixed)).all()
