"""Sounds found by words on real ESC-50, with a bundle alone; writes benchmarks/results/library_retrieval.json.

    python -m benchmarks.library.esc50_retrieval --root ESC-50 --bundle BUNDLE [--weights FILE --text MiniLM]

BUNDLE is that of `tinyclap get everyday`. `classes` asks with the prompts of each class, averaged, for its clips: mean
average precision of all clips in order, and the share of the first ten that are right (P@10); ties count against the
model. Intervals draw classes, the queries. `queries` are ten sentences that name no class. What is right for them was
judged by class before anything was measured and stands in `QUERIES`: a clip is right if its class is among those,
whatever else it would be called by somebody who listens. With `--weights` the bundle's teacher is asked the same.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.files import write_json
from tinyclap.common.statistics import accuracy_interval
from tinyclap.data.dataset import Dataset
from tinyclap.data.decoded import decode
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings.zero_shot import class_matrix, clean_label
from tinyclap.evaluation.retrieval import ROUNDING, average_precisions
from tinyclap.runs.provenance import environment
from tinyclap.runtime.bundle import Bundle
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.stored_embeddings import teacher_clips, teacher_texts

RESULT = Path(__file__).parents[1] / "results" / "library_retrieval.json"
FOLDS = (1, 2, 3, 5)
FIRST = 10
QUERIES = {
    "an animal on a farm in the morning": ("rooster", "hen", "cow", "pig", "sheep"),
    "bad weather outside": ("rain", "thunderstorm", "wind"),
    "somebody has caught a cold": ("coughing", "sneezing"),
    "an aircraft passing overhead": ("airplane", "helicopter"),
    "working at a desk in an office": ("keyboard_typing", "mouse_click"),
    "timber being cut up": ("chainsaw", "hand_saw"),
    "household chores with an electric appliance": ("vacuum_cleaner", "washing_machine"),
    "a summer night beside a pond": ("crickets", "frog", "insects"),
    "an audience enjoying itself": ("clapping", "laughing"),
    "a day at the seaside": ("sea_waves",),
}
"""Sentences, and the classes whose clips are right."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--bundle", type=Path, required=True, help="as `tinyclap get everyday` makes it")
    parser.add_argument("--weights", type=Path, help="the bundle's tagger in torch, to ask its teacher too")
    parser.add_argument(
        "--text", default=TaggerOptions.text, help="the teacher's sentence encoder, by hub id or folder"
    )
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS))
    given = parser.parse_args()
    dataset, bundle = esc50(given.root).select(folds=given.folds), Bundle.load(given.bundle)
    clips = bundle.embed([clip.path for clip in dataset.clips if clip.path])
    rows = {"bundle": measured(dataset, clips, bundle.embed_text, bundle.manifest.prompts)}
    if given.weights is not None:
        teacher = load_tagger_teacher(TaggerOptions(str(given.weights), given.text))
        heard = teacher_clips(teacher, decode(dataset, teacher.sample_rate))
        rows["teacher"] = measured(dataset, heard, lambda texts: teacher_texts(teacher, texts), teacher.prompts)
    write_json(
        RESULT,
        {
            "command": "python -m benchmarks.library.esc50_retrieval --root ESC-50 --bundle BUNDLE",
            "environment": environment(seed=0),
            "bundle": bundle.manifest.name,
            "n_clips": len(dataset),
            "folds": given.folds,
            "rows": rows,
        },
    )
    for name, row in rows.items():
        classes = row["classes"]
        sys.stdout.write(
            f"{name}: mAP {classes['map']:.3f}, P@{FIRST} {classes['p_10']:.3f} of {classes['n']} classes\n"
        )
        for query in row["queries"]:
            sys.stdout.write(
                f"  {query['average_precision']:.3f} {query['p_10']:.1f} {query['text']}: {query['first']}\n"
            )


def measured(
    dataset: Dataset, clips: np.ndarray, embed_text: Callable[[list[str]], np.ndarray], prompts: tuple[str, ...]
) -> dict[str, Any]:
    """What one model finds among clips (N, D): by the prompts of their classes, and by `QUERIES`."""
    of_clip = np.array([str(clip.label) for clip in dataset.clips])
    classes = class_matrix(embed_text, dataset.labels, prompts)
    relevant = np.array([of_clip == label for label in dataset.labels])
    precisions, early = average_precisions(classes, clips, relevant), first_right(classes, clips, relevant)
    ids = np.arange(len(classes))
    texts = embed_text(list(QUERIES))
    wanted = np.array([np.isin(of_clip, right) for right in QUERIES.values()])
    by_text, early_by_text = average_precisions(texts, clips, wanted), first_right(texts, clips, wanted)
    return {
        "classes": {
            "n": len(classes),
            "map": float(precisions.mean()),
            "map_ci95": accuracy_interval(precisions, ids, 2000, 0),
            "p_10": float(early.mean()),
            "p_10_ci95": accuracy_interval(early, ids, 2000, 0),
            "p_10_chance": float(relevant.mean()),
            "worst": {dataset.labels[at]: float(precisions[at]) for at in np.argsort(precisions)[:5]},
        },
        "queries": [
            {
                "text": text,
                "right": list(QUERIES[text]),
                "n_right": int(wanted[at].sum()),
                "average_precision": float(by_text[at]),
                "p_10": float(early_by_text[at]),
                "p_10_chance": float(wanted[at].mean()),
                "first": _counted(of_clip[_first(texts, clips, wanted)[at]]),
            }
            for at, text in enumerate(QUERIES)
        ],
        "queries_map": float(by_text.mean()),
        "queries_p_10": float(early_by_text.mean()),
    }


def first_right(queries: np.ndarray, clips: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The share of each query's first ten clips that are right, (Q,)."""
    shares: np.ndarray = np.take_along_axis(relevant, _first(queries, clips, relevant), axis=1).mean(axis=1)
    return shares


def _first(queries: np.ndarray, clips: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The first ten clips of each query, of equals those that are wrong, (Q, 10)."""
    order: np.ndarray = np.argsort(ROUNDING * relevant - queries @ clips.T, axis=1, kind="stable")[:, :FIRST]
    return order


def _counted(labels: np.ndarray) -> dict[str, int]:
    """Classes and how many of the first clips are theirs, the commonest first."""
    return dict(Counter(clean_label(str(label)) for label in labels).most_common())


if __name__ == "__main__":
    main()
