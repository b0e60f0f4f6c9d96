"""Runs with damaged result files are evaluated, pruned and exported, or refused in one line that names the file."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import run
from tests.support.damaged_runs import damage, whole_run
from tests.support.mutations import seeds
from tinyclap.errors import TinyclapError


@pytest.fixture(scope="module", autouse=True)
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sounds and embeddings are made once."""
    return tmp_path_factory.mktemp("cache")


def refused(*arguments: str) -> str:
    """Why a command refuses to do its work; empty if it does it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            run(*arguments)
        except TinyclapError as error:
            return str(error)
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(24))
def test_a_damaged_run_is_used_or_refused(
    tmp_path: Path, one_cache: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("TINYCLAP_CACHE", str(one_cache))
    folder = whole_run(tmp_path / "run", 0)
    name = damage(folder, np.random.default_rng([seed, 2]))
    commands = {
        "evaluate": ("evaluate", str(folder)),
        "prune": ("prune", str(folder), "--dim", "8", "--out", str(tmp_path / "pruned")),
        "export": ("export", str(folder), "--overwrite"),
    }
    for command, arguments in commands.items():
        if command == "export" and seed % 8:
            continue  # takes ten times as long
        refusal = refused(*arguments)
        assert not refusal or any(what in refusal for what in (name, str(folder))), refusal
