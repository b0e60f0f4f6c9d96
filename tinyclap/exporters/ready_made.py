"""Write what `tinyclap get` makes a bundle of: its files, the graphs without their weights.

    python -m tinyclap.exporters.ready_made mn04_as_mAP_432.pt all-MiniLM-L6-v2 runs/everyday_words/text/student

The tagger becomes the ears of a bundle of the usual form, with its weights as int8, and a text student of it and of its
sentence encoder the words; the folder `float` in it is what a bundle with the tagger's weights as they are has besides.
The tagger's weights are then left out of the graphs: `runtime.ready_made` adds them again from the publisher's file,
and the manifests' checksums are those of the whole graphs.
"""

import argparse
import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from tinyclap.common.files import whole_folder, write_array, write_bytes, write_json, write_text
from tinyclap.embeddings.zero_shot import prompts_for
from tinyclap.exporters.background import measured_background
from tinyclap.exporters.bundle_readme import readme
from tinyclap.exporters.calibration import shipped_sounds
from tinyclap.exporters.onnx.graph import OPSET, save
from tinyclap.exporters.onnx.text import StudentWords, write_text_side
from tinyclap.exporters.onnx.tower import tower_graph
from tinyclap.models.text_student import TextStudent
from tinyclap.runtime.background import write_background
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import (
    FLOAT_GRAPH,
    INT8_GRAPH,
    LABEL_EMBEDDINGS,
    LABELS,
    MANIFEST,
    METADATA_KEY,
    README,
    TEST_VECTORS,
    TEXT_GRAPH,
    Manifest,
    write_manifest,
)
from tinyclap.runtime.graph_weights import becomes_int8, folded, int8_weights, with_weights
from tinyclap.runtime.ready_made import ASSETS, EVERYDAY, EXACT
from tinyclap.runtime.selftest import refuse_failed, selftest
from tinyclap.runtime.text_encoder import TextEncoder
from tinyclap.runtime.torch_file import read_tensors
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.stored_embeddings import class_vectors
from tinyclap.teachers.tagger import TaggerTeacher

NETWORK = "network."  # before the names of the checkpoint, in the exported graph
COMPARED = 8  # labels in the test vectors
LICENCE = "ears: mit; words: cc-by-sa-4.0"
SOURCES = """
The ears are EfficientAT's mn04_as (MIT). The words were learned, by the recipe `everyday_words`, from the embeddings
that all-MiniLM-L6-v2 (Apache-2.0) gives the names and descriptions of the AudioSet ontology (CC BY-SA 4.0), words and
definitions of WordNet 3.0 (WordNet licence, Princeton University), and sentences that tinyclap makes by rule.
"""
CREATED = "2026-11-27T00:00:00+00:00"


