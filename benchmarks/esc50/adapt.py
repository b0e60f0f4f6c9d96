"""What a few examples of each class add to the everyday bundle's words, on real ESC-50; writes esc50_adapt.json.

    python -m benchmarks.esc50.adapt --root ESC-50 [--bundle everyday] [--chosen-on 1 2 3] [--reported-on 5]

Label vectors as `tinyclap adapt` makes them, from examples of the folds chosen on, one of each recording as far as
there are; accuracy on the fold reported on, whose recordings are others, beside the words alone: the mean over draws of
the examples, and an interval that draws whole recordings of the test clips. How many examples the words count as was
chosen among the folds chosen on, the last of them named by examples of the others (`weights`). Unknown sounds: with
half of the classes as labels, the share of clips of the other half that get an answer at a threshold of 0.95, judged by
the bundle's background and by that with classes of examples, which `tinyclap adapt` writes.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.files import write_json
from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings.few_shot import METHODS, Method, label_vectors
from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.matching.adapt import WORDS_COUNT
from tinyclap.matching.examples import Example, drawn
from tinyclap.runs.provenance import environment
from tinyclap.runtime.background import Background
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.judge import Judge
from tinyclap.runtime.labels import LabelTable
from tinyclap.workspace.bundles import named_bundle

RESULT = Path(__file__).parents[1] / "results" / "esc50_adapt.json"
SHOTS = (1, 5, 10)
SEEDS = range(5)
WEIGHTS = (0.0, 1.0, 2.0, 4.0, 8.0)
THRESHOLD = 0.95


class Clips:
    """All clips as the bundle hears them."""

    def __init__(self, root: str, bundle: Bundle, folds: Sequence[int]) -> None:
        self.dataset, self.bundle = esc50(root).select(folds=folds), bundle
        self.labels = self.dataset.labels
        rows = [bundle.embed(str(clip.path))[0] for clip in self.dataset.clips]
        self.embeddings = np.stack(rows).astype(np.float64)
        self.truth = np.array([self.labels.index(str(clip.label)) for clip in self.dataset.clips])
        self.recordings = recording_ids([clip.source for clip in self.dataset.clips], len(self.dataset))
        self.folds = np.array([clip.fold for clip in self.dataset.clips])
        named = [clean_label(label) for label in self.labels]
        self.words = bundle.label_table(named).embeddings.astype(np.float64)

    def examples(self, folds: Sequence[int], shots: int, seed: int) -> np.ndarray:
        """Rows of the examples."""
        rng, rows = np.random.default_rng(seed), []
        for label in range(len(self.labels)):
            there = np.flatnonzero(np.isin(self.folds, folds) & (self.truth == label))
            every = [Example(Path(str(row)), "", str(self.recordings[row])) for row in there]
            rows += [int(example.file.name) for example in drawn(every, shots, rng)]
        return np.array(rows)

    def vectors(self, rows: np.ndarray, weight: float, method: Method) -> np.ndarray:
        """Of the labels."""
        taught = (self.embeddings[rows], self.truth[rows], len(self.labels), self.words)
        return label_vectors(*taught, weight=weight, method=method)

    def right(self, rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Whether each clip is nearest to its own label, (N,)."""
        return np.asarray(np.argmax(self.embeddings[rows] @ vectors.T, axis=1) == self.truth[rows], float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--bundle", type=Path, default=Path("everyday"))
    parser.add_argument("--chosen-on", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--reported-on", type=int, nargs="+", default=[5])
    given = parser.parse_args()
    began = time.perf_counter()
    clips = Clips(given.root, Bundle.load(named_bundle(given.bundle)), [*given.chosen_on, *given.reported_on])
    result = {
        "command": "python -m benchmarks.esc50.adapt --root ESC-50",
        "environment": environment(seed=0),
        "bundle": clips.bundle.manifest.name,
        "chosen_on": given.chosen_on,
        "reported_on": given.reported_on,
        "draws": len(SEEDS),
        "words_count": WORDS_COUNT,
        "weights": weights(clips, given.chosen_on),
        **accuracies(clips, given.chosen_on, given.reported_on),
        "unknown": unknown(clips, given.chosen_on, given.reported_on),
        "seconds": time.perf_counter() - began,
    }
    write_json(RESULT, result)
    for row in [*result["weights"], result["words"], *result["rows"], *result["unknown"]]:
        sys.stdout.write(f"{row}\n")


def weights(clips: Clips, folds: Sequence[int]) -> list[dict[str, Any]]:
    """Accuracy on the last fold by examples of those before it, for every weight of the words."""
    test = np.flatnonzero(clips.folds == folds[-1])
    return [
        {
            "shots": shots,
            "weight": weight,
            "accuracy": float(
                np.mean(
                    [
                        clips.right(
                            test, clips.vectors(clips.examples(folds[:-1], shots, seed), weight, "centroid")
                        ).mean()
                        for seed in SEEDS
                    ]
                )
            ),
        }
        for shots in SHOTS
        for weight in WEIGHTS
    ]


def accuracies(clips: Clips, folds: Sequence[int], tested: Sequence[int]) -> dict[str, Any]:
    """Every method and number of shots beside the words alone."""
    test = np.flatnonzero(np.isin(clips.folds, tested))
    _, recordings = np.unique(clips.recordings[test], return_inverse=True)
    by_words = clips.right(test, clips.words)

    def scored(right: np.ndarray) -> dict[str, Any]:
        return {"accuracy": float(right.mean()), "ci95": accuracy_interval(right, recordings, 2000, 0)}

    rows = []
    for shots in SHOTS:
        for method, weight in [(method, weight) for method in METHODS for weight in (0.0, WORDS_COUNT)]:
            each = [
                clips.right(test, clips.vectors(clips.examples(folds, shots, seed), weight, method)) for seed in SEEDS
            ]
            right = np.mean(each, axis=0)
            gain, gain_ci95 = paired_difference(by_words, right, recordings, 2000, 0)
            row = {"shots": shots, "method": method, "words": weight, **scored(right)}
            sd = float(np.std([one.mean() for one in each], ddof=1))
            rows.append({**row, "sd_of_draws": sd, "gain": gain, "gain_ci95": gain_ci95})
    return {"n_clips": len(test), "words": scored(by_words), "rows": rows}


def unknown(clips: Clips, folds: Sequence[int], tested: Sequence[int]) -> list[dict[str, Any]]:
    """At the threshold, with each half of the classes as labels: what the others' and their own clips get."""
    background = clips.bundle.background
    assert background is not None
    rows = [{"shots": 0, "background": "words", **_judged(clips, tested, clips.words, background)}]
    for shots in SHOTS:
        vectors = clips.vectors(clips.examples(folds, shots, 0), WORDS_COUNT, "centroid")
        for name, judged_by in (("words", background), ("examples", background.by_examples(shots, WORDS_COUNT))):
            rows.append({"shots": shots, "background": name, **_judged(clips, tested, vectors, judged_by)})
    return rows


def _judged(clips: Clips, tested: Sequence[int], vectors: np.ndarray, background: Background) -> dict[str, float]:
    """Shares of the labels' clips that are named rightly, and of the others' that are named at all."""
    own, others = [], []
    for half in np.random.default_rng(0).permutation(len(clips.labels)).reshape(2, -1):
        table = LabelTable(tuple(clips.labels[at] for at in half), vectors[half].astype(np.float32))
        judge = Judge(table, clips.bundle.manifest.logit_scale, background, threshold=THRESHOLD)
        for row in np.flatnonzero(np.isin(clips.folds, tested)):
            answer = judge(clips.embeddings[row].astype(np.float32), 0.0)
            said = answer.outcome == "label"
            if clips.truth[row] in half:
                own.append(said and answer[0].label == clips.labels[clips.truth[row]])
            else:
                others.append(said)
    return {"right": float(np.mean(own)), "false_answers": float(np.mean(others))}


if __name__ == "__main__":
    main()
