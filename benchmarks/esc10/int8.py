"""What INT8 costs and gains on real audio: exports finished runs and scores both graphs; writes results/int8.json.

    python -m benchmarks.esc10.int8 runs/esc10_benchmark/*/views-*

Every run is a distillation with a test set (those of study.py). Each is exported with `--int8`, calibrated
on its training clips, and both log-mel graphs classify its test clips from their files, as a device would. The
difference is paired by clip; its interval draws whole recordings. The first run is exported with waveform input too,
for its size. INT8's time is told beside float's on one thread: of the first run's student, and of the published one's
shape with weights drawn at random, which change no time.
"""

import argparse
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from tinyclap import Bundle
from tinyclap.bench.timing import interleaved_ms
from tinyclap.common.files import write_json
from tinyclap.common.statistics import paired_comparison, recording_ids
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data import build_dataset
from tinyclap.exporters.onnx.graph import save
from tinyclap.exporters.onnx.quantize_int8 import quantize
from tinyclap.exporters.onnx.student import encoder_graph
from tinyclap.models.student import Student
from tinyclap.models.student_config import REFERENCE
from tinyclap.pipelines.export import export_run
from tinyclap.runs.provenance import environment
from tinyclap.runtime.bundle_contents import FLOAT_GRAPH, INT8_GRAPH
from tinyclap.runtime.session import open_session

RESULT = Path(__file__).parents[1] / "results" / "int8.json"
N_BOOTSTRAP = 2000
GRAPHS: tuple[Literal["float", "int8"], ...] = ("float", "int8")
ROUNDS = 40


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
    student = Student.from_pretrained(runs[0] / "student")
    compared = paired_comparison(np.array(by_float), np.array(by_int8), recordings, N_BOOTSTRAP, 0)
    result = {
        "command": "python -m benchmarks.esc10.int8 RUN...",
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
        "sizes": {kind: sizes(runs[0], kind) for kind in ("logmel", "waveform")},
        "latency": {"student": latency(student), "published_shape": latency(Student(REFERENCE).eval())},
        "runs": rows,
    }
    write_json(RESULT, result)
    sys.stdout.write(RESULT.read_text(encoding="utf-8"))


def measure(run: Path) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """One run's graphs: how alike they are, and which test clips each names rightly."""
    spec = load_recipe(run / "recipe.yaml").data.test
    if spec is None:
        raise SystemExit(f"{run} has no test set")
    test = build_dataset(spec)
    row: dict[str, Any] = {"run": "/".join(run.parts[-2:]), "n_clips": len(test)}
    outcomes: dict[str, list[Any]] = {"source": [clip.source for clip in test.clips]}
    with tempfile.TemporaryDirectory() as folder:
        export_run(run, Path(folder) / "bundle", input="logmel", int8=True)
        paths = [clip.path for clip in test.clips if clip.path]
        graphs = {name: Bundle.load(Path(folder) / "bundle", graph=name) for name in GRAPHS}
        embeddings = {name: graph.embed(paths) for name, graph in graphs.items()}
        named = {name: [best[0].label for best in graph.classify(paths, top_k=1)] for name, graph in graphs.items()}
    for name, labels in named.items():
        outcomes[name] = [label == clip.label for label, clip in zip(labels, test.clips, strict=True)]
        row[f"{name}_accuracy"] = float(np.mean(outcomes[name]))
    row["mean_cosine"] = float((embeddings["float"] * embeddings["int8"]).sum(1).mean())
    row["agreement"] = float(np.mean(np.array(named["float"]) == np.array(named["int8"])))
    return row, outcomes


def sizes(run: Path, kind: Literal["logmel", "waveform"]) -> dict[str, float]:
    """Bytes of a run's graphs with this input, and INT8's share of float's."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = export_run(run, Path(folder) / "bundle", input=kind, int8=True)
    exact, rounded = (manifest.graphs[graph]["size_bytes"] for graph in (FLOAT_GRAPH, INT8_GRAPH))
    return {"float_bytes": exact, "int8_bytes": rounded, "ratio": rounded / exact}


def latency(student: Student) -> dict[str, float]:
    """Milliseconds of both log-mel graphs on one thread, medians of interleaved calls."""
    torch.manual_seed(0)
    spec = student.config.frontend
    logmel = (-40.0 + 15.0 * torch.randn(8, 1, spec.n_frames(student.config.window_samples), spec.n_mels)).numpy()
    encoder = encoder_graph(student)
    graphs = {"float": encoder, "int8": quantize(encoder, iter([logmel]))}
    with tempfile.TemporaryDirectory() as folder:
        calls = {}
        for name, graph in graphs.items():
            path = Path(folder) / f"{name}.onnx"
            save(graph, path)
            session = open_session(path, inputs=["logmel"], output="embedding", providers=None, threads=1)
            calls[name] = partial(session.run, None, {"logmel": logmel[:1]})
        taken = {name: statistics.median(times) for name, times in interleaved_ms(calls, ROUNDS).items()}
    return {"float_ms": taken["float"], "int8_ms": taken["int8"], "float_over_int8": taken["float"] / taken["int8"]}


if __name__ == "__main__":
    main()
