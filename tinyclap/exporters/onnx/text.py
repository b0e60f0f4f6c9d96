"""The text side of a bundle: a teacher's text tower or a text student as a graph, with its tokenizer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn

from tinyclap.common.files import write_text
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters.onnx.graph import save, to_onnx
from tinyclap.exporters.onnx.opset import at_opset, opset_of
from tinyclap.exporters.onnx.text_int8 import rounded
from tinyclap.hardware.traced_costs import n_parameters
from tinyclap.models.text_student import PAD, TextStudent
from tinyclap.runtime.bundle_contents import PACKAGE, TEXT_GRAPH, TOKENIZER, WORDPIECE
from tinyclap.runtime.text_encoder import TextEncoder
from tinyclap.runtime.wordpiece import OtherKindError, WordPiece
from tinyclap.teachers.encoder import TextGraph

OUTPUT, UNFINISHED = "text_embeds", "unfinished_text_embeds"
TOLERANCE = 1e-5  # of unit vectors
LOWEST_COSINE = 0.995  # to float, in INT8
AXES = {0: "batch", 1: "tokens"}


class _Mapped(nn.Module):
    """A tower whose embeddings a latent map takes into a pruned student's space."""

    matrix: Tensor

    def __init__(self, tower: nn.Module, latent_map: LatentMap) -> None:
        super().__init__()
        self.tower = tower
        self.register_buffer("matrix", torch.from_numpy(latent_map.matrix))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return F.normalize(self.tower(input_ids, attention_mask) @ self.matrix.T, dim=-1)


class TextSource(Protocol):
    """Whose words a bundle gets: a teacher or a text student.

    Attributes:
        name: for messages.
    """

    name: str

    def text_graph(self) -> TextGraph:
        """The text side in a form that can be traced; raises TinyclapError where there is none."""
        ...

    def embed_text(self, texts: list[str]) -> Tensor:
        """N texts to unit-norm (N, D)."""
        ...


class StudentWords:
    """A text student as a `TextSource`."""

    def __init__(self, student: TextStudent) -> None:
        self.student = student.eval().cpu()
        self.embed_text = student.embed_text
        self.name = f"a text student of {n_parameters(student):,} parameters"

    def text_graph(self) -> TextGraph:
        """Its word pieces and their mask to the teacher's space."""
        return TextGraph(_Masked(self.student), self.student.tokenizer, PAD, self.student.config.max_tokens)


class _Masked(nn.Module):
    """A text student that is told by a mask where a text ends."""

    def __init__(self, student: TextStudent) -> None:
        super().__init__()
        self.student = student

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        embedded: Tensor = self.student(input_ids * attention_mask)
        return embedded


@dataclass(frozen=True)
class TextSide:
    """A text tower as a graph, the manifest's `text` entry, and how far unit vectors are from torch's.

    Attributes:
        graph: as it was written.
        entry: of the manifest.
        difference: the largest of a float graph.
        cosine: mean, of an INT8 graph.
    """

    graph: onnx.ModelProto
    entry: dict[str, Any]
    difference: float
    cosine: float


def write_text_side(
    source: TextSource,
    folder: Path,
    texts: Sequence[str],
    latent_map: LatentMap | None = None,
    opset: int | None = None,
    *,
    int8: bool = False,
    table_bits: int = 8,
) -> TextSide:
    """Write text.onnx and tokenizer.json, and compare them with what they were made of.

    Args:
        source: whose words.
        folder: of the bundle.
        texts: to compare on, beside some of other lengths.
        latent_map: into the space of a pruned student; the graph ends with it.
        opset: to write the graph in; None as it is traced, or a graph already.
        int8: round its matrices to INT8 (`text_int8`).
        table_bits: of a number in its tables then, 8 or 4.

    Raises:
        TinyclapError: a tokenizer that has no tokenizer.json, or a graph that cannot be written in this opset.
        GateError: a difference above TOLERANCE, or with `int8` a mean cosine below LOWEST_COSINE.
    """
    text = source.text_graph()
    tokenizer = _own_tokenizer(text, source.name)
    write_text(folder / TOKENIZER, tokenizer.to_str())
    graph = _graph(text, latent_map)
    if opset is not None:
        graph = at_opset(graph, opset)
    if int8:
        graph = rounded(graph, table_bits)
    save(graph, folder / TEXT_GRAPH)
    limits: dict[str, Any] = {"max_tokens": text.max_tokens, "pad_id": text.pad_id}
    checked = [*texts, "dog", "a dog, then rain; and then, at last, silence and birds in the trees"]
    computed = TextEncoder(folder, **limits).embed(checked)
    wanted = source.embed_text(checked).float().cpu().numpy()
    wanted = wanted if latent_map is None else latent_map.apply(wanted)
    difference = float(np.abs(computed - wanted).max())
    cosine = float((computed * wanted).sum(axis=1).mean())
    _check(source.name, difference, cosine, int8=int8)
    rounding = "int8 weights, 4-bit table" if table_bits == 4 else "int8 weights"
    precision, reader = rounding if int8 else "float32", _reader(tokenizer)
    entry = {**limits, "opset": opset_of(graph), "precision": precision, "words": source.name, "reader": reader}
    return TextSide(graph, entry, difference, cosine)


