"""What teacher, student, unpruned parent and INT8 graph cost, side by side, for the report and the model card.

Figures are those of the run folder's files; RAM and flash, which no file holds, come by formula from the student's
shape.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyclap.common import numbers
from tinyclap.common.numbers import DASH, known, ratio
from tinyclap.errors import TinyclapError
from tinyclap.hardware.student_shape import StudentShape, per_second
from tinyclap.models.student_config import MAPPED
from tinyclap.reports.bench_entries import timed_kinds
from tinyclap.runs.results import STUDENT, Run, as_mapping, as_mappings
from tinyclap.runtime.bundle_contents import INT8_GRAPH

OF_A_WINDOW = ("macs", "p50_ms", "p90_ms", "p99_ms")  # compare only where windows are as long as each other
BENCH_KEYS = ("p50_ms", "p90_ms", "p99_ms", "real_time_factor", "peak_rss_bytes")


@dataclass(frozen=True)
class CostColumn:
    """One column: its heading, its kind (teacher, student, unpruned, int8 or other), its figures by key."""

    name: str
    kind: str
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class CostRow:
    """One line of the table, as text: a cell for each model, and how the student compares with its teacher."""

    name: str
    cells: list[str]
    compared: str
    help: str


@dataclass(frozen=True)
class Figure:
    """What a line shows: name, key, how it is written, and what it means to a stranger."""

    name: str
    key: str
    write: Callable[[Any], str]
    help: str


FIGURES = (
    Figure("Parameters", "parameters", numbers.whole, "weights of the audio encoder"),
    Figure("of which trunk", "trunk_parameters", numbers.whole, "without the projection head"),
    Figure("MACs of one window", "macs", numbers.scaled, "multiply-accumulates of one pass, without the front end"),
    Figure(
        "MACs per second of audio",
        "macs_per_s",
        numbers.scaled,
        "the same, shared out over the seconds of the window",
    ),
    Figure(
        "RAM for activations", "ram_bytes", numbers.binary_size, "the most alive at once, layer by layer; by formula"
    ),
    Figure("Flash for weights", "flash_bytes", numbers.binary_size, "weights and tables; by formula"),
    Figure(
        "RAM with weights loaded", "loaded_bytes", numbers.binary_size, "the sum, where weights do not stay in flash"
    ),
    Figure("File size", "size_bytes", numbers.file_size, "weights on disk; of an ONNX file the front end too"),
    Figure("Latency, median", "p50_ms", numbers.milliseconds, "from sound to embedding; half of the passes took less"),
    Figure("Latency, 90th percentile", "p90_ms", numbers.milliseconds, "9 of 10 passes took less"),
    Figure("Latency, 99th percentile", "p99_ms", numbers.milliseconds, "99 of 100 passes took less"),
    Figure("Real-time factor", "real_time_factor", numbers.three_digits, "computing time per second of audio"),
    Figure("Memory in use", "peak_rss_bytes", numbers.binary_size, "of the whole process at its peak, measured"),
)


def shape_of(run: Run) -> StudentShape | None:
    """The shape of a run's student; None, and a note in `run.gaps`, where its config cannot be used."""
    if not run.student:
        return None
    try:
        shape = StudentShape.of_run(run.folder)
        shape.memory("float32")
    except TinyclapError as error:
        run.gaps[STUDENT] = f"{STUDENT} cannot be used ({error})"
        return None
    return shape


def unpruned_shape(run: Run, shape: StudentShape | None) -> StudentShape | None:
    """The shape of the student that a run was pruned from; None if it was not, or its files do not tell."""
    dim = as_mapping(run.summary.get("pruned")).get("full_dim")
    if shape is None or type(dim) is not int or dim <= shape.config.embed_dim:
        return None
    first = shape.config.head == MAPPED and dim == shape.full_dim
    head = "projection" if first else shape.config.head
    return StudentShape(dataclasses.replace(shape.config, head=head, embed_dim=dim), None if first else shape.full_dim)


def summary_models(summary: Mapping[str, Any]) -> list[CostColumn]:
    """Teacher and student as summary.json knows them."""
    found = [(kind, as_mapping(summary.get(kind))) for kind in ("teacher", "student")]
    return [CostColumn(kind.capitalize(), kind, per_second(figures)) for kind, figures in found if figures]


