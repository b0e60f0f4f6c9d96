"""A joint space of 128 dimensions from the start, or pruned to it: ESC-10; writes benchmarks/results/joint_width.json.

    python -m benchmarks.esc10.joint_width --root ESC-50 [--text MiniLM] [--folds 1 2 3 5] [--seeds 0 1 2]

For every fold and seed two CLAPs are made of the other folds: `wide`, recipe esc10_teacher (384 dimensions), and
`narrow`, recipe esc10_teacher_128 (MuLan's width). `pruned` is the wide one behind a rotation onto the 128 principal
directions of its own embeddings of the training clips, as `tinyclap prune` makes it: sounds and class names are both
mapped. Zero-shot accuracy on the fold that neither has met; means over seeds, intervals draw whole recordings,
differences are paired by clip. `overlap` is the share of a clip's ten nearest clips of all the data that the wide CLAP
of the same fold and seed finds too. Runs and rows that are there are not made again.
"""

import argparse
import itertools
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.esc10.robustness import RESAMPLES
from benchmarks.esc10.runs import runs_parser, train_teacher
from benchmarks.esc10.two_teachers import bits, recordings_of
from benchmarks.esc50.runs import RESULTS, Rows
from tinyclap.common.statistics import accuracy_interval, paired_difference
from tinyclap.data.decoded import decode
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings.latent_map import latent_map
from tinyclap.embeddings.neighbours import knn_overlap
from tinyclap.embeddings.zero_shot import predict
from tinyclap.teachers import load_teacher
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips

WIDE, PRUNED, NARROW = "wide", "pruned", "narrow"
DIM = 128
KEYS = ("epochs", "fold", "seed")
PAIRS = ((NARROW, WIDE), (PRUNED, WIDE), (PRUNED, NARROW))


def main() -> None:
    parser = runs_parser(__doc__)
    parser.add_argument("--epochs", type=int, help="of both; by default the recipes' own")
    parser.add_argument("--result", type=Path, default=RESULTS / "joint_width.json")
    given = parser.parse_args()
    command = "python -m benchmarks.esc10.joint_width --root ESC-50"
    rows = Rows(given.result, command, KEYS, partial(summarise, given))
    for fold, seed in itertools.product(given.folds, given.seeds):
        key = dict(zip(KEYS, (given.epochs or 0, fold, seed), strict=True))
        if not rows.has(**key):
            rows.add(key | measured(given, fold, seed))
        (row,) = [row for row in rows.rows if all(row[name] == value for name, value in key.items())]
        told = ", ".join(f"{arm} {row[arm].count('1') / len(row[arm]):.1%}" for arm in (WIDE, PRUNED, NARROW))
        sys.stdout.write(f"fold {fold}, seed {seed}: {told}\n")


def trained(given: argparse.Namespace, fold: int, seed: int, recipe: str) -> Any:
    """A CLAP of a fold; that of seed 0 is the teacher of the other scripts here."""
    name = "teacher" if recipe == "esc10_teacher" else "teacher128"
    length = f"-{given.epochs}" if given.epochs else ""
    further = [f"seed={seed}", *([f"training.epochs={given.epochs}"] if given.epochs else [])]
    folder = name + length + (f"-seed{seed}" if seed else "")
    return load_teacher("dual", str(train_teacher(given, fold, folder, recipe, further) / "teacher"))


def measured(given: argparse.Namespace, fold: int, seed: int) -> dict[str, Any]:
    """Which clips of a fold each names rightly, and how alike their neighbours are."""
    whole = esc50(given.root, esc10=True)
    test = [number for number, clip in enumerate(whole.clips) if clip.fold == fold]
    train = [number for number, clip in enumerate(whole.clips) if clip.fold in given.all_folds and clip.fold != fold]
    truth = np.array([whole.labels.index(str(whole.clips[number].label)) for number in test])
    wide, narrow = (trained(given, fold, seed, name) for name in ("esc10_teacher", "esc10_teacher_128"))
    clips = {name: teacher_clips(one, decode(whole, one.sample_rate)) for name, one in ((WIDE, wide), (NARROW, narrow))}
    made = latent_map("rotation", DIM, clips[WIDE][train])
    clips[PRUNED] = made.apply(clips[WIDE])
    classes = {
        WIDE: class_vectors(wide, whole.labels, wide.prompts),
        PRUNED: class_vectors(wide, whole.labels, wide.prompts, made),
        NARROW: class_vectors(narrow, whole.labels, narrow.prompts),
    }
    right = {arm: bits(predict(clips[arm][test], classes[arm]) == truth) for arm in classes}
    overlap = {arm: knn_overlap(clips[arm], clips[WIDE], np.array(test)) for arm in (PRUNED, NARROW)}
    return {**right, "overlap": overlap, "dims": {WIDE: wide.embed_dim, PRUNED: made.dim, NARROW: narrow.embed_dim}}


def summarise(given: argparse.Namespace, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Accuracies with intervals, and paired differences."""
    summary = []
    for epochs in sorted({row["epochs"] for row in rows}):
        chosen = [row for row in rows if row["epochs"] == epochs]
        folds = sorted({row["fold"] for row in chosen})
        recordings = recordings_of(given, folds)
        hits = {arm: by_clip(chosen, arm) for arm in (WIDE, PRUNED, NARROW)}
        for arm, right in hits.items():
            overlap = [row["overlap"][arm] for row in chosen if arm in row["overlap"]]
            summary.append(
                {
                    "epochs": epochs or None,
                    "arm": arm,
                    "dim": chosen[0]["dims"][arm],
                    "runs": len(chosen),
                    "seeds": sorted({row["seed"] for row in chosen}),
                    "clips": len(right),
                    "recordings": int(recordings.max()) + 1,
                    "accuracy": float(right.mean()),
                    "ci95": accuracy_interval(right, recordings, RESAMPLES, 0),
                    "overlap": float(np.mean(overlap)) if overlap else None,
                }
            )
        for more, less in PAIRS:
            above, ci95 = paired_difference(hits[less], hits[more], recordings, RESAMPLES, 0)
            summary.append({"epochs": epochs or None, "arm": more, "minus": less, "difference": above, "ci95": ci95})
    return summary


def by_clip(rows: list[dict[str, Any]], arm: str) -> np.ndarray:
    """The share of seeds that name each clip of each fold rightly, fold after fold."""
    by_fold = []
    for fold in sorted({row["fold"] for row in rows}):
        each = [[one == "1" for one in row[arm]] for row in rows if row["fold"] == fold]
        by_fold.append(np.mean(each, axis=0))
    return np.concatenate(by_fold)


if __name__ == "__main__":
    main()
