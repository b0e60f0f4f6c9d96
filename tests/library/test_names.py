"""Files found by their names, and conditions on what is known of them."""

from pathlib import Path

import numpy as np
import pytest

from tests.library.conftest import NAMES
from tests.support.sounds import noise, write
from tinyclap import Library
from tinyclap.errors import TinyclapError
from tinyclap.library.names import named
from tinyclap.library.query import fused
from tinyclap.library.where import conditions
from tinyclap.runtime.bundle import Bundle


@pytest.fixture
def library(bundle: Bundle, sounds: Path, tmp_path: Path) -> Library:
    made = Library.create(tmp_path / "lib", bundle, codes="float32")
    made.add([sounds], progress=False)
    return made


class TestNames:
    def test_a_file_is_found_by_its_name(self, library: Library, sounds: Path) -> None:
        for text in ("kick_04.wav", "kick_04", "Kick 04", "drums kick"):
            hits = library.find(text, by="name")
            assert [(hit.path, hit.by) for hit in hits] == [(sounds / "drums" / "kick_04.wav", "name")], text
        assert {hit.path.name for hit in library.find("snare hits", by="name")} == {"SnareHit.wav"}
        assert {hit.path.name for hit in library.find("barking", by="name")} == {"bark_01.wav", "bark_02.wav"}
        assert library.find("kick snare", by="name") == []

    def test_a_text_without_known_words_is_answered_by_names_alone(self, library: Library) -> None:
        (hit,) = library.find("kick_04")
        assert (hit.path.name, hit.by) == ("kick_04.wav", "name")
        assert np.isnan(hit.score)
        with pytest.raises(TinyclapError, match="word"):
            library.find("theremin")

    def test_both_orders_are_fused(self, library: Library, sounds: Path) -> None:
        by_sound = library.find("rain", by="sound", n=5)
        hits = library.find("rain", n=5)
        assert hits[0].path == sounds / "rain.flac"
        assert hits[0].by == "both"
        assert hits[0].score == pytest.approx(next(hit.score for hit in by_sound if hit.row == hits[0].row))
        assert [hit.row for hit in hits[1:]] == [hit.row for hit in by_sound if hit.row != hits[0].row]

    def test_reciprocal_ranks(self) -> None:
        assert fused([1, 2, 3], [3, 4], 9) == {3: "both", 1: "sound", 4: "name", 2: "sound"}
        assert fused([1, 2, 3], [], 2) == {1: "sound", 2: "sound"}
        assert list(fused([1, 2], [3, 4], 9)) == [3, 1, 4, 2]

    def test_the_name_itself_stands_before_longer_ones(self, library: Library, sounds: Path) -> None:
        for name in ("kick_04_kick_04.wav", "a/kick_04/kick.wav"):
            (sounds / name).parent.mkdir(parents=True, exist_ok=True)
            write(sounds / name, noise(0.6, 77))
        library.add([sounds], progress=False)
        assert library.find("kick_04", by="name")[0].path.name == "kick_04.wav"

    def test_the_name_itself_is_found_among_more_files_than_are_asked_for(self, library: Library, sounds: Path) -> None:
        (sounds / "a long folder of many other words").mkdir()
        own = write(sounds / "a long folder of many other words" / "Kick-05.wav", noise(0.6, 50))
        for number in range(9):
            write(sounds / f"kick_05_{number}_kick_05_kick_05.wav", noise(0.6, 60 + number))
        library.add([sounds], progress=False)
        for text in ("kick_05", "kick 05.wav"):
            for n in (1, 3):
                hits = named(library.catalogue, text, n)
                assert len(hits) == n
                assert library.path(hits[0][1]) == own, (text, n)

    def test_conditions_hold_before_the_best_names_are_taken(self, library: Library, sounds: Path) -> None:
        for number in range(9):
            write(sounds / f"tom_tom_{number}.wav", noise(0.6, 60 + number))
        long = write(sounds / "a tom among many other words.wav", noise(3.0, 50))
        library.add([sounds], progress=False)
        assert [library.path(row) for _, row in named(library.catalogue, "tom", 2, conditions("duration>2"))] == [long]

    def test_without_full_text_search(
        self, bundle: Bundle, sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tinyclap.library.names.TABLE", "CREATE VIRTUAL TABLE names USING no_such_module(words)")
        library = Library.create(tmp_path / "plain", bundle)
        library.add([sounds], progress=False)
        assert [hit.path.name for hit in library.find("kick_04.wav", by="name")] == ["kick_04.wav"]


class TestWhere:
    @pytest.mark.parametrize(
        ("where", "names"),
        [
            ("duration<1", {"bark_01.wav"}),
            (["duration >= 1", "duration<=2"], {"bark_02.wav", "kick_04.wav", "SnareHit.wav"}),
            ("rate=16000", {Path(name).name for name in NAMES}),
            ("rate!=16000", set()),
            ("name=*bark*", {"bark_01.wav", "bark_02.wav"}),
            (["name!=*bark*", "path=*/drums/*"], {"kick_04.wav", "SnareHit.wav"}),
            ("tag=Kick", {"kick_04.wav"}),
            ("name=kick_04.wav", {"kick_04.wav"}),
            ("name=snarehit.*", {"SnareHit.wav"}),
            ("name=sounds/dogs/bark_01.wav", {"bark_01.wav"}),
            ("name!=bark_01.wav", {Path(name).name for name in NAMES} - {"bark_01.wav"}),
            ("path=*/DRUMS/*", {"kick_04.wav", "SnareHit.wav"}),
            (["tag!=kick", "channels=1", "size>1"], {Path(name).name for name in NAMES} - {"kick_04.wav"}),
        ],
    )
    def test_conditions(self, library: Library, where: str | list[str], names: set[str]) -> None:
        (row,) = [row.row for row in library.rows() if row.path.name == "kick_04.wav"]
        file = library.catalogue.rows([row])[row].file
        library.catalogue.run("INSERT INTO tags VALUES (?, 'kick', 1.0)", (file,))
        assert {hit.path.name for hit in library.find("rain", by="sound", where=where)} == names
        assert {hit.path.name for hit in library.find("rain", where=where)} == names

    @pytest.mark.parametrize("where", ["duration<a", "colour=red", "tag<3", "", "duration", "1=1; DROP TABLE files"])
    def test_what_is_no_condition(self, library: Library, where: str) -> None:
        with pytest.raises(TinyclapError, match="is no condition; allowed: duration"):
            library.find("rain", where=where)
        assert len(library) == 5
