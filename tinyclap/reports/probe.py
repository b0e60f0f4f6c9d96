"""What ears and words understand, as reports and the console show it, from the content of probe.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyclap.common.numbers import DASH, known, percent
from tinyclap.reports.tables import with_interval
from tinyclap.runs.results import as_mapping, as_mappings

TABLES = (
    ("sounds", "right_text", "chance", "Which text belongs to a recording"),
    ("sounds", "right_sound", "chance", "Which recording belongs to a text"),
    ("sounds", "all", "chance_all", "Both texts and both recordings of a puzzle right"),
    ("texts", "right_text", "chance", "Which text says the same in other words, without any sound"),
)
"""The tables: of which puzzles, of which score, beside which chance, with which title."""
MEANING = (
    "Sounds are generated, so a model that was trained on real ones need not know them: read each line beside that of "
    "the names. At chance, a model goes by which words and sounds there are and not by what is said of them: "
    '"rain, no dog" then finds dogs, and sums or filters of several searches are the better way to ask.'
)


@dataclass(frozen=True)
class ProbeRow:
    """A probe in a table: the figures of each pair, and of chance, as text."""

    name: str
    help: str
    cells: list[str]
    chance: str


def probe_tables(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """All that a page shows of a probe; None without one."""
    rows = as_mappings(content.get("probes"))
    tables = [table for entry in TABLES if (table := _table(rows, *entry))]
    if not tables:
        return None
    return {
        "tables": tables,
        "at_chance": [line for table in tables[:1] for line in _at_chance(rows, table["pairs"])],
        "agreement": _agreement(rows),
        "meaning": MEANING,
        **{key: content.get(key) for key in ("n", "seed", "duration_s", "recordings", "texts")},
    }


def _table(rows: list[dict[str, Any]], kind: str, score: str, chance: str, title: str) -> dict[str, Any] | None:
    """One score of all probes of a kind, a column for each pair; None where nothing has it."""
    shown = [row for row in rows if row.get("kind") == kind and any(score in by for by in as_mappings(row.get("by")))]
    pairs = list(dict.fromkeys(pair_of(by) for row in shown for by in as_mappings(row.get("by"))))
    lines = []
    for row in shown:
        found = {pair_of(by): as_mapping(by.get(score)) for by in as_mappings(row.get("by"))}
        cells = [with_interval(told.get("accuracy"), told.get("ci95")) for told in (found.get(p, {}) for p in pairs)]
        by_one = f", by one of two {percent(row.get('by_one'))}" if known(row.get("by_one")) else ""
        beside = percent(row.get(chance)) + by_one
        lines.append(ProbeRow(str(row.get("probe")), str(row.get("asks") or ""), cells, beside))
    return {"title": title, "pairs": pairs, "rows": lines} if lines else None


def pair_of(by: Mapping[str, Any]) -> str:
    """Whose ears and words were measured, in words."""
    ears, words = by.get("ears"), by.get("words")
    if ears is None:
        return f"{words}'s words"
    return str(ears) if ears == words else f"{ears}'s ears, {words}'s words"


def _at_chance(rows: list[dict[str, Any]], pairs: list[str]) -> list[str]:
    """For each pair, the probes with sounds in which neither choice is better than chance, or one of two alone."""
    lines = []
    for pair in pairs:
        names = [
            str(row.get("probe"))
            for row in rows
            if row.get("kind") == "sounds" and known(row.get("chance"))
            for by in as_mappings(row.get("by"))
            if pair_of(by) == pair
            and not any(_beats(by.get(key), _floor(row)) for key in ("right_text", "right_sound"))
        ]
        if names:
            lines.append(f"{pair}: no better than chance at {', '.join(names)}")
    return lines


def _floor(row: Mapping[str, Any]) -> float:
    """What is to be beaten."""
    by_one = row.get("by_one")
    return max(float(row["chance"]), float(by_one) if known(by_one) else 0.0)


def _beats(score: Any, chance: float) -> bool:
    """Whether the whole interval lies above chance."""
    interval = as_mapping(score).get("ci95")
    return interval is not None and interval[0] > chance


def _agreement(rows: list[dict[str, Any]]) -> list[str]:
    """For each pair, how often other wordings choose the same."""
    return [
        f"{pair_of(by)}: all wordings choose the same text for {percent(by.get('agreement'))} of the recordings"
        for row in rows
        for by in as_mappings(row.get("by"))
        if percent(by.get("agreement")) != DASH
    ]
