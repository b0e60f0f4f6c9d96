"""Tags, tables and what the commands print."""

import csv
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import failure, invoke
from tests.support.sounds import noise, write
from tests.support.tiny_bundles import tiny_background, tiny_bundle
from tinyclap import Library
from tinyclap.errors import TinyclapError
from tinyclap.library.export import export
from tinyclap.library.tagging import SIDECAR
from tinyclap.reports.console.found import clock
from tinyclap.runtime.bundle import Bundle


class TestTags:
    def test_without_background_each_file_gets_its_best_label(self, home: Path, bundle: Bundle) -> None:
        library = Library.open("library")
        entries = list(library.tag(["dog", "siren"]))
        cosines = library.embeddings() @ bundle.label_table(["dog", "siren"]).embeddings.T
        for entry, row, scores in zip(entries, library.rows(), cosines, strict=True):
            ((tag, cosine),) = entry.tags
            assert entry.path == row.path
            assert tag == ("dog", "siren")[int(scores.argmax())]
            assert cosine == pytest.approx(float(scores.max()), abs=1e-5)
            assert row.tags == (tag,)
        list(library.tag(["rain"], where="name=*rain*"))
        assert {row.path.name for row in library.rows() if row.tags == ("rain",)} == {"rain.flac"}
        assert {hit.path.name for hit in library.find("dog", by="sound", where="tag=rain")} == {"rain.flac"}

    def test_with_background_those_that_reach_the_threshold(self, sounds: Path, tmp_path: Path) -> None:
        bundle = Bundle.load(tiny_bundle(tmp_path / "judging", text=True, background=tiny_background()))
        library = Library.create(tmp_path / "lib", bundle)
        library.add([sounds], progress=False)
        labels = ["dog", "rain", "siren", "cow"]
        judge = bundle.judge(labels, top_k=2, threshold=0.4, multi_label=True)
        for entry, embedding in zip(library.tag(labels, top=2, threshold=0.4), library.embeddings(), strict=True):
            answer = judge(embedding, 0.0)
            assert sorted(tag for tag, _ in entry.tags) == sorted(prediction.label for prediction in answer)

    def test_a_file_that_changes_loses_its_tags(self, home: Path, sounds: Path) -> None:
        library = Library.open("library")
        list(library.tag(["dog"]))
        write(sounds / "rain.flac", noise(1.3, 90))
        library.add([sounds], progress=False)
        assert {row.path.name for row in library.rows() if not row.tags} == {"rain.flac"}


class TestExport:
    def test_csv(self, home: Path) -> None:
        library = Library.open("library")
        list(library.tag(["dog"]))
        assert export(library, home / "out" / "x.csv") == 5
        rows = list(csv.DictReader(io.StringIO((home / "out" / "x.csv").read_text())))
        assert [(int(row["row"]), Path(row["path"]), row["tags"]) for row in rows] == [
            (row.row, row.path, "dog") for row in library.rows()
        ]
        with pytest.raises(TinyclapError, match="exists already"):
            export(library, home / "out" / "x.csv")
        assert export(library, home / "out" / "x.csv", overwrite=True) == 5
        with pytest.raises(TinyclapError, match=r"must end in \.csv or \.parquet"):
            export(library, home / "x.json")
        assert [path.name for path in (home / "out").iterdir()] == ["x.csv"]

    @pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="needs pyarrow: tinyclap[parquet]")
    def test_parquet(self, home: Path) -> None:
        from pyarrow import parquet

        library = Library.open("library")
        list(library.tag(["dog"]))
        export(library, home / "x.parquet")
        table = parquet.read_table(home / "x.parquet").to_pydict()
        np.testing.assert_array_equal(np.array(table["embedding"], np.float32), library.embeddings())
        assert table["path"] == [str(row.path) for row in library.rows()]
        assert table["tags"] == [["dog"]] * 5

    @pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is here")
    def test_parquet_without_pyarrow(self, home: Path) -> None:
        with pytest.raises(
            TinyclapError, match=r"needs pyarrow: pip install \"tinyclap\[parquet\]\"; or write a \.csv"
        ):
            export(Library.open("library"), home / "x.parquet")
        assert not (home / "x.parquet").exists()


