"""Sounds as users hand them over: all give what the file itself gives."""

import io
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import soundfile
import torch

from tests.support.tiny_bundles import SPEC, tiny_bundle
from tinyclap.audio.checks import AudioError
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle

RATE = SPEC.sample_rate
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, 20_000).astype(np.float32)
STEREO = np.stack([SOUND, 0.5 * SOUND], axis=1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.load(tiny_bundle(tmp_path_factory.mktemp("bundles") / "bundle"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sounds") / "a.wav"
    soundfile.write(path, SOUND, RATE, subtype="FLOAT")
    return path


HANDED_OVER: dict[str, Callable[[Path], Any]] = {
    "path": lambda file: file,
    "name": str,
    "bytes": lambda file: file.read_bytes(),
    "bytearray": lambda file: bytearray(file.read_bytes()),
    "BytesIO": lambda file: io.BytesIO(file.read_bytes()),
    "buffered": lambda file: io.BufferedReader(io.BytesIO(file.read_bytes())),
    "array": lambda _: SOUND,
    "torch": lambda _: torch.from_numpy(SOUND).requires_grad_(),
    "row": lambda _: SOUND[None],
    "column": lambda _: SOUND[:, None],
    "datasets": lambda _: {"array": SOUND, "sampling_rate": RATE, "path": None},
    "datasets, a list": lambda _: {"array": SOUND.tolist(), "sampling_rate": np.array(RATE), "path": "a.wav"},
    "datasets, torch": lambda _: {"array": torch.from_numpy(SOUND), "sampling_rate": torch.tensor(RATE)},
    "datasets, bytes": lambda file: {"bytes": file.read_bytes(), "path": "elsewhere.wav"},
    "datasets, path": lambda file: {"bytes": None, "path": str(file)},
    "transformers": lambda _: {"raw": SOUND, "sampling_rate": RATE},
    "torchcodec": lambda _: Decoder(),
}


class Decoder:
    """What `datasets` makes of a sound since its version 4, torchcodec's."""

    def get_all_samples(self) -> Any:
        return SimpleNamespace(data=torch.from_numpy(SOUND)[None], sample_rate=RATE)


SAY_THEIR_RATE = ("datasets", "transformers", "torchcodec")


@pytest.mark.parametrize("kind", HANDED_OVER)
def test_every_kind_is_the_same_sound(bundle: Bundle, file: Path, kind: str) -> None:
    expected = bundle.embed(file)
    sound, rate = HANDED_OVER[kind](file), None if kind.startswith(SAY_THEIR_RATE) else cast(int, np.int64(RATE))
    np.testing.assert_allclose(bundle.embed(sound, sample_rate=rate), expected, atol=1e-6)
    again = HANDED_OVER[kind](file)
    np.testing.assert_allclose(bundle.embed([again, file], sample_rate=rate), expected.repeat(2, 0), atol=1e-6)


@pytest.mark.parametrize("sound", [STEREO, np.ascontiguousarray(STEREO.T), torch.from_numpy(STEREO)], ids=str)
def test_channels_are_mixed_along_their_axis(bundle: Bundle, sound: Any) -> None:
    expected = bundle.embed(STEREO.mean(axis=1), sample_rate=RATE)
    np.testing.assert_allclose(bundle.embed([sound], sample_rate=RATE), expected, atol=1e-6)
    if sound.shape[0] > 2:
        np.testing.assert_allclose(bundle.embed(sound, sample_rate=float(RATE)), expected, atol=1e-6)


@pytest.mark.parametrize("rate", [np.uint16(RATE), np.array(RATE), torch.tensor(RATE), np.float32(RATE)], ids=repr)
def test_a_rate_of_any_kind(bundle: Bundle, rate: Any) -> None:
    expected = bundle.embed(SOUND, sample_rate=RATE)
    np.testing.assert_array_equal(bundle.embed(SOUND, sample_rate=rate), expected)
    np.testing.assert_array_equal(bundle.embed({"array": SOUND, "sampling_rate": RATE}, sample_rate=rate), expected)


@pytest.mark.parametrize("rate", [1, 3e9, -RATE, "16000", True, float("nan"), np.array([RATE])], ids=repr)
def test_a_rate_of_no_sound(bundle: Bundle, rate: Any) -> None:
    with pytest.raises(TinyclapError, match=r"sample_rate is .*: it must be a number, 1,000 to 1,000,000 Hz"):
        bundle.embed(SOUND, sample_rate=rate)


def test_half_precision(bundle: Bundle) -> None:
    half = bundle.embed(torch.from_numpy(SOUND).bfloat16(), sample_rate=RATE)
    assert float(half[0] @ bundle.embed(SOUND, sample_rate=RATE)[0]) > 0.999


def test_paths_in_an_array(bundle: Bundle, file: Path) -> None:
    expected = bundle.embed([file, file])
    np.testing.assert_array_equal(bundle.embed(np.array([str(file)] * 2)), expected)
    np.testing.assert_array_equal(bundle.embed(np.array([file, file], object)), expected)


def test_rows_of_an_array_are_sounds(bundle: Bundle) -> None:
    several = np.stack([SOUND, SOUND[::-1]])
    expected = bundle.embed([SOUND, SOUND[::-1].copy()], sample_rate=RATE)
    np.testing.assert_array_equal(bundle.embed(several, sample_rate=RATE), expected)


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (SOUND, None, "an array needs its sample rate"),
        ([np.ones((40, 50), np.float32)], RATE, r"shape \(40, 50\): neither axis is clearly that of channels"),
        ({"array": SOUND}, None, "keys array; expected array and sampling_rate, or path or bytes"),
        ({"array": SOUND, "sampling_rate": 8000}, 16_000, "the sound says sampling_rate = 8000; leave one out"),
        ([[0.1, 0.2]], RATE, "a list of numbers; give a numpy array"),
        (io.StringIO("text"), None, "opened as text; open it with mode 'rb'"),
        ([3], None, "a sound is int; expected a path"),
        ((SOUND * 1000).astype(np.int16), RATE, "an array of int16; .*: divide by 32768"),
    ],
)
def test_what_cannot_be_a_sound_says_so(bundle: Bundle, sound: Any, rate: int | None, message: str) -> None:
    with pytest.raises(TinyclapError, match=message):
        bundle.embed(sound, sample_rate=rate)


def test_an_open_file(bundle: Bundle, file: Path) -> None:
    with file.open("rb") as stream:
        np.testing.assert_array_equal(bundle.embed(stream), bundle.embed(file))


def test_an_open_file_that_was_read_before(bundle: Bundle, file: Path) -> None:
    with file.open("rb") as stream:
        stream.read()
        with pytest.raises(AudioError, match=r"a\.wav: empty; was it read before\?"):
            bundle.embed(stream)


@pytest.mark.parametrize("shape", [(1, -1), (-1,), (-1, 1)])
def test_a_block_of_one_row_is_of_samples(bundle: Bundle, shape: tuple[int, ...]) -> None:
    blocks = [block.reshape(shape) for block in np.split(SOUND, 20)]
    expected = [embedding for _, embedding in bundle.stream(iter(np.split(SOUND, 20)))]
    streamed = [embedding for _, embedding in bundle.stream(iter(blocks), hop_s=np.float32(1.0))]  # type: ignore[arg-type]
    np.testing.assert_array_equal(streamed, expected)


def test_labels_may_be_an_array(bundle: Bundle) -> None:
    labels = np.array(bundle.labels[:2])
    found = bundle.classify(SOUND, labels, sample_rate=RATE)  # type: ignore[arg-type]
    assert {prediction.label for prediction in found[0]} == set(bundle.labels[:2])
    assert all(type(prediction.label) is str for prediction in found[0])


def test_a_text_is_one_text(tmp_path: Path) -> None:
    bundle = Bundle.load(tiny_bundle(tmp_path / "bundle", text=True))
    np.testing.assert_array_equal(bundle.embed_text("a dog"), bundle.embed_text(["a dog"]))
    np.testing.assert_array_equal(
        bundle.embed_text(cast(list[str], np.array(["a dog", "rain"]))), bundle.embed_text(["a dog", "rain"])
    )


def test_it_can_be_sent_to_workers(bundle: Bundle, file: Path) -> None:
    again = pickle.loads(pickle.dumps(bundle))
    assert (again.folder, again.graph, again.threads) == (bundle.folder, bundle.graph, bundle.threads)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as workers:
        np.testing.assert_array_equal(workers.submit(bundle.embed, file).result(), bundle.embed(file))
