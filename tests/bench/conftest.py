"""Bundles to be timed, and fresh processes that take no time."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.tiny_bundles import tiny_bundle
from tinyclap.bench import cold_start, measure
from tinyclap.bench.cold_start import ColdStart

if TYPE_CHECKING:
    from tests.support.servers.ssh_server import Machine


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "bundle", int8=True, text=True)


@pytest.fixture(scope="module")
def waveform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("waveform") / "bundle", input_kind="waveform")


@pytest.fixture
def one_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "STARTS", 1)


@pytest.fixture
def no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh processes that take no time."""
    fresh = [ColdStart(3.0, 30_000_000), ColdStart(1.0, 10), ColdStart(2.0, 20)]
    monkeypatch.setattr(measure, "measure_cold_start", lambda *_, **__: fresh)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Machine"]:
    from tests.support.servers.ssh_server import running  # skips where there is no ssh

    with running(tmp_path_factory.mktemp("machine"), tmp_path_factory.mktemp("own")) as started:
        yield started
