"""`tinyclap index`: all embedded again, folders forgotten, and mistakes that must leave nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.sounds import noise, write
from tinyclap import Library
from tinyclap.common import files
from tinyclap.errors import TinyclapError
from tinyclap.library import indexing, locks, update
from tinyclap.library.answers import Update
from tinyclap.library.indexing import Indexing
from tinyclap.runtime.bundle import Bundle


@pytest.fixture
def library(bundle: Bundle, sounds: Path, tmp_path: Path) -> Library:
    made = Library.create(tmp_path / "lib", bundle, codes="float32")
    made.add([sounds], progress=False)
    return made


def index(folder: Path, bundle: Path | None = None, *sounds: Path, **asked: Any) -> tuple[Library, Update]:
    lines: list[str] = []
    place = bundle or Path("no such bundle")
    made, done, _ = indexing.run(
        folder, Indexing(sounds, **asked), lambda: place, named=bundle is not None, tell=lines.append
    )
    return made, done


def holds(library: Library, count: int = 5) -> None:
    rows = library.rows()
    assert len(rows) == count
    expected = library.bundle.embed([row.path for row in rows])
    np.testing.assert_allclose(library.embeddings(), expected, atol=1e-5)


class TestAgain:
    def test_tags_are_kept(self, library: Library, wordless: Path, sounds: Path) -> None:
        library.tag(["dog", "siren"])
        tags = {row.path.name: row.tags for row in library.rows()}
        write(sounds / "rain.flac", noise(1.0, 99))  # another sound: its tags are not those any more
        made, _ = index(library.folder, wordless, again=True)
        assert {row.path.name: row.tags for row in made.rows()} == tags | {"rain.flac": ()}
        holds(made)

    def test_nothing_else_is_left_in_the_folder(self, library: Library, wordless: Path) -> None:
        for number in (1, 2):
            made, done = index(library.folder, wordless, again=True)
            assert done.new == 5
            assert made.data == library.folder / f"again-{number}"
            made.compact()
            names = {path.name for path in library.folder.iterdir()}
            assert names == {"library.json", "lock", f"again-{number}"}
            assert {path.name for path in made.data.iterdir()} == {"catalogue.sqlite", "vectors-1.f32"}
            holds(Library.open(library.folder))

    def test_the_library_is_the_folder_one_is_in_or_a_link(
        self, library: Library, wordless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "link").symlink_to("lib")
        holds(index(tmp_path / "link", wordless, again=True)[0])
        assert (tmp_path / "link").is_symlink()
        monkeypatch.chdir(library.folder)
        holds(index(Path("."), wordless, again=True)[0])
        assert os.getcwd() == str(library.folder)
        holds(Library.open("."))

    def test_no_other_process_writes_meanwhile(
        self, library: Library, wordless: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, asked = Bundle.embed, list[Path]()

        def embed(bundle: Bundle, sound: Path, **how: Any) -> np.ndarray:
            if not asked:
                with pytest.raises(TinyclapError, match="another process is writing"):
                    library.add([sounds], progress=False, wait=False)
                asked.append(sound)
            return real(bundle, sound, **how)

        monkeypatch.setattr(Bundle, "embed", embed)
        index(library.folder, wordless, again=True)
        monkeypatch.undo()
        assert asked
        for ask in (lambda: library.add([sounds], progress=False), library.compact, lambda: library.tag(["dog"])):
            with pytest.raises(TinyclapError, match="made anew"):
                ask()
        library._reader.forget()
        with pytest.raises(TinyclapError, match="made anew since it was opened; open it again"):
            library.find("rain")

    @pytest.mark.parametrize("moment", ["while it embeds", "before the change", "after the change"])
    def test_killed(self, library: Library, wordless: Path, moment: str) -> None:
        library.tag(["dog"])
        process = subprocess.run([sys.executable, "-c", _KILLED, str(library.folder), str(wordless), moment])
        assert process.returncode == -signal.SIGKILL
        if moment == "after the change":
            with pytest.raises(TinyclapError, match="another bundle"):
                Library.open(library.folder, library.bundle)
        else:
            with Library.open(library.folder, library.bundle) as old:
                holds(old)
                old.add([library.folder.parent / "sounds"], progress=False)  # what was begun stays
        made, done = index(library.folder, wordless, again=True)
        holds(made)
        assert {row.tags for row in made.rows()} == {("dog",)}
        assert {path.name for path in library.folder.iterdir()} == {"library.json", "lock", made.data.name}
        if moment != "after the change":
            assert done.unchanged > 0  # it went on

    def test_another_bundle_than_that_which_was_begun_with(self, library: Library, wordless: Path, made: Path) -> None:
        process = subprocess.run([sys.executable, "-c", _KILLED, str(library.folder), str(wordless), "while it embeds"])
        assert process.returncode == -signal.SIGKILL
        again, done = index(library.folder, made, again=True, codes="int8")
        assert (done.new, again.codes) == (5, "int8")
        assert {path.name for path in library.folder.iterdir()} == {"library.json", "lock", again.data.name}


_KILLED = """
import os, signal, sys
from pathlib import Path
from tinyclap.common.crew.team import Team
from tinyclap.library import facts, indexing, update
from tinyclap.library.catalogue import Catalogue
from tinyclap.runtime.bundle import Bundle
folder, bundle, moment = sys.argv[1:]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "while it embeds":
    update.COMMIT_S, real, count = 0.0, Bundle.embed, []
    def embed(*given, **how):
        count.append(1)
        return real(*given, **how) if len(count) < 4 else die()
    Bundle.embed = embed
