"""A damaged library is mended, or the message says what mends it; a full disk is called a full disk."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.library.conftest import NAMES
from tests.support.commands import failure, invoke
from tests.support.sounds import noise, write
from tinyclap import Library
from tinyclap.errors import MachineError, TinyclapError
from tinyclap.library import update
from tinyclap.library.vectors import Vectors
from tinyclap.runtime.bundle import Bundle


@pytest.fixture
def library(bundle: Bundle, sounds: Path, tmp_path: Path) -> Library:
    made = Library.create(tmp_path / "lib", bundle, codes="float32")
    made.add([sounds], progress=False)
    return made


def vectors_of(library: Library) -> Path:
    return library.folder / "vectors-0.f32"


class TestLostVectors:
    @pytest.mark.parametrize(("cut", "lost"), [(None, 5), (0, 5), (2 * 64, 3), (5 * 64 - 1, 1)])
    def test_are_made_again(self, library: Library, bundle: Bundle, cut: int | None, lost: int) -> None:
        library.tag(["dog"])
        library.close()
        if cut is None:
            vectors_of(library).unlink()
        else:
            vectors_of(library).write_bytes(vectors_of(library).read_bytes()[:cut])
        with pytest.raises(TinyclapError, match="embeds the files of the others again"):
            Library.open(library.folder).find("rain")
        out, _ = invoke("index", "--out", str(library.folder))
        assert f"mended   the vectors of {lost} files were missing: those there were embedded again" in out
        assert f"0 new, {lost} changed, 0 moved, 0 gone, {5 - lost} unchanged" in out
        with Library.open(library.folder) as again:
            rows = again.rows()
            assert {str(row.path)[-9:] for row in rows} == {name[-9:] for name in NAMES}
            assert len(rows) == 5
            np.testing.assert_allclose(again.embeddings(), bundle.embed([row.path for row in rows]), atol=1e-6)
            assert all(row.tags == ("dog",) for row in rows)
            assert again.add([rows[0].path], progress=False).lost == 0
        assert "mended" not in invoke("index", "--out", str(library.folder))[0]

    def test_files_that_are_not_there_wait_for_their_return(self, library: Library, sounds: Path) -> None:
        library.close()
        vectors_of(library).unlink()
        shutil.move(sounds / "drums", sounds.parent / "aside")
        with Library.open(library.folder) as again:
            other = write(sounds.parent / "other.wav", noise(1.0, 70))
            done = again.add([other], progress=False)
            assert (done.new, done.changed, done.lost) == (1, 3, 5)
            assert len(again.find("rain", by="sound")) == 4
            shutil.move(sounds.parent / "aside", sounds / "drums")
            again.add([sounds], progress=False)
            assert len(again.find("rain", by="sound")) == 6
            assert again.find("drums kick", by="name")[0].path == sounds / "drums" / "kick_04.wav"


class TestAdvice:
    @pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
    def test_unreadable_facts(self, library: Library, content: str) -> None:
        library.close()
        (library.folder / "library.json").write_text(content)
        message, _ = failure("find", "rain", "--lib", str(library.folder))
        assert f"remove the whole folder {library.folder} and make it again: tinyclap index FOLDER --out" in message
        assert failure("index", "--lib", str(library.folder))[0] == message

    def test_no_facts(self, library: Library, sounds: Path, made: Path) -> None:
        library.close()
        (library.folder / "library.json").unlink()
        message, _ = failure("index", str(sounds), "--lib", str(library.folder), "--bundle", str(made))
        assert "is a library without its library.json; copy the library again, or remove the whole folder" in message

    @pytest.mark.parametrize("content", [None, b"no database at all" * 100])
    def test_catalogue(self, library: Library, content: bytes | None) -> None:
        library.close()
        catalogue = library.folder / "catalogue.sqlite"
        catalogue.unlink()
        if content:
            catalogue.write_bytes(content)
        for command in (("find", "rain"), ("index",)):
            message, _ = failure(*command, "--lib", str(library.folder))
            assert f"remove the whole folder {library.folder} and make it again" in message


class TestFullDisk:
    """What was committed before stays, and the same command goes on."""

    @pytest.fixture
    def begun(self, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
        monkeypatch.setattr(update, "COMMIT_S", 0.0)  # a commit for every file
        return Library.create(tmp_path / "lib", bundle, codes="float32")

    def goes_on(self, library: Library, sounds: Path, kept: int) -> None:
        library.close()
        with Library.open(library.folder, library.bundle) as again:
            assert len(again) == kept
            assert len(again.find(like=sounds / "rain.flac")) == kept
        out, _ = invoke("index", "--out", str(library.folder))  # the folder is known, though it was not finished
        assert f"{5 - kept} new, 0 changed, 0 moved, 0 gone, {kept} unchanged" in out
        with Library.open(library.folder) as again:
            np.testing.assert_allclose(
                again.embeddings(), again.bundle.embed([row.path for row in again.rows()]), atol=1e-6
            )

    def test_while_vectors_are_written(self, begun: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.fsync

        def fsync(descriptor: int) -> None:
            if Vectors(begun.folder, "float32", 16, 0, 9).rows_there > 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(MachineError, match=r"vectors-0\.f32 cannot be written: No space left .* before is kept"):
            begun.add([sounds], workers=1, progress=False)
        monkeypatch.undo()
        self.goes_on(begun, sounds, 3)

    def test_while_the_database_is_written(self, begun: Library, sounds: Path) -> None:
        (most,) = begun.catalogue.run("PRAGMA page_count")[0]
        begun.add([sounds / "rain.flac"], progress=False)
        begun.catalogue.run(f"PRAGMA max_page_count = {most}")
        for number in range(200):  # enough for the database to need another page
            write(sounds / f"{number} with a long name {'x' * 150}.wav", noise(0.1, 100 + number))
        with pytest.raises(TinyclapError, match="full; what was indexed before is kept"):
            begun.add([sounds], workers=1, progress=False)
        for path in sounds.glob("*with a long name*"):
            path.unlink()
        begun.close()
        with Library.open(begun.folder, begun.bundle) as again:
            kept = len(again)
            assert 1 <= kept < 205
            again.catalogue.run("PRAGMA max_page_count = 100000")
            again.add([sounds], progress=False)
            assert len(again) == 5
            np.testing.assert_allclose(
                again.embeddings(), again.bundle.embed([row.path for row in again.rows()]), atol=1e-6
            )
