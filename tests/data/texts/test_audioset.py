"""Names and descriptions of AudioSet's ontology, from a file or its publisher."""

import json
from pathlib import Path

import pytest

from tests.conftest import shared
from tests.support.servers.http_server import Server
from tinyclap.data.texts import audioset
from tinyclap.data.texts.audioset import AudioSet, name_parts
from tinyclap.data.texts.corpus import build_corpus
from tinyclap.errors import TinyclapError
from tinyclap.runtime.published_weights import PublishedFile

ENTRIES = [
    {
        "name": "Vehicle horn, car horn, honking",
        "description": "A sounding device for vehicles.  It warns others, e.g. pedestrians. ",
        "child_ids": [],
    },
    {"name": "Roaring cats (lions, tigers)", "description": "Loud calls of big cats.", "child_ids": []},
]


@pytest.fixture
def ontology(tmp_path: Path) -> Path:
    file = tmp_path / "ontology.json"
    file.write_text(json.dumps(ENTRIES))
    return file


def test_names_come_whole_and_in_parts_and_descriptions_in_sentences(ontology: Path) -> None:
    captions = build_corpus([AudioSet(str(ontology))]).captions
    assert [caption.text for caption in captions if caption.group == "names"] == [
        *("Vehicle horn, car horn, honking", "Vehicle horn", "car horn", "honking"),
        *("vehicle horn, car horn, honking", "vehicle horn"),
        *("Roaring cats (lions, tigers)", "Roaring cats", "roaring cats (lions, tigers)", "roaring cats"),
    ]
    assert [caption.text for caption in captions if caption.group == "captions"] == [
        *("A sounding device for vehicles.", "It warns others, e.g. pedestrians.", "Loud calls of big cats."),
    ]
    assert not [one for one in AudioSet(str(ontology), descriptions=False).captions() if one.group == "captions"]


def test_abbreviations_keep_their_capitals() -> None:
    assert name_parts("Telephone dialing, DTMF")[-2:] == ["telephone dialing, DTMF", "telephone dialing"]
    assert name_parts("A capella")[-1] == "a capella"


def test_without_a_file_it_is_fetched_once(ontology: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["ontology.json"] = ontology.read_bytes()
    published = PublishedFile(server.url_of("ontology.json"), None, None, "audioset")
    monkeypatch.setattr(audioset, "AUDIOSET_ONTOLOGY", published)
    assert [len(list(AudioSet().captions())) for _ in range(2)] == [13, 13]
    assert len(server.asked) == 1
    assert published.place.read_bytes() == ontology.read_bytes()


def test_without_network_it_says_where_the_file_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    published = PublishedFile("http://127.0.0.1:9/ontology.json", None, None, "audioset")
    monkeypatch.setattr(audioset, "AUDIOSET_ONTOLOGY", published)
    message = rf"cannot reach .*\nfetch {published.url} elsewhere and put it at {published.place}, or name it as path"
    with pytest.raises(TinyclapError, match=message):
        list(AudioSet().captions())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[", "ontology.json is damaged"),
        (b"<html>", "is damaged"),
        (b"[]", "is not the AudioSet ontology"),
        (b'[{"name": "Dog"}]', "is not the AudioSet ontology"),
        (b'{"name": "Dog", "description": ""}', "is not the AudioSet ontology"),
        (b'[{"name": "\xff"}]', "line 1: not UTF-8"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "ontology.json").write_bytes(content)
    with pytest.raises(TinyclapError, match=message):
        list(AudioSet(str(tmp_path / "ontology.json")).captions())


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=r"there is no file .*none\.json; give ontology\.json of https"):
        list(AudioSet(str(tmp_path / "none.json")).captions())
    with pytest.raises(TinyclapError, match="is a folder; give the file, ontology"):
        list(AudioSet(str(tmp_path)).captions())


def test_the_published_ontology() -> None:
    file = shared("data/weights/audioset_ontology.json")
    corpus = build_corpus([AudioSet(str(file))])
    texts = {caption.text for caption in corpus.captions}
    assert {"Dog", "dog", "car horn", "Zipper", "Zipper (clothing)", "telephone dialing, DTMF"} <= texts
    assert corpus.groups["names"] > 1400
    assert corpus.groups["captions"] > 632


def test_sentences_that_refer_to_other_classes_are_left_out(tmp_path: Path) -> None:
    description = "Designed by J. M. Hanert. Does not include hooves (use /m/07rv9rh)."
    (tmp_path / "o.json").write_text(json.dumps([{"name": "Organ", "description": description}]))
    captions = [one.text for one in AudioSet(str(tmp_path / "o.json")).captions()]
    assert captions == ["Organ", "organ", "Designed by J. M. Hanert."]