elif moment == "before the change":
    real = os.replace
    os.replace = lambda old, new: die() if Path(new) == Path(folder) / "library.json" else real(old, new)
else:
    indexing.sweep = die
asked = indexing.Indexing([], team=Team(threads=1), again=True)
indexing.run(Path(folder), asked, lambda: Path(bundle), named=True, tell=print)
"""


class TestForget:
    def test_a_folder_that_is_gone_for_good(self, library: Library, sounds: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        write(other / "one.wav", noise(1.0, 70))
        library.add([other], progress=False)
        other.rename(tmp_path / "aside")
        with pytest.raises(TinyclapError, match=f"there is no {other}.*--forget"):
            index(library.folder)
        made, done = index(library.folder, forgotten=[other])
        assert (len(made), done.gone) == (5, 1)
        assert made.find("one", by="name") == []
        assert index(library.folder)[1].unchanged == 5
        (tmp_path / "aside").rename(other)
        assert index(library.folder)[1].unchanged == 5  # it is no folder of the library any more
        made.add([other], progress=False)
        holds(made, 6)

    def test_a_folder_that_is_none_of_it(self, library: Library, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match=r"--forget: no file of the library lies below .*; its folders are"):
            index(library.folder, forgotten=[tmp_path / "none"])
        assert len(library) == 5


def test_mistakes_leave_no_library(made: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for sounds in (tmp_path / "musik", tmp_path / "empty"):
        with pytest.raises(TinyclapError, match=r"there is no|no audio files"):
            index(tmp_path / "lib", made, sounds)
        assert not (tmp_path / "lib").exists()


def test_a_folder_that_is_given_twice_counts_once(
    made: Path, sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    library, done = index(tmp_path / "lib", made, Path("sounds"), sounds, sounds / "dogs" / ".." / "rain.flac")
    assert (done.new, done.changed, done.unchanged) == (5, 0, 0)
    assert len(library) == 5
    assert library.catalogue.n_rows() == 5


def test_files_are_listed_once_nobody_else_writes(
    library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(*given: Any) -> list[Path]:
        with pytest.raises(TinyclapError, match="held"), files.only_one(library.folder / locks.LOCK, "held"):
            pass
        return real(*given)

    real = update.sounds_of
    monkeypatch.setattr("tinyclap.library.library.sounds_of", listed)
    assert library.add([sounds], progress=False).unchanged == 5


def test_what_killed_processes_left_is_deleted_at_the_next_write(library: Library, sounds: Path) -> None:
    left = [library.folder / name for name in ("vectors-7.f32", "bits-3.u64")]
    for path in left:
        path.write_bytes(b"left")
    (library.folder / "again-4").mkdir()  # without a library.json: not even begun
    library.add([sounds], progress=False)
    assert {path.name for path in library.folder.iterdir()} == {
        "library.json", "lock", "catalogue.sqlite", "vectors-0.f32",
    }  # fmt: skip
    holds(library)


def test_a_database_that_cannot_be_opened(library: Library) -> None:
    library.close()
    (library.folder / "catalogue.sqlite").unlink()
    with pytest.raises(TinyclapError, match=r"cannot be used .*; copy the library again"):
        Library.open(library.folder)
    assert not (library.folder / "catalogue.sqlite").exists()
