"""What one process asks while another one writes: the answer is of one state of the library, before or after."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.sounds import noise, write
from tinyclap import Hit, Library
from tinyclap.library import search
from tinyclap.library.catalogue import Catalogue
from tinyclap.library.export import export
from tinyclap.library.vectors import Vectors
from tinyclap.runtime.bundle import Bundle

WAIT_S = 0.4  # for a compaction that may have to wait for the question itself


@pytest.fixture(params=[False, True], ids=["files", "windows"])
def library(bundle: Bundle, sounds: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Library:
    """Four files, of which rows come after dead ones."""
    made = Library.create(tmp_path / "lib", bundle, codes="float32", windows=request.param)
    made.add([sounds], progress=False)
    (sounds / "dogs" / "bark_01.wav").unlink()
    made.add([sounds], progress=False)
    return made


class Once:
    """Has another process compact the library the first time that a function has been called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, owner: Any, name: str) -> None:
        self.folder, self.real, self.thread = folder, getattr(owner, name), threading.Thread(target=self.compact)
        self.left_out = 0
        real: Callable[..., Any] = self.real

        def called(*arguments: Any, **named: Any) -> Any:
            answer = real(*arguments, **named)
            if self.thread.ident is None:
                self.thread.start()
                self.thread.join(WAIT_S)
            return answer

        monkeypatch.setattr(owner, name, called)

    def compact(self) -> None:
        with Library.open(self.folder) as other:
            self.left_out = other.compact()

    def done(self) -> None:
        self.thread.join(60)
        assert self.left_out


PLACES = [(search, "nearest"), (Catalogue, "dead_rows"), (Catalogue, "n_rows"), (Vectors, "cosines")]
ASKING = """
import sys, time
from pathlib import Path
from tinyclap import Library
from tinyclap.library import search
library, like, began, done = sys.argv[1:]
real = search.nearest
def nearest(*given):
    Path(began).touch()
    while not Path(done).exists():
        time.sleep(0.01)
    return real(*given)
search.nearest = nearest
print(len(Library.open(library).find(like=like)))
"""


def right(hits: list[Hit], library: Library, query: np.ndarray) -> None:
    """Every answer has the file and the score that belong together."""
    assert len({hit.path for hit in hits}) == 4
    for hit in hits:
        rows = library.bundle.embed_windows(hit.path)[1] if library.windows else library.bundle.embed([hit.path])
        assert hit.score == pytest.approx(float((rows @ query).max()), abs=1e-5)


@pytest.mark.parametrize(("owner", "name"), PLACES)
def test_find(library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    with Library.open(library.folder, library.bundle) as reader:
        other = Once(monkeypatch, library.folder, owner, name)
        (query,) = library.bundle.embed(sounds / "rain.flac")
        hits = reader.find(like=sounds / "rain.flac", where="duration>0")
        other.done()
        right(hits, library, query)
        right(reader.find(like=sounds / "rain.flac"), library, query)


@pytest.mark.parametrize(("owner", "name"), PLACES[:2])
def test_similar(library: Library, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    rows = library.rows()
    row = next(row for row in rows if row.path.name == "rain.flac")
    query = library.embeddings([row.row])[0]
    with Library.open(library.folder) as reader:
        other = Once(monkeypatch, library.folder, owner, name)
        hits = reader.similar(row.row, 9)
        other.done()
        assert "rain.flac" not in {hit.path.name for hit in hits}
        right([*hits, replace(row, score=1.0)], library, query)


def test_rows_are_read_of_a_file_that_was_removed_since(library: Library) -> None:
    with Library.open(library.folder) as reader:
        state = reader._reader.state()
        expected = library.embeddings()
        live = search.live(state.vectors.n_rows, state.dead)
        assert library.compact()
        np.testing.assert_array_equal(state.vectors.read(live), expected)


def test_export(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyclap.library.export.ROWS_AT_ONCE", 1)
    expected = [hit.path for hit in library.rows()]
    with Library.open(library.folder) as reader:
        other = Once(monkeypatch, library.folder, Catalogue, "tags")
        export(reader, tmp_path / "x.csv")
        other.done()
    lines = (tmp_path / "x.csv").read_text().splitlines()[1:]
    assert [Path(line.split(",")[1]) for line in lines] == expected
    assert [int(line.split(",")[0]) for line in lines] == [hit.row for hit in library.rows()]


def test_a_moved_file_while_its_row_is_looked_up(
    library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record may be another one by then; only a library with windows looks rows up to choose among them."""
    shutil.move(sounds / "dogs" / "bark_02.wav", sounds / "rain.flac")
    with Library.open(library.folder, library.bundle) as reader:
        other = Once(monkeypatch, library.folder, search, "nearest")
        monkeypatch.setattr(other, "compact", lambda: None)
        other.thread = threading.Thread(target=lambda: Library.open(library.folder).add([sounds], progress=False))
        hits = reader.find(like=noise(1.0, 3), sample_rate=16_000)
        other.thread.join(60)
        assert len({hit.path for hit in hits}) in (3, 4)  # before or after
        assert len({hit.path for hit in reader.find(like=noise(1.0, 3), sample_rate=16_000)}) == 3


def test_a_long_question_keeps_nobody_from_writing(library: Library, sounds: Path, tmp_path: Path) -> None:
    """Another process compares vectors until this one has written; then it answers of what there is now."""
    began, done = tmp_path / "began", tmp_path / "done"
    command = [sys.executable, "-c", ASKING, *map(str, (library.folder, sounds / "rain.flac", began, done))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        while not began.exists():
            assert asking.poll() is None
            time.sleep(0.01)
        write(sounds / "fresh.wav", noise(1.0, 50))
        assert library.add([sounds], progress=False).new == 1
        assert library.compact()
        assert asking.poll() is None
        done.touch()
        answer, _ = asking.communicate(timeout=60)
    assert (asking.returncode, answer.strip()) == (0, "5")
