"""Bundles of every kind."""

from pathlib import Path

import pytest

from tests.support.tiny_bundles import tiny_bundle
from tinyclap.runtime.bundle import Bundle


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bundles")
    return {
        "logmel": tiny_bundle(root / "logmel"),
        "waveform": tiny_bundle(root / "waveform", input_kind="waveform"),
        "full": tiny_bundle(root / "full", text=True, int8=True),
        "bert": tiny_bundle(root / "bert", text=True, bert=True),
        "bare": tiny_bundle(root / "bare", labels=None),
    }


@pytest.fixture
def bundle(folders: dict[str, Path]) -> Bundle:
    return Bundle.load(folders["logmel"])
