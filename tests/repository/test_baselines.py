"""The baselines have the sizes that their authors published."""

import pytest

from benchmarks.baselines import BASELINES
from tinyclap.teachers.describe import describe_encoder

PUBLISHED = {  # millions of parameters and of MACs per window, and how far ours may be from them
    "msclap2022-cnn14": (82.82, 13_790, 0.001),  # 79.67 M and the projection's 3.148 M
    "msclap2023-htsat": (29.37, 5_910, 0.02),
    "laion-htsat-tiny": (28.2, 5_910, 0.001),
    "laion-htsat-base": (68.6, 15_330, 0.001),
    # SLAP's are not published, but follow: 12 (4 d^2 + 3 d h) and its patches, pooling 11 d^2, head d^2; 128 tokens.
    "slap": (120.55, 14_980, 0.001),
    "tinyclap-paper": (4.435, 356.7, 0.001),
    "mn10": (4.88, 540, 0.01),  # with 527 classes in place of 512 dimensions
    "mn04": (0.98, 110, 0.01),
    "yamnet": (3.2, 69.2, 0.01),
}


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_has_its_published_size(name: str) -> None:
    parameters, macs, tolerance = PUBLISHED[name]
    told = describe_encoder(BASELINES[name].make())
    assert told["parameters"] / 1e6 == pytest.approx(parameters, rel=tolerance)
    assert told["macs"] / 1e6 == pytest.approx(macs, rel=tolerance)
