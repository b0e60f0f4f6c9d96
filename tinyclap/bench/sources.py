"""Which graphs can be timed: those of bundles and of exported runs, and bare ONNX files.

A bare graph says what it is by JSON in its `metadata_props` under the key "tinyclap", any of: `name`, `parameters`,
`macs`, `precision`, `sample_rate` (Hz), `window_s`, `input` ("waveform" or "logmel") and `frontend` (a `FrontendSpec`);
or, as one of a bundle, by `graphs`: the first three of each by its file name.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinyclap.audio.log_mel.emphasised import spec_of
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.bench.model import Kind, TimedGraph
from tinyclap.common.checks import is_count, is_number
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle_contents import GRAPHS, INPUTS, METADATA_KEY, TEXT_FILES, read_manifest
from tinyclap.runtime.session import metadata_of, open_any
from tinyclap.workspace.bundles import named_bundle, run_of

RANKS = {2: "waveform", 4: "logmel"}
ALLOWED = "waveform (batch, samples) or a log-mel spectrogram (batch, 1, frames, bands)"
LONGEST_S = 3600.0  # of a clip
OWN = ("parameters", "macs", "precision")  # what differs between the graphs of a bundle
QUANTISED = b"DequantizeLinear"  # an operator of every INT8 graph of a bundle, and of no other
Shape = list[int | str | None]
CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (lambda value: isinstance(value, str), "a text"),
    "precision": (lambda value: isinstance(value, str), "a text"),
    "parameters": (lambda value: is_count(value, 0), "a whole number"),
    "macs": (lambda value: is_count(value, 0), "a whole number"),
    "sample_rate": (is_count, "a whole number of Hz"),
    "window_s": (
        lambda value: is_number(value) and 0 < value <= LONGEST_S,
        f"a number of seconds above 0, up to {LONGEST_S:g}",
    ),
    "input": (lambda value: value in INPUTS, f"one of {', '.join(INPUTS)}"),
    "graphs": (
        lambda value: isinstance(value, Mapping) and all(isinstance(facts, Mapping) for facts in value.values()),
        "an object with an object for each file",
    ),
}


def bundle_folder(source: Path) -> Path | None:
    """The bundle that is meant by a bundle, a run or a ready-made one's name; None for a bare graph.

    Raises:
        TinyclapError: none of these.
    """
    return None if source.is_file() else named_bundle(source)


def runs_among(sources: Sequence[Path]) -> list[Path]:
    """The runs whose bundles were given, all in order."""
    folders = [bundle_folder(source) for source in sources]
    return list(dict.fromkeys(run for folder in folders if folder and (run := run_of(folder))))


def find_models(
    sources: Sequence[Path], *, int8: bool | None = None, window_s: float | None = None, sample_rate: int | None = None
) -> list[TimedGraph]:
    """The graphs that runs, bundles and ONNX files hold.

    Args:
        sources: as given; of bundles, and runs, the float and the INT8 graph are taken.
        int8: only the INT8 graphs of bundles, or only the float graphs.
        window_s: length of a clip, for bare graphs that do not say it.
        sample_rate: Hz, likewise.

    Raises:
        TinyclapError: something else, or a graph that does not embed audio or does not say what it takes.
    """
    found: list[TimedGraph] = []
    folders = {source: bundle_folder(source) for source in sources}
    if (window_s, sample_rate) != (None, None) and None not in folders.values():
        raise TinyclapError(f"{sources[0]} says itself what it takes; leave out --window and --sample-rate")
    for source in sources:
        folder = folders[source]
        found += [_bare(source, window_s, sample_rate)] if folder is None else _of_bundle(source, folder, int8)
    shared = Counter(model.name for model in found)
    return [replace(model, name=f"{model.name} ({model.path})") if shared[model.name] > 1 else model for model in found]


def _of_bundle(source: Path, folder: Path, int8: bool | None) -> list[TimedGraph]:
    manifest = read_manifest(folder, later=TEXT_FILES)
    wanted: list[Kind] = ["float", "int8"] if int8 is None else ["int8"] if int8 else ["float"]
    kinds = [kind for kind in wanted if GRAPHS[kind] in manifest.graphs]
    if not kinds:
        raise TinyclapError(f"bundle {folder} has no int8 graph; export it with --int8, or leave --int8 out")
    return [
        TimedGraph(
            name=f"{manifest.name} {kind}",
            source=source,
            path=folder / GRAPHS[kind],
            kind=kind,
            input=manifest.input,
            frontend=None,  # is the bundle's own matter
            clip=(manifest.window_samples,),
            batch=None,
            sample_rate=manifest.sample_rate,
            window_s=manifest.window_s,
            **{name: manifest.graphs[GRAPHS[kind]][name] for name in ("precision", "parameters", "macs")},
        )
        for kind in kinds
    ]


def _bare(path: Path, window_s: float | None, sample_rate: int | None) -> TimedGraph:
    path.open("rb").close()  # says what forbids it better than onnxruntime
    session = open_any(path, providers=None, threads=1)
    own = _metadata(path, session)
    given = {"window_s": ("--window", window_s), "sample_rate": ("--sample-rate", sample_rate)}
    for name, (option, value) in given.items():
        if value is not None and own.get(name) not in (None, value):
            raise TinyclapError(f"{path} says itself that its {name} is {own[name]:g}; leave out {option}")
    metadata = {"sample_rate": sample_rate, "window_s": window_s, **own}
    shape = _shape(path, session, metadata.get("input"))
    rate, frontend = metadata["sample_rate"], metadata["frontend"] if len(shape) == 4 else None
    if len(shape) == 4 and frontend is None:
        clip, window_s = _logmel(path, shape), metadata["window_s"]
    else:
        samples = _samples_before(frontend, path, shape, metadata) if frontend else _samples(path, shape[1], metadata)
        clip, window_s = (samples,), samples / rate if rate else None
    return TimedGraph(
        name=f"{metadata['name']} {path.stem}"
        if "graphs" in metadata and "name" in metadata
        else metadata.get("name", path.stem),
        source=path,
        path=path,
        kind=None,
        input=RANKS[len(shape)],
        frontend=frontend,
        clip=clip,
        batch=shape[0] if isinstance(shape[0], int) else None,
        sample_rate=rate,
        window_s=window_s,
        precision=metadata.get("precision"),
        # A graph that takes a waveform may hold the tables of a front end, and those are no parameters.
        parameters=metadata["parameters"] if "parameters" in metadata else _counted(path) if len(shape) == 4 else None,
        macs=metadata.get("macs"),
    )


def _metadata(path: Path, session: Any) -> dict[str, Any]:
    """What a graph says of itself, with what it says as one of a bundle; `frontend` is always there."""
    place = f"{path}: metadata {METADATA_KEY!r}"
    metadata = metadata_of(path, session)
    _refuse_bad(metadata, place)
    if "graphs" in metadata:
        own = _own(path, metadata["graphs"])
        _refuse_bad(own, f"{place}: graphs")
        metadata = {"parameters": None, **metadata, **own}  # nothing is counted that a bundle should tell
    if metadata.get("frontend") is None:
        return metadata | {"frontend": None}
    spec = spec_of(metadata["frontend"], f"{place}: frontend")
    return metadata | {"frontend": spec, "sample_rate": spec.sample_rate}


def _refuse_bad(metadata: Mapping[str, Any], place: str) -> None:
    for key, (allowed, words) in CHECKS.items():
        if key in metadata and not allowed(metadata[key]):
            raise TinyclapError(f"{place}: {key} is {metadata[key]!r}; it must be {words}")


def _own(path: Path, graphs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a bundle says of one of its graphs; of a renamed one what all say that it can be."""
    if path.name in graphs:
        meant = [graphs[path.name]]
    else:
        int8 = QUANTISED in path.read_bytes()  # the names of operators stand in it as they are
        meant = [facts for facts in graphs.values() if (facts.get("precision") == "int8") == int8]
    given = {key: [facts.get(key) for facts in meant] for key in OWN}
    agreed = {key: values[0] for key, values in given.items() if values and values.count(values[0]) == len(values)}
    return {key: value for key, value in agreed.items() if value is not None}


