"""An exported bundle at work: sounds to embeddings and labels with ONNX Runtime."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinyclap.audio.log_mel.in_numpy import NumpyLogMel
from tinyclap.audio.windows import at_rate, mono, of_array, of_file, of_stream
from tinyclap.common.checks import is_count, is_number
from tinyclap.embeddings.zero_shot import class_matrix, prompts_for
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle_contents import (
    FLOAT_GRAPH,
    INT8_GRAPH,
    LABELS,
    TEXT_GRAPH,
    TOKENIZER,
    Manifest,
    read_manifest,
    refuse_other_graph,
    verify,
)
from tinyclap.runtime.labels import LabelTable, Prediction, read_table
from tinyclap.runtime.session import open_session, run
from tinyclap.runtime.sounds import Sound, as_file, one_or_many, samples_of
from tinyclap.runtime.text_encoder import TextEncoder

GRAPHS = {"float": FLOAT_GRAPH, "int8": INT8_GRAPH}

TEXT_FILES = (TEXT_GRAPH, TOKENIZER)  # large, and not needed where a label table is


class Bundle:
    """A loaded bundle; `Bundle.load` makes one.

    Attributes:
        folder: where it lies.
        manifest: what it says of itself.
        graph: file name of the audio graph that is run.
        threads: working on one graph.
        embed_dim: dimensions of its embeddings.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, graph: str, session: Any, threads: int, embed_dim: int
    ) -> None:
        self.folder, self.manifest, self.graph, self.threads = folder, manifest, graph, threads
        self.embed_dim = embed_dim
        self._session = session
        self._logmel = NumpyLogMel(manifest.frontend) if manifest.input == "logmel" else None

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        graph: Literal["float", "int8"] | None = None,
        providers: str | Sequence[str] | None = None,
        threads: int | None = None,
        dim: int | None = None,
    ) -> "Bundle":
        """Check a bundle and make it ready to run.

        Args:
            path: of its folder.
            graph: None for the one that the export recommends.
            providers: execution providers, first choice first, e.g. "cuda"; None for the CPU.
            threads: working on one graph; None for one, which is best for small graphs.
            dim: dimensions to keep of a bundle whose run was pruned by rotation, the first ones of which hold most;
                None for all.

        Raises:
            TinyclapError: no bundle, one that is truncated, changed or of an unknown schema, no such graph, a provider
                that does not become active, or dimensions that cannot be left out.
        """
        folder = Path(path)
        manifest = read_manifest(folder, later=TEXT_FILES)
        name = manifest.recommended if graph is None else GRAPHS.get(graph, graph)
        if name not in manifest.graphs:
            there = ", ".join(key for key, file in GRAPHS.items() if file in manifest.graphs)
            raise TinyclapError(f"bundle {folder} has no {graph} graph, it has: {there}; export it with --int8")
        session = open_session(
            folder / name,
            inputs=[manifest.input],
            output="embedding",
            providers=providers,
            threads=threads,
            width=manifest.embed_dim,
        )
        refuse_other_graph(folder / name, session.get_modelmeta().custom_metadata_map, manifest)
        return cls(folder, manifest, name, session, threads or 1, _kept(folder, manifest, dim))

    def __reduce__(self) -> tuple[Any, ...]:
        """For `pickle`: a worker process loads the bundle anew, from where it lies."""
        return _load_again, (self.folder, self.graph, self._session.get_providers(), self.threads, self.embed_dim)

    @property
    def provider(self) -> str:
        """The execution provider that is active."""
        active: str = self._session.get_providers()[0]
        return active

    @property
    def sample_rate(self) -> int:
        """The encoder's sample rate, Hz; files and arrays of other rates are resampled."""
        return self.manifest.sample_rate

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the bundle's table; empty without one."""
        return self._table.labels if self._table else ()

    def embed(self, sounds: Sound | Iterable[Sound], *, sample_rate: float | None = None) -> np.ndarray:
        """Embed sounds of any length.

        Long ones are cut into windows whose embeddings are averaged, short ones are repeated; every window is encoded
        on its own, so a sound always gets the same embedding. Long files are read piece by piece.

        Args:
            sounds: one or several files or arrays (see `sounds.Sound`); an array (N, T) holds N mono sounds.
            sample_rate: of the arrays, Hz.

        Returns:
            Unit-norm float32 (N, embed_dim), also for a single sound.

        Raises:
            AudioError: a file that cannot be used.
            TinyclapError: an array that cannot be used, or one without a sample rate.
        """
        embeddings = [self._embed_sound(sound, sample_rate) for sound in one_or_many(sounds)]
        return np.stack(embeddings) if embeddings else np.empty((0, self.embed_dim), np.float32)

    def classify(
        self,
        sounds: Sound | Iterable[Sound],
        labels: Sequence[str] | None = None,
        top_k: int = 5,
        *,
        sample_rate: int | None = None,
    ) -> list[list[Prediction]]:
        """The labels that fit each sound best, best first.

        Args:
            sounds: as for `embed`.
            labels: None for the bundle's own table.
            top_k: labels per sound, at most.
            sample_rate: of the arrays, Hz.

        Raises:
            TinyclapError: as `embed` does; also labels that are not in the table of a bundle without a text side.
        """
        if top_k < 1:
            raise TinyclapError(f"top_k is {top_k}: it must be 1 or more")
        table = self.label_table(labels)
        return [
            table.rank(embedding, self.manifest.logit_scale, top_k)
            for embedding in self.embed(sounds, sample_rate=sample_rate)
        ]

    def label_table(self, labels: Sequence[str] | None = None) -> LabelTable:
        """Labels with their unit vectors: of the bundle's table where it has them all, else of its text side.

        Raises:
            TinyclapError: the bundle has neither.
        """
        if isinstance(labels, str):
            raise TinyclapError(f"labels is the text {labels!r}; give a list of labels")
        labels = None if labels is None else [str(label) for label in labels]
        if labels is None:
            if self._table is None:
                raise TinyclapError(f"bundle {self.folder} has no label table; give labels, or export it with --labels")
            return self._table
        prompts_for(labels, self.manifest.prompts)  # refuses what cannot be told apart, by table or by text
        known = self._table.select(labels) if self._table else None
        if known is not None:
            return known
        if self.manifest.text is None:
            there = self._table.missing(labels) if self._table else "no label table"
            raise TinyclapError(
                f"bundle {self.folder} has no text side and {there}; export it with `tinyclap export --onnx --text` or "
                "with --labels that name yours (a ready-made one: `tinyclap get NAME --words`)"
            )
        matrix = class_matrix(self.embed_text, labels, self.manifest.prompts)
        return LabelTable(tuple(labels), matrix.astype(np.float32))

    def embed_text(self, texts: str | Sequence[str]) -> np.ndarray:
        """Embed N texts, or a single one: unit-norm float32 (N, embed_dim).

        Raises:
            TinyclapError: the bundle has no text side.
        """
        if self._text is None:
            raise TinyclapError(
                f"bundle {self.folder} has no text side; export it with `tinyclap export --onnx --text`"
            )
        texts = [texts] if isinstance(texts, str) else [str(text) for text in texts]
        return self._first(self._text.embed(texts)) if len(texts) else np.empty((0, self.embed_dim), np.float32)

    def encode(self, windows: np.ndarray) -> np.ndarray:
        """Embed windows at once: float32 (N, samples) at the bundle's rate to unit-norm float32 (N, embed_dim).

        Sounds of any length and rate are for `embed`, which cuts them into such windows.
        """
        batch = windows if self._logmel is None else self._logmel(windows)
        return self._first(run(self._session, {self.manifest.input: np.ascontiguousarray(batch)}))

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        *,
        hop_s: float = 1.0,
        smoothing: float = 0.0,
        sample_rate: int | None = None,
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Embed live sound: after every hop, the last window (repeated until a window is full).

        Args:
            blocks: samples in [-1, 1] as they come, (n,) or (n, channels), of any length.
            hop_s: time between two embeddings, seconds.
            smoothing: weight of the past, 0 (none) to below 1: each embedding is smoothing times the one before plus
                (1 - smoothing) times the new one, made unit norm again.
            sample_rate: of the blocks, Hz; None for the bundle's.

        Yields:
            Seconds of sound so far, and a unit-norm float32 (embed_dim,).

        Raises:
            TinyclapError: settings out of range, or a block that cannot be used.
        """
        hop_s = hop_s.item() if isinstance(hop_s, np.generic) else hop_s
        hop = round(hop_s * self.sample_rate) if is_number(hop_s) else 0
        if hop < 1:
            raise TinyclapError(f"hop_s is {hop_s}: it must be at least one sample, {1 / self.sample_rate:.1g} s")
        if not 0 <= smoothing < 1:
            raise TinyclapError(f"smoothing is {smoothing}: it must be at least 0 and below 1")
        own = at_rate(blocks, self.sample_rate if sample_rate is None else sample_rate, self.sample_rate)
        windows = of_stream(own, self.manifest.window_samples, hop)
        return self._smoothed(windows, smoothing)

    @cached_property
    def _table(self) -> LabelTable | None:
        if LABELS not in self.manifest.files:
            return None
        table = read_table(self.folder, self.manifest.embed_dim)
        return LabelTable(table.labels, self._first(table.embeddings))

    @cached_property
    def _text(self) -> TextEncoder | None:
        text = self.manifest.text
        if text is None:
            return None
        for name in TEXT_FILES:
            verify(self.folder, self.manifest, name)
        encoder = TextEncoder(self.folder, max_tokens=text["max_tokens"], pad_id=text["pad_id"], threads=self.threads)
        if encoder.latent_map != self.manifest.latent_map:
            raise TinyclapError(
                f"{self.folder / TEXT_GRAPH} was made for another latent space than this bundle's audio graphs; export "
                "the run again with --text"
            )
        return encoder

    def _embed_sound(self, sound: Sound, sample_rate: float | None) -> np.ndarray:
        window = self.manifest.window_samples
        array = samples_of(sound, sample_rate)
        if array is not None:
            return self._embed(of_array(mono(*array, self.sample_rate), window))
        with as_file(sound) as path:
            return self._embed(of_file(path, self.sample_rate, window))

    def _embed(self, windows: Iterable[np.ndarray]) -> np.ndarray:
        total = np.zeros(self.embed_dim)
        for window in windows:
            total += self.encode(window[None])[0]
        return _unit(total)

    def _first(self, embeddings: np.ndarray) -> np.ndarray:
        """The dimensions that are kept, unit-norm again: (N, manifest.embed_dim) to (N, embed_dim)."""
        if self.embed_dim == self.manifest.embed_dim:
            return embeddings
        kept = embeddings[:, : self.embed_dim]
        return kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-12)

    def _smoothed(
        self, windows: Iterable[tuple[int, np.ndarray]], smoothing: float
    ) -> Iterator[tuple[float, np.ndarray]]:
        smooth = None
        for end, window in windows:
            embedding = self.encode(window[None])[0].astype(np.float64)
            smooth = embedding if smooth is None else smoothing * smooth + (1 - smoothing) * embedding
            yield end / self.sample_rate, _unit(smooth)


def _load_again(folder: Path, graph: str, providers: list[str], threads: int, dim: int) -> Bundle:
    name: Any = {file: key for key, file in GRAPHS.items()}[graph]
    return Bundle.load(folder, graph=name, providers=providers, threads=threads, dim=dim)


def _kept(folder: Path, manifest: Manifest, dim: int | None) -> int:
    """How many dimensions are kept of those asked for."""
    full = manifest.embed_dim
    if dim is None or dim == full:
        return full
    if not is_count(dim) or dim > full:
        raise TinyclapError(f"dim is {dim}: bundle {folder} has {full} dimensions; allowed: 1 to {full}")
    if not (manifest.latent_map and manifest.latent_map["nested"]):
        raise TinyclapError(
            f"dim is {dim}: the first dimensions of bundle {folder} are no better than others; export a run that was "
            "pruned by rotation (`tinyclap prune --dim`)"
        )
    return dim


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)
