"""A server that downloads come from."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from tests.support.http_server import Server
from tests.support.sounds import DURATIONS_S, clip
from tinyclap.data.dataset import Dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.folder import folder
from tinyclap.data.published import download as module


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def clips(tmp_path: Path) -> Dataset:
    """Noise at 44.1 kHz below 5.5 kHz: longer than a view, as long, and shorter."""
    for number, seconds in enumerate(DURATIONS_S):
        soundfile.write(tmp_path / f"{number}.wav", clip(seconds, 5500, seed=number), 44_100, subtype="FLOAT")
    return folder(tmp_path)


@pytest.fixture
def decoded(clips: Dataset) -> Decoded:
    return decode(clips, 16_000)
