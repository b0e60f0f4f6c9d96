"""How the graphs of a run's bundle compare with torch, as the export measured it and bundle.json says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyclap.common.numbers import DASH, file_size, known, percent, power_of_ten, three_digits
from tinyclap.runs.results import as_mapping
from tinyclap.runtime.bundle_contents import FLOAT_GRAPH, INT8_GRAPH, STATIC_GRAPH, STATIC_INT8_GRAPH, TEXT_GRAPH

MEANINGS = {
    FLOAT_GRAPH: "float32: sound to embedding",
    INT8_GRAPH: "the same with whole numbers of 8 bits",
    STATIC_GRAPH: "of a fixed shape, for microcontrollers",
    STATIC_INT8_GRAPH: "the same with whole numbers of 8 bits",
    TEXT_GRAPH: "words to embedding",
}


@dataclass(frozen=True)
class GraphRow:
    """One graph of the bundle, as text."""

    name: str
    size: str
    difference: str
    cosine: str
    agreement: str
    help: str


def graph_rows(bundle: Mapping[str, Any]) -> list[GraphRow]:
    """The graphs of a bundle with their differences from torch, and INT8's from float."""
    graphs, files, parity = (as_mapping(bundle.get(key)) for key in ("graphs", "files", "parity"))
    of_float = [parity[key] for key in ("max_abs_clips", "max_abs_batches") if known(parity.get(key))]
    differences = {
        FLOAT_GRAPH: max(of_float, default=None),
        STATIC_GRAPH: parity.get("max_abs_static"),
        TEXT_GRAPH: parity.get("max_abs_text"),
    }
    names = [*graphs, *([TEXT_GRAPH] if TEXT_GRAPH in files else [])]
    return [
        GraphRow(
            name,
            file_size(as_mapping(graphs.get(name) or files.get(name)).get("size_bytes")),
            power_of_ten(differences.get(name)),
            _cosine(as_mapping(graphs.get(name)).get("cosine_to_float")),
            percent(as_mapping(graphs.get(name)).get("agreement")),
            MEANINGS.get(name, ""),
        )
        for name in names
    ]


def sentences(bundle: Mapping[str, Any]) -> list[str]:
    """How to read the table, from what the bundle says of its measurement."""
    parity, int8 = as_mapping(bundle.get("parity")), as_mapping(as_mapping(bundle.get("graphs")).get(INT8_GRAPH))
    lines = []
    if known(parity.get("tolerance")) and known(parity.get("clips")):
        worst = f"; the largest was on: {parity['worst_clip']}" if parity.get("worst_clip") else ""
        lines.append(
            "Difference: the largest of any entry of a unit vector from what torch computes, "
            f"on {parity['clips']} sounds ({power_of_ten(parity['tolerance'])} is allowed{worst})."
        )
    if int8:
        clips = f" on {int8['measured_clips']} clips" if known(int8.get("measured_clips")) else ""
        lines.append(
            f"Rounded to 8 bits, a graph is compared with the float one{clips}: "
            "mean cosine, 1 being the same direction, and the share of clips that get the same class."
        )
        if known(int8.get("latency_ratio")):
            lines.append(
                f"When it was exported, INT8 took {three_digits(int8['latency_ratio'])} times the time of float."
            )
    if bundle.get("recommended"):
        lines.append(f"The graph to run: {bundle['recommended']}.")
    return lines


def _cosine(value: Any) -> str:
    return f"{value:.4f}" if known(value) else DASH
