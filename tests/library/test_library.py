"""A library: what is added is what the bundle embeds, and answers are those of comparing everything."""

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from tests.library.conftest import NAMES
from tests.support.sounds import RATE, noise, write
from tinyclap import Library
from tinyclap.common.files import read_json, write_json
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.library import facts
from tinyclap.library.query import AWAY
from tinyclap.runtime.bundle import Bundle


@pytest.fixture
def library(bundle: Bundle, sounds: Path, tmp_path: Path) -> Library:
    made = Library.create(tmp_path / "lib", bundle, codes="float32")
    made.add([sounds], progress=False)
    return made


def files(sounds: Path) -> list[Path]:
    return sorted((sounds / name for name in NAMES), key=lambda path: path.parts)


def test_rows_are_what_the_bundle_embeds(library: Library, bundle: Bundle, sounds: Path) -> None:
    rows = library.rows()
    assert [row.path for row in rows] == files(sounds)
    np.testing.assert_allclose(library.embeddings(), bundle.embed(files(sounds)), atol=1e-6)
    assert len(library) == 5
    lasting = {sounds / name: 0.5 + 0.5 * seed for seed, name in enumerate(NAMES)}
    for row in rows:
        assert (row.start_s, row.end_s, row.duration_s) == (0.0, lasting[row.path], lasting[row.path])
        assert row.sample_rate == RATE
        assert np.isnan(row.score)
        assert library.path(row.row) == row.path


def test_the_order_is_that_of_cosines_with_what_is_asked(library: Library, bundle: Bundle, sounds: Path) -> None:
    like, text, without = sounds / "rain.flac", "rain", "siren cow"
    wanted = np.concatenate([bundle.embed_text(text), bundle.embed(like)])
    query = unit(unit(wanted.mean(0)) - AWAY * bundle.embed_text(without)[0])
    expected = bundle.embed(files(sounds)) @ query
    hits = library.find(text, like=like, without=without, n=99)
    assert [hit.path for hit in hits] == [files(sounds)[at] for at in np.argsort(-expected)]
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(expected)[::-1], atol=1e-6)
    assert [hit.row for hit in library.find(text, like=like, without=without, n=2)] == [hit.row for hit in hits[:2]]


def test_a_sound_finds_itself_and_its_neighbours_without_itself(library: Library, sounds: Path) -> None:
    for row in library.rows():
        (first,) = library.find(like=row.path, n=1)
        assert first.row == row.row
        assert first.score == pytest.approx(1, abs=1e-5)
        scores = library.embeddings() @ library.embeddings([row.row])[0]
        others = [at for at in np.argsort(-scores, kind="stable") if at != row.row]
        assert [hit.row for hit in library.similar(row.row, n=3)] == others[:3]


class TestWindows:
    def test_answers_say_where(self, bundle: Bundle, tmp_path: Path) -> None:
        loud = noise(4.0, 5)
        long = np.concatenate([noise(3.0, 8), loud[:RATE], noise(2.0, 9)])
        (tmp_path / "s").mkdir()
        write(tmp_path / "s" / "long.wav", long)
        write(tmp_path / "s" / "short.wav", noise(0.5, 3))
        library = Library.create(tmp_path / "lib", bundle, windows=True)
        library.add([tmp_path / "s"], progress=False)
        assert [(row.path.name, row.start_s, row.end_s) for row in library.rows()] == [
            *(("long.wav", float(second), float(second + 1)) for second in range(6)),
            ("short.wav", 0.0, 0.5),
        ]
        times, expected = bundle.embed_windows(tmp_path / "s" / "long.wav")
        np.testing.assert_allclose(library.embeddings(range(6)), expected, atol=2e-3)
        assert times[3].tolist() == [3.0, 4.0]
        query = {"like": loud[:RATE], "sample_rate": RATE}
        hits = library.find(**query)  # type: ignore[arg-type]
        assert [hit.path.name for hit in hits].count("long.wav") == 1
        assert (hits[0].start_s, hits[0].end_s, hits[0].duration_s) == (3.0, 4.0, 6.0)
        every = library.find(**query, all_windows=True)  # type: ignore[arg-type]
        assert len(every) == 7
        assert library.find("long", by="both")[0].path.name == "long.wav"

    def test_a_hop_of_its_own(self, bundle: Bundle, tmp_path: Path) -> None:
        sound = write(tmp_path / "long.wav", noise(3.0))
        library = Library.create(tmp_path / "lib", bundle, windows=True, hop_s=0.5)
        library.add([sound], progress=False)
        assert [row.start_s for row in library.rows()] == [0.0, 0.5, 1.0, 1.5, 2.0]


