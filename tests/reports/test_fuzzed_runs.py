"""Run folders with damaged result files: what can be shown is shown, and what cannot is named."""

import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reports.test_search_report import fake_result, fake_search
from tests.support.commands import run
from tests.support.damaged_runs import FILES, OF_WORDS, WEIGHTS_OF_WORDS, damage, whole_run
from tests.support.mutations import as_json, bounded, odd, refusable, seeds
from tests.support.report_runs import add_text, fake_text, fake_words
from tinyclap.reports import pareto, run_charts, search_report
from tinyclap.reports.plots.lines import Line
from tinyclap.reports.plots.scatter import Scatter
from tinyclap.runs.figures import LARGEST


def told(*arguments: str) -> str:
    """What a command says, in bounded time and memory."""
    with bounded():
        return run(*arguments)


def words_of(page: str) -> str:
    """A page without code and without what is quoted of damaged files."""
    return re.sub(
        r"```.*?```|<code>.*?</code>|[^\n]*(?:cannot be used|cannot be read|damaged)[^\n]*", "", page, flags=re.DOTALL
    )


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures, which take most of a report's time, are not drawn; that they could be is checked."""

    def no_lines(
        title: str, x_name: str, lines: Sequence[Line], *_: object, base: int | None = None, **__: Any
    ) -> None:
        for x, y in [point for line in lines for point in line.points]:
            assert abs(x) <= LARGEST
            assert abs(y) <= LARGEST
            assert x > 0 or not base

    def no_scatter(scatter: Scatter) -> None:
        for point in scatter.points:
            assert 0 < point.x <= LARGEST
            assert abs(point.y) <= LARGEST

    monkeypatch.setattr(run_charts, "line_plot", no_lines)
    monkeypatch.setattr(pareto, "scatter_plot", no_scatter)


def check(folder: Path) -> None:
    """A damaged run's table, JSON and report are there, and the report invents nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        assert str(folder) in told("info", str(folder))
        assert json.loads(told("info", str(folder), "--json"))["run"] == str(folder)
        told("report", str(folder))
    for page in ("report.md", "report.html"):
        text = (folder / "report" / page).read_text(encoding="utf-8")
        assert len(text) > 1500
        assert not re.search(r"\b(nan|inf|None)\b", words_of(text))
        for warning in caught:
            file = next(name for name in (*OF_WORDS, *FILES) if name in str(warning.message))
            assert file in text


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("seed", seeds(160))
def test_a_damaged_run_is_shown(tmp_path: Path, seed: int) -> None:
    folder = whole_run(tmp_path / "run", seed)
    damage(folder, np.random.default_rng(seed))
    check(folder)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("seed", seeds(60))
def test_a_damaged_run_with_words_is_shown(tmp_path: Path, seed: int) -> None:
    alone = seed % 2 == 0
    folder = fake_words(tmp_path / "run") if alone else add_text(whole_run(tmp_path / "run", seed), fake_text())
    damage(folder, np.random.default_rng([seed, 2]), OF_WORDS, WEIGHTS_OF_WORDS)
    check(folder)


@pytest.mark.parametrize("seed", seeds(12))
def test_a_damaged_run_is_shown_with_its_pictures(tmp_path: Path, seed: int) -> None:
    folder = whole_run(tmp_path / "run", seed)
    damage(folder, np.random.default_rng([seed, 1]))
    check(folder)


@pytest.mark.parametrize("seed", seeds(40))
def test_a_damaged_search_is_shown_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(search_report, "pictures", lambda result: search_report.scatters(result) and [])
    rng = np.random.default_rng(seed)
    folder = fake_search(tmp_path / "search", as_json(odd(fake_result(), rng)))
    with refusable(folder / "search.json"):
        run("report", str(folder))
        assert "Ranking" in (folder / "report" / "report.md").read_text(encoding="utf-8")
