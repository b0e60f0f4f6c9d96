"""The suites themselves, where they are installed, and a bundle with ears and words."""

import importlib
import os
from pathlib import Path

import pytest

from tests.support.tiny_bundles import tiny_bundle
from tinyclap.runtime.bundle import Bundle

MUST_RUN = "TINYCLAP_SUITES"  # set where the suites are installed: a test that misses one fails there


def need(package: str) -> None:
    """Skip, or fail where nothing may be skipped, without a suite."""
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        if os.environ.get(MUST_RUN):
            pytest.fail(f"{package} cannot be imported: {error}")
        pytest.skip(f"{package} is not installed: pip install -r tests/suites/requirements.txt")


@pytest.fixture
def mteb() -> None:
    need("mteb")


@pytest.fixture
def xares() -> None:
    need("xares")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.load(tiny_bundle(tmp_path_factory.mktemp("made") / "bundle", text=True, bert=True))


@pytest.fixture(scope="module")
def mute(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Without words, and with other weights in its audio graph."""
    return Bundle.load(tiny_bundle(tmp_path_factory.mktemp("made") / "mute", input_kind="waveform"))


@pytest.fixture
def folder(bundle: Bundle) -> Path:
    return bundle.folder
