"""What is understood, as pages and the console show it."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.mutations import as_json, bounded, odd, seeds
from tests.support.report_runs import fake_run, html_tables, pages, text_of
from tinyclap.common.files import parse_json
from tinyclap.common.structure import fitting
from tinyclap.reports.console.probe import as_table
from tinyclap.reports.probe import probe_tables
from tinyclap.runs.probe import ProbeResult


def score(accuracy: float, low: float, high: float) -> dict:
    return {"accuracy": accuracy, "ci95": [low, high], "n": 100}


def fake_probe() -> dict:
    sounds = {"kind": "sounds", "puzzles": 50}
    knows, guesses = score(0.9, 0.85, 0.95), score(0.5, 0.4, 0.6)
    return {
        **{"seed": 0, "n": 50, "duration_s": 5.0, "recordings": 1100, "texts": 700},
        "probes": [
            {
                **{"probe": "names", "asks": "which of four", "choices": 4, "chance": 0.25, **sounds},
                "by": [{"ears": "student", "words": "teacher", "right_text": knows, "right_sound": knows}],
            },
            {
                **{
                    "probe": "arithmetic",
                    "asks": "where is both",
                    "choices": 4,
                    "chance": 0.25,
                    "by_one": 0.5,
                    **sounds,
                },
                "by": [{"ears": "student", "words": "teacher", "right_text": guesses, "right_sound": guesses}],
            },
            {
                **{"probe": "order", "asks": "which first", "choices": 2, "chance": 0.5, "chance_all": 1 / 6, **sounds},
                "by": [
                    {
                        **{"ears": "student", "words": "teacher", "right_text": guesses, "right_sound": guesses},
                        "all": score(0.02, 0.0, 0.06),
                    }
                ],
            },
            {
                **{
                    "probe": "order",
                    "kind": "texts",
                    "asks": "other words",
                    "choices": 2,
                    "chance": 0.5,
                    "puzzles": 50,
                },
                "by": [{"words": "teacher", "right_text": knows}],
            },
        ],
    }


def test_what_is_no_better_than_chance_or_than_one_half_is_said() -> None:
    shown = probe_tables(fake_probe())
    assert shown is not None
    assert shown["at_chance"] == ["student's ears, teacher's words: no better than chance at arithmetic, order"]
    assert [table["title"].split()[0] for table in shown["tables"]] == ["Which", "Which", "Both", "Which"]
    both = shown["tables"][2]["rows"]
    assert [(row.name, row.cells, row.chance) for row in both] == [("order", ["2.0 % [0.0, 6.0]"], "16.7 %")]
    assert shown["tables"][0]["rows"][1].chance == "25.0 %, by one of two 50.0 %"


def test_the_console_says_how_much_was_asked_and_what_is_next(tmp_path: Path) -> None:
    told = as_table(fake_probe(), tmp_path / "bundle")
    assert "1,100 generated recordings of 5.0 s, 700 texts, 50 puzzles of each probe, seed 0" in told
    assert told.splitlines()[-1] == f"next     tinyclap classify YOUR_SOUNDS --bundle {tmp_path / 'bundle'}"


def test_the_report_has_a_section_where_a_run_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = fake_run(Path("runs/esc10-1"))
    assert 'id="probe"' not in pages(folder)[0]
    (folder / "probe.json").write_text(json.dumps(fake_probe()))
    page, markdown = pages(folder)
    rows = html_tables(page)["Which text belongs to a recording"]
    assert rows[1][1:] == ["90.0 % [85.0, 95.0]", "25.0 %"]
    for text in (text_of(page), markdown):
        assert "no better than chance at arithmetic, order" in text
        assert "read each line beside that of the names" in text


def test_of_a_damaged_file_the_rest_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder, content = fake_run(Path("runs/esc10-1")), fake_probe()
    content["probes"][0]["by"][0]["right_text"]["accuracy"] = "high"
    content["probes"][2]["chance"] = 7
    (folder / "probe.json").write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="probe.json is damaged"):
        page, _ = pages(folder)
    rows = html_tables(page)["Which text belongs to a recording"]
    assert len(rows) == 4
    assert "high" not in rows[1][1]


@pytest.mark.parametrize("seed", seeds(80))
def test_fuzzed_files_are_shown_as_far_as_they_go(seed: int) -> None:
    text = as_json(odd(fake_probe(), np.random.default_rng(seed)))
    with bounded():
        try:
            found, _ = fitting(parse_json(text), ProbeResult)
        except ValueError:  # no JSON any more, which is said where the file is read
            return
        as_table(found or {}, Path("bundle"))
        for table in (probe_tables(found or {}) or {"tables": []})["tables"]:
            assert all(len(row.cells) == len(table["pairs"]) for row in table["rows"])
