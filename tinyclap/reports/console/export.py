"""What `tinyclap export` says at its end: the graphs, what was measured, and the command to run next."""

import json
from pathlib import Path
from typing import Any

from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import aligned, file_size, percent, scaled
from tinyclap.errors import listed
from tinyclap.runtime.bundle_contents import (
    INT8_GRAPH,
    LABELS,
    STATIC_GRAPH,
    STATIC_INT8_GRAPH,
    TEXT_GRAPH,
    WHEEL_SUFFIX,
    Manifest,
)
from tinyclap.runtime.labels import read_table

MAX_LABELS = 12


def as_object(folder: Path, manifest: Manifest) -> str:
    """The bundle's folder and its manifest as one JSON object."""
    return json.dumps({"bundle": str(folder), **json.loads(manifest.to_json())})


def as_table(folder: Path, manifest: Manifest) -> str:
    """The bundle as text."""
    parity = manifest.parity
    rows = [("graph", "size", "MACs", "opset", "")]
    for name, facts in manifest.graphs.items():
        note = "recommended" if name == manifest.recommended and INT8_GRAPH in manifest.graphs else ""
        rows.append((name, file_size(facts["size_bytes"]), scaled(facts["macs"]), str(facts["opset"]), note))
    if TEXT_GRAPH in manifest.files:
        opset = str(manifest.text["opset"]) if manifest.text else ""
        rows.append((TEXT_GRAPH, file_size(manifest.files[TEXT_GRAPH]["size_bytes"]), "", opset, ""))
    lines = aligned(rows)
    entries = [("input", manifest.input), ("parity", _parity(parity))]
    if INT8_GRAPH in manifest.graphs:
        entries += [("int8", _int8(manifest.graphs[INT8_GRAPH]))]
    if STATIC_GRAPH in manifest.graphs:
        entries += [("static", _static(manifest))]
    if STATIC_INT8_GRAPH in manifest.graphs:
        entries += [("", f"INT8: {_int8(manifest.graphs[STATIC_INT8_GRAPH])}")]
    if LABELS in manifest.files:
        entries += [("labels", _some(read_table(folder, manifest.embed_dim).labels))]
    entries += [("wheel", name) for name in manifest.files if name.endswith(WHEEL_SUFFIX)]
    entries += [("bundle", str(folder)), ("next", _next_command(folder, manifest))]
    return "\n".join([*lines, "", *(f"{what:<8} {value}" for what, value in entries)])


def _parity(parity: Any) -> str:
    worst = max(parity["max_abs_clips"], parity["max_abs_batches"])
    text = f"; text side {parity['max_abs_text']:.1e}" if "max_abs_text" in parity else ""
    return f"within {worst:.1e} of torch on {parity['clips']} sounds (allowed: {parity['tolerance']:g}){text}"


def _int8(facts: Any) -> str:
    agreement = facts["agreement"]
    same = ", same class not measured (no classes)" if agreement is None else f", same class {percent(agreement)}"
    ratio = facts["latency_ratio"]
    speed = f"{1 / ratio:.2f} times as fast as float" if ratio <= 1 else f"{ratio:.2f} times the time of float"
    return f"cosine to float {facts['cosine_to_float']:.4f}{same} ({facts['measured_clips']} clips), {speed}"


def _static(manifest: Manifest) -> str:
    facts = manifest.graphs[STATIC_GRAPH]
    return f"logmel (1, 1, {facts['frames']}, {manifest.frontend.n_mels}), operators: {', '.join(facts['operators'])}"


def _some(labels: tuple[str, ...]) -> str:
    return f"{len(labels)}: {listed(labels, MAX_LABELS)}"


def _next_command(folder: Path, manifest: Manifest) -> str:
    if LABELS in manifest.files or manifest.text:
        asked = "" if LABELS in manifest.files else ' --labels "dog, rain"'
        return f"tinyclap classify YOUR_SOUNDS --bundle {shell_path(folder)}{asked}"
    return f"tinyclap embed YOUR_SOUNDS --bundle {shell_path(folder)} --out embeddings.npy"
