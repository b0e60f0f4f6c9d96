"""Write what `tinyclap get` makes a bundle of: its files, the graphs without their weights.

    python -m tinyclap.exporters.ready_made mn04_as_mAP_432.pt all-MiniLM-L6-v2

The tagger with its sentence encoder becomes a bundle of the usual form, once with its weights as they are and once as
int8. The trained weights are then left out of both graphs: `runtime.ready_made` adds them again from the publisher's
file, and the manifest's checksums are those of the whole graphs.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from tinyclap.common.files import whole_folder, write_array, write_bytes, write_json, write_text
from tinyclap.exporters.bundle_readme import readme
from tinyclap.exporters.calibration import shipped_sounds
from tinyclap.exporters.onnx.graph import OPSET
from tinyclap.exporters.onnx.tower import tower_graph
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import (
    FLOAT_GRAPH,
    INT8_GRAPH,
    LABEL_EMBEDDINGS,
    LABELS,
    METADATA_KEY,
    README,
    TEST_VECTORS,
    Manifest,
    write_manifest,
)
from tinyclap.runtime.graph_weights import becomes_int8, folded, int8_weights, with_weights
from tinyclap.runtime.ready_made import ASSETS, EVERYDAY
from tinyclap.runtime.torch_file import read_tensors
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.cache import class_vectors
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.tagger import TaggerTeacher

NETWORK = "network."  # before the names of the checkpoint, in the exported graph
CREATED = "2026-11-27T00:00:00+00:00"


def main() -> None:
    """Write the assets anew, with the labels that they have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path, help="the published tagger, a .pt file")
    parser.add_argument("text", help="the sentence encoder, hub id or folder")
    given = parser.parse_args()
    teacher = load_tagger_teacher(TaggerOptions(str(given.audio), given.text))
    assert isinstance(teacher, TaggerTeacher)
    folder = ASSETS / EVERYDAY.name
    labels = json.loads((folder / LABELS).read_text(encoding="utf-8"))["labels"]
    write_assets(teacher, given.audio, folder, labels)
    sys.stdout.write(f"{folder}: {len(labels)} labels\n")


def write_assets(teacher: TaggerTeacher, weights: Path, folder: Path, labels: list[str]) -> None:
    """Write the assets of a ready-made bundle into a folder, whole or not at all."""
    exact = folded(read_tensors(weights))
    rounded = int8_weights(exact)
    bare = without_weights(tower_graph(teacher.audio_graph()), exact)
    graphs = {FLOAT_GRAPH: (bare, exact), INT8_GRAPH: (dequantising(bare, exact), rounded)}
    with whole_folder(folder) as new:
        write_json(new / LABELS, {"labels": labels, "prompts": list(teacher.prompts)})
        write_array(new / LABEL_EMBEDDINGS, class_vectors(teacher, labels, teacher.prompts).astype(np.float32))
        manifest = _manifest(teacher)
        stripped, vectors = {}, _test_vectors(teacher)
        for name, (graph, values) in graphs.items():
            helper.set_model_props(graph, {METADATA_KEY: manifest.graph_metadata()})
            stripped[name] = graph.SerializeToString(deterministic=True)
            whole = with_weights(stripped[name], values)
            write_bytes(new / name, whole)
            manifest.graphs[name]["size_bytes"] = len(whole)  # type: ignore[index]
        write_text(new / README, readme(manifest, labels))
        np.savez_compressed(new / TEST_VECTORS, **vectors)  # type: ignore[arg-type]
        write_manifest(new, manifest)
        sounds = [value for key, value in vectors.items() if key.startswith("waveform_")]
        quantised = Bundle.load(new, graph="int8").embed(sounds, sample_rate=teacher.sample_rate)
        np.savez_compressed(new / TEST_VECTORS, **vectors, embedding_int8=quantised)  # type: ignore[arg-type]
        write_manifest(new, manifest)
        for name, graph_bytes in stripped.items():
            write_bytes(new / name, graph_bytes)


def without_weights(model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """A graph whose trained weights are called as in the checkpoint, folded, and are not in it."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    renamed = {}
    for node in made.graph.node:
        if node.op_type in ("Conv", "Gemm") and node.input[1].startswith(NETWORK):
            name = node.input[1].removeprefix(NETWORK)
            renamed[node.input[1]] = name
            if len(node.input) > 2:
                renamed[node.input[2]] = f"{name.removesuffix('.weight')}.bias"
    for node in made.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    kept = []
    for tensor in made.graph.initializer:
        name = renamed.get(tensor.name, tensor.name)
        if name not in weights:
            kept.append(tensor)
        elif not np.allclose(numpy_helper.to_array(tensor), weights[name], atol=1e-4, rtol=1e-4):
            raise ValueError(f"{tensor.name} of the graph is not {name} of the checkpoint")
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    return made


def dequantising(model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The graph with its matrices and filters computed from int8, and the front end's filters from float16."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    nodes = []
    for name, array in weights.items():
        if becomes_int8(array):
            inputs = [f"{name}.int8", f"{name}.scale"]
            nodes.append(helper.make_node("DequantizeLinear", inputs, [name], axis=0))
    for tensor in list(made.graph.initializer):
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2 and tensor.name.endswith("filters"):
            halves = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}.float16")
            nodes.append(helper.make_node("Cast", [halves.name], [tensor.name], to=TensorProto.FLOAT))
            made.graph.initializer.remove(tensor)
            made.graph.initializer.append(halves)
    nodes.extend(made.graph.node)
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def _manifest(teacher: TaggerTeacher) -> Manifest:
    costs = teacher.costs()
    facts: dict[str, Any] = {
        name: {"precision": precision, "opset": OPSET, **costs, "size_bytes": 0}
        for name, precision in ((FLOAT_GRAPH, "float32"), (INT8_GRAPH, "int8 weights"))
    }
    return Manifest(
        name=EVERYDAY.name,
        licence=teacher.licence,
        teacher={"name": EVERYDAY.made_of, "fingerprint": teacher.fingerprint, "licence": teacher.licence},
        embed_dim=teacher.embed_dim,
        sample_rate=teacher.sample_rate,
        window_s=teacher.window_s,
        input="waveform",
        frontend=teacher.audio_graph().frontend.spec,
        prompts=teacher.prompts,
        logit_scale=teacher.logit_scale,
        graphs=facts,
        recommended=FLOAT_GRAPH,
        text=None,
        latent_map=None,
        parity={},
        created=CREATED,
    )


@torch.no_grad()
def _test_vectors(teacher: TaggerTeacher) -> dict[str, np.ndarray]:
    """Generated sounds and what the teacher makes of them in torch."""
    sounds = shipped_sounds(teacher.window_s, teacher.sample_rate)
    embedded = [teacher.embed_audio(torch.from_numpy(sound)[None])[0].numpy() for sound in sounds]
    return {f"waveform_{row}": sound for row, sound in enumerate(sounds)} | {"embedding": np.stack(embedded)}


if __name__ == "__main__":
    main()
