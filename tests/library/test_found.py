"""What `find` says beside its answers, lists by conditions alone, and refuses; what `tag` keeps and replaces."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.commands import failure, invoke
from tests.support.sounds import noise, write
from tinyclap import Library
from tinyclap.audio.files import no_file
from tinyclap.errors import TinyclapError
from tinyclap.library.tagging import MARK, SIDECAR
from tinyclap.runtime.bundle import Bundle

LINES = "two\nlines dog.wav"
RED = "red\033[31m dog.wav"


def found(*asked: str) -> list[str]:
    """The names of the files that `find --json` answers with."""
    return [Path(hit["path"]).name for hit in json.loads(invoke("find", *asked, "--json")[0])["hits"]]


class TestBeside:
    def test_files_that_are_not_there(self, home: Path) -> None:
        assert "not there" not in invoke("find", "rain")[1]
        (home / "sounds" / "drums").rename(home / "away")
        err = invoke("find", "rain")[1]
        assert err.count("2 of the 5 files shown are not there; if they have moved: tinyclap index --relocate") == 1
        hits = json.loads(invoke("find", "rain", "--json")[0])["hits"]
        assert {Path(hit["path"]).name for hit in hits if hit["missing"]} == {"kick_04.wav", "SnareHit.wav"}
        invoke("index", "--relocate", f"{home / 'sounds' / 'drums'}={home / 'away'}")
        assert "not there" not in invoke("find", "rain")[1]
        shutil.rmtree(home / "away")
        (home / "away").mkdir()
        invoke("index")
        assert "not there" not in invoke("find", "rain")[1]

    def test_a_name_alone_has_no_cosine(self, home: Path) -> None:
        line = invoke("find", "snare", "--by", "name")[0].splitlines()[1]
        assert line.split()[:2] == ["name", "name"]
        write(home / "sounds" / "zz dog.wav", noise(0.7, 80))
        invoke("index")
        opened = Library.open("library")
        by_sound = opened.find("dog", by="sound", n=6)
        assert len(by_sound) == 6
        for hit in json.loads(invoke("find", "dog", "-n", "6", "--json")[0])["hits"]:
            assert (hit["score"] is None) == (hit["by"] == "name")

    def test_an_empty_library(self, home: Path, made: Path) -> None:
        Library.create("bare", made).close()
        out, err = invoke("find", "rain", "--lib", "bare")
        assert (out, err) == ("", "library bare is empty; index a folder: tinyclap index FOLDER --out bare\n")

    def test_a_wrong_folder_leaves_no_library(self, home: Path, made: Path) -> None:
        (home / "papers").mkdir()
        assert "no audio files below papers" in failure("index", "papers", "--out", "mine", "--bundle", str(made))[0]
        assert not (home / "mine").exists()

    def test_words_that_are_spelled_out(self, home: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "single letters" not in invoke("find", "rain")[1]
        monkeypatch.setattr(Bundle, "spelled_out", lambda _, texts: texts)
        assert "the bundle knows 'siren' by single letters alone; what" in invoke("find", "siren")[1]
        assert "single letters" not in invoke("find", "kick", "--by", "name")[1]

    def test_control_characters(self, home: Path) -> None:
        for seed, name in enumerate((LINES, RED)):
            write(home / "sounds" / name, noise(1.0, 90 + seed))
        invoke("index")
        out, _ = invoke("find", "--where", "name=*dog.wav")
        assert len(out.splitlines()) == 3
        assert "\033" not in out
        assert r"two\nlines dog.wav" in out
        playlist, err = invoke("find", "--where", "name=*dog.wav", "--m3u")
        assert playlist.splitlines()[2:] == [str(home / "sounds" / RED)]
        assert r"left out, since its name has several lines: " in err
        assert r"two\nlines dog.wav" in err


class TestListing:
    def test_conditions_alone_list_by_name(self, home: Path) -> None:
        assert found("--where", "duration<2.2s") == ["bark_01.wav", "bark_02.wav", "kick_04.wav", "SnareHit.wav"]
        assert found("--where", "duration<2200 ms", "--where", "name=*bark*") == ["bark_01.wav", "bark_02.wav"]
        assert found("--where", "rate=16kHz", "-n", "2") == ["bark_01.wav", "bark_02.wav"]
        assert "the first 2 by name; -n gives more" in invoke("find", "--where", "rate=16kHz", "-n", "2")[1]
        assert invoke("find", "--where", "duration>1h")[1].splitlines()[-1] == "nothing found"
        assert [hit.by for hit in Library.open("library").find(where="duration<1")] == ["where"]

    def test_of_a_file_the_first_window(self, home: Path, made: Path) -> None:
        write(home / "sounds" / "long.wav", noise(3.0, 4))
        timed = Library.create("timed", made, windows=True)
        timed.add(["sounds"], progress=False)
        once = timed.find(where="duration>0")
        assert sorted(hit.path for hit in once) == sorted({hit.path for hit in timed.rows()})
        assert {hit.start_s for hit in once} == {0.0}
        assert len(timed.find(where="duration>0", all_windows=True, n=99)) == len(timed)

    @pytest.mark.parametrize("where", ["duration<3kHz", "rate>3s", "channels=2s", "duration<s", "size<3 bananas"])
    def test_a_wrong_unit(self, home: Path, where: str) -> None:
        assert "is no condition; allowed: duration" in failure("find", "--where", where)[0]

    def test_nothing_at_all(self, home: Path) -> None:
        assert "nothing is asked for" in failure("find")[0]

    @pytest.mark.parametrize("text", ["", " ", "?!", "\N{DOG FACE}"])
    def test_no_words(self, home: Path, text: str) -> None:
        for options in ((), ("--by", "name"), ("--like", "sounds/rain.flac")):
            assert "has no words in it; write some" in failure("find", text, *options)[0]
        assert "has no words in it; write some" in failure("find", "rain", "--not", text)[0]

    def test_names_that_go_on(self, home: Path) -> None:
        assert found("--by", "name", "sna") == ["SnareHit.wav"]
        assert found("--by", "name", "ki") == ["kick_04.wav"]
        for seed, name in enumerate(("ba.wav", "barium.wav")):
            write(home / "sounds" / name, noise(0.6, 60 + seed))
        invoke("index")
        assert found("--by", "name", "ba")[0] == "ba.wav"  # the whole word before its continuations
        assert sorted(found("--by", "name", "ba")) == ["ba.wav", "barium.wav", "bark_01.wav", "bark_02.wav"]
        out, err = invoke("find", "--by", "name", "hit")
        assert (out, err.splitlines()[-1]) == ("", "nothing found; for a part of a word: --where 'name=*hit*'") or out
        assert found("--where", "name=*arium*") == ["barium.wav"]


class TestTag:
    def test_earlier_tags_are_replaced_or_kept(self, home: Path) -> None:
        assert "earlier" not in invoke("tag", "--labels", "dog")[1]
        assert "earlier" not in invoke("tag", "--labels", "dog")[1]  # the same again
        assert "5 earlier tags of these files were replaced; --add keeps them" in invoke("tag", "--labels", "siren")[1]
        out, err = invoke("tag", "--labels", "dog", "--add", "--where", "name=*bark*")
        assert "earlier" not in err
        assert len(out.splitlines()) == 5  # two tags of each
        tags = {hit.path.name: set(hit.tags) for hit in Library.open("library").rows()}
        assert tags["bark_01.wav"] == tags["bark_02.wav"] == {"dog", "siren"}
        assert tags["rain.flac"] == {"siren"}

    def test_sidecars_replace_their_own_alone(self, home: Path) -> None:
        invoke("tag", "--labels", "dog", "--sidecars")
        invoke("tag", "--labels", "siren", "--sidecars")
        beside = home / "sounds" / f"rain.flac{SIDECAR}"
        assert beside.read_text() == f"{MARK}\nsiren\n"
        beside.write_text("my own notes\n")
        (home / "sounds" / f"dogs/bark_01.wav{SIDECAR}").unlink()
        message, _ = failure("tag", "--labels", "dog", "--sidecars")
        assert f"--sidecars would replace 1 files that tinyclap has not written: {beside}" in message
        assert beside.read_text() == "my own notes\n"
        assert {hit.tags for hit in Library.open("library").rows()} == {("siren",)}
        invoke("tag", "--labels", "dog", "--sidecars", "--where", "name!=rain.flac")

    def test_no_sidecar_of_a_sound_that_is_not_there(self, home: Path) -> None:
        shutil.rmtree(home / "sounds" / "drums")
        invoke("tag", "--labels", "dog", "--sidecars")
        assert not (home / "sounds" / "drums").exists()
        assert (home / "sounds" / f"rain.flac{SIDECAR}").exists()


class TestReasons:
    def test_of_what_is_no_sound(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tinyclap.audio.media.media_decoder", lambda: None)
        os.mkfifo(home / "sounds" / "pipe.wav")
        (home / "sounds" / "link.wav").symlink_to("nowhere.wav")
        (home / "sounds" / "bytes.wav").write_bytes(bytes(range(256)) * 20)
        told = json.loads(invoke("index", "--json")[0])
        assert {Path(entry["file"]).name: entry["reason"] for entry in told["unreadable"]} == {
            "pipe.wav": no_file(home / "sounds" / "pipe.wav"),
            "link.wav": "is a link to what is not there",
            "bytes.wav": "is no .wav file, nor of another format that libsndfile knows",
        }

    def test_other_dimensions_in_the_facts(self, home: Path) -> None:
        facts = json.loads((home / "library" / "library.json").read_text())
        facts["made_by"]["embed_dim"] -= 1
        (home / "library" / "library.json").write_text(json.dumps(facts))
        with pytest.raises(TinyclapError, match=r"library\.json is damaged, or the bundle another one"):
            Library.open("library").find("rain")

    def test_a_device_holds_no_captions(self, home: Path, made: Path) -> None:
        asked = ("caption", "sounds/rain.flac", "--captions", "/dev/null", "--bundle", str(made))
        assert "captions: /dev/null is no file; give a text file" in failure(*asked)[0]
