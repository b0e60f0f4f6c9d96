"""Bundles small enough for tests: real graphs and tokenizers, and what torch and numpy make of the same weights."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, Whitespace
from torch import nn

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.files import write_json
from tinyclap.embeddings.zero_shot import class_matrix
from tinyclap.models.long_audio import embed_long, repeat_pad
from tinyclap.runtime.background import Background, write_background
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import Manifest, write_manifest

SPEC = FrontendSpec()
WINDOW_S = 1.0
TINY_LABELS = ("dog", "rain", "clock tick")
PROMPTS = ("the sound of {}", "{}")
TOKENS = ("[PAD]", "[UNK]", "the", "sound", "of", "dog", "rain", "clock", "tick", "siren", "cow")
WORDS = {token: row for row, token in enumerate(TOKENS)}
MAX_TOKENS = 6
OPSET = 18
TINY_TEXTS = ("the sound of dog", "rain")


class TinyEncoder(nn.Module):
    """An untrained audio encoder: windows (B, T) to unit-norm (B, 16); its graph is made by `_audio_graph`."""

    def __init__(self, input_kind: str, spec: FrontendSpec) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.input_kind, self.frontend = input_kind, LogMel(spec)
        self.conv: nn.Conv1d | nn.Conv2d = (
            nn.Conv1d(1, 8, 400, stride=160) if input_kind == "waveform" else nn.Conv2d(1, 8, 3, stride=2, padding=1)
        )
        self.linear = nn.Linear(8, 16, bias=False)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        if self.input_kind == "waveform":
            features = self.conv(waveforms[:, None]).sin().mean(-1)
        else:
            features = self.conv(self.frontend(waveforms)).sin().mean((2, 3))
        return F.normalize(self.linear(features), dim=-1)


@torch.no_grad()
def tiny_embed(waveforms: Sequence[np.ndarray], input_kind: str = "logmel", spec: FrontendSpec = SPEC) -> np.ndarray:
    """What torch makes of whole clips with the encoder of `tiny_bundle`: (N, 16)."""
    encoder, window = TinyEncoder(input_kind, spec), round(WINDOW_S * spec.sample_rate)
    pad = partial(repeat_pad, length=window)
    clips = [torch.from_numpy(waveform)[None] for waveform in waveforms]
    return torch.cat([embed_long(clip, None, encoder, window=window, pad=pad) for clip in clips]).numpy()


def tiny_text(texts: Sequence[str]) -> np.ndarray:
    """What numpy makes of texts with the text side of `tiny_bundle`: (N, 16)."""
    vectors, matrix = _text_weights()
    sums = [sum(vectors[WORDS.get(word, 1)] for word in text.split()[:MAX_TOKENS]) for text in texts]
    embeddings = np.stack(sums) @ matrix
    units: np.ndarray = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return units


def tiny_bundle(
    folder: Path,
    *,
    input_kind: str = "logmel",
    labels: Sequence[str] | None = TINY_LABELS,
    text: bool = False,
    bert: bool = False,
    int8: bool = False,
    spec: FrontendSpec = SPEC,
    background: Background | None = None,
) -> Path:
    """A bundle with windows of one second.

    `text` adds a text side, which with `bert` reads words in any case; `int8` adds a graph with rounded weights.
    """
    folder.mkdir(parents=True)
    encoder = TinyEncoder(input_kind, spec)
    graphs = {"audio.onnx": "float32", **({"audio_int8.onnx": "int8"} if int8 else {})}
    facts = {}
    for name, precision in graphs.items():
        onnx.save(_audio_graph(encoder, spec, steps=None if precision == "float32" else 127), folder / name)
        size_bytes = (folder / name).stat().st_size
        facts[name] = {"precision": precision, "opset": OPSET, "parameters": 224, "macs": 1, "size_bytes": size_bytes}
    if labels is not None:
        write_json(folder / "labels.json", {"labels": list(labels), "prompts": list(PROMPTS)})
        matrix = class_matrix(tiny_text, labels, PROMPTS)
        np.save(folder / "labels.npy", matrix.astype(np.float32))
    if text:
        onnx.save(_text_graph(), folder / "text.onnx")
        tokenizer = Tokenizer((WordPiece if bert else WordLevel)(WORDS, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = BertPreTokenizer() if bert else Whitespace()
        if bert:
            tokenizer.normalizer = BertNormalizer()
        tokenizer.save(str(folder / "tokenizer.json"))
    rng = np.random.default_rng(0)
    lengths = [round(seconds * spec.sample_rate) for seconds in (0.3, 1.0, 2.7)]
    waveforms = [rng.normal(0, 0.1, length).astype(np.float32) for length in lengths]
    vectors: dict[str, Any] = {f"waveform_{row}": waveform for row, waveform in enumerate(waveforms)}
    vectors["embedding"] = tiny_embed(waveforms, input_kind, spec)
    if text:
        vectors |= {"texts": np.array(TINY_TEXTS), "text_embedding": tiny_text(TINY_TEXTS)}
    np.savez(folder / "test_vectors.npz", **vectors)
    if background is not None:
        write_background(folder, background)
    manifest = Manifest(
        name="tiny",
        licence="Apache-2.0",
        teacher={"name": "none", "fingerprint": "0", "licence": "Apache-2.0"},
        embed_dim=16,
        sample_rate=spec.sample_rate,
        window_s=WINDOW_S,
        input=input_kind,
        frontend=spec,
        prompts=PROMPTS,
        logit_scale=14.0,
        graphs=facts,
        text={"max_tokens": MAX_TOKENS, "pad_id": 0, "opset": OPSET} if text else None,
    )
    write_manifest(folder, manifest)
    if int8:
        rounded = Bundle.load(folder, graph="int8").embed(waveforms, sample_rate=spec.sample_rate)
        np.savez(folder / "test_vectors.npz", embedding_int8=rounded, **vectors)
        write_manifest(folder, manifest)
    return folder


def tiny_background(seed: int = 0, sounds: int = 40) -> Background:
    """Noise of many levels, half of it without a class, and four names."""
    rng = np.random.default_rng(seed)
    levels = rng.uniform(0.01, 0.5, sounds)
    embedded = tiny_embed([rng.normal(0, level, 16_000).astype(np.float32) for level in levels])
    classes = tiny_text(["cow", "siren", "dog", "rain"])
    return Background(embedded, classes, np.arange(sounds) % 8 - np.arange(sounds) % 8 // 4 * 5)


def _audio_graph(encoder: TinyEncoder, spec: FrontendSpec, steps: int | None) -> onnx.ModelProto:
    """The encoder with weights rounded to 2 * `steps` + 1 values, or as they are."""
    weights = {name: value.detach().numpy() for name, value in encoder.state_dict().items()}
    if steps:
        scales = {name: np.abs(value).max() / steps for name, value in weights.items()}
        weights = {name: np.rint(value / scales[name]) * scales[name] for name, value in weights.items()}
    node = onnx.helper.make_node
    if encoder.input_kind == "waveform":
        taken, axes = node("Unsqueeze", ["waveform", "one"], ["x"]), [2]
        shape: list[str | int] = ["batch", "samples"]
        conv = node("Conv", ["x", "conv.weight", "conv.bias"], ["c"], strides=[160])
    else:
        taken, axes = node("Identity", ["logmel"], ["x"]), [2, 3]
        shape = ["batch", 1, "frames", spec.n_mels]
        conv = node("Conv", ["x", "conv.weight", "conv.bias"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1])
    nodes = [taken, conv, node("Sin", ["c"], ["a"]), node("ReduceMean", ["a", "axes"], ["m"], keepdims=0)]
    nodes.append(node("Gemm", ["m", "linear.weight"], ["e"], transB=1))
    nodes.append(node("LpNormalization", ["e"], ["embedding"], axis=1, p=2))
    constants = {"one": np.array([1]), "axes": np.array(axes)}
    return _graph(nodes, {encoder.input_kind: (onnx.TensorProto.FLOAT, shape)}, "embedding", weights | constants)


def _text_weights() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.normal(size=(len(WORDS), 8)).astype(np.float32), rng.normal(size=(8, 16)).astype(np.float32)


def _text_graph() -> onnx.ModelProto:
    node = onnx.helper.make_node
    vectors, matrix = _text_weights()
    nodes = [
        node("Gather", ["vectors", "input_ids"], ["w"]),
        node("Cast", ["attention_mask"], ["f"], to=onnx.TensorProto.FLOAT),
        node("Unsqueeze", ["f", "two"], ["u"]),
        node("Mul", ["w", "u"], ["p"]),
        node("ReduceSum", ["p", "one"], ["s"], keepdims=0),
        node("MatMul", ["s", "matrix"], ["e"]),
        node("LpNormalization", ["e"], ["text_embeds"], axis=1, p=2),
    ]
    inputs: dict[str, tuple[int, list]] = {
        name: (onnx.TensorProto.INT64, ["batch", "tokens"]) for name in ("input_ids", "attention_mask")
    }
    constants = {"vectors": vectors, "matrix": matrix, "one": np.array([1]), "two": np.array([2])}
    return _graph(nodes, inputs, "text_embeds", constants)


def _graph(
    nodes: list[onnx.NodeProto], inputs: dict[str, tuple[int, list]], output: str, constants: dict[str, np.ndarray]
) -> onnx.ModelProto:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "tiny",
        [value(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [value(output, onnx.TensorProto.FLOAT, ["batch", 16])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    return model
