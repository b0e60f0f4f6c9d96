"""What else makes a teacher's words small, beside benchmarks/words/students; writes results/words_baselines.json.

    python -m benchmarks.words.baselines --root ESC-50 [--captions AUDIOCAPS/test.csv]

The sentence encoder itself as ONNX, as it is and rounded by ONNX Runtime's `quantize_dynamic`; and static embeddings
distilled from it by the package model2vec (pip install "model2vec[distill]"), float32 and int8. Each takes the sentence
encoder's place in the ready-made bundle's teacher, class names included, and is measured as the students are.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnxruntime.quantization import quantize_dynamic

from benchmarks.words.measured import Measured, words_parser
from tinyclap.common.files import write_json
from tinyclap.exporters.onnx.text import write_text_side
from tinyclap.models.placement import Placement
from tinyclap.runs.provenance import environment
from tinyclap.runtime.bundle_contents import TEXT_GRAPH, TOKENIZER
from tinyclap.runtime.text_encoder import TextEncoder
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.class_names import AUDIOSET_CLASSES
from tinyclap.teachers.encoder import TextGraph
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.sentence_encoder import SentenceEncoder
from tinyclap.teachers.tagger import PROMPTS, TaggerTeacher

RESULT = Path(__file__).parents[1] / "results" / "words_baselines.json"
Embed = Callable[[list[str]], np.ndarray]


def main() -> None:
    given = words_parser(__doc__).parse_args()
    teacher = load_tagger_teacher(TaggerOptions(given.audio, given.text))
    assert isinstance(teacher, TaggerTeacher)
    test, rows = Measured(given, teacher), []
    for name, size, embed in [*sentence_encoders(given, teacher), *static_embeddings(given)]:
        measured = test.of(placed(embed, teacher), embed(test.captions))
        rows.append({"row": name, "size_bytes": size, **measured})
        sys.stdout.write(f"{name}: {size:,} bytes, ESC-50 {100 * measured['esc50']['accuracy']:.1f} %\n")
        how = {"command": "python -m benchmarks.words.baselines --root ESC-50", "environment": environment(seed=0)}
        write_json(RESULT, how | {"rows": rows})


def placed(embed: Embed, teacher: TaggerTeacher) -> Embed:
    """Texts in the teacher's space, by sentences and class names of one encoder."""
    names = np.mean([embed([prompt.format(name.lower()) for name in AUDIOSET_CLASSES]) for prompt in PROMPTS], axis=0)
    names = torch.nn.functional.normalize(torch.from_numpy(names), dim=-1)
    mean = names.mean(dim=0)
    placement = Placement(mean, torch.nn.functional.normalize(names - mean, dim=-1), teacher.temperature)
    return lambda texts: placement(torch.from_numpy(embed(texts))).numpy()


class _Sentences:
    """A sentence encoder as a `TextSource`."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.encoder, self.name, self.embed_text = encoder, encoder.name, encoder.embed

    def text_graph(self) -> TextGraph:
        tokenizer = self.encoder.tokenizer
        return TextGraph(self.encoder, tokenizer, int(tokenizer.pad_token_id), self.encoder.max_tokens)


def sentence_encoders(given: argparse.Namespace, teacher: TaggerTeacher) -> list[tuple[str, int, Embed]]:
    """The encoder as graphs: name, bytes with its tokenizer, and what embeds."""
    folder = given.work / "sentences"
    rows: list[tuple[str, int, Embed]] = []
    folder.mkdir(parents=True, exist_ok=True)
    side = write_text_side(_Sentences(teacher.text), folder, list(AUDIOSET_CLASSES[:20]))
    for name in ("float", "INT8 by ONNX Runtime"):
        if name != "float":
            quantize_dynamic(folder / TEXT_GRAPH, folder / "rounded.onnx")
            (folder / "rounded.onnx").replace(folder / TEXT_GRAPH)
        encoder = TextEncoder(folder, max_tokens=side.entry["max_tokens"], pad_id=side.entry["pad_id"], threads=1)
        size = sum((folder / file).stat().st_size for file in (TEXT_GRAPH, TOKENIZER))
        rows.append((f"the teacher's, {name}", size, encoder.embed))
    return rows


def static_embeddings(given: argparse.Namespace) -> list[tuple[str, int, Embed]]:
    """Of model2vec: name, bytes of its folder's weights and tokenizer, and what embeds."""
    from model2vec.distill import distill

    rows: list[tuple[str, int, Embed]] = []
    for dims, kind in ((256, "float32"), (256, "int8"), (64, "int8")):
        model: Any = distill(model_name=given.text, pca_dims=dims, quantize_to=kind)
        folder = given.work / f"model2vec-{dims}-{kind}"
        model.save_pretrained(folder)
        size = sum((folder / file).stat().st_size for file in ("model.safetensors", TOKENIZER))

        def embed(texts: list[str], model: Any = model) -> np.ndarray:
            return unit_rows(model.encode(texts).astype(np.float32))

        rows.append((f"model2vec, {dims} dimensions, {kind}", size, embed))
    return rows


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; zeros where nothing was known."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


if __name__ == "__main__":
    main()
