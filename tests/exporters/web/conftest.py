"""What the tests of pages share: words that ship, the runtime from npm, and the page of a small bundle."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.pages.served import runtime_cache, write_page
from tests.support.tiny_bundles import tiny_bundle, tiny_embed, tiny_text
from tinyclap.runtime.background import Background
from tinyclap.runtime.ready_made import ASSETS, make


@pytest.fixture(scope="session")
def everyday_tokenizer() -> str:
    return (ASSETS / "everyday" / "tokenizer.json").read_text("utf-8")


def background() -> Background:
    """Noise of many levels, some of it without a class, and four names."""
    rng = np.random.default_rng(0)
    levels = rng.uniform(0.01, 0.5, 40)
    sounds = tiny_embed([rng.normal(0, level, 16_000).astype(np.float32) for level in levels], "waveform")
    return Background(sounds, tiny_text(["cow", "siren", "dog", "rain"]), np.arange(40) % 5 - 1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With onnxruntime-web; of all processes of this run."""
    base = tmp_path_factory.getbasetemp()
    return runtime_cache(base.parent if base.name.startswith("popen-") else base)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With labels, words and sounds that are none of them."""
    folder = tmp_path_factory.mktemp("tiny") / "bundle"
    return tiny_bundle(folder, input_kind="waveform", text=True, bert=True, background=background())


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, bundle: Path, cache: Path) -> Path:
    """Its page."""
    folder = tmp_path_factory.mktemp("site") / "page"
    write_page(cache, bundle, folder)
    return folder


@pytest.fixture(scope="session")
def everyday(tmp_path_factory: pytest.TempPathFactory, mn04: Path) -> Path:
    """The ready-made bundle, which knows real sounds."""
    if not mn04.is_file():
        pytest.skip(f"real weights not found: {mn04}")
    return make("everyday", tmp_path_factory.mktemp("everyday") / "bundle", weights=mn04)


@pytest.fixture(scope="session")
def everyday_site(tmp_path_factory: pytest.TempPathFactory, everyday: Path, cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("site") / "page"
    write_page(cache, everyday, folder)
    return folder