def _own_tokenizer(text: TextGraph, name: str) -> Tokenizer:
    """A copy of a tokenizer that ends every text as the teacher does, and neither fills up nor cuts."""
    tokenizer = text.tokenizer
    fast = tokenizer if isinstance(tokenizer, Tokenizer) else getattr(tokenizer, "backend_tokenizer", None)
    if fast is None:
        raise TinyclapError(f"{name}: its tokenizer cannot be saved as {TOKENIZER}; leave out --text")
    own = Tokenizer.from_str(fast.to_str())
    own.no_padding()  # left behind by earlier calls
    own.no_truncation()
    if text.ending:
        _end_with(own, text.ending)
    return own


def _graph(text: TextGraph, latent_map: LatentMap | None) -> onnx.ModelProto:
    """A text tower as a graph, into a pruned student's space where there is a map."""
    tower = text.encoder
    if isinstance(tower, onnx.ModelProto):
        return finished(tower, latent_map)
    example = {"input_ids": torch.full((2, 7), text.pad_id), "attention_mask": torch.ones(2, 7).long()}
    mapped = tower if latent_map is None else _Mapped(tower, latent_map)
    return to_onnx(mapped, example, OUTPUT, dict.fromkeys(example, AXES))


def _check(name: str, difference: float, cosine: float, *, int8: bool) -> None:
    """Raise a GateError where a graph is too far from what it was made of."""
    if int8 and not cosine >= LOWEST_COSINE:
        raise GateError(
            f"{TEXT_GRAPH} in INT8 agrees with {name} by a mean cosine of {cosine:.4f} (allowed: "
            f"{LOWEST_COSINE:g} and more), so nothing was written; export the words as float, without --int8"
        )
    if not int8 and not difference <= TOLERANCE:
        raise GateError(
            f"parity: {TEXT_GRAPH} differs from {name} by {difference:.2g} (allowed: {TOLERANCE:g}), "
            "so nothing was written; export without --text"
        )


def _reader(tokenizer: Tokenizer) -> str:
    """What a device needs to read its tokens."""
    try:
        WordPiece(json.loads(tokenizer.to_str()))
    except OtherKindError:
        return PACKAGE
    return WORDPIECE


def finished(tower: onnx.ModelProto, latent_map: LatentMap | None = None) -> onnx.ModelProto:
    """A text tower's graph as a bundle has it: of token ids and mask, to unit vectors in the student's space.

    Args:
        tower: of `input_ids` and whatever of `attention_mask` and `token_type_ids` it takes, to one output (N, D).
        latent_map: into the space of a pruned student.
    """
    made = onnx.ModelProto()
    made.CopyFrom(tower)
    graph, node = made.graph, onnx.helper.make_node
    inputs = {value.name: value for value in graph.input}
    ids = inputs["input_ids"]
    if "attention_mask" not in inputs:
        mask = graph.input.add()
        mask.CopyFrom(ids)
        mask.name = "attention_mask"
    if "token_type_ids" in inputs:  # all of the first kind
        graph.input.remove(inputs["token_type_ids"])
        graph.node.insert(0, node("Sub", ["input_ids", "input_ids"], ["token_type_ids"]))
    (last,) = graph.output
    for producer in graph.node:
        producer.output[:] = [UNFINISHED if name == last.name else name for name in producer.output]
        producer.input[:] = [UNFINISHED if name == last.name else name for name in producer.input]
    ending = []
    if latent_map is not None:
        matrix = onnx.numpy_helper.from_array(np.ascontiguousarray(latent_map.matrix.T, np.float32), "latent_map")
        graph.initializer.append(matrix)
        ending.append(node("MatMul", [UNFINISHED, "latent_map"], ["mapped"]))
        last.type.tensor_type.shape.dim[1].dim_value = latent_map.dim
    graph.node.extend([*ending, node("LpNormalization", ["mapped" if ending else UNFINISHED], [OUTPUT], axis=-1, p=2)])
    last.name = OUTPUT
    return made


def _end_with(own: Tokenizer, ending: str) -> None:
    """Have a tokenizer end every text as the teacher does, so that the runtime need not know."""
    ended = own.encode(ending, add_special_tokens=False)
    names = [f"ending_{place}" for place in range(len(ended.ids))]
    special = [
        {"id": name, "ids": [number], "tokens": [token]}
        for name, number, token in zip(names, ended.ids, ended.tokens, strict=True)
    ]
    own.post_processor = TemplateProcessing(single=["$A", *names], special_tokens=special)
