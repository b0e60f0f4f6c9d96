"""Teachers that are ONNX graphs, run by ONNX Runtime."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import Tensor

from tinyclap.audio.log_mel.in_numpy import NumpyLogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.files import refuse_pointer
from tinyclap.data.dataset import Dataset
from tinyclap.errors import TinyclapError
from tinyclap.models.long_audio import embed_long, repeat_pad
from tinyclap.runtime.session import metadata_of, open_any, run_output
from tinyclap.runtime.text_encoder import padded, read_tokenizer
from tinyclap.teachers.encoder import AudioGraph, TextGraph, TextTarget
from tinyclap.teachers.options import OnnxOptions

TEXT_BATCH = 32
RANKS = {"waveform": (2,), "logmel": (3, 4)}  # of a graph's input


class OnnxAudio:
    """A graph from windows of sound to one vector each.

    It may be of a fixed batch size or a fixed length: a batch is filled up, and the length is the window.

    Args:
        path: of the graph.
        key: of the recipe that names it, for messages.
        sample_rate, window_s: of its sounds, Hz and seconds; None for what the graph says itself, as those of
            `tinyclap convert` do, or what its fixed length gives.
        frontend: it takes log-mel spectrograms of this front end, (batch, 1, frames, mels) or (batch, frames, mels);
            None for one that takes waveforms, (batch, samples).

    Raises:
        TinyclapError: no such file, not a graph that can be run, more inputs than one, a shape that does not fit, or a
            sample rate or window that nobody says.
    """

    def __init__(
        self,
        path: Path,
        key: str = "teacher.audio",
        *,
        sample_rate: int | None = None,
        window_s: float | None = None,
        frontend: FrontendSpec | None = None,
    ) -> None:
        self.path, self.frontend = path, frontend
        self.session = open_graph(path, key)
        self.facts = metadata_of(path, self.session)
        inputs = self.session.get_inputs()
        if len(inputs) != 1:
            raise TinyclapError(f"{key} {path}: inputs {_names(inputs)}; an audio graph has one")
        self._input = inputs[0]
        kind = "waveform" if frontend is None else "logmel"
        shape = self._input.shape
        if len(shape) not in RANKS[kind]:
            wanted = "(batch, samples)" if frontend is None else "(batch, 1, frames, mels) or (batch, frames, mels)"
            remedy = "; say its front end (teacher.frontend)" if frontend is None else ""
            raise TinyclapError(f"{key} {path}: its input has the shape {shape}, expected {wanted}{remedy}")
        rate = frontend.sample_rate if frontend is not None else sample_rate or self.facts.get("sample_rate")
        if not rate:
            raise TinyclapError(f"{key} {path} does not say its sample rate; set teacher.sample_rate")
        self.sample_rate = int(rate)
        self.window_s = self._window_s(key, window_s)
        self._logmel = None if frontend is None else NumpyLogMel(frontend)
        self._output = _embedding_output(self.session, f"{key} {path}")
        self._check_frames(key)
        self.embed_dim = self.compute(np.zeros((1, self.window), np.float32)).shape[1]

    @property
    def window(self) -> int:
        """Samples in one window."""
        return round(self.window_s * self.sample_rate)

    def _window_s(self, key: str, asked: float | None) -> float:
        fixed = self._input.shape[-1] if self.frontend is None else None
        if isinstance(fixed, int):
            own = fixed / self.sample_rate
            if asked is not None and round(asked * self.sample_rate) != fixed:
                raise TinyclapError(
                    f"{key} {self.path} takes {own:g} s exactly; leave out teacher.window_s = {asked:g}"
                )
            return own
        window_s = asked or self.facts.get("window_s")
        if not window_s:
            raise TinyclapError(f"{key} {self.path} does not say how long its windows are; set teacher.window_s")
        return float(window_s)

    def _check_frames(self, key: str) -> None:
        """Raise a TinyclapError for spectrograms that the front end does not make."""
        if self.frontend is None:
            return
        frames, mels = self._input.shape[-2:]
        made = self.frontend.n_frames(self.window), self.frontend.n_mels
        for axis, (fixed, own) in enumerate(zip((frames, mels), made, strict=True)):
            if isinstance(fixed, int) and fixed != own:
                what = ("frames", "mel bands")[axis]
                raise TinyclapError(
                    f"{key} {self.path} takes {fixed} {what}, but teacher.frontend makes {own} of {self.window_s:g} s"
                )

    def compute(self, windows: np.ndarray) -> np.ndarray:
        """Windows (B, samples) float32 to the graph's vectors (B, D), as they are."""
        values = windows if self._logmel is None else self._logmel(windows)
        if self._logmel is not None and len(self._input.shape) == 3:
            values = values[:, 0]
        fixed = self._input.shape[0]
        if not isinstance(fixed, int):
            return run_output(self.session, {self._input.name: values}, self._output)
        return np.concatenate([self._filled(values[at : at + fixed], fixed) for at in range(0, len(values), fixed)])

    def _filled(self, values: np.ndarray, size: int) -> np.ndarray:
        padded = np.concatenate([values, np.zeros((size - len(values), *values.shape[1:]), values.dtype)])
        return run_output(self.session, {self._input.name: padded}, self._output)[: len(values)]

    def costs(self) -> dict[str, int | None]:
        """`parameters`: numbers among the graph's constants; `macs`: what it says itself, else None."""
        return {"parameters": _n_constants(self.path), "macs": self.facts.get("macs")}