def main() -> None:
    """Write the assets anew, with the labels that they have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path, help="the published tagger, a .pt file")
    parser.add_argument("text", help="folder of the sentence encoder")
    parser.add_argument("words", help="folder of the text student")
    given = parser.parse_args()
    teacher = load_tagger_teacher(TaggerOptions(str(given.audio), given.text))
    assert isinstance(teacher, TaggerTeacher)
    folder = ASSETS / EVERYDAY.name
    labels = json.loads((folder / LABELS).read_text(encoding="utf-8"))["labels"]
    write_assets(teacher, given.audio, TextStudent.from_pretrained(given.words), folder, labels)
    sys.stdout.write(f"{folder}: {len(labels)} labels\n")


def write_assets(teacher: TaggerTeacher, weights: Path, words: TextStudent, folder: Path, labels: list[str]) -> None:
    """Write the assets of a ready-made bundle into a folder, whole or not at all.

    Args:
        teacher: made of both.
        weights: the published tagger.
        words: a text student of this teacher.
        folder: to write into.
        labels: of the bundle's table.
    """
    exact = folded(read_tensors(weights))
    bare = without_weights(tower_graph(teacher.audio_graph()), exact)
    graphs = {FLOAT_GRAPH: (bare, exact), INT8_GRAPH: (dequantising(bare, exact), int8_weights(exact))}
    with whole_folder(folder) as new:
        write_json(new / LABELS, {"labels": labels, "prompts": list(teacher.prompts)})
        write_array(new / LABEL_EMBEDDINGS, class_vectors(teacher, labels, teacher.prompts).astype(np.float32))
        prompts = [text for pair in prompts_for(labels[:COMPARED], teacher.prompts) for text in pair]
        side = write_text_side(StudentWords(words), new, prompts, int8=True)
        manifest = _manifest(teacher, side.entry)
        stripped, vectors = {}, _test_vectors(teacher)
        for name, (graph, values) in graphs.items():
            helper.set_model_props(graph, {METADATA_KEY: manifest.graph_metadata()})
            stripped[name] = graph.SerializeToString(deterministic=True)
            whole = with_weights(stripped[name], values)
            write_bytes(new / name, whole)
            manifest.graphs[name]["size_bytes"] = len(whole)  # type: ignore[index]
        save(side.graph, new / TEXT_GRAPH, manifest.graph_metadata())
        limits = {name: side.entry[name] for name in ("max_tokens", "pad_id")}
        vectors |= {"texts": np.array(prompts), "text_embedding": TextEncoder(new, **limits).embed(prompts)}
        np.savez_compressed(new / TEST_VECTORS, **vectors)  # type: ignore[arg-type]
        write_manifest(new, manifest)
        write_background(new, measured_background(Bundle.load(new, graph="float"), teacher, teacher.prompts))
        write_manifest(new, manifest)
        sounds = [value for key, value in vectors.items() if key.startswith("waveform_")]
        vectors["embedding_int8"] = Bundle.load(new, graph="int8").embed(sounds, sample_rate=teacher.sample_rate)
        np.savez_compressed(new / TEST_VECTORS, **vectors)  # type: ignore[arg-type]
        _finish(new, manifest, labels)
        refuse_failed(new, selftest(new))
        (new / EXACT).mkdir()
        for name in (MANIFEST, README):
            shutil.copyfile(new / name, new / EXACT / name)
        write_bytes(new / EXACT / FLOAT_GRAPH, stripped[FLOAT_GRAPH])
        (new / FLOAT_GRAPH).unlink()
        rounded = {INT8_GRAPH: manifest.graphs[INT8_GRAPH]}
        _finish(new, dataclasses.replace(manifest, graphs=rounded, recommended=INT8_GRAPH), labels)
        write_bytes(new / INT8_GRAPH, stripped[INT8_GRAPH])


def _finish(folder: Path, manifest: Manifest, labels: list[str]) -> None:
    """Write what a folder of whole files says of itself."""
    write_text(folder / README, readme(manifest, labels) + SOURCES)
    write_manifest(folder, manifest)


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
    kept = []
    for tensor in made.graph.initializer:
        name = renamed.get(tensor.name, tensor.name)
        if name not in weights:
            kept.append(tensor)
        elif not np.allclose(numpy_helper.to_array(tensor), weights[name], atol=1e-4, rtol=1e-4):
            raise ValueError(f"{tensor.name} of the graph is not {name} of the checkpoint")
    _take_out(made, renamed, kept)
    return made


def _take_out(model: onnx.ModelProto, renamed: dict[str, str], kept: list[onnx.TensorProto]) -> None:
    """Leave a graph these initializers alone, and have its nodes call the others by other names."""
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


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


def _manifest(teacher: TaggerTeacher, text: dict[str, Any]) -> Manifest:
    costs = teacher.costs()
    facts: dict[str, Any] = {
        name: {"precision": precision, "opset": OPSET, **costs, "size_bytes": 0}
        for name, precision in ((FLOAT_GRAPH, "float32"), (INT8_GRAPH, "int8 weights"))
    }
    return Manifest(
        name=EVERYDAY.name,
        licence=LICENCE,
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
        text=text,
        latent_map=None,
        parity={},
        created=CREATED,
    )


@torch.no_grad()
def _test_vectors(teacher: TaggerTeacher) -> dict[str, np.ndarray]:
    """Generated sounds, and what the teacher makes of them in torch."""
    sounds = shipped_sounds(teacher.window_s, teacher.sample_rate)
    embedded = [teacher.embed_audio(torch.from_numpy(sound)[None])[0].numpy() for sound in sounds]
    return {f"waveform_{row}": sound for row, sound in enumerate(sounds)} | {"embedding": np.stack(embedded)}


if __name__ == "__main__":
    main()
