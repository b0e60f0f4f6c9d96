"""Libraries of tones and noise, and their pages served."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.library.browse.client import Client
from tests.support.pages.chromium import Page, chromium
from tests.support.sounds import clip
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.library.browse.server import BrowseServer
from tinyclap.library.library import Library

RATE = 16_000


def write_sounds(folder: Path) -> None:
    """Nine sounds in three folders: WAV of 16 and 24 bits, FLAC, Ogg and AIFF."""
    kinds = {
        "drums": [("kick_04.wav", "PCM_16"), ("snare.wav", "PCM_24"), ("hat.flac", "PCM_16"), ("tom.aiff", "PCM_24")],
        "birds": [
            ("robin.ogg", "VORBIS"),
            ("wren.wav", "PCM_16"),
            ("owl & <img src=x onerror=alert(1)>.wav", "PCM_16"),
        ],
        "rain/long": [("roof.wav", "PCM_16"), ("forest.flac", "PCM_16")],
    }
    seed = 0
    for name, files in kinds.items():
        (folder / name).mkdir(parents=True)
        for file, subtype in files:
            seed += 1
            samples = clip(1.5 if name != "rain/long" else 8.0, 300.0 * seed, RATE, seed)
            soundfile.write(folder / name / file, samples, RATE, subtype=subtype)


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    write_sounds(folder)
    return folder


def made(folder: Path, sounds: Path, *, windows: bool = False, **bundle: Any) -> Path:
    """A library of these sounds."""
    tiny_bundle(folder / "bundle", **bundle)
    with Library.create(folder / "library", folder / "bundle", windows=windows) as library:
        library.add([sounds], workers=1, progress=False)
    return folder / "library"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, sounds: Path) -> Path:
    return made(tmp_path_factory.mktemp("named"), sounds, text=True)


@pytest.fixture(scope="session")
def windowed(tmp_path_factory: pytest.TempPathFactory, sounds: Path) -> Path:
    """A library of windows, by a bundle without words."""
    return made(tmp_path_factory.mktemp("windowed"), sounds, windows=True)


@contextmanager
def serving(library: Path, host: str = "127.0.0.1", **options: Any) -> Iterator[Client]:
    """A client of a library's server."""
    server = BrowseServer(lambda: Library.open(library), host, 0, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Client(server.address)
    finally:
        server.shutdown()
        thread.join()
        server.close()


@pytest.fixture(scope="module")
def client(library: Path) -> Iterator[Client]:
    with serving(library) as made:
        yield made


def ids_of(client: Client) -> dict[str, str]:
    """The id of every sound of the map, by its name below the common folder."""
    points = client.json("GET", "api/map")[1]
    return dict(zip(points["names"], points["ids"], strict=True))


@pytest.fixture(scope="module")
def ids(client: Client) -> dict[str, str]:
    return ids_of(client)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """Fails the test where the page complained, or asked any other machine."""
    browser.open("about:blank")
    browser.requests.clear()
    browser.complaints.clear()
    yield browser
    assert browser.complaints == []
    assert {url for url in browser.requests if not url.startswith(("http://127.0.0.1:", "data:", "about:"))} == set()
