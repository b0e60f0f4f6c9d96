"""`tinyclap bench` on another machine: sends the graphs or the C, and tells of them as of those here."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyclap.bench.measure import named, refuse_unfit
from tinyclap.bench.measure_c import read_c_folder
from tinyclap.bench.model import TimedGraph
from tinyclap.bench.remote import File, Sent, run_there
from tinyclap.bench.sources import bundle_folder
from tinyclap.bench.ssh import Host
from tinyclap.common.machine import command_line
from tinyclap.runtime.bundle_contents import MANIFEST, TEXT_FILES, read_manifest


def bench_there(
    host: Host,
    sources: Sequence[Path],
    models: Sequence[TimedGraph],
    settings: Mapping[str, Any],
    progress: Callable[[str], object],
) -> dict[str, Any]:
    """The result of `measure.bench` on another machine.

    Args:
        host: that machine.
        sources: runs, bundles and ONNX files.
        models: what `find_models` found there.
        settings: of the command, by option; what is None or False is left out.
        progress: called with each line that the command prints there.

    Raises:
        TinyclapError: as of `measure.bench` and `remote.run_there`.
    """
    refuse_unfit(models, settings["--batch"], settings["--compare"])
    names, files = dict[Path, str](), list[File]()
    for model in models:
        if model.source not in names:
            sent, names[model.source] = _sent(model, f"models/{len(names)}")
            files += sent
    given = [(option, value) for option, value in settings.items() if value is not None and value is not False]
    options = [word for option, value in given for word in ([option] if value is True else [option, str(value)])]
    result = run_there(
        host, files, ["bench", *(Sent(names[source]) for source in sources), *options, "--json"], progress
    )
    own = [named(model) for model in models]
    return {
        "environment": {**result["environment"], "command": command_line(), "host": host.name},
        "models": [{**row, **ours} for row, ours in zip(result["models"], own, strict=True)],
    }


def bench_c_there(host: Host, folder: Path, seconds: float, progress: Callable[[str], object]) -> dict[str, Any]:
    """The result of `measure_c.bench_c` on another machine, which needs a C compiler; raises as `bench_there` does."""
    read_c_folder(folder)
    files = [(path, f"c/{path.relative_to(folder).as_posix()}") for path in sorted(folder.rglob("*")) if path.is_file()]
    result = run_there(host, files, ["bench", Sent("c"), "--seconds", f"{seconds:g}", "--json"], progress)
    return {
        **result,
        "environment": {**result["environment"], "command": command_line(), "host": host.name},
        "c": {**result["c"], "path": str(folder)},
    }


def _sent(model: TimedGraph, folder: str) -> tuple[list[File], str]:
    """What to send of a model's bundle, or of its bare graph, and the name of it there."""
    bundle = bundle_folder(model.source)
    if bundle is None:
        return [(path, f"{folder}/{path.name}") for path in model.files], f"{folder}/{model.path.name}"
    manifest = read_manifest(bundle, later=TEXT_FILES)
    graphs = {name: manifest.files[name] for name in manifest.graphs}
    without_text = dataclasses.replace(manifest, text=None, files=graphs)  # it is large, and nobody times it
    sent: list[File] = [(bundle / name, f"{folder}/{name}") for name in graphs]
    return [*sent, (without_text.to_json().encode(), f"{folder}/{MANIFEST}")], folder
