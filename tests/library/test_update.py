"""Changes on the disk are noticed; Ctrl-C and other processes lose and double nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.library.conftest import check
from tests.support.sounds import noise, write
from tinyclap import Library
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.library import contents, locks, update
from tinyclap.library.answers import Update
from tinyclap.runtime.bundle import Bundle


@pytest.fixture
def library(bundle: Bundle, tmp_path: Path) -> Library:
    return Library.create(tmp_path / "lib", bundle, codes="float32")


def add(library: Library, *paths: Path, workers: int = 2) -> Update:
    return library.add(paths, workers, progress=False)


def told(done: Update) -> tuple[int, int, int, int, int]:
    return (done.new, done.changed, done.moved, done.gone, done.unchanged)


def later(path: Path) -> None:
    """A time of change that is another one, also on coarse clocks."""
    moment = path.stat().st_mtime_ns + 5 * 10**9
    os.utime(path, ns=(moment, moment))


class TestChanges:
    def test_new_changed_touched_and_unchanged(self, library: Library, sounds: Path) -> None:
        assert told(add(library, sounds)) == (5, 0, 0, 0, 0)
        assert told(add(library, sounds)) == (0, 0, 0, 0, 5)
        write(sounds / "rain.flac", noise(1.0, 99))
        later(sounds / "rain.flac")
        later(sounds / "dogs" / "bark_01.wav")
        write(sounds / "more.wav", noise(1.0, 98))
        assert told(add(library, sounds)) == (1, 1, 0, 0, 4)
        check(library, sounds)
        assert told(add(library, sounds)) == (0, 0, 0, 0, 6)

    def test_moved_files_are_not_embedded_again(
        self, library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add(library, sounds)
        rows = {row.path.name: row.row for row in library.rows()}
        (sounds / "cats").mkdir()
        (sounds / "dogs" / "bark_01.wav").rename(sounds / "cats" / "meow.wav")
        (sounds / "drums").rename(sounds / "percussion")
        monkeypatch.setattr(Bundle, "embed", lambda *_, **__: pytest.fail("embedded again"))
        assert told(add(library, sounds)) == (0, 0, 3, 0, 2)
        monkeypatch.undo()
        check(library, sounds)
        moved = {row.path.name: row.row for row in library.rows()}
        assert moved["meow.wav"] == rows["bark_01.wav"]
        assert moved["kick_04.wav"] == rows["kick_04.wav"]
        assert library.find("meow", by="name")
        assert not library.find("bark 01", by="name")

    def test_a_file_moved_over_another(self, library: Library, sounds: Path) -> None:
        add(library, sounds)
        (sounds / "rain.flac").unlink()
        (sounds / "dogs" / "bark_01.wav").replace(sounds / "dogs" / "bark_02.wav")
        done = add(library, sounds)
        assert (done.moved, done.gone) == (1, 1)
        check(library, sounds)

    def test_gone_and_back(self, library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        add(library, sounds)
        shutil.move(sounds / "drums", sounds.parent / "aside")
        assert told(add(library, sounds)) == (0, 0, 0, 2, 3)
        check(library, sounds)
        assert library.find("kick", by="name") == []
        assert told(add(library, sounds)) == (0, 0, 0, 0, 3)
        shutil.move(sounds.parent / "aside", sounds / "drums")
        monkeypatch.setattr(Bundle, "embed", lambda *_, **__: pytest.fail("embedded again"))
        assert add(library, sounds).unchanged == 5
        monkeypatch.undo()
        check(library, sounds)

    @pytest.mark.parametrize("back", ["a.wav", "c.wav"])
    @pytest.mark.parametrize("content", [50, 0])
    def test_another_sound_in_the_place_of_one_that_is_back(
        self, library: Library, sounds: Path, back: str, content: int
    ) -> None:
        """The record of what lay there belongs to one file alone, in whichever order both are read."""
        place = sounds / "dogs" / "bark_01.wav"  # which holds noise(0.5, 0)
        add(library, sounds)
        place.rename(sounds.parent / "aside.wav")
        assert add(library, sounds).gone == 1
        write(place, noise(0.5, content))
        (sounds.parent / "aside.wav").rename(sounds / "dogs" / back)
        add(library, sounds, workers=1)
        check(library, sounds)
        assert told(add(library, sounds)) == (0, 0, 0, 0, 6)

    def test_two_copies_of_a_moved_file(self, library: Library, sounds: Path) -> None:
        add(library, sounds)
        shutil.copy(sounds / "rain.flac", sounds / "one.flac")
        (sounds / "rain.flac").rename(sounds / "two.flac")
        assert told(add(library, sounds)) == (1, 0, 1, 0, 4)
        check(library, sounds)

    def test_files_elsewhere_are_left_alone(self, library: Library, sounds: Path, tmp_path: Path) -> None:
        other = write(tmp_path / "other.wav", noise(1.0, 55))
        add(library, sounds, other)
        other.unlink()
        assert add(library, sounds).gone == 0  # a drive that is not there takes nothing with it
        assert len(library) == 6
        for path in sounds.rglob("*.*"):
            path.unlink()
        with pytest.raises(TinyclapError, match="no audio files below"):
            add(library, sounds)
        assert len(library) == 6

    def test_bad_files_are_named_and_tried_again_once_they_change(
        self, library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = sounds / "bad.wav"
        bad.write_bytes(b"no sound")
        for unchanged in (0, 5):
            done = add(library, sounds)
            assert [(path, bool(reason)) for path, reason in done.unreadable] == [(bad, True)]
            assert (done.new, done.unchanged) == (5 - unchanged, unchanged)
            check(library, sounds)
            monkeypatch.setattr(contents, "sha256_of", lambda path: pytest.fail(f"{path} is read again"))
        monkeypatch.undo()
        write(bad, noise(1.0, 7))
        done = add(library, sounds)
        assert (done.unreadable, done.unchanged, len(library)) == ([], 5, 6)
        bad.write_bytes(b"broken again")
        done = add(library, sounds)
        assert ([path for path, _ in done.unreadable], len(library)) == ([bad], 5)

    @pytest.mark.skipif(sys.platform != "linux", reason="names are bytes")
    def test_a_name_that_is_not_valid_utf_8(self, library: Library, sounds: Path) -> None:
        odd = os.fsencode(sounds) + b"/caf\xe9.wav"
        shutil.copy(os.fsencode(sounds / "rain.flac"), odd)
        for unchanged in (0, 5, 5):
            done = add(library, sounds)
            assert told(done) == (5 - unchanged, 0, 0, 0, unchanged)
            assert [reason for _, reason in done.unreadable] == ["its name is not valid UTF-8; rename it"]
        os.unlink(odd)
        os.rename(sounds / "rain.flac", odd)  # which needs not be read
        for expected in ((0, 0, 1, 0, 4), (0, 0, 0, 0, 5)):
            assert told(add(library, sounds)) == expected
        os.unlink(odd)
        for gone in (1, 0):
            assert told(add(library, sounds)) == (0, 0, 0, gone, 4)
        assert len(library) == 4

    def test_a_file_that_changes_while_it_is_read(
        self, library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Bundle.embed
        times: list[int] = []

        def changing(bundle: Bundle, sound: Path, **how: Any) -> np.ndarray:
            made = real(bundle, sound, **how)
            if sound == sounds / "rain.flac" and len(times) < most:
                times.append(1)
                write(sound, noise(1.0, 200 + len(times)))
                later(sound)
            return made

        monkeypatch.setattr(Bundle, "embed", changing)
        most = 2
        assert told(add(library, sounds)) == (5, 0, 0, 0, 0)
        check(library, sounds)  # the last content, not the one before
        later(sounds / "rain.flac")
        write(sounds / "rain.flac", noise(1.0, 300))
        most = 99
        done = add(library, sounds)
        assert done.unreadable == [(sounds / "rain.flac", update.KEEPS_CHANGING)]
        monkeypatch.undo()
        assert told(add(library, sounds)) == (0, 1, 0, 0, 4)  # tried again though nothing has changed since
        check(library, sounds)


def test_compaction_takes_what_is_gone_off_the_disk(library: Library, sounds: Path) -> None:
    add(library, sounds)
    write(sounds / "rain.flac", noise(1.0, 99))
    shutil.rmtree(sounds / "dogs")
    add(library, sounds)
    reader = Library.open(library.folder)
    assert {row.row for row in reader.rows()} == {2, 3, 5}
    assert library.compact() == 3
    for opened in (library, reader):
        check(opened, sounds)
        assert [row.row for row in opened.rows()] == [0, 1, 2]
    assert [path.stat().st_size for path in library.folder.glob("vectors-*")] == [3 * 16 * 4]
    assert library.compact() == 0
    add(library, sounds)
    check(library, sounds)


class TestRelocate:
    def test_what_lay_there_lies_here(self, library: Library, sounds: Path, tmp_path: Path) -> None:
        add(library, sounds)
        sounds.rename(tmp_path / "drive")
        assert library.relocate(sounds, tmp_path / "drive") == 5
        check(library, tmp_path / "drive")
        assert told(add(library, tmp_path / "drive")) == (0, 0, 0, 0, 5)

    def test_refused(self, library: Library, sounds: Path, tmp_path: Path) -> None:
        add(library, sounds)
        (tmp_path / "empty").mkdir()
        for old, new, message in (
            (sounds, tmp_path / "none", "there is no folder"),
            (tmp_path / "else", tmp_path / "empty", f"no file of the library lies below .*; its folders are {sounds}"),
            (sounds, tmp_path / "empty", "none of 5 files of .* lies below"),
        ):
            with pytest.raises(TinyclapError, match=message):
                library.relocate(old, new)
        shutil.copytree(sounds, tmp_path / "copy")
        add(library, tmp_path / "copy")
        with pytest.raises(TinyclapError, match="is in the library already; nothing was changed"):
            library.relocate(sounds, tmp_path / "copy")


class TestOtherProcesses:
    def test_one_writes_at_a_time(self, library: Library, sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with locks.alone(library.folder), pytest.raises(TinyclapError, match="another process is writing library"):
            library.add([sounds], progress=False, wait=False)
        waiter = subprocess.Popen(
            [sys.executable, "-c", _ADD, str(library.folder), str(sounds)], stderr=subprocess.PIPE, text=True
        )
        assert waiter.stderr
        with locks.alone(library.folder):
            assert "waiting for it to end" in waiter.stderr.readline()
        assert waiter.wait(60) == 0
        waiter.stderr.close()
        assert told(add(library, sounds)) == (0, 0, 0, 0, 5)

    def test_an_interrupted_update_keeps_what_is_done(
        self, library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Bundle.embed

        def interrupted(bundle: Bundle, sound: Path, **how: Any) -> np.ndarray:
            if sound.name == "SnareHit.wav":
                raise KeyboardInterrupt
            return real(bundle, sound, **how)

        monkeypatch.setattr(Bundle, "embed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            add(library, sounds, workers=1)
        monkeypatch.undo()
        kept = len(library)
        assert 0 < kept < 5
        assert told(add(library, sounds)) == (5 - kept, 0, 0, 0, kept)
        check(library, sounds)


_ADD = "import sys; from tinyclap import Library; Library.open(sys.argv[1]).add(sys.argv[2:], progress=False)"


def test_many_threads_make_the_same_library(bundle: Bundle, sounds: Path, tmp_path: Path) -> None:
    made = []
    for workers in (1, 5):
        library = Library.create(tmp_path / str(workers), bundle, codes="float32")
        add(library, sounds, workers=workers)
        made.append(([row.path for row in library.rows()], library.embeddings()))
    assert made[0][0] == made[1][0]
    np.testing.assert_array_equal(made[0][1], made[1][1])
    np.testing.assert_allclose(unit(made[0][1]), made[0][1], atol=1e-6)
