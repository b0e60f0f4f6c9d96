"""Ours beside the teachers, the published student and the usual small audio networks: times, costs, one picture.

    python -m benchmarks.models.run --run RUN [--work runs/towers] [--threads 1] [--seconds 240]

RUN is a finished distillation of recipe esc10 (benchmarks.esc10.study makes them). Its student is exported in float
and INT8, and pruned to 64 dimensions; its teacher's audio tower and the baselines (benchmarks/baselines, random
weights, published shapes) become ONNX graphs. All take turns on ONNX Runtime, from waveform to embedding, each on a
window of its own length (`tinyclap bench --compare`). Written are results/towers_<threads>thread.json (with every
sample), the same as a table in .csv, the picture results/pareto_<threads>thread.png, and the README's figures. Graphs
are kept in --work, those of a run in a folder named after it.
"""

import argparse
import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from benchmarks.baselines import BASELINES
from benchmarks.figures import pictures, readme
from tinyclap.bench.measure import bench
from tinyclap.bench.sources import find_models
from tinyclap.common.files import write_text
from tinyclap.config.load_recipe import load_recipe
from tinyclap.exporters.onnx.tower import export_tower
from tinyclap.pipelines.build import build_teacher
from tinyclap.pipelines.export import export_run
from tinyclap.pipelines.prune import prune_run
from tinyclap.pipelines.prune_options import PruneOptions

RESULTS = Path(__file__).parents[1] / "results"
CLIP_S = 5.0  # of ESC-50: what one clip of it takes
PRUNED_DIM = 64
OURS, INT8, PRUNED, TEACHER = "ours", "ours-int8", f"ours-{PRUNED_DIM}", "teacher-here"
NAMES = {
    OURS: "ours",
    INT8: "ours, INT8",
    PRUNED: f"ours, {PRUNED_DIM} dimensions",
    TEACHER: "its teacher, made here",
}
KEPT = ("precision", "provider", "sample_rate", "window_s", "parameters", "macs", "file_bytes", "repeats")
TIMES = ("p50_ms", "p90_ms", "p99_ms", "real_time_factor", "cold_start_s", "peak_rss_bytes", "ratio", "ratio_ci95")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a finished distillation of recipe esc10")
    parser.add_argument("--work", type=Path, default=Path("runs/towers"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=240.0, help="of timing, shared among all")
    given = parser.parse_args()
    run = given.run.resolve()
    named = f"{run.parent.name}-{run.name}"
    graphs = {**our_graphs(run, given.work / named), **baseline_graphs(given.work)}
    models = find_models(list(graphs.values()))
    timed = bench(models, threads=given.threads, seconds=given.seconds, compare=True)
    accuracies = measured()
    result: dict[str, Any] = {
        "command": f"python -m benchmarks.models.run --run RUN --threads {given.threads} --seconds {given.seconds:g}",
        "run": named,
        "environment": {key: value for key, value in timed["environment"].items() if key != "command"},
        "clip_s": CLIP_S,
        "models": {
            key: row(key, model) | accuracies.get(key, {}) for key, model in zip(graphs, timed["models"], strict=True)
        },
        "samples_ms": {
            key: [round(ms, 3) for ms in model["samples_ms"]]
            for key, model in zip(graphs, timed["models"], strict=True)
        },
    }
    name = f"towers_{given.threads}thread"
    write_text(RESULTS / f"{name}.json", json.dumps(result) + "\n")
    write_text(RESULTS / f"{name}.csv", as_csv(result["models"]))
    pictures.pareto(result["models"], RESULTS / f"pareto_{given.threads}thread.png", given.threads)
    readme.main()


def our_graphs(run: Path, work: Path) -> dict[str, Path]:
    """The student of a run in three forms, and its teacher."""
    bundle, pruned, smaller, tower = (work / name for name in ("bundle", "pruned", "bundle_pruned", "teacher.onnx"))
    if not bundle.exists():
        export_run(run, bundle, int8=True)
    if not pruned.exists():
        prune_run(run, PruneOptions(PRUNED_DIM), pruned)
    if not smaller.exists():
        export_run(pruned, smaller)
    if not tower.exists():
        export_tower(build_teacher(load_recipe(run / "recipe.yaml", task="distill").taught_by), tower)
    graphs = {OURS: bundle / "audio.onnx", INT8: bundle / "audio_int8.onnx", PRUNED: smaller / "audio.onnx"}
    return {**graphs, TEACHER: tower}


def baseline_graphs(work: Path) -> dict[str, Path]:
    graphs = {name: work / f"{name}.onnx" for name in BASELINES}
    work.mkdir(parents=True, exist_ok=True)
    for name, path in graphs.items():
        if not path.exists():
            export_tower(BASELINES[name].make(), path)
    return graphs


def row(key: str, model: dict[str, Any]) -> dict[str, Any]:
    """One graph: what it is, what it takes for its own window and for a clip of 5 s."""
    baseline = BASELINES.get(key)
    window_s = model["window_s"]
    hop_s = baseline.hop_s if baseline and baseline.hop_s else window_s
    windows = 1 if window_s >= CLIP_S else 1 + math.ceil((CLIP_S - window_s) / hop_s - 1e-9)
    return {
        "name": NAMES.get(key, model["name"]),
        **{name: model[name] for name in (*KEPT, *TIMES)},
        "windows_per_clip": windows,
        "clip_ms": windows * model["p50_ms"],
        "clip_macs": windows * model["macs"],
        "macs_per_s": model["macs"] / hop_s,
        "published": baseline.published if baseline else None,
        "zero_shot_esc50": baseline.zero_shot_esc50 if baseline else None,
    }


def measured() -> dict[str, dict[str, Any]]:
    """Zero-shot accuracy on ESC-10 from the result files, by graph, with its interval."""
    views, sweep = readme.read("esc10")["summary"]["views"], readme.read("prune")["sweep"]
    # The difference is paired, on some of the same students.
    rounded = views["student_accuracy"] + readme.read("int8")["int8_minus_float"]
    (pruned,) = [one for one in sweep if (one["method"], one["dim"]) == ("rotation", PRUNED_DIM)]
    return {
        OURS: {"accuracy": views["student_accuracy"], "ci95": views["student_ci95"], "from": "esc10.json"}
        | {"retention": views["retention"]},
        INT8: {"accuracy": rounded, "ci95": None, "from": "esc10.json, and the difference of int8.json"},
        PRUNED: {"accuracy": pruned["accuracy"], "ci95": pruned["ci95"], "from": "prune.json"},
        TEACHER: {"accuracy": views["teacher_accuracy"], "ci95": views["teacher_ci95"], "from": "esc10.json"},
    }


def as_csv(models: dict[str, dict[str, Any]]) -> str:
    rows = [{"model": key, **facts} for key, facts in models.items()]
    columns = list(dict.fromkeys(key for one in rows for key in one))
    with io.StringIO(newline="") as table:
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return table.getvalue()


if __name__ == "__main__":
    main()
