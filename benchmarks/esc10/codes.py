"""What embeddings in fewer bytes cost on real audio; writes benchmarks/results/codes.json.

    python -m benchmarks.esc10.codes runs/esc10_benchmark/*/views-*

Every run is a distillation on ESC-10 with a test set (those of study.py). Its student, whole and pruned by
rotation, embeds all clips of the data; for each test clip the share of its ten nearest clips by float32 embeddings that
every form of `tinyclap embed --dtype` finds again: by those of as many dimensions, and by the unpruned ones. "plain
signs" are bits without the random rotation. Rotations are made of the student's embeddings of the training clips.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.files import write_json
from tinyclap.config.data import one_or_more
from tinyclap.data import build_dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings import neighbours, quantization
from tinyclap.embeddings.latent_map import latent_map
from tinyclap.pipelines.distilled_run import load_distilled_run
from tinyclap.runs.provenance import environment

RESULT = Path(__file__).parents[1] / "results" / "codes.json"
DIMS = (384, 128, 64, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="finished distillations on ESC-10, with a test set")
    given = parser.parse_args()
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for run in given.runs:
        for key, kept in measure(run).items():
            found.setdefault(key, []).append(kept)
    (spec,) = one_or_more(load_distilled_run(given.runs[0], "measure").recipe.data.train)
    rows = [summarise(dim, form, kept) for (dim, form), kept in found.items()]
    result = {
        "command": "python -m benchmarks.esc10.codes RUN...",
        "environment": environment(seed=0),
        "runs": ["/".join(run.parts[-2:]) for run in given.runs],
        "n_clips": len(esc50(spec.root, esc10=True)),
        "rows": rows,
    }
    write_json(RESULT, result)
    for row in rows:
        sys.stdout.write(f"{row['dim']:4} {row['form']:12} {row['bytes']:5} bytes  {row['kept']:.3f}\n")


def measure(run: Path) -> dict[tuple[int, str], tuple[float, float]]:
    """By (dimensions, form): neighbours kept of the same dimensions, and of the unpruned embeddings."""
    finished = load_distilled_run(run, "measure")
    recipe, student = finished.recipe, finished.student
    (spec,) = one_or_more(recipe.data.train)
    clips = esc50(spec.root, esc10=True)
    places = {clip.name: index for index, clip in enumerate(clips.clips)}
    train, test = build_dataset(recipe.data.train), build_dataset(recipe.data.test)  # type: ignore[arg-type]
    heard, asking = (np.array([places[clip.name] for clip in part.clips]) for part in (train, test))
    whole = clip_embeddings(student.embed_audio, decode(clips, student.sample_rate), progress="student embeds")
    kept = {}
    for dim in DIMS:
        exact = whole if dim == student.embed_dim else latent_map("rotation", dim, whole[heard]).apply(whole)
        forms = {
            dtype: quantization.dequantize(quantization.quantize(exact, dtype), dtype, dim)
            for dtype in quantization.DTYPES
        }
        forms["plain signs"] = np.where(exact > 0, np.float32(1), np.float32(-1))
        for form, rows in forms.items():
            same, unpruned = (neighbours.knn_overlap(rows, other, asking) for other in (exact, whole))
            kept[dim, form] = same, unpruned
    return kept


def summarise(dim: int, form: str, kept: list[tuple[float, float]]) -> dict[str, Any]:
    """Means over the runs."""
    same, unpruned = zip(*kept, strict=True)
    return {
        "dim": dim,
        "form": form,
        "bytes": quantization.bytes_per_clip("binary" if form == "plain signs" else form, dim),
        "kept": statistics.mean(same),
        "kept_sd_of_runs": statistics.stdev(same) if len(same) > 1 else None,
        "kept_of_unpruned": statistics.mean(unpruned),
    }


if __name__ == "__main__":
    main()
