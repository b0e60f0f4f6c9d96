"""Which bundle is meant: one place more where people name one."""

import shutil
from pathlib import Path

import pytest

from tinyclap.common.files import write_json
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.suites.loading import bundle_of


def exported_run(run: Path, bundle: Path) -> Path:
    shutil.copytree(bundle, run / "bundle")
    (run / "recipe.yaml").write_text("{}")
    write_json(run / "env.json", {"started": "2026-01-01T00:00:00+00:00"})
    return run


def test_a_loaded_one_stays_as_it_is(bundle: Bundle) -> None:
    assert bundle_of(bundle) is bundle


def test_by_its_folder_or_that_of_its_run(folder: Path, tmp_path: Path) -> None:
    assert bundle_of(folder).folder == bundle_of(str(folder)).folder == folder
    run = exported_run(tmp_path / "runs" / "mine", folder)
    assert bundle_of(run).folder == run / "bundle"


def test_none_is_the_newest(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TinyclapError, match="no bundle is named"):
        bundle_of(None)
    exported_run(Path("runs/mine"), folder)
    assert bundle_of(None).folder == Path("runs/mine/bundle")


def test_there_is_none() -> None:
    with pytest.raises(TinyclapError, match="there is no folder nowhere"):
        bundle_of("nowhere")
