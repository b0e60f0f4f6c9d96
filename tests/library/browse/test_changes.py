"""The page of a library that changes while it is served: what is shown is what is played."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.library.browse.client import Client
from tests.library.browse.conftest import ids_of, made, serving
from tests.library.browse.pages import PLAYS, TITLES, centre, show
from tests.support.pages.chromium import Page
from tests.support.sounds import noise, write
from tinyclap.errors import TinyclapError
from tinyclap.library.browse import api
from tinyclap.library.browse.api import LibraryApi
from tinyclap.library.browse.projection import Projection, principal_plane
from tinyclap.library.library import Library

NAMES = ("a.wav", "b.wav", "c.wav", "d.wav")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four sounds and their library, side by side."""
    (tmp_path / "sounds").mkdir()
    for seed, name in enumerate(NAMES):
        write(tmp_path / "sounds" / name, noise(1.0, seed))
    made(tmp_path, tmp_path / "sounds", text=True)
    return tmp_path


@pytest.fixture
def changing(folder: Path) -> Iterator[Client]:
    with serving(folder / "library") as client:
        yield client


def index(folder: Path, *, compact: bool = False) -> None:
    """As another process does it."""
    with Library.open(folder / "library") as other:
        other.add([folder / "sounds"], workers=1, progress=False)
        if compact:
            other.compact()


def replace_a_with_e(folder: Path) -> None:
    (folder / "sounds/a.wav").unlink()
    write(folder / "sounds/e.wav", noise(1.0, 9))
    index(folder)


def plays_what_it_says(client: Client, folder: Path, ids: dict[str, str]) -> bool:
    contents = {name: (folder / "sounds" / name).read_bytes() for name in ids}
    return all(client.send("GET", f"sound/{id}")[2] == contents[name] for name, id in ids.items())


def test_ids_of_before_a_compaction_are_refused_and_new_ones_play_what_they_say(changing: Client, folder: Path) -> None:
    (folder / "sounds/a.wav").unlink()
    index(folder)
    before = ids_of(changing)
    assert plays_what_it_says(changing, folder, before)
    index(folder, compact=True)  # as many sounds as before
    for id in before.values():
        for place in (f"sound/{id}", f"sound/{id}.wav"):
            status, answer = changing.json("GET", place)
            assert status == 404
            assert "reload the page" in answer["error"]
        status, answer = changing.json("POST", "api/similar", {"id": id})
        assert status == 400
        assert "reload the page" in answer["error"]
    after = ids_of(changing)
    assert sorted(after) == ["b.wav", "c.wav", "d.wav"]
    assert plays_what_it_says(changing, folder, after)
    for question, asked in (("some", {}), ("find", {"text": "dog"}), ("similar", {"id": after["b.wav"]})):
        hits = changing.json("POST", f"api/{question}", asked)[1]["hits"]
        assert {hit["name"]: hit["id"] for hit in hits}.items() <= after.items()


def test_a_sound_gone_and_a_new_one_are_as_many_but_others(changing: Client, folder: Path) -> None:
    assert sorted(ids_of(changing)) == list(NAMES)
    replace_a_with_e(folder)
    some = changing.json("POST", "api/some", {})[1]["hits"]
    assert sorted(hit["name"] for hit in some) == ["b.wav", "c.wav", "d.wav", "e.wav"]
    ids = ids_of(changing)
    assert sorted(ids) == ["b.wav", "c.wav", "d.wav", "e.wav"]
    assert plays_what_it_says(changing, folder, ids)


@pytest.mark.parametrize("question", ["find", "similar", "path"])
def test_a_compaction_during_a_question(folder: Path, monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    (folder / "sounds/a.wav").unlink()
    index(folder)
    asked = []

    def first_compacts(self: Library, *arguments: Any, **options: Any) -> Any:
        asked.append(arguments)
        answer = unchanged(self, *arguments, **options)
        if len(asked) == 1:
            index(folder, compact=True)
        return answer

    unchanged = getattr(Library, question)
    with Library.open(folder / "library") as library:
        served = LibraryApi(library)
        monkeypatch.setattr(Library, question, first_compacts)
        if question == "find":
            hits = served.find({"text": "dog"})["hits"]
            assert len(asked) == 2
            assert {hit["id"] for hit in hits} == {"1-0", "1-1", "1-2"}
            assert all(served.path(hit["id"]).name == hit["name"] for hit in hits)
        else:
            with pytest.raises(TinyclapError, match="reload the page"):
                served.path("0-1") if question == "path" else served.similar({"id": "0-1"})


def test_a_map_drawn_while_the_library_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Library.open(folder / "library") as library:
        served = LibraryApi(library, "pca")

        def changing_once(embeddings: np.ndarray) -> Projection:
            monkeypatch.setattr(api, "principal_plane", principal_plane)
            (folder / "sounds/a.wav").unlink()
            index(folder)
            served.shown()  # asked by the thread that holds the library
            return principal_plane(embeddings)

        monkeypatch.setattr(api, "principal_plane", changing_once)
        first = served.map(served.shown())
        assert first["names"] == list(NAMES)
        assert sum(first["explained"]) > 0
        second = served.map(served.shown())
        assert second["names"] == list(NAMES[1:])
        assert second == LibraryApi(library, "pca").map(LibraryApi(library, "pca").shown())


def test_a_map_is_not_drawn_again_for_tags(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Library.open(folder / "library") as library:
        served = LibraryApi(library, "pca")
        before = served.map(served.shown())
        monkeypatch.setattr(api, "principal_plane", None)  # nobody calls it
        with Library.open(folder / "library") as other:
            other.catalogue.run("INSERT INTO tags SELECT id, 'kick', 1.0 FROM files")
        assert [hit["tags"] for hit in served.some({"n": 1})["hits"]] == [["kick"]]
        assert served.map(served.shown()) == before


@pytest.mark.slow
def test_a_page_of_before_a_compaction_says_what_to_do(page: Page, changing: Client, folder: Path) -> None:
    (folder / "sounds/a.wav").unlink()
    index(folder)
    show(page, changing, "#find=dog")
    index(folder, compact=True)
    page.click(*centre(page, "#hits .play"))
    page.wait("document.querySelector('#fault').textContent.includes('reload the page and search again')")
    page.complaints.clear()  # the browser notes the status 404
    page.js("location.reload()")
    page.wait("document.body && document.body.dataset.ready && document.querySelector('#fault').hidden")
    assert sorted(page.js(TITLES)) == ["b.wav", "c.wav", "d.wav"]
    page.click(*centre(page, "#hits .play"))
    page.wait(PLAYS)
