"""A library made by other processes is that of threads: its rows, what moved, what is unusable."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.commands import failure, run
from tests.support.sounds import noise, write
from tinyclap import Library
from tinyclap.audio.read_by_workers import Unusable
from tinyclap.cli.app import app
from tinyclap.common.crew.team import Team
from tinyclap.errors import TinyclapError
from tinyclap.library.answers import Update
from tinyclap.runtime.bundle import Bundle

TWO = Team(2)


def states(bundle: Bundle, sounds: Path, folder: Path, team: Team, *, windows: bool) -> list[Any]:
    """What a library tells and holds after each of several changes of its files."""
    library = Library.create(folder, bundle, windows=windows)
    found = []

    def note(update: Update) -> None:
        rows = [(hit.row, hit.path.name, hit.start_s, hit.end_s, hit.duration_s) for hit in library.rows()]
        unreadable = [(path.name, reason) for path, reason in update.unreadable]
        counts = (update.new, update.changed, update.moved, update.gone, update.unchanged)
        found.append((counts, unreadable, rows, library.embeddings().tobytes()))

    (sounds / "bad.wav").write_bytes(b"no sound")
    note(library.add([sounds], team=team, progress=False))
    (sounds / "rain.flac").rename(sounds / "drums" / "moved.flac")
    shutil.copy(sounds / "drums" / "moved.flac", sounds / "copy.flac")
    (sounds / "bad.wav").unlink()
    write(sounds / "dogs" / "bark_01.wav", noise(1.2, 77))
    note(library.add([sounds], team=team, progress=False))
    (sounds / "copy.flac").unlink()
    note(library.add([sounds], team=team, progress=False))
    return found


@pytest.mark.parametrize("windows", [False, True])
def test_the_library_is_that_of_threads(bundle: Bundle, sounds: Path, tmp_path: Path, windows: bool) -> None:
    shutil.copytree(sounds, tmp_path / "again" / "sounds")
    shutil.copy2(sounds / "rain.flac", tmp_path / "again" / "sounds" / "rain.flac")
    alone = states(bundle, sounds, tmp_path / "alone", Team(threads=1), windows=windows)
    by_workers = states(bundle, tmp_path / "again" / "sounds", tmp_path / "workers", TWO, windows=windows)
    assert by_workers == alone
    assert [counts for counts, *_ in alone] == [(5, 0, 0, 0, 0), (1, 1, 1, 1, 3), (0, 0, 0, 1, 5)]


def test_the_command(home: Path, made: Path) -> None:
    told = json.loads(run("index", "sounds", "--out", "new", "--bundle", str(made), "--workers", "2", "--json"))
    assert told["new"] == 5
    words = ["index", "sounds", "--out", "new", "--workers", "2", "--threads", "2"]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert "--threads are of this process; leave them out with --workers or --ray" in refused.stderr


def test_files_that_a_workers_machine_does_not_have(
    bundle: Bundle, sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Team, "crew", lambda *_, **__: Blind())
    library = Library.create(tmp_path / "lib", bundle)
    with pytest.raises(TinyclapError, match="is here, and a worker does not have it: all nodes of a cluster read"):
        library.add([sounds], team=TWO, progress=False)
    assert len(library) == 0
    assert library.catalogue.n_files() == 0, "none of them is noted as unusable"


class Blind:
    """A crew that has no file."""

    size = 1

    def __enter__(self) -> "Blind":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, item: Any) -> Unusable:
        return Unusable(None)


def test_a_bundle_that_is_not_there(home: Path, made: Path) -> None:
    told, code = failure("index", "sounds", "--out", "new", "--bundle", "nowhere", "--workers", "2")
    assert "nowhere" in told
    assert code == 2
