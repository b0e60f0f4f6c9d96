"""What INT8 costs and gains on real audio: exports finished runs and scores both graphs; writes results/int8.json.

    python benchmarks/int8.py runs/esc10_benchmark/*/views-*

Every run is a distillation with a test set (those of benchmarks/esc10.py). Each is exported with `--int8` for log-mel
and for waveform input, calibrated on its training clips, and both log-mel graphs classify its test clips from their
files, as a device would. The difference is paired by clip; its interval draws whole recordings.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinyclap import Bundle
from tinyclap.bundle import FLOAT_GRAPH, INT8_GRAPH
from tinyclap.data import build_dataset
from tinyclap.files import write_json
from tinyclap.onnx_export import export_run
from tinyclap.recipe import load_recipe
from tinyclap.run import environment
from tinyclap.statistics import paired_comparison, recording_ids

RESULT = Path(__file__).parent / "results" / "int8.json"
N_BOOTSTRAP = 2000
INPUTS: tuple[Literal["logmel", "waveform"], ...] = ("logmel", "waveform")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="finished distillations with a test set")
    runs: list[Path] = parser.parse_args().runs
    rows, by_float, by_int8, sources = [], [], [], []
    for run in runs:
        row, outcomes = measure(run)
        rows.append(row)
        by_float += outcomes["float"]
        by_int8 += outcomes["int8"]
        sources += outcomes["source"]
    recordings = recording_ids(sources, len(sources))
    compared = paired_comparison(np.array(by_float), np.array(by_int8), recordings, N_BOOTSTRAP, 0)
    result = {
        "command": "python benchmarks/int8.py RUN...",
        "environment": environment(seed=0),
        "n_runs": len(rows),
        "n_outcomes": len(by_float),
        "n_recordings": int(recordings.max()) + 1,
        "float_accuracy": float(np.mean(by_float)),
        "int8_accuracy": float(np.mean(by_int8)),
        "int8_minus_float": compared["difference"],
        "int8_minus_float_ci95": compared["difference_ci95"],
        "lowest_mean_cosine": min(row["mean_cosine"] for row in rows),
        "lowest_agreement": min(row["agreement"] for row in rows),
        "runs": rows,
    }
    write_json(RESULT, result)
    sys.stdout.write(RESULT.read_text(encoding="utf-8"))


def measure(run: Path) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """One run's graphs: how large, how alike, and which test clips each names rightly."""
    spec = load_recipe(run / "recipe.yaml").data.test
    if spec is None:
        raise SystemExit(f"{run} has no test set")
    test = build_dataset(spec)
    row: dict[str, Any] = {"run": "/".join(run.parts[-2:]), "n_clips": len(test)}
    outcomes: dict[str, list[Any]] = {"source": [clip.source for clip in test.clips]}
    with tempfile.TemporaryDirectory() as folder:
        for kind in INPUTS:
            bundle = Path(folder) / kind
            manifest = export_run(run, bundle, input=kind, int8=True)
            sizes = [manifest.graphs[graph]["size_bytes"] for graph in (FLOAT_GRAPH, INT8_GRAPH)]
            row[kind] = {"float_bytes": sizes[0], "int8_bytes": sizes[1], "ratio": sizes[1] / sizes[0]}
        paths = [clip.path for clip in test.clips if clip.path]
        graphs = {name: Bundle.load(Path(folder) / "logmel", graph=name) for name in ("float", "int8")}
        embeddings = {name: graph.embed(paths) for name, graph in graphs.items()}
        named = {name: [best[0].label for best in graph.classify(paths, top_k=1)] for name, graph in graphs.items()}
    for name, labels in named.items():
        outcomes[name] = [label == clip.label for label, clip in zip(labels, test.clips, strict=True)]
        row[f"{name}_accuracy"] = float(np.mean(outcomes[name]))
    row["mean_cosine"] = float((embeddings["float"] * embeddings["int8"]).sum(1).mean())
    row["agreement"] = float(np.mean(np.array(named["float"]) == np.array(named["int8"])))
    return row, outcomes


if __name__ == "__main__":
    main()