class OnnxText:
    """A graph from token ids and their mask to one vector a text, and its tokenizer.

    Raises:
        TinyclapError: no such files, or inputs and outputs of another kind.
    """

    def __init__(self, path: Path, tokenizer: Path, max_tokens: int) -> None:
        self.path, self.tokenizer_path, self.max_tokens = path, tokenizer, max_tokens
        self.session = open_graph(path, "teacher.text")
        self._inputs = {entry.name for entry in self.session.get_inputs()}
        known = {"input_ids", "attention_mask", "token_type_ids"}
        if "input_ids" not in self._inputs or not self._inputs <= known:
            raise TinyclapError(
                f"teacher.text {path}: inputs {', '.join(sorted(self._inputs))}; allowed: input_ids, attention_mask, "
                "token_type_ids"
            )
        if not tokenizer.is_file():
            raise TinyclapError(
                f"teacher.tokenizer: there is no file {tokenizer}; it is the text model's tokenizer.json"
            )
        refuse_pointer(tokenizer)
        self.tokenizer = read_tokenizer(tokenizer)
        padding = self.tokenizer.padding or {}
        self.pad_id = int(padding.get("pad_id") or self.tokenizer.token_to_id("<pad>") or 0)
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_tokens)
        self._output = _embedding_output(self.session, f"teacher.text {path}")

    def graph(self) -> TextGraph:
        """As it is, but for outputs that are no embedding."""
        model = onnx.load(self.path)
        for value in [value for value in model.graph.output if value.name != self._output]:
            model.graph.output.remove(value)
        return TextGraph(model, self.tokenizer, self.pad_id, self.max_tokens)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """N texts to the graph's vectors, (N, D), as they are."""
        batches = [self._embed(texts[at : at + TEXT_BATCH]) for at in range(0, len(texts), TEXT_BATCH)]
        return np.concatenate(batches)

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        ids, mask = padded([tokens.ids for tokens in self.tokenizer.encode_batch(list(texts))], self.pad_id)
        values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return run_output(self.session, {name: values[name] for name in self._inputs}, self._output)


