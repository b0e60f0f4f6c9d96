"""Needs TensorFlow Lite Micro's interpreter."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def needs_the_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(
        "tflite_micro", reason='tflite-micro is not installed (Linux on x86-64: pip install "tinyclap[tflite]")'
    )
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / "cache"))
