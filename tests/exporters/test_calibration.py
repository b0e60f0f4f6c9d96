"""INT8 is calibrated on training clips only."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx
import pytest

from tests.support.tiny_exports import TINY, clips
from tinyclap.exporters.calibration import AT_ONCE, CalibrationSet, logmels, windows
from tinyclap.exporters.onnx import quantize_int8
from tinyclap.exporters.write_bundle import Exporter


def test_calibration_hears_training_clips_only(quick: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = quick.calibration_set.train, quick.calibration_set.test
    assert test is not None
    heard: list[np.ndarray] = []
    own = quantize_int8.quantize

    def listening(graph: onnx.ModelProto, batches: Iterator[np.ndarray]) -> onnx.ModelProto:
        heard.extend(batches)
        return own(graph, iter(heard))

    def refuse(*_: object) -> None:
        raise AssertionError("a test clip was heard")

    monkeypatch.setattr(quantize_int8, "quantize", listening)
    monkeypatch.setattr(test, "waveform", refuse, raising=False)
    quick._graphs()
    expected = np.concatenate(list(logmels(quick.student, train, quick.calibration_set.calibration)))
    assert np.array_equal(np.concatenate(heard), expected)


def test_int8_does_not_depend_on_the_test_clips(quick: Exporter) -> None:
    alone = replace(quick, calibration_set=CalibrationSet(quick.calibration_set.train))
    first, second = (each._graphs()["audio_int8.onnx"] for each in (quick, alone))
    assert first == second


def test_without_test_clips_int8_is_measured_on_what_calibration_left_out() -> None:
    decoded = clips(0)
    calibration_set = CalibrationSet(decoded)
    measured, indices = calibration_set.measured
    assert measured is decoded
    assert len(calibration_set.calibration) == len(decoded) // 2
    assert not set(indices) & set(calibration_set.calibration)
    assert CalibrationSet(decoded, clips(1)).measured[1] == list(range(len(clips(1))))


def test_windows_are_whole(exporter: Exporter) -> None:
    decoded = exporter.calibration_set.train
    batches = list(windows(exporter.student, decoded, range(len(decoded))))
    assert sum(map(len, batches)) == len(decoded)
    assert max(map(len, batches)) <= AT_ONCE
    assert all(batch.shape[1] == TINY.window_samples and batch.dtype == np.float32 for batch in batches)