@pytest.mark.parametrize("codes", ["float32", "float16", "int8", "binary"])
def test_codes(bundle: Bundle, sounds: Path, tmp_path: Path, codes: str) -> None:
    library = Library.create(tmp_path / codes, bundle, codes=codes)
    update = library.add([sounds], progress=False)
    stored = library.embeddings()
    exact = bundle.embed(files(sounds))
    least = {"float32": 1 - 1e-6, "float16": 1 - 1e-6, "int8": 0.999, "binary": 0.6}[codes]
    assert (stored * exact).sum(1).min() > least
    np.testing.assert_allclose(np.linalg.norm(stored, axis=1), 1, atol=1e-5)
    assert update.neighbours_kept is None  # too few to tell
    with Library.open(tmp_path / codes) as again:
        assert again.find("rain", by="sound")[0].row == int(np.argmax(stored @ bundle.embed_text("rain")[0]))


class TestRefused:
    def test_another_bundle(self, library: Library, made: Path, wordless: Path, sounds: Path) -> None:
        with pytest.raises(TinyclapError, match="tinyclap index --again --bundle") as caught:
            Library.open(library.folder, wordless)
        assert "weights of the graph" in str(caught.value)
        with pytest.raises(TinyclapError, match="its graph, weights of the graph differ"):
            Library.open(library.folder, Bundle.load(made, graph="int8"))
        assert len(Library.open(library.folder, made).find("rain", by="sound")) == 5

    def test_a_bundle_that_is_not_there(self, made: Path, sounds: Path, tmp_path: Path) -> None:
        shutil.copytree(made, tmp_path / "mine")
        library = Library.create(tmp_path / "lib", tmp_path / "mine")
        library.add([sounds], progress=False)
        (tmp_path / "mine").rename(tmp_path / "yours")
        again = Library.open(tmp_path / "lib")
        assert again.find("kick_04", by="name")  # which needs no bundle
        with pytest.raises(TinyclapError, match="not there any more; name it with --bundle"):
            again.find("rain")
        assert len(Library.open(tmp_path / "lib", tmp_path / "yours").find("rain")) == 5

    def test_a_changed_bundle_in_the_same_place(self, library: Library, wordless: Path, tmp_path: Path) -> None:
        said = read_json(library.folder / facts.FACTS, {})
        said["bundle"]["place"] = str(wordless)
        write_json(library.folder / facts.FACTS, said)
        with pytest.raises(TinyclapError, match="made by another bundle"):
            Library.open(library.folder).find("rain")

    def test_words_that_the_bundle_does_not_have(self, wordless: Path, sounds: Path, tmp_path: Path) -> None:
        library = Library.create(tmp_path / "lib", wordless)
        library.add([sounds], progress=False)
        with pytest.raises(TinyclapError, match="has no words, so 'thunder' cannot be looked for by sound"):
            library.find("thunder")
        assert library.find("kick")[0].path.name == "kick_04.wav"
        assert library.find(like=sounds / "rain.flac", n=1)[0].path.name == "rain.flac"

    def test_a_newer_version(self, library: Library) -> None:
        said = read_json(library.folder / facts.FACTS, {}) | {"version": 2, "tinyclap": "9.9", "more": []}
        write_json(library.folder / facts.FACTS, said)
        with pytest.raises(TinyclapError, match=r"newer tinyclap \(9.9, version 2 of its files; this one reads 1\)"):
            Library.open(library.folder)

    @pytest.mark.parametrize("content", ["{}", "[]", "{", '{"format": "tinyclap-library", "version": 1}'])
    def test_damaged_facts(self, library: Library, content: str) -> None:
        (library.folder / facts.FACTS).write_text(content)
        with pytest.raises(TinyclapError, match="damaged"):
            Library.open(library.folder)

    def test_a_damaged_catalogue_and_vectors(self, library: Library) -> None:
        library.close()
        vectors = library.folder / "vectors-0.f32"
        whole = vectors.read_bytes()
        vectors.write_bytes(whole[:-70])
        with pytest.raises(TinyclapError, match="damaged: it holds 3 of 5 rows"):
            Library.open(library.folder).find("rain")
        vectors.write_bytes(whole)
        (library.folder / facts.CATALOGUE).write_bytes(b"no database at all" * 100)
        with pytest.raises(TinyclapError, match="damaged or cannot be used"):
            Library.open(library.folder).find("rain")

    def test_what_is_no_library(self, bundle: Bundle, library: Library, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match="there is no such folder; make one with `tinyclap index"):
            Library.open(tmp_path / "none")
        with pytest.raises(TinyclapError, match=r"it holds no library\.json"):
            Library.open(tmp_path)
        with pytest.raises(TinyclapError, match="is a library already"):
            Library.create(library.folder, bundle)
        with pytest.raises(TinyclapError, match="is no library and holds"):
            Library.create(tmp_path / "sounds", bundle)
        with pytest.raises(TinyclapError, match="allowed: float32, float16, int8, binary"):
            Library.create(tmp_path / "other", bundle, codes="int4")

    def test_questions_that_are_none(self, library: Library, sounds: Path) -> None:
        with pytest.raises(TinyclapError, match="nothing is asked for"):
            library.find()
        with pytest.raises(TinyclapError, match="n is 0"):
            library.find("rain", n=0)
        with pytest.raises(TinyclapError, match="names are found by words alone"):
            library.find("rain", by="name", like=sounds / "rain.flac")
        with pytest.raises(TinyclapError, match="by is 'colour'"):
            library.find("rain", by="colour")
        with pytest.raises(TinyclapError, match="no row 5"):
            library.similar(5)
        with pytest.raises(TinyclapError, match="rows are 0 to 4"):
            library.embeddings([5])
        assert len(library.find("rain", n=10**12)) == 5


