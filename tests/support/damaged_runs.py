"""Run folders with every result file, and seeded damage to one of them."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.support.mutations import as_json, damaged, odd
from tests.support.report_runs import fake_run
from tinyclap.runs.results import BENCH, BUNDLE, EVALUATIONS, STUDENT, SWEEP

GOLDEN = Path(__file__).parents[1] / "golden" / "runs_0_1_0"
FILES = ("env.json", "metrics.jsonl", EVALUATIONS, "summary.json", "recipe.yaml", BENCH, BUNDLE, STUDENT, SWEEP)
WEIGHTS = (1, 1, 4, 3, 0.5, 1.5, 1, 1, 1)  # how often each is damaged
OF_WORDS = ("text.json", "text/metrics.jsonl", "summary.json", "recipe.yaml", "env.json")
WEIGHTS_OF_WORDS = (6, 1, 1, 1, 0.5)
SWEEP_ROWS = [
    {"method": "none", "finetuned": False, "dim": 512, "accuracy": 0.6, "ci95": [0.5, 0.7], "knn10_overlap": 0.5},
    *(
        {
            "method": "rotation",
            "finetuned": False,
            "dim": dim,
            "accuracy": 0.5,
            "ci95": [0.3, 0.7],
            "knn10_overlap": 0.4,
        }
        for dim in (16, 8)
    ),
]


def whole_run(folder: Path, seed: int) -> Path:
    """A run with every result file: one that was really made, or one of many classes and epochs."""
    shutil.copytree(GOLDEN / "pruned", folder)
    (folder / BENCH).write_text((GOLDEN / "finished" / BENCH).read_text(encoding="utf-8"))
    (folder / SWEEP).write_text(json.dumps({"pruned_from": "finished", "rows": SWEEP_ROWS}))
    if seed % 2:
        for path in fake_run(folder.parent / "fake").glob("*.*"):
            if path.name != "summary.json":
                path.replace(folder / path.name)
    return folder


def damage(
    folder: Path, rng: np.random.Generator, files: Sequence[str] = FILES, weights: Sequence[float] = WEIGHTS
) -> str:
    """Damage one result file; returns its name."""
    name = str(rng.choice(files, p=np.array(weights) / sum(weights)))
    path = folder / name
    if rng.random() < 0.2 or name.endswith(".yaml"):
        path.write_bytes(damaged(path.read_bytes(), rng))
    elif name.endswith(".jsonl"):
        rows = odd([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()], rng)
        path.write_text("".join(as_json(row) + "\n" for row in rows), encoding="utf-8")
    else:
        path.write_text(as_json(odd(json.loads(path.read_text(encoding="utf-8")), rng)), encoding="utf-8")
    return name
