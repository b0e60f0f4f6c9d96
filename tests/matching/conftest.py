"""A bundle with words, and a folder of generated clips."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.sounds import noise, write
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.matching.encoder import Encoder, bundle_encoder
from tinyclap.runtime.bundle import Bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.load(tiny_bundle(tmp_path_factory.mktemp("made") / "bundle", text=True, bert=True))


@pytest.fixture(scope="module")
def encoder(bundle: Bundle) -> Encoder:
    return bundle_encoder(bundle)


@pytest.fixture
def clips(tmp_path: Path) -> dict[str, np.ndarray]:
    """Six clips of different loudness, written to the folder `generated`."""
    made = {f"{number}.wav": noise(0.5 + 0.3 * number, seed=number) * 0.3**number for number in range(6)}
    (tmp_path / "generated").mkdir()
    for name, samples in made.items():
        write(tmp_path / "generated" / name, samples, subtype="FLOAT")
    return made


@pytest.fixture
def generated(tmp_path: Path, clips: dict[str, np.ndarray]) -> list[Path]:
    return [tmp_path / "generated" / name for name in clips]