def _shape(path: Path, session: Any, declared: str | None) -> Shape:
    """Shape of a graph's one input, if it embeds audio."""
    inputs = session.get_inputs()
    rank = len(inputs[0].shape) if len(inputs) == 1 else 0
    named = rank != 2 or "waveform" in (inputs[0].name, declared)
    if rank in RANKS and named and inputs[0].type == "tensor(float)":
        found: Shape = inputs[0].shape
        return found
    listed = ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in inputs)
    text = "; it is a text side" if any(entry.name == "input_ids" for entry in inputs) else ""
    raise TinyclapError(f"{path} takes {listed}{text}; what can be timed takes float32: {ALLOWED}")


def _samples(path: Path, length: int | str | None, metadata: Mapping[str, Any]) -> int:
    """Of one clip: as many as the graph takes, or if it takes any number, as its metadata or the options say."""
    if isinstance(length, int):
        return length
    if metadata["window_s"] is None or metadata["sample_rate"] is None:
        raise TinyclapError(
            f"{path} takes sound of any length and does not say how much it is meant for; give --window SECONDS and "
            f"--sample-rate HZ, or write window_s and sample_rate into its metadata ({METADATA_KEY!r}, as JSON)"
        )
    samples = round(metadata["window_s"] * metadata["sample_rate"])
    if samples < 1:
        raise TinyclapError(
            f"{path}: {metadata['window_s']:g} s at {metadata['sample_rate']} Hz are less than one sample; give a "
            f"longer --window, or write a longer window_s into its metadata ({METADATA_KEY!r})"
        )
    return samples


def _samples_before(spec: FrontendSpec, path: Path, shape: Shape, metadata: Mapping[str, Any]) -> int:
    """Of one clip whose log-mel spectrogram a graph takes."""
    frames, bands = shape[2:]
    if isinstance(bands, int) and bands != spec.n_mels:
        raise TinyclapError(f"{path} takes {bands} bands, and its metadata tells of a front end of {spec.n_mels}")
    if not isinstance(frames, int):
        return _samples(path, None, metadata)
    window = round((metadata["window_s"] or 0) * spec.sample_rate)
    return window if spec.n_frames(window) == frames else (frames - 1) * spec.hop_length


def _logmel(path: Path, shape: Shape) -> tuple[int, ...]:
    """Shape of one clip's log-mel spectrogram, which the graph must say itself."""
    sizes = [size for size in shape[1:] if isinstance(size, int)]
    if len(sizes) < 3:
        raise TinyclapError(
            f"{path} takes log-mel spectrograms of shape {list(shape)}; give it a fixed number of channels, frames and "
            f"bands, or write its front end into its metadata ({METADATA_KEY!r}, as JSON with frontend and window_s)"
        )
    return tuple(sizes)


def _counted(path: Path) -> int | None:
    """The parameters among a graph's constants, where the package onnx is there to read them."""
    try:
        import onnx
    except ModuleNotFoundError:
        return None
    constants = onnx.load(path, load_external_data=False).graph.initializer
    whole = (onnx.TensorProto.INT64, onnx.TensorProto.BOOL)  # shapes and axes
    return sum(math.prod(constant.dims) for constant in constants if constant.data_type not in whole)
