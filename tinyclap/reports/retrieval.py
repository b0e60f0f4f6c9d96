"""An evaluation of retrieval as reports and the console show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyclap.common.numbers import aligned, known, percent, points, whole
from tinyclap.reports.tables import warnings, with_interval
from tinyclap.runs.results import AUDIO_TO_TEXT, MODELS, TEXT_TO_AUDIO, WAYS, as_mapping, as_mappings

MEDIAN = "median_rank"
FIGURES = {"recall_1": "R@1", "recall_5": "R@5", "recall_10": "R@10", "map_10": "mAP@10", MEDIAN: "Median rank"}
HELP = {
    "recall_1": "right at once",
    "recall_5": "right among five",
    "recall_10": "right among ten",
    "map_10": "how early among ten",
    MEDIAN: "less is better",
}
TITLES = {TEXT_TO_AUDIO: "Text to audio", AUDIO_TO_TEXT: "Audio to text"}


@dataclass(frozen=True)
class Pair:
    """Whose audio encoder, and whose text encoder: a column."""

    audio: str
    text: str
    name: str
    help: str
    scores: Mapping[str, Any]

    def figure(self, way: str, key: str) -> dict[str, Any]:
        """A figure with its interval and its difference."""
        return as_mapping(as_mapping(self.scores.get(way)).get(key))


@dataclass(frozen=True)
class FigureRow:
    """A figure as text: a cell for each pair, and what a random order has."""

    name: str
    help: str
    cells: list[str]
    chance: str


def retrieval_tables(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One evaluation with its pairs, and for each way its rows, differences, points and what went wrong."""
    pairs = _pairs(entry)
    return {
        **entry,
        "title": str(entry.get("data") or "captioned sounds"),
        "pairs": pairs,
        "others": pairs[1:],
        "smallest": _smallest(entry, pairs),
        "warnings": warnings(entry),
        "ways": [_way(entry, pairs, way) for way in WAYS],
    }


def retrieval_lines(entry: Mapping[str, Any]) -> list[str]:
    """The same as text, for the console."""
    lines: list[str] = []
    tables = retrieval_tables(entry)
    pairs = tables["pairs"]
    for way in tables["ways"]:
        heads = [(way["caption"].lower(), *(pair.name.lower() for pair in pairs), "chance")]
        if any(pair.help for pair in pairs):
            heads.append(("", *(pair.help for pair in pairs), ""))
        rows = [(row.name, *row.cells, row.chance) for row in way["rows"]]
        lines += ["", *aligned([*heads, *rows])]
    lines += [line for warning in tables["warnings"] for line in ("", f"warning: {warning}")]
    return lines[1:]


def _pairs(entry: Mapping[str, Any]) -> list[Pair]:
    found = [
        (audio, text, as_mapping(entry.get(audio)).get(f"{text}_text_encoder"))
        for audio in MODELS
        for text in MODELS
        if as_mapping(as_mapping(entry.get(audio)).get(f"{text}_text_encoder"))
    ]
    several = any(text == "student" for _, text, _ in found)
    return [
        Pair(
            audio,
            text,
            f"{audio.capitalize()}'s audio encoder" if several else audio.capitalize(),
            f"{text}'s text encoder" if several else "",
            as_mapping(scores),
        )
        for audio, text, scores in found
    ]


def _way(entry: Mapping[str, Any], pairs: list[Pair], way: str) -> dict[str, Any]:
    chance = as_mapping(as_mapping(entry.get("by_chance")).get(way))
    clips, captions = whole(entry.get("n_clips")), whole(entry.get("n_captions"))
    asked = {
        TEXT_TO_AUDIO: f"{captions} captions among {clips} clips",
        AUDIO_TO_TEXT: f"{clips} clips among {whole(entry.get('n_texts'))} texts",
    }
    misses = as_mappings(as_mapping(entry.get("examples")).get("misses"))
    return {
        "name": way,
        "title": TITLES[way],
        "caption": f"{TITLES[way]}, {asked[way]}",
        "rows": [
            FigureRow(name, HELP[key], [_cell(pair.figure(way, key), key) for pair in pairs], _value(chance, key))
            for key, name in FIGURES.items()
        ],
        "differences": [
            [name, *(_difference(pair.figure(way, key)) for pair in pairs[1:])]
            for key, name in FIGURES.items()
            if key != MEDIAN
        ],
        "points": [_point(pair, way) for pair in pairs],
        "misses": [miss for miss in misses if miss.get("way") == way],
    }


def _value(figures: Mapping[str, Any], key: str) -> str:
    return whole(figures.get(key)) if key == MEDIAN else percent(figures.get(key))


def _cell(figure: Mapping[str, Any], key: str) -> str:
    value, ends = figure.get("value"), figure.get("ci95")
    if key != MEDIAN:
        return with_interval(value, ends)
    interval = [whole(end) for end in ends or ()]
    return f"{whole(value)} [{', '.join(interval)}]" if known(value) and len(interval) == 2 else whole(value)


def _difference(figure: Mapping[str, Any]) -> str:
    return points(figure.get("difference"), figure.get("difference_ci95"))


def _point(pair: Pair, way: str) -> dict[str, Any]:
    """R@10 of a pair, for the picture."""
    figure = pair.figure(way, "recall_10")
    name = f"{pair.name}, {pair.help}" if pair.help else pair.name
    return {"name": name, "model": pair.audio, "value": figure.get("value"), "ci95": figure.get("ci95")}


def _smallest(entry: Mapping[str, Any], pairs: list[Pair]) -> str:
    """Whose examples are shown."""
    examples = as_mapping(entry.get("examples"))
    audio = f"the {examples.get('audio_encoder') or 'student'}'s audio encoder"
    several = any(pair.help for pair in pairs)
    return f"{audio} and the {examples.get('text_encoder') or 'teacher'}'s text encoder" if several else audio