class TestIndexCommand:
    def test_makes_and_updates(self, home: Path, made: Path) -> None:
        (home / "sounds" / "bad.wav").write_bytes(b"no sound")
        out, err = invoke(
            "index", "sounds", "--out", "mine", "--bundle", str(made), "--codes", "int8", "--threads", "2"
        )
        lines = out.splitlines()
        assert lines[0] == "library  mine: 5 files, int8, 16 B each"
        assert lines[1] == "files    5 new, 0 changed, 0 moved, 0 gone, 0 unchanged, 1 cannot be used"
        assert lines[2].startswith("           sounds/bad.wav: ")
        assert lines[-1] == 'next     tinyclap find "dog barking" --lib mine'
        (home / "sounds" / "rain.flac").unlink()
        told = json.loads(invoke("index", "--lib", "mine", "--json")[0])  # the folders of before
        assert (told["rows"], told["gone"], told["unchanged"], told["codes"]) == (4, 1, 4, "int8")
        assert [Path(entry["file"]).name for entry in told["unreadable"]] == ["bad.wav"]
        out, err = invoke("index", "--compact", "--lib", "mine")
        assert "rows taken off the disk: 1" in err
        (home / "sounds").rename(home / "moved")
        out, err = invoke("index", "--relocate", "sounds=moved", "--lib", "mine")
        assert "5 files of sounds lie below moved now" in err
        assert "4 unchanged, 1 cannot" in invoke("index", "--lib", "mine")[0]
        out, err = invoke("index", "--forget", "moved/drums", "--lib", "mine")
        assert "files    0 new, 0 changed, 0 moved, 2 gone, 2 unchanged" in out

    def test_again_with_another_bundle(self, home: Path, wordless: Path, sounds: Path) -> None:
        message, code = failure("index", "sounds", "--bundle", str(wordless))
        assert code == 2
        command = message[message.index("tinyclap index --again") + len("tinyclap ") :].split()
        assert "5 new" in invoke(*command)[0]
        library = Library.open("library", wordless)
        np.testing.assert_allclose(
            library.embeddings(), Bundle.load(wordless).embed([row.path for row in library.rows()]), atol=1e-3
        )
        assert sorted(path.name for path in home.iterdir()) == ["library", "sounds"]
        assert "binary, 2 B each" in invoke("index", "--again", "--codes", "binary")[0]
        assert len(Library.open("library")) == 5

    def test_refused(self, home: Path, made: Path) -> None:
        bundle = ("--bundle", str(made))
        for command, message in (
            (
                ("index", "--out", "none", *bundle),
                "there is no library none yet; make it: tinyclap index FOLDER --out none",
            ),
            (("index", "sounds", "--codes", "int8", *bundle), "is there already and its codes are float16"),
            (("index", "sounds", "--windows", *bundle), "it has no windows"),
            (("index", "nowhere", *bundle), "there is no nowhere; nothing was changed"),
        ):
            assert message in failure(*command)[0]

    def test_single_files_are_those_of_before_too(self, home: Path, made: Path) -> None:
        invoke("index", "sounds/rain.flac", "sounds/drums", "--out", "mine", "--bundle", str(made))
        (home / "sounds" / "rain.flac").unlink()
        told = json.loads(invoke("index", "--lib", "mine", "--json")[0])
        assert (told["gone"], told["unchanged"], told["rows"]) == (1, 2, 2)