class OnnxTeacher:
    """A `Teacher` (see `encoder`) of two graphs.

    Raises:
        TinyclapError: a file that is not there, a graph of another kind, or two of different dimensions.
    """

    def __init__(self, options: OnnxOptions) -> None:
        self.audio = audio = OnnxAudio(
            Path(options.audio).expanduser(),
            sample_rate=options.sample_rate,
            window_s=options.window_s,
            frontend=options.frontend,
        )
        paths = Path(options.text).expanduser(), Path(options.tokenizer).expanduser()
        self.text = text = OnnxText(*paths, options.max_tokens)
        licence = options.licence
        self.name = str(audio.facts.get("name") or audio.path.name)
        self.licence = licence if licence != "unknown" else str(audio.facts.get("licence") or licence)
        self.sample_rate, self.window_s, self.embed_dim = audio.sample_rate, audio.window_s, audio.embed_dim
        self.prompts, self.logit_scale = options.prompts, options.logit_scale
        width = self.text.embed(["a sound"]).shape[1]
        if width != self.embed_dim:
            raise TinyclapError(
                f"teacher: {audio.path} makes {self.embed_dim} dimensions, {text.path} {width}; take both of one model"
            )
        settings = [self.window_s, self.sample_rate, vars(audio.frontend) if audio.frontend else None, text.max_tokens]
        self.fingerprint = files_fingerprint([audio.path, text.path, text.tokenizer_path], settings)

    @property
    def window(self) -> int:
        """Samples in one window."""
        return self.audio.window

    def encode_audio(self, windows: Tensor) -> Tensor:
        """Windows (B, samples) to unit-norm (B, D)."""
        return F.normalize(torch.from_numpy(self.audio.compute(windows.cpu().numpy())), dim=-1)

    def embed_audio(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (B, T), of these lengths (B,), to unit-norm (B, D); see `Encoder.embed_audio`."""
        return embed_long(waveforms.cpu(), lengths, self.encode_audio, window=self.window, pad=self.pad)

    def embed_text(self, texts: list[str]) -> Tensor:
        """N texts to unit-norm (N, D)."""
        return F.normalize(torch.from_numpy(self.text.embed(texts)), dim=-1)

    def pad(self, waveform: Tensor) -> Tensor:
        """A clip (t,) shorter than a window, repeated to one."""
        return repeat_pad(waveform, self.window)

    def costs(self) -> dict[str, int | None]:
        """`parameters` of the audio graph; `macs` where it says them."""
        return self.audio.costs()

    def prepare_dataset(self, dataset: Dataset) -> Dataset:
        """A data set as this teacher reads its files: as it is."""
        return dataset

    def to(self, device: str | torch.device) -> "OnnxTeacher":
        """It stays on the CPU."""
        return self

    def audio_graph(self) -> AudioGraph:
        """There is none to trace."""
        raise TinyclapError(f"teacher {self.name}: its audio side is a graph already, {self.audio.path}")

    def text_target(self) -> TextTarget:
        """Its text embeddings, which a text student learns as they are."""
        facts: Any = {"name": self.name, "licence": self.licence, "parameters": _n_constants(self.text.path)}
        return TextTarget(self.embed_text, self.embed_dim, self.fingerprint, **facts)

    def text_graph(self) -> TextGraph:
        """The graph as it is, with its one output that is an embedding."""
        return self.text.graph()


def open_graph(path: Path, key: str) -> Any:
    """A session of a graph that a recipe names; TinyclapError if there is none or it cannot be run."""
    if not path.is_file():
        raise TinyclapError(f"{key}: there is no file {path}")
    return open_any(path, providers=None, threads=torch.get_num_threads())


def files_fingerprint(paths: Sequence[Path], settings: Sequence[object]) -> str:
    """Hex hash of files' contents and settings (JSON-ready)."""
    total = hashlib.blake2b(json.dumps(list(settings), sort_keys=True).encode(), digest_size=16)
    for path in paths:
        with path.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def _embedding_output(session: Any, what: str) -> str:
    """The name of the output that is one vector each: the only one of two axes, or the one that is called so."""
    flat = [entry.name for entry in session.get_outputs() if len(entry.shape) == 2]
    named = [name for name in flat if "embed" in name or "logits" in name]
    if len(flat) == 1 or len(named) == 1:
        return str(named[0] if len(named) == 1 else flat[0])
    raise TinyclapError(f"{what}: outputs {_names(session.get_outputs())}; expected one of shape (batch, dimensions)")


def _names(entries: Sequence[Any]) -> str:
    return ", ".join(f"{entry.name} {tuple(entry.shape)}" for entry in entries)


def _n_constants(path: Path) -> int:
    graph = onnx.load(path, load_external_data=False).graph
    return sum(int(np.prod(tensor.dims)) for tensor in graph.initializer)
