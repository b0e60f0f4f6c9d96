"""Quiet waveforms that a front end raises: by plain arithmetic, alike in torch, numpy and the graph."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from tinyclap.audio.log_mel.emphasised import EmphasisedSpec, spec_of
from tinyclap.audio.log_mel.in_numpy import NumpyLogMel
from tinyclap.audio.log_mel.in_onnx import OnnxLogMel
from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.checks import NotAllowedError
from tinyclap.models.student_config import StudentConfig

SPECS = [FrontendSpec(raise_to_dbfs=-40.0), EmphasisedSpec(raise_to_dbfs=-40.0)]


def noise(dbfs: float) -> np.ndarray:
    waveform = np.random.default_rng(0).standard_normal(16_000)
    return (waveform / np.sqrt(np.mean(waveform**2)) * 10 ** (dbfs / 20)).astype(np.float32)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)
@pytest.mark.parametrize(("given", "heard"), [(-10.0, -10.0), (-40.0, -40.0), (-70.0, -40.0), (-110.0, -50.0)])
def test_quiet_sound_is_heard_at_the_level(spec: FrontendSpec, given: float, heard: float) -> None:
    plain = dataclasses.replace(spec, raise_to_dbfs=None)
    expected = LogMel(plain)(torch.from_numpy(noise(heard))[None])
    raised = LogMel(spec)(torch.from_numpy(noise(given))[None])
    torch.testing.assert_close(raised, expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)
def test_torch_numpy_and_the_graph_agree(spec: FrontendSpec) -> None:
    sounds = np.stack([noise(dbfs) for dbfs in (-10, -39.99, -40.01, -60, -99, -130)] + [np.zeros(16_000, np.float32)])
    expected = LogMel(spec)(torch.from_numpy(sounds)).numpy()
    np.testing.assert_allclose(NumpyLogMel(spec)(sounds), expected, atol=2e-3)
    np.testing.assert_allclose(OnnxLogMel(spec)(torch.from_numpy(sounds)).numpy(), expected, atol=2e-3)


def test_each_sound_of_a_batch_by_its_own_level() -> None:
    frontend = LogMel(SPECS[0])
    sounds = torch.from_numpy(np.stack([noise(-10), noise(-70)]))
    for row in (0, 1):
        torch.testing.assert_close(frontend(sounds)[row], frontend(sounds[row : row + 1])[0], atol=2e-4, rtol=0)


def test_files_from_before_mean_that_nothing_is_raised() -> None:
    values = json.loads(json.dumps(dataclasses.asdict(StudentConfig())))
    del values["frontend"]["raise_to_dbfs"]
    assert StudentConfig.from_dict(values) == StudentConfig()
    assert spec_of(values["frontend"], "frontend").raise_to_dbfs is None


def test_what_is_cached_for_a_front_end_from_before_stays_valid() -> None:
    assert "raise_to_dbfs" not in FrontendSpec().key()
    assert FrontendSpec(raise_to_dbfs=-40.0).key()["raise_to_dbfs"] == -40.0


@pytest.mark.parametrize("level", [1, -101, "-40", float("nan")])
def test_levels_that_are_none(level: object) -> None:
    with pytest.raises(NotAllowedError, match=r"raise_to_dbfs.*it must be null, or -100 to 0 dB of full scale"):
        FrontendSpec(raise_to_dbfs=level)  # type: ignore[arg-type]
