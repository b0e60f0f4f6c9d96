"""An exported bundle at work: sounds to embeddings and labels with ONNX Runtime."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np

from tinyclap.audio.level import SILENCE_BELOW_DBFS
from tinyclap.audio.log_mel.in_numpy import NumpyLogMel
from tinyclap.errors import TinyclapError
from tinyclap.runtime.background import Background, read_background
from tinyclap.runtime.bundle_contents import (
    BACKGROUND,
    GRAPHS,
    LABELS,
    TEXT_FILES,
    TEXT_GRAPH,
    Manifest,
    graph_to_run,
    read_manifest,
    refuse_other_graph,
    verify,
)
from tinyclap.runtime.embed_sound import EmbeddedSound, EmbedOptions, embed_sound, hop_samples, timed_embeddings
from tinyclap.runtime.judge import Answer, Judge
from tinyclap.runtime.kept_part import KeptPart, kept_part
from tinyclap.runtime.labels import LabelTable, find_table, read_table
from tinyclap.runtime.live import answers
from tinyclap.runtime.session import embeddings_of, metadata_of, open_session
from tinyclap.runtime.sounds import Sound, one_or_many
from tinyclap.runtime.text_encoder import TextEncoder


class Bundle:
    """A loaded bundle; `Bundle.load` makes one.

    Attributes:
        folder: where it lies.
        manifest: what it says of itself.
        graph: file name of the audio graph that is run.
        threads: working on one graph.
        part: the dimensions that are kept of its embeddings: all, fewer, or one teacher's head.
        embed_dim: how many.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, graph: str, session: Any, threads: int, part: KeptPart
    ) -> None:
        self.folder, self.manifest, self.graph, self.threads = folder, manifest, graph, threads
        self.part, self.embed_dim = part, part.dim
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
        head: str | None = None,
    ) -> "Bundle":
        """Check a bundle and make it ready to run.

        Args:
            path: of its folder, or the name of a ready-made one that `tinyclap get` has made.
            graph: None for the one that the export recommends.
            providers: execution providers, first choice first, e.g. "cuda"; None for the CPU.
            threads: working on one graph; None for one, which is best for small graphs.
            dim: dimensions to keep of a bundle whose run was pruned by rotation, the first ones of which hold most;
                None for all.
            head: of a bundle of several teachers the one whose space and words are used; None for all together.

        Raises:
            TinyclapError: no bundle, one that is truncated, changed or of an unknown schema, no such graph or head, a
                provider that does not become active, or dimensions that cannot be left out.
        """
        folder = Path(path)
        if not folder.exists():
            from tinyclap.runtime.ready_made import by_name  # of no use to a folder, and slow to load

            folder = by_name(folder)
        manifest = read_manifest(folder, later=TEXT_FILES)
        name = graph_to_run(folder, manifest, graph)
        session = open_session(
            folder / name,
            inputs=[manifest.input],
            output="embedding",
            providers=providers,
            threads=threads,
            width=manifest.embed_dim,
        )
        refuse_other_graph(folder / name, metadata_of(folder / name, session), manifest)
        return cls(folder, manifest, name, session, threads or 1, kept_part(folder, manifest, dim, head))

    def __reduce__(self) -> tuple[Any, ...]:
        """For `pickle`: a worker process loads the bundle anew, from where it lies."""
        how = (self.folder, self.graph, self._session.get_providers(), self.threads)
        return _load_again, (*how, self.embed_dim, self.part.head)

    @property
    def provider(self) -> str:
        """The execution provider that is active."""
        return str(self._session.get_providers()[0])

    @property
    def sample_rate(self) -> int:
        """The encoder's sample rate, Hz; files and arrays of other rates are resampled."""
        return self.manifest.sample_rate

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the bundle's table; empty without one."""
        return self._table.labels if self._table else ()

    def embed(
        self,
        sounds: Sound | Iterable[Sound],
        *,
        sample_rate: float | None = None,
        hop_s: float | None = None,
        channel: int | None = None,
    ) -> np.ndarray:
        """Embed sounds of any length.

        Long ones are cut into windows whose embeddings are averaged, each weighing as its level (`audio.level`),
        so that silence weighs nothing; short ones are repeated. Every window is encoded on its own, so a sound
        always gets the same embedding. Long files are read piece by piece.

        Args:
            sounds: one or several files or arrays (see `sounds.Sound`); an array (N, T) holds N mono sounds.
            sample_rate: of the arrays, Hz.
            hop_s: from one window to the next, seconds, at most a window; None for a window.
            channel: to take, counted from 1; None for the mean, or the louder of two that would cancel each other.

        Returns:
            Unit-norm float32 (N, embed_dim), also for a single sound.

        Raises:
            AudioError: a file that cannot be used.
            TinyclapError: an array that cannot be used, or one without a sample rate; a hop out of range.
        """
        hop_samples(self, hop_s, at_most_window=True)
        options: EmbedOptions = {"sample_rate": sample_rate, "hop_s": hop_s, "channel": channel}
        embeddings = [self.embed_with_level(sound, **options).embedding for sound in one_or_many(sounds)]
        return np.stack(embeddings) if embeddings else np.empty((0, self.embed_dim), np.float32)

    def embed_with_level(self, sound: Sound, **options: Unpack[EmbedOptions]) -> EmbeddedSound:
        """Embed one sound, as `embed` does, and measure its level."""
        return embed_sound(self, sound, **options)

    def classify(
        self,
        sounds: Sound | Iterable[Sound],
        labels: Sequence[str] | None = None,
        top_k: int = 5,
        *,
        threshold: float | None = None,
        silence_dbfs: float = SILENCE_BELOW_DBFS,
        multi_label: bool = False,
        prompts: Sequence[str] | None = None,
        **options: Unpack[EmbedOptions],
    ) -> list[Answer]:
        """The labels that fit each sound best, best first; `answer.outcome` is "label", "unknown" or "silence".

        Args:
            sounds: as for `embed`.
            labels: None for the bundle's own table; one of "dog | puppy" means both, and is called by the first.
            top_k: labels per sound, at most.
            threshold: score that a label must reach, a share of other sounds that fit less well. None for no
                demand, but 0.95 where a label is judged alone: a single one, or with `multi_label`.
            silence_dbfs: sounds of a lower level are silence.
            multi_label: judge each label on its own, and give those alone that reach the threshold.
            prompts: templates with {}, over which each label's vector is the mean; None for the bundle's own.
            **options: sample_rate, hop_s and channel, as for `embed`.

        Raises:
            TinyclapError: as `embed` does; also labels that are not in the table of a bundle without a text side,
                settings out of range, and a threshold for a bundle that was made without background sounds.
        """
        settings = {"threshold": threshold, "silence_dbfs": silence_dbfs, "multi_label": multi_label}
        judge = self.judge(labels, prompts=prompts, top_k=top_k, **settings)
        return [judge(*self.embed_with_level(sound, **options)) for sound in one_or_many(sounds)]

    def judge(
        self, labels: Sequence[str] | None = None, *, prompts: Sequence[str] | None = None, **settings: Any
    ) -> Judge:
        """What makes answers of embeddings; `settings` and errors as for `classify`."""
        return Judge(self.label_table(labels, prompts), self.part.logit_scale, self.background, **settings)

    def embed_windows(
        self, sound: Sound, hop_s: float | None = None, *, sample_rate: float | None = None, channel: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embed every window of a sound, which is read piece by piece.

        Args:
            sound: as for `embed`, one.
            hop_s: time from one window to the next, seconds; None for a window. The last one is aligned to the end.
            sample_rate, channel: as for `embed`.

        Returns:
            Start and end of each window in seconds, float64 (N, 2), and unit-norm float32 (N, embed_dim).
        """
        rows = list(timed_embeddings(self, sound, hop_s=hop_s, sample_rate=sample_rate, channel=channel))
        return np.array([row[:2] for row in rows]), np.stack([row[2] for row in rows])

    def label_table(self, labels: Sequence[str] | None = None, prompts: Sequence[str] | None = None) -> LabelTable:
        """Labels with their unit vectors: of the bundle's table where it has them all, else of its text side.

        With prompts other than the bundle's, always of its text side. Labels and prompts as for `classify`.

        Raises:
            TinyclapError: the bundle has neither, or knows no word of a label.
        """
        return find_table(
            labels,
            prompts,
            own_prompts=self.part.prompts,
            table=self._table,
            text_side=lambda: self._text,
            embed_text=self.embed_text,
            where=str(self.folder),
        )

    def embed_text(self, texts: str | Sequence[str]) -> np.ndarray:
        """Embed N texts, or a single one: unit-norm float32 (N, embed_dim).

        Raises:
            TinyclapError: the bundle has no text side, or knows no word of a text.
        """
        if self._text is None:
            raise TinyclapError(
                f"bundle {self.folder} has no text side; export it with `tinyclap export --onnx --text`"
            )
        texts = [texts] if isinstance(texts, str) else [str(text) for text in texts]
        return self.part.of(self._text.embed(texts)) if len(texts) else np.empty((0, self.embed_dim), np.float32)

    def spelled_out(self, texts: Sequence[str]) -> list[str]:
        """The words of texts, if it knows each by single letters alone: slips of the pen, most often; else none."""
        return self._text.spelled_out(texts) if self._text else []

    def encode(self, windows: np.ndarray) -> np.ndarray:
        """Embed windows at once: float32 (N, samples) at the bundle's rate to unit-norm float32 (N, embed_dim).

        Sounds of any length and rate are for `embed`, which cuts them into such windows.
        """
        batch = windows if self._logmel is None else self._logmel(windows)
        return self.part.of(embeddings_of(self._session, {self.manifest.input: np.ascontiguousarray(batch)}))

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        *,
        hop_s: float = 1.0,
        smoothing: float = 0.0,
        sample_rate: int | None = None,
        channel: int | None = None,
    ) -> Iterator[tuple[float, np.ndarray]]:
        """Embed live sound: after every hop, the last window (repeated until a window is full).

        Args:
            blocks: samples in [-1, 1] as they come, (n,) or (n, channels), of any length.
            hop_s: time between two embeddings, seconds.
            smoothing: weight of the past, 0 (none) to below 1: each embedding is smoothing times the one before plus
                (1 - smoothing) times the new one, made unit norm again.
            sample_rate: of the blocks, Hz; None for the bundle's.
            channel: to take, counted from 1; None as for `embed`.

        Yields:
            Seconds of sound so far, and a unit-norm float32 (embed_dim,).

        Raises:
            TinyclapError: settings out of range, or a block that cannot be used.
        """
        return answers.embeddings(
            self, blocks, hop_s=hop_s, smoothing=smoothing, sample_rate=sample_rate, channel=channel
        )

    @cached_property
    def background(self) -> Background | None:
        """What sounds look like that are none of the labels; None for a bundle without it."""
        if BACKGROUND not in self.manifest.files:
            return None
        return read_background(self.folder, self.manifest.embed_dim).mapped(self.part.of)

    @cached_property
    def _table(self) -> LabelTable | None:
        if LABELS not in self.manifest.files:
            return None
        table = read_table(self.folder, self.manifest.embed_dim)
        return LabelTable(table.labels, self.part.of(table.embeddings))

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


def _load_again(folder: Path, graph: str, providers: list[str], threads: int, dim: int, head: str | None) -> Bundle:
    name: Any = {file: key for key, file in GRAPHS.items()}[graph]
    return Bundle.load(folder, graph=name, providers=providers, threads=threads, dim=dim, head=head)
