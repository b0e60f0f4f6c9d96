"""Does this machine compute what was exported? Every graph of a bundle on the inputs that it carries.

A bundle's test_vectors.npz holds sounds of different lengths, `waveform_0`, ..., their `embedding` by the student in
torch and `embedding_int8` by the INT8 graph where it was exported; with a static graph `static_waveform`,
`static_logmel` and `static_embedding` (and `static_embedding_int8`), so that a microcontroller's own front end can be
checked too; with a text side `texts` and `text_embedding`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tinyclap.common.arrays import read_arrays
from tinyclap.embeddings.latent_map import enlargement
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import GateError, TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import (
    BACKGROUND,
    GRAPHS,
    INT8_GRAPH,
    STATIC_GRAPH,
    STATIC_INT8_GRAPH,
    TEST_VECTORS,
    TEXT_GRAPH,
)
from tinyclap.runtime.session import CPU, open_session, run

LARGEST_DIFFERENCE = 1e-4  # of unit vectors, float graphs; more in a pruned space, as in `parity`
LOWEST_COSINE = 0.999  # INT8 graphs, mean: other processors round otherwise, but saturating arithmetic costs more

FLOAT = "float32"
ROUNDED = (INT8_GRAPH, STATIC_INT8_GRAPH)
SOUND_VECTORS: dict[Literal["float", "int8"], str] = {"float": "embedding", "int8": "embedding_int8"}
STATIC_VECTORS = {STATIC_GRAPH: "static_embedding", STATIC_INT8_GRAPH: "static_embedding_int8"}


@dataclass(frozen=True)
class GraphTest:
    """How one graph does on the bundle's test inputs, against what was exported.

    Attributes:
        graph: its file name.
        provider: the execution provider that was active; None where the graph was not run.
        n_inputs: how many test inputs there are.
        difference: largest absolute difference of two unit vectors; None where the graph was not run.
        cosine: mean over the inputs, likewise.
        passed: whether the difference (float) or the cosine (INT8) is within its limit; None where the graph was not
            run, since the package tokenizers is not installed.
    """

    graph: str
    provider: str | None
    n_inputs: int
    difference: float | None
    cosine: float | None
    passed: bool | None


def selftest(folder: Path, *, providers: str | None = None, threads: int | None = None) -> list[GraphTest]:
    """Run every graph of a bundle on its test inputs.

    Raises:
        TinyclapError: the bundle cannot be loaded, or lacks test vectors.
    """
    bundle = Bundle.load(folder, providers=providers, threads=threads)
    vectors = _Vectors(bundle)
    tests = []
    for kind, name in SOUND_VECTORS.items():
        if GRAPHS[kind] in bundle.manifest.graphs:
            is_loaded = GRAPHS[kind] == bundle.graph
            tested = bundle if is_loaded else Bundle.load(folder, graph=kind, providers=providers, threads=threads)
            tests.append(_of_sounds(tested, vectors, name))
    for graph, name in STATIC_VECTORS.items():
        if graph in bundle.manifest.graphs:
            session = open_session(
                bundle.folder / graph, inputs=["logmel"], output="embedding", providers=providers, threads=threads
            )
            computed = run(session, {"logmel": vectors["static_logmel"]})
            tests.append(_test(bundle, graph, session.get_providers()[0], computed, vectors.embeddings(name)))
    if bundle.manifest.text is not None:
        tests.append(_of_texts(bundle, vectors))
    return tests


def refuse_failed(folder: Path, tests: Sequence[GraphTest]) -> None:
    """Raise a GateError that names the graphs whose test failed, if there are any."""
    failed = [test.graph for test in tests if test.passed is False]
    if failed:
        raise GateError(f"{folder}: {', '.join(failed)} does not compute here what was exported; do not use it here")


class _Vectors:
    """A bundle's test vectors; what is not there is an error."""

    def __init__(self, bundle: Bundle) -> None:
        self._folder, self._embed_dim = bundle.folder, bundle.manifest.embed_dim
        if TEST_VECTORS not in bundle.manifest.files:
            raise TinyclapError(f"bundle {self._folder} has no {TEST_VECTORS}; export it again")
        self._arrays: Mapping[str, np.ndarray] = read_arrays(self._folder / TEST_VECTORS)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            raise TinyclapError(f"bundle {self._folder}: {TEST_VECTORS} holds no {name}; export it again")
        return self._arrays[name]

    def embeddings(self, name: str) -> np.ndarray:
        """The unit vectors (N, D) under this name."""
        found = self[name]
        if found.dtype.kind != "f" or found.ndim != 2 or not len(found) or found.shape[1] != self._embed_dim:
            raise self._odd(name, found, f"embeddings (N, {self._embed_dim})")
        if not np.isfinite(found).all():
            raise self._odd(name, found, "finite numbers")
        return found

    def texts(self, n: int) -> list[str]:
        """The texts, of which there are n."""
        found = self["texts"]
        if found.dtype.kind != "U" or found.shape != (n,):
            raise self._odd("texts", found, f"{n} texts")
        return list(found.tolist())

    def _odd(self, name: str, found: np.ndarray, expected: str) -> TinyclapError:
        return TinyclapError(
            f"bundle {self._folder}: in {TEST_VECTORS} {name} is {found.dtype} of shape {found.shape}, expected "
            f"{expected}; export it again"
        )


def _of_sounds(bundle: Bundle, vectors: _Vectors, name: str) -> GraphTest:
    expected = vectors.embeddings(name)
    waveforms = [vectors[f"waveform_{row}"] for row in range(len(expected))]
    computed = bundle.embed(waveforms, sample_rate=bundle.sample_rate)
    test = _test(bundle, bundle.graph, bundle.provider, computed, expected)
    if test.passed or BACKGROUND in bundle.manifest.files:
        return test
    # Perhaps exported by a version to which every window of a sound was worth the same.
    rows = [bundle.embed_windows(sound, sample_rate=bundle.sample_rate)[1].mean(axis=0) for sound in waveforms]
    return _test(bundle, bundle.graph, bundle.provider, unit(np.stack(rows)), expected)


def _of_texts(bundle: Bundle, vectors: _Vectors) -> GraphTest:
    expected = vectors.embeddings("text_embedding")
    texts = vectors.texts(len(expected))
    try:
        computed = bundle.embed_text(texts)
    except ModuleNotFoundError:
        return GraphTest(TEXT_GRAPH, None, len(texts), None, None, None)
    return _test(bundle, TEXT_GRAPH, CPU, computed, expected)


def _test(bundle: Bundle, graph: str, provider: str, computed: np.ndarray, expected: np.ndarray) -> GraphTest:
    if computed.shape != expected.shape:
        raise TinyclapError(
            f"bundle {bundle.folder}: {TEST_VECTORS} holds {len(expected)} embeddings of {graph} for "
            f"{len(computed)} inputs; export it again"
        )
    mapped = bundle.manifest.latent_map
    allowed = LARGEST_DIFFERENCE * (enlargement(mapped["full_dim"], bundle.manifest.embed_dim) if mapped else 1.0)
    difference = float(np.abs(computed - expected).max())
    cosine = float(np.sum(computed * expected, axis=1).mean())
    text = bundle.manifest.text or {}
    # INT8 weights of words are multiplied in INT8 where a processor has a quick way, else in float32.
    is_rounded = graph in ROUNDED or (graph == TEXT_GRAPH and text.get("precision", FLOAT) != FLOAT)
    passed = cosine >= LOWEST_COSINE if is_rounded else difference <= allowed
    return GraphTest(graph, provider, len(expected), difference, cosine, passed)
