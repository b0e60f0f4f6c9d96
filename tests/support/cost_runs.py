"""Result files about cost, timing, pruning and export, as reports read them."""

import json
from pathlib import Path
from typing import Any

from tests.support.report_runs import fake_summary, html_tables, markdown_table, pages
from tinyclap.common import numbers

FULL_DIM, DIM = 384, 96
DASH = numbers.DASH


def bundle() -> dict[str, Any]:
    return {
        "window_s": 5.0,
        "recommended": "audio.onnx",
        "graphs": {
            "audio.onnx": {"parameters": 299_904, "macs": 21_304_320, "size_bytes": 1_712_963},
            "audio_int8.onnx": {
                **{"parameters": 299_904, "macs": 21_304_320, "size_bytes": 567_329, "measured_clips": 80},
                **{"cosine_to_float": 0.99897, "agreement": 0.9875, "latency_ratio": 1.3856},
            },
            "audio_static.onnx": {"parameters": 299_904, "macs": 21_304_320, "size_bytes": 1_600_000},
        },
        "files": {"text.onnx": {"size_bytes": 90_300_000}},
        "parity": {
            **{"tolerance": 1e-4, "clips": 64, "max_abs_clips": 1.33e-5, "max_abs_batches": 7.5e-8},
            **{"worst_clip": "tone of 94 Hz, 0.65 s", "max_abs_static": 8.9e-8, "max_abs_text": 1.6e-7},
        },
    }


def bench(*others: dict[str, Any]) -> dict[str, Any]:
    def entry(name: str, file: str, p50_ms: float) -> dict[str, Any]:
        costs = {"file_bytes": 6_140_112, "peak_rss_bytes": 80 * 2**20, "parameters": None, "macs": None}
        times = {"p50_ms": p50_ms, "p90_ms": 2 * p50_ms, "p99_ms": 3 * p50_ms, "real_time_factor": p50_ms / 5000}
        return {"name": name, "file": file, **times, **costs}

    models = [
        entry("esc10 float", "runs/esc10-1/bundle/audio.onnx", 2.5),
        entry("esc10 int8", "runs/esc10-1/bundle/audio_int8.onnx", 3.25),
        entry("esc10_teacher-1", "teacher.onnx", 50.0),
    ]
    return {"environment": {"cpu": "Some CPU, 2 cores", "threads": 1, "batch": 1}, "models": [*models, *others]}


def sweep() -> dict[str, Any]:
    rows = [{"method": "none", "finetuned": False, "dim": FULL_DIM, "accuracy": 0.8, "knn10_overlap": 0.7}]
    for method, loss in (("rotation", 0.01), ("magnitude", 0.1)):
        for dim in (192, DIM, 48):
            scores = {"accuracy": 0.8 - loss * 48 / dim, "knn10_overlap": 0.7 - loss}
            rows.append({"method": method, "finetuned": False, "dim": dim, **scores})
    return {"rows": rows}


def pruned_summary() -> dict[str, Any]:
    pruned = {"from": "runs/esc10", "method": "rotation", "dim": DIM, "full_dim": FULL_DIM, "calibration_clips": 240}
    return {**fake_summary(), "pruned": {**pruned, "calibration": "esc50", "finetune_epochs": 0}}


def rows_of(folder: Path) -> dict[str, list[str]]:
    """The cost table of the Markdown by the names of its lines, which is that of the page."""
    page, markdown = pages(folder)
    rows = markdown_table(markdown, "Size and cost")
    assert rows == html_tables(page)["The audio encoders"]
    return {row[0]: row[1:] for row in rows}


def rewritten(folder: Path, timed: dict[str, Any]) -> Path:
    (folder / "bench.json").write_text(json.dumps(timed))
    return folder
