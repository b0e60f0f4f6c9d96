"""What a bundle says of itself: its manifest, and the same inside its graphs."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from tinyclap.exporters.onnx.graph import save
from tinyclap.runtime.bundle_contents import FLOAT_GRAPH, INT8_GRAPH, Manifest
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.joint import JointTeacher

if TYPE_CHECKING:
    from tinyclap.exporters.write_bundle import Exporter

FASTER_BELOW = 0.9  # of float's time: INT8 is recommended only where it gains something


def manifest_of(
    exporter: "Exporter", facts: Mapping[str, Mapping[str, Any]], text: Mapping[str, int] | None
) -> Manifest:
    """The manifest of what an exporter writes, from what it says of each graph and of the text side."""
    student, teacher, latent_map = exporter.student, exporter.teacher, exporter.student.latent_map
    faster = facts.get(INT8_GRAPH, {}).get("latency_ratio", 1.0) < FASTER_BELOW
    return Manifest(
        name=exporter.name,
        licence=teacher.licence,
        teacher=_named(teacher),
        embed_dim=student.embed_dim,
        sample_rate=student.sample_rate,
        window_s=student.config.window_s,
        input=exporter.options.input,
        frontend=student.config.frontend,
        prompts=exporter.prompts,
        logit_scale=teacher.logit_scale,
        graphs=facts,
        recommended=INT8_GRAPH if faster else FLOAT_GRAPH,
        text=text,
        latent_map=None
        if latent_map is None
        else {
            "method": latent_map.method,
            "full_dim": latent_map.full_dim,
            "nested": latent_map.nested,
            "fingerprint": latent_map.fingerprint,
            "measured": _costs(exporter, latent_map.method),
        },
        heads=_heads(exporter),
    )


def _heads(exporter: "Exporter") -> dict[str, dict[str, Any]] | None:
    """Of several teachers what the manifest says of each; None for one, and of a pruned student, that mixed them."""
    teacher = exporter.teacher
    if not isinstance(teacher, JointTeacher) or exporter.student.latent_map is not None:
        return None
    return {
        head.name: {
            "start": head.start,
            "dim": head.dim,
            "logit_scale": each.logit_scale,
            "prompts": list(each.prompts if exporter.prompts == teacher.prompts else exporter.prompts),
            "teacher": _named(each),
        }
        for head, each in zip(teacher.heads, teacher.teachers, strict=True)
    }


def _costs(exporter: "Exporter", method: str) -> list[dict[str, Any]]:
    """The sweep's rows of the student's own method and of no more dimensions than it has."""
    own = method.rpartition("+")[2]
    keys = ("dim", "accuracy", "knn10_overlap")
    return [
        {key: row[key] for key in keys}
        for row in exporter.sweep
        if row["method"] == own and not row["finetuned"] and row["dim"] <= exporter.student.embed_dim
    ]


def _named(teacher: Teacher) -> dict[str, str]:
    """A teacher as a manifest names it."""
    return {"name": teacher.name, "fingerprint": teacher.fingerprint, "licence": teacher.licence}


def stamp(folder: Path, graphs: Mapping[str, onnx.ModelProto], manifest: Manifest) -> Manifest:
    """Write the graphs with the manifest in them, which states the size that they have with it."""
    while True:
        for name, graph in graphs.items():
            save(graph, folder / name, manifest.graph_metadata())
        sizes = {name: {"size_bytes": (folder / name).stat().st_size} for name in graphs}
        sized = dataclasses.replace(manifest, graphs={name: {**manifest.graphs[name], **sizes[name]} for name in sizes})
        if sized == manifest:
            return manifest
        manifest = sized
