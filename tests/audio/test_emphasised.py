"""The front end with pre-emphasis: the same in torch, numpy and ONNX, and as torchaudio's Kaldi filters have it."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from torchaudio.compliance import kaldi

from tinyclap.audio.log_mel.emphasised import EmphasisedSpec, spec_of
from tinyclap.audio.log_mel.in_numpy import NumpyLogMel
from tinyclap.audio.log_mel.in_onnx import OnnxLogMel
from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError

SPEC = EmphasisedSpec()


@pytest.mark.parametrize("samples", [2_000, 32_001, 160_000])
def test_torch_numpy_and_the_graph_agree(samples: int) -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (2, samples)).astype(np.float32)
    expected = LogMel(SPEC)(torch.from_numpy(sound))
    assert expected.shape == (2, 1, SPEC.n_frames(samples), SPEC.n_mels)
    np.testing.assert_allclose(NumpyLogMel(SPEC)(sound), expected.numpy(), atol=1e-4, rtol=0)
    np.testing.assert_allclose(OnnxLogMel(SPEC)(torch.from_numpy(sound)).numpy(), expected.numpy(), atol=1e-4, rtol=0)


def test_the_filters_are_kaldis() -> None:
    theirs, _ = kaldi.get_mel_banks(128, 1024, 32_000.0, 0.0, 15_000.0, 100.0, -500.0, 1.0)
    np.testing.assert_allclose(SPEC.mel_filterbank()[:-1], theirs.numpy().T, atol=2e-5)
    assert not SPEC.mel_filterbank()[-1].any()


def test_a_constant_sound_is_emphasised_away() -> None:
    """x[t] - 0.97 x[t - 1] of ones is 0.03 everywhere: 30 dB less than without."""
    loud = LogMel(dataclasses.replace(SPEC, preemphasis=1e-9))(torch.ones(1, 4000))
    quiet = LogMel(SPEC)(torch.ones(1, 4000))
    lowest = (loud - quiet)[0, 0, 2, 0] * SPEC.scale
    assert lowest.item() == pytest.approx(2 * np.log(1 / 0.03), rel=0.01)


def test_json_tells_which_front_end_it_is() -> None:
    for spec in (SPEC, FrontendSpec()):
        assert spec_of(json.loads(json.dumps(dataclasses.asdict(spec))), "frontend") == spec
    with pytest.raises(TinyclapError, match="unknown"):
        spec_of(dataclasses.asdict(SPEC) | {"dither": 1.0}, "frontend")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"preemphasis": 0.0}, "preemphasis"),
        ({"offset": -1.0}, "offset"),
        ({"scale": 0.0}, "scale"),
        ({"shift": float("nan")}, "shift"),
        ({"mel_scale": "slaney"}, "mel_scale"),
        ({"mel_norm": "slaney"}, "mel_norm"),
        ({"power": 1.0}, "power"),
    ],
)
def test_values_that_are_not_allowed_are_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(TinyclapError, match=message):
        EmphasisedSpec(**changed)
