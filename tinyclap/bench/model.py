"""One graph that can be timed, as it travels between processes."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tinyclap.audio.log_mel.emphasised import spec_of
from tinyclap.audio.log_mel.in_numpy import NumpyLogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.session import open_any, run

Encode = Callable[[np.ndarray], np.ndarray]
Kind = Literal["float", "int8"]
EXTERNAL = (".data", "_data")  # what exporters put behind the name of a graph for the file of its weights

MOST_VALUES = 2**48  # more than any memory holds; far more, and numpy would not speak of memory


@dataclass(frozen=True)
class TimedGraph:
    """A graph to time.

    Attributes:
        name: for people.
        source: the argument that named it.
        path: of the graph.
        kind: which graph of a bundle; None for a bare one.
        input: of the graph: "waveform" or "logmel".
        frontend: of the log-mel spectrogram that is computed in front of a bare graph; None without one.
        clip: shape of what is given for one clip: (samples,), or that of a log-mel spectrogram whose front end nobody
            knows.
        batch: clips that the graph takes at a time; None for any number.
        sample_rate: Hz; None where nobody knows it.
        window_s: length of one clip; None where nobody knows it.
        precision: e.g. "int8"; None where nobody knows it.
        parameters: likewise.
        macs: of one clip, likewise.
    """

    name: str
    source: Path
    path: Path
    kind: Kind | None
    input: str
    frontend: FrontendSpec | None
    clip: tuple[int, ...]
    batch: int | None
    sample_rate: int | None
    window_s: float | None
    precision: str | None
    parameters: int | None
    macs: int | None

    @property
    def takes_waveforms(self) -> bool:
        """Whether what is timed begins with a waveform; otherwise with a log-mel spectrogram."""
        return len(self.clip) == 1

    @property
    def files(self) -> list[Path]:
        """The graph, and where its weights are when they lie beside it."""
        beside = [self.path.with_name(self.path.name + ending) for ending in EXTERNAL]
        return [self.path, *(path for path in beside if path.is_file())]

    def to_json(self) -> str:
        """For another process."""
        return json.dumps(asdict(self) | {"source": str(self.source), "path": str(self.path)})

    @classmethod
    def from_json(cls, text: str) -> "TimedGraph":
        """The inverse of `to_json`."""
        values = json.loads(text)
        for name in ("source", "path"):
            values[name] = Path(values[name])
        frontend = values["frontend"] and spec_of(values["frontend"], "frontend")
        return cls(**values | {"frontend": frontend, "clip": tuple(values["clip"])})

    def open(self, provider: str | None, threads: int) -> tuple[Encode, str]:
        """What embeds a batch of clips as the runtime does, and the provider that is active.

        Raises:
            TinyclapError: as of `session.open_session`.
        """
        if self.kind is not None:
            bundle = Bundle.load(self.path.parent, graph=self.kind, providers=provider, threads=threads)
            return bundle.encode, bundle.provider
        session = open_any(self.path, providers=provider, threads=threads)
        name = session.get_inputs()[0].name
        logmel = NumpyLogMel(self.frontend) if self.frontend else np.asarray

        def encode(clips: np.ndarray) -> np.ndarray:
            return run(session, {name: np.ascontiguousarray(logmel(clips))})

        return encode, str(session.get_providers()[0])

    def clips(self, n: int) -> np.ndarray:
        """Something to embed, float32 (n, *clip): a tone that rises and falls through all frequencies."""
        n_values = n * math.prod(self.clip)
        if n_values > MOST_VALUES:
            raise MemoryError(f"{n_values:,} values")
        return (0.5 * np.sin(1e-4 * np.arange(n_values) ** 2.0)).astype(np.float32).reshape(n, *self.clip)
