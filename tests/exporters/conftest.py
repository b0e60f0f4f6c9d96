"""A tiny exporter and its bundle."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.tiny_exports import tiny_exporter, tracing_once
from tinyclap.exporters.options import ExportOptions
from tinyclap.exporters.write_bundle import Exporter

EVERYTHING = ExportOptions(int8=True, labels=("dog", "rain"), text=True, static_s=0.5, int8_min_cosine=0.5)


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    return tiny_exporter(tmp_path_factory.mktemp("cache"), replace(EVERYTHING, int8_min_agreement=0.5))


@pytest.fixture(scope="module")
def bundle(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYCLAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        exporter.write(folder)
    return folder


@pytest.fixture
def quick(exporter: Exporter) -> Exporter:
    """An exporter of the float and INT8 graphs alone."""
    return replace(exporter, options=replace(exporter.options, text=False, static_s=None))


@pytest.fixture(autouse=True, scope="module")
def traced_once() -> Iterator[None]:
    with tracing_once():
        yield