def test_an_empty_library_finds_nothing(bundle: Bundle, tmp_path: Path) -> None:
    library = Library.create(tmp_path / "lib", bundle)
    assert (library.find("rain"), library.rows(), len(library)) == ([], [], 0)
    assert library.embeddings().shape == (0, 16)
    assert library.duplicates().groups == []


def test_a_reader_notices_what_another_connection_has_written(library: Library, sounds: Path) -> None:
    reader = Library.open(library.folder)
    assert len(reader.find("rain", by="sound")) == 5
    write(sounds / "new.wav", noise(1, 42))
    library.add([sounds], progress=False)
    assert len(reader.find("rain", by="sound")) == 6
    assert reader.find(like=sounds / "new.wav")[0].path == sounds / "new.wav"


def test_the_state_key_changes_with_what_another_connection_writes(library: Library, sounds: Path) -> None:
    reader = Library.open(library.folder)
    first = reader.state_key()
    reader.find("rain")
    assert reader.state_key() == first
    (sounds / "rain.flac").unlink()
    library.add([sounds], progress=False)
    second = reader.state_key()
    assert second[0] != first[0]
    assert second[1] == first[1]
    library.compact()
    assert reader.state_key()[1] == second[1] + 1


def test_what_is_on_the_disk_is_documented(library: Library) -> None:
    names = {path.name for path in library.folder.iterdir()}
    assert names == {"library.json", "catalogue.sqlite", "vectors-0.f32", "lock"}
    page = (Path(facts.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert all(name.replace("-0.f32", "-N") in page for name in names)
    said = json.loads((library.folder / "library.json").read_text())
    assert (said["format"], said["codes"], said["made_by"]["embed_dim"]) == ("tinyclap-library", "float32", 16)
    with sqlite3.connect(library.folder / "catalogue.sqlite") as database:
        assert database.execute("SELECT count(*) FROM files").fetchone() == (5,)
