"""A search's report says what search.json says: its ranking, its front, its budget."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import failure, invoke, run
from tests.support.pages import svg
from tests.support.report_runs import fake_environment, fake_run, html_tables, markdown_table, text_of
from tinyclap.errors import TinyclapError
from tinyclap.models.student_config import StudentConfig
from tinyclap.reports import search_report
from tinyclap.reports.console.search import short
from tinyclap.reports.plots.scatter import Scatter, write_scatter_plots


def trial(value: float, macs: int, *, finished: bool = True, **others: Any) -> dict[str, Any]:
    costs = {"macs": macs, "parameters": 250_000, "ram_bytes": 128 * 1024, "flash_bytes": 266 * 1024}
    told = {"centred_cosine": value, "epochs": 24 if finished else 3, "finished": finished, **costs, **others}
    return {**told, "student": dataclasses.asdict(StudentConfig(embed_dim=32))}


def fake_result() -> dict[str, Any]:
    limits = {"macs": 5_000_000, "parameters": None, "ram_bytes": 131_072, "flash_bytes": None, "latency_ms": None}
    return {
        "budget": {**limits, "precision": "int8", "fused": True, "latency": None},
        **{"trials": [trial(0.7, 4_000_000), trial(0.6, 3_000_000), trial(0.5, 4_500_000)], "epochs": 24, "seed": 0},
        **{"views": 8, "environment": {"cpu": "Some CPU"}, "data": "kind=esc50", "students": 2_721_600},
        **{"fitting": 948_082, "held_out_clips": 50, "full_dim": 384, "recipe": "task: distill\n"},
    }


def fake_search(folder: Path, result: Any = None, chosen: str | None = "task: distill\nname: chosen\n") -> Path:
    folder.mkdir(parents=True)
    (folder / "asked.json").write_text("{}")
    content = fake_result() if result is None else result
    (folder / "search.json").write_text(content if isinstance(content, str) else json.dumps(content))
    if chosen is not None:
        (folder / "chosen.yaml").write_text(chosen)
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pages(folder: Path) -> tuple[str, str]:
    page = search_report.write_search_report(folder)
    return page.read_text(encoding="utf-8"), page.with_name("report.md").read_text(encoding="utf-8")


def test_report_of_a_search_is_written_by_the_same_command() -> None:
    folder = fake_search(Path("runs/esc10-search"))
    assert run("report", str(folder)).strip() == str(folder / "report" / "report.html")
    page, markdown = pages(folder)
    rows = markdown_table(markdown, "Ranking")
    assert rows == html_tables(page)["The students that were trained"]
    assert rows[1] == ["budget", "", "", "5.00 M", "", "128 KiB", "", ""]
    told = short(fake_result()["trials"][0]["student"])
    assert rows[2] == ["1", "0.700", "24", "4.00 M", "250 k", "128 KiB", "266 KiB", told]
    for text in (text_of(page), markdown):
        assert "Of 948 k students that fit the budget, 3 were trained briefly" in text
        assert "with fused blocks" in text
    said = re.findall(r"<desc[^>]*>(Centred cosine against [^<]*)</desc>", page)
    assert [text.split(":")[0].rpartition(" ")[2] for text in said] == ["MACs", "RAM", "flash"]
    assert said[0].endswith(
        "chosen 0.700 at 4.00 M, 250 k parameters; 2 0.600 at 3.00 M, 250 k parameters; "
        "3 0.500 at 4.50 M, 250 k parameters."
    )
    for text in said:
        assert text in markdown
    assert not re.search(r"https?:|@import|url\(|<link|<script|<img|<iframe", page)


def test_without_a_name_the_newest_of_runs_and_searches_is_meant() -> None:
    def ended(name: str, day: int) -> Path:
        made = fake_result() | {"environment": {"started": f"2026-01-0{day}T00:00:00+00:00"}}
        return fake_search(Path("runs", name), made)

    assert failure("report")[0].startswith("no run in ")
    search = ended("first-search", 2)
    out, err = invoke("report")
    assert (out, err) == (f"{search / 'report' / 'report.html'}\n", f"newest search: {search}\n")
    trained = fake_run(Path("runs/trained"), env={**fake_environment(), "started": "2026-01-03T00:00:00+00:00"})
    assert invoke("report")[1] == f"newest run: {trained}\n"
    assert invoke("report", str(search))[1] == ""
    later = ended("later-search", 4)
    assert invoke("report")[1] == f"newest search: {later}\n"
    (later / "search.json").unlink()
    assert invoke("report")[1] == f"newest run: {trained}\n", "a search that has not ended has no report yet"
    ended("timeless", 1)
    Path("runs/timeless/search.json").write_text(json.dumps(fake_result()))
    assert "runs/timeless/search.json does not say when the search started (None)" in failure("report")[0]


def test_the_front_and_the_budget_are_drawn() -> None:
    picture = search_report.pictures(search_report.read_search(fake_search(Path("s"))))[0]
    assert [label.text for label in svg.labels(picture.svg)] == ["chosen", "2"]
    found = {told.split()[0]: circle for told, circle in svg.circles(picture.svg).items()}
    two, chosen = found["2"], found["chosen"]
    assert svg.lines(picture.svg, "front") == [[(two.x, two.y), (chosen.x, two.y), (chosen.x, chosen.y)]]
    [[(limit, _), _]] = svg.lines(picture.svg, "limit")
    ticks = {tick.text: tick.x for tick in svg.texts(picture.svg)}
    assert limit == pytest.approx(ticks["5"], abs=0.01)
    assert limit > found["3"].x


def test_latency_is_drawn_where_it_is_limited() -> None:
    result = fake_result()
    result["budget"] |= {"latency_ms": 5.0, "latency": {"x": 1}}
    result["trials"] = [trial(0.5, 1_000_000, latency_ms=4.0, finished=False)]
    found = search_report.read_search(fake_search(Path("s"), result))
    assert [picture.title for picture in search_report.pictures(found)][-1] == "Centred cosine against latency"
    assert search_report.table(found)[2][2:7] == ["3, stopped", "1.00 M", "250 k", "128 KiB", "266 KiB"]
    _, markdown = pages(Path("s"))
    assert "--max-latency 5.0ms --latency FILE --precision int8 --fused --trials 1 --epochs 24" in markdown


def test_the_pictures_are_against_what_every_device_has_and_what_was_limited() -> None:
    result = fake_result()
    result["budget"] |= {"parameters": 300_000, "latency_ms": 5.0, "latency": {"x": 1}}
    for one in result["trials"]:
        one["latency_ms"] = 4.0
    scatters = search_report.scatters(result)
    pictures = search_report.pictures(result)
    assert [picture.title.rpartition(" ")[2] for picture in pictures] == [
        "MACs",
        "RAM",
        "flash",
        "parameters",
        "latency",
    ]
    for scatter, picture in zip(scatters, pictures, strict=True):
        assert scatter.cost.name.endswith(", logarithmic")
        assert scatter.cost.name in {text.text for text in svg.texts(picture.svg)}
    assert scatters[3].cost.limit == 300
    assert svg.lines(pictures[3].svg, "limit")


def test_the_searchs_own_picture_is_of_the_same_scatters(monkeypatch: pytest.MonkeyPatch) -> None:
    result, drawn = fake_result(), []

    def spy(path: Path, rows: list[list[Scatter]], note: str) -> None:
        drawn.extend(rows)
        write_scatter_plots(path, rows, note)

    monkeypatch.setattr(search_report, "write_scatter_plots", spy)
    search_report.write_front(result, Path("front.png"))
    assert Path("front.png").read_bytes().startswith(b"\x89PNG")
    assert [[(one.title, one.points) for one in row] for row in drawn] == [
        [(one.title, one.points) for one in search_report.scatters(result)]
    ]


def test_the_commands_are_those_of_the_search() -> None:
    _, markdown = pages(fake_search(Path("runs/my search")))
    assert "tinyclap search RECIPE --max-macs 5000000 --max-ram 131072B --precision int8 --fused" in markdown
    assert "--out 'runs/my search-again'" in markdown
    assert "tinyclap distill 'runs/my search/chosen.yaml' && tinyclap prune --dim 32" in markdown
    assert "tinyclap report 'runs/my search'" in markdown


@pytest.mark.parametrize("content", ["{", "[1]", "{}", '{"trials": [{}, 3]}', '{"trials": [{"student": {}}]}'])
def test_a_damaged_search_is_refused(content: str) -> None:
    folder = fake_search(Path("s"), content)
    with pytest.raises(TinyclapError, match=r"search\.json is damaged"):
        search_report.write_search_report(folder)
    assert not (folder / "report").exists()


@pytest.mark.parametrize("dim", [None, "384", 0, 1.5, True, [3]])
@pytest.mark.parametrize("name", ["full_dim", "embed_dim"])
def test_a_search_without_its_dimensions_is_refused(name: str, dim: Any) -> None:
    result = fake_result()
    (result if name == "full_dim" else result["trials"][0]["student"])[name] = dim
    fake_search(Path("s"), result)
    told = failure("report", "s")[0]
    assert "search.json is damaged (ValueError: " in told
    assert f"{name} is {dim!r}, expected a whole number above 0); remove it and run the same `tinyclap search`" in told


def test_a_search_that_does_not_tell_its_teachers_dimensions_is_refused() -> None:
    result = fake_result()
    del result["full_dim"]
    fake_search(Path("s"), result)
    assert "search.json is damaged (KeyError: 'full_dim')" in failure("report", "s")[0]


def test_a_search_that_has_not_ended_says_how_to_go_on() -> None:
    folder = fake_search(Path("s"))
    (folder / "search.json").unlink()
    assert "the same `tinyclap search` goes on with it" in failure("report", "s")[0]


def test_missing_parts_are_named_and_damaged_trials_left_out() -> None:
    result = fake_result()
    result["trials"] += [{"centred_cosine": "x"}, {"student": 3}]
    for key in ("environment", "students", "data", "recipe", "held_out_clips"):
        del result[key]
    result["trials"][1]["macs"] = "many"
    with pytest.warns(
        UserWarning, match=r"search\.json is damaged: trials\.1\.macs is \"many\", expected a number > 0"
    ):
        page, markdown = pages(fake_search(Path("s"), result, chosen=None))
    assert len(markdown_table(markdown, "Ranking")) == 5
    for text in (text_of(page), markdown):
        assert "chosen.yaml is not in the folder" in text
        assert "does not say where it was made" in text


def test_hostile_text_stays_text() -> None:
    name = "<script>alert(1)</script>|x"
    result = fake_result()
    result |= {"data": name, "recipe": name, "environment": {"cpu": name}}
    result["trials"][0]["student"]["phinet"]["activation"] = name
    page, markdown = pages(fake_search(Path("s"), result, chosen=name))
    assert "<script" not in page
    assert "<script" not in re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    assert len({len(row) for row in markdown_table(markdown.replace("\\|", "/"), "Ranking")}) == 1
