"""Run folders with damaged result files: what can be shown is shown, and what cannot is named."""

import json
import re
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.commands import run
from tests.support.mutations import as_json, bounded, damaged, odd, seeds
from tests.support.report_runs import fake_run
from tinyclap.reports import pareto, run_charts
from tinyclap.reports.plots.lines import Line
from tinyclap.reports.plots.scatter import Scatter
from tinyclap.runs.contents import LARGEST
from tinyclap.runs.results import BENCH, BUNDLE, EVALUATIONS, STUDENT, SWEEP

GOLDEN = Path(__file__).parents[1] / "golden" / "runs_0_1_0"
FILES = ("env.json", "metrics.jsonl", EVALUATIONS, "summary.json", "recipe.yaml", BENCH, BUNDLE, STUDENT, SWEEP)
WEIGHTS = (1, 1, 4, 3, 0.5, 1.5, 1, 1, 1)  # how often each is damaged
SWEEP_ROWS = [
    {"method": "none", "finetuned": False, "dim": 512, "accuracy": 0.6, "ci95": [0.5, 0.7], "knn10_overlap": 0.5},
    *(
        {
            "method": "rotation",
            "finetuned": False,
            "dim": dim,
            "accuracy": 0.5,
            "ci95": [0.3, 0.7],
            "knn10_overlap": 0.4,
        }
        for dim in (16, 8)
    ),
]


def whole_run(folder: Path, seed: int) -> Path:
    """A run with every result file: one that was really made, or one of many classes and epochs."""
    shutil.copytree(GOLDEN / "pruned", folder)
    (folder / BENCH).write_text((GOLDEN / "finished" / BENCH).read_text(encoding="utf-8"))
    (folder / SWEEP).write_text(json.dumps({"pruned_from": "finished", "rows": SWEEP_ROWS}))
    if seed % 2:
        for path in fake_run(folder.parent / "fake").glob("*.*"):
            if path.name != "summary.json":
                path.replace(folder / path.name)
    return folder


def damage(folder: Path, rng: np.random.Generator) -> str:
    """Damage one result file; returns its name."""
    name = str(rng.choice(FILES, p=np.array(WEIGHTS) / sum(WEIGHTS)))
    path = folder / name
    if rng.random() < 0.2 or name.endswith(".yaml"):
        path.write_bytes(damaged(path.read_bytes(), rng))
    elif name.endswith(".jsonl"):
        rows = odd([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()], rng)
        path.write_text("".join(as_json(row) + "\n" for row in rows), encoding="utf-8")
    else:
        path.write_text(as_json(odd(json.loads(path.read_text(encoding="utf-8")), rng)), encoding="utf-8")
    return name


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
        assert len(text) > 2000
        assert not re.search(r"\b(nan|inf|None)\b", words_of(text))
        for warning in caught:
            file = next(name for name in FILES if name in str(warning.message))
            assert file in text


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("seed", seeds(160))
def test_a_damaged_run_is_shown(tmp_path: Path, seed: int) -> None:
    folder = whole_run(tmp_path / "run", seed)
    damage(folder, np.random.default_rng(seed))
    check(folder)


@pytest.mark.parametrize("seed", seeds(12))
def test_a_damaged_run_is_shown_with_its_pictures(tmp_path: Path, seed: int) -> None:
    folder = whole_run(tmp_path / "run", seed)
    damage(folder, np.random.default_rng([seed, 1]))
    check(folder)