class TestFindCommand:
    def test_text_csv_json_and_playlist(self, home: Path) -> None:
        library = Library.open("library")
        hits = library.find("rain", n=3)
        out, err = invoke("find", "rain", "-n", "3")
        assert err == "library: library\n"
        assert out.splitlines()[0].split() == ["cosine", "by", "length", "file"]
        for line, hit in zip(out.splitlines()[1:], hits, strict=True):
            assert line.split() == [f"{hit.score:+.3f}", hit.by, f"{hit.duration_s:.1f}", "s", str(hit.path)]
        told = json.loads(invoke("find", "rain", "-n", "3", "--json", "--lib", "library")[0])
        assert [entry["row"] for entry in told["hits"]] == [hit.row for hit in hits]
        assert (told["library"], told["text"], told["by"]) == ("library", ["rain"], "both")
        rows = list(csv.DictReader(io.StringIO(invoke("find", "rain", "-n", "3", "--csv")[0])))
        assert [row["path"] for row in rows] == [str(hit.path) for hit in hits]
        playlist = invoke("find", "rain", "-n", "3", "--m3u")[0].splitlines()
        assert playlist[0] == "#EXTM3U"
        assert playlist[2::2] == [str(hit.path) for hit in hits]

    def test_all_options(self, home: Path) -> None:
        library = Library.open("library")
        asked = ("find", "rain", "dog", "--like", "sounds/rain.flac", "--not", "siren", "--where", "duration<2.2")
        told = json.loads(invoke(*asked, "--exact", "--json")[0])
        hits = library.find(["rain", "dog"], like=["sounds/rain.flac"], without=["siren"], where="duration<2.2")
        assert [entry["row"] for entry in told["hits"]] == [hit.row for hit in hits]
        assert len(hits) == 4
        out, err = invoke("find", "kick", "--by", "name", "--where", "duration>99")
        assert (out, err.splitlines()[-1]) == ("", "nothing found; for a part of a word: --where 'name=*kick*'")
        assert json.loads(invoke("find", "kick 04", "--json")[0])["hits"][0]["score"] is None

    def test_windows_say_when(self, home: Path, made: Path) -> None:
        write(home / "sounds" / "long.wav", noise(65.0, 4))
        library = Library.create("timed", made, windows=True)
        library.add(["sounds/long.wav"], progress=False)
        (hit,) = library.find("rain", by="sound")
        line = invoke("find", "rain", "--by", "sound", "--lib", "timed")[0].splitlines()[1]
        assert f"{clock(hit.start_s)}-{clock(hit.end_s)}" in line
        assert f"#EXTVLCOPT:start-time={hit.start_s:.1f}" in invoke("find", "rain", "--lib", "timed", "--m3u")[0]
        assert len(invoke("find", "rain", "--lib", "timed", "--all-windows", "-n", "99")[0].splitlines()) == 66
        assert (clock(3723.4), clock(65)) == ("1:02:03", "1:05")

    def test_which_library(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TINYCLAP_LIBRARY", str(home / "library"))
        monkeypatch.chdir(home / "sounds")
        assert invoke("find", "kick")[1] == f"library: {home / 'library'}\n"
        monkeypatch.delenv("TINYCLAP_LIBRARY")
        message, code = failure("find", "kick")
        assert code == 2
        assert "name it with --lib, or make it: tinyclap index FOLDER" in message

    def test_search_points_to_find(self) -> None:
        assert "`tinyclap find`" in invoke("search", "--help")[0]


def test_tag_command(home: Path) -> None:
    out, err = invoke("tag", "--labels", "dog, siren", "--sidecars")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 5
    assert "5 of 5 files have tags; .tags.txt beside each" in err
    for row in rows:
        assert Path(row["path"] + SIDECAR).read_text() == f"# written by tinyclap tag\n{row['tag']}\n"
    told = json.loads(invoke("tag", "library", "--labels", "dog", "--json", "--where", "duration<1")[0])
    assert [[tag["tag"] for tag in entry["tags"]] for entry in told["files"]] == [["dog"]]


def test_duplicates_and_export_commands(home: Path) -> None:
    write(home / "sounds" / "softer.wav", noise(2.5, 4) * 0.3)  # rain.flac
    invoke("index")
    out, _ = invoke("duplicates")
    assert {Path(line.split()[-1]).name for line in out.splitlines()[1:3]} == {"rain.flac", "softer.wav"}
    assert "1 group among 6 files" in out
    rows = list(csv.DictReader(io.StringIO(invoke("duplicates", "library", "--csv")[0])))
    assert {row["group"] for row in rows} == {"1"}
    told = json.loads(invoke("duplicates", "--json")[0])
    assert ([len(group) for group in told["groups"]], told["compared"], told["left_out"]) == ([2], 6, [])
    assert invoke("export-index", "library", "x.csv")[0] == "x.csv: 6 rows\n"