def models(run: Run, shape: StudentShape | None) -> list[CostColumn]:
    """All that the run's files know of: teacher, unpruned parent, student, INT8 graph, and what else was timed."""
    timed, others = timed_kinds(run)
    found = {model.kind: model for model in summary_models(run.summary)}
    trunk = {
        "trunk_parameters": as_mapping(run.summary.get("student")).get("trunk_parameters")
    }  # the same in all of them
    before = unpruned_shape(run, shape)
    if before is not None:
        found["unpruned"] = CostColumn("Unpruned", "unpruned", before.figures() | trunk)
    graph = as_mapping(as_mapping(run.bundle.get("graphs")).get(INT8_GRAPH))
    if graph or "int8" in timed:
        figures = {"window_s": run.bundle.get("window_s"), **graph}
        found["int8"] = CostColumn("INT8", "int8", figures | trunk | (shape.memory("int8") if shape else {}))
    if shape is not None and "student" in found:
        student = found["student"]
        found["student"] = dataclasses.replace(student, figures={**student.figures, **shape.memory("float32")})
    for kind, entry in timed.items():
        known_already = found.get(kind, CostColumn(kind.capitalize(), kind, {}))
        found[kind] = dataclasses.replace(
            known_already, figures={**_bench_figures(entry), **_known_facts(known_already)}
        )
    order = [found[kind] for kind in ("teacher", "unpruned", "student", "int8") if kind in found]
    further = [
        CostColumn(str(entry.get("name") or entry.get("file") or "unnamed"), "other", _bench_figures(entry))
        for entry in others
    ]
    return [dataclasses.replace(model, figures=per_second(model.figures)) for model in [*order, *further]]


def cost_rows(columns: Sequence[CostColumn]) -> list[CostRow]:
    """The table's lines; those without any number are left out."""
    pair = {model.kind: model.figures for model in columns if model.kind in ("teacher", "student")}
    rows = []
    for figure in FIGURES:
        cells = [figure.write(model.figures.get(figure.key)) for model in columns]
        if all(cell == DASH for cell in cells):
            continue
        compared = ratio(*(pair.get(kind, {}).get(figure.key) for kind in ("student", "teacher")))
        alike = figure.key not in OF_A_WINDOW or not windows_differ(pair.values(), figure.key)
        words = f"{figure.help}; windows differ" if not alike else figure.help
        rows.append(CostRow(figure.name, cells, compared if alike and compared != DASH else "", words))
    return rows


def windows_differ(found: Iterable[Mapping[str, Any]], key: str) -> bool:
    """Whether the models whose figure by this key is known hear windows of different lengths, as far as they tell."""
    windows = [_window_s(figures, key) for figures in found if known(figures.get(key))]
    return len({seconds for seconds in windows if known(seconds)}) > 1


def timed_on(run: Run) -> str:
    """Where and how the latencies were measured, in words; empty where there are none."""
    timed = [entry for entry in as_mappings(run.bench.get("models")) if known(entry.get("p50_ms"))]
    if not timed:
        return ""
    environment = as_mapping(run.bench.get("environment"))
    words = [str(environment.get("cpu") or "a machine that bench.json does not name")]
    if environment.get("host"):
        words.append(f"host {environment['host']}")
    for count, what in ((environment.get("threads"), "thread"), (environment.get("batch"), "clip")):
        if known(count):
            words.append(f"{count:g} {what}{'s' * (count != 1)}{' at a time' * (what == 'clip')}")
    if any(entry.get("from") == "logmel" for entry in timed):
        words.append("some from the spectrogram on")
    return ", ".join(words)


def _window_s(figures: Mapping[str, Any], key: str) -> Any:
    """Of the window that a figure is of: a latency is of the one that was timed."""
    timed_s = figures.get("timed_s") if key.endswith("_ms") else None
    return timed_s if known(timed_s) else figures.get("window_s")


def _bench_figures(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A model's figures in the table's keys."""
    figures = {key: entry.get(key) for key in ("parameters", "macs", "window_s", *BENCH_KEYS)}
    return figures | {"size_bytes": entry.get("file_bytes"), "timed_s": entry.get("window_s")}


def _known_facts(model: CostColumn) -> dict[str, Any]:
    return {key: value for key, value in model.figures.items() if value is not None}
