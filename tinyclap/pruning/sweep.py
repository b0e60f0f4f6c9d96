"""How much a student keeps in fewer and fewer dimensions."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyclap.common import statistics
from tinyclap.embeddings import neighbours, zero_shot
from tinyclap.embeddings.latent_map import LatentMap

FEATURES_AT_ONCE = 64
FINETUNE_BATCH = 256


@dataclass(frozen=True)
class SweepProtocol:
    """What a sweep is measured on: test clips and classes in the whole space.

    Attributes:
        student: its embeddings (N, D) before pruning.
        teacher: of the same clips, in the teacher's whole space.
        classes: a latent map from the student's space (None: no pruning) to class vectors in the smaller one.
        targets: index of each clip's class (N,).
        sources: the recording of each clip, if known.
        n_bootstrap, seed: of the intervals.
    """

    student: np.ndarray
    teacher: np.ndarray
    classes: Callable[[LatentMap | None], np.ndarray]
    targets: np.ndarray
    sources: Sequence[str | None] | None = None
    n_bootstrap: int = 2000
    seed: int = 0

    def score(self, embeddings: np.ndarray, latent_map: LatentMap | None) -> dict[str, Any]:
        """Accuracy with its interval, and the share of the teacher's neighbours kept, of embeddings behind a map."""
        accuracy, ci95 = None, None
        with suppress(zero_shot.SameClassesError):  # classes that coincide in so few dimensions: no accuracy
            correct = zero_shot.predict(embeddings, self.classes(latent_map)) == self.targets
            recordings = statistics.recording_ids(self.sources, len(correct))
            accuracy = float(np.mean(correct))
            ci95 = statistics.accuracy_interval(correct, recordings, self.n_bootstrap, self.seed)
        enough = len(embeddings) > 10
        return {
            "dim": int(embeddings.shape[1]),
            "accuracy": accuracy,
            "ci95": ci95,
            "knn10_overlap": neighbours.knn_overlap(embeddings, self.teacher) if enough else None,
        }


def sweep(
    trial: SweepProtocol,
    make: Callable[[str, int], LatentMap],
    methods: Sequence[str],
    dims: Sequence[int],
    trained: Callable[[LatentMap], np.ndarray] | None = None,
) -> list[dict[str, Any]]:
    """Every method at every dimension, without training and, with `trained`, after it.

    Args:
        trial: what is measured.
        make: a latent map by method and dimension.
        methods, dims: to go through.
        trained: the test embeddings of the student pruned by a map and trained on, (N, dim).

    Returns:
        A row for the unpruned student ("none") and one for each method, dimension and state.
    """
    rows = [{"method": "none", "finetuned": False, **trial.score(trial.student, None)}]
    for method in methods:
        for dim in dims:
            latent_map = make(method, dim)
            embeddings = latent_map.apply(trial.student)
            rows.append({"method": method, "finetuned": False, **trial.score(embeddings, latent_map)})
            if trained:
                rows.append({"method": method, "finetuned": True, **trial.score(trained(latent_map), latent_map)})
    return rows
