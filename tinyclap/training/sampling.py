"""The order of clips in an epoch, and how often each comes: by its data set's weight, or all kinds of sound alike."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2

from tinyclap.data.dataset import Dataset
from tinyclap.data.decoded import Decoded
from tinyclap.embeddings.joint_space import Stored

ROUNDS = 30  # of k-means
ALIKE = 16  # batches whose inputs are sorted by size


def epoch_batches(
    n: int,
    batch_size: int,
    seed: int,
    epoch: int,
    weights: np.ndarray | None = None,
    sizes: np.ndarray | None = None,
    companions: "Companions | None" = None,
) -> list[np.ndarray]:
    """Full batches of a fresh order of range(n); fewer clips than a batch are repeated to fill one.

    With weights (n,), an epoch is as long, and clip i is in it n * weights[i] / sum(weights) times: rounded up or down
    at random, so that the mean over epochs is exact (systematic sampling). With sizes (n,), a batch holds inputs of
    about the same size, so that little of it is padding. With companions, some clips stand beside one that they are
    easily taken for; each comes as often as without.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(n if weights is None else _drawn(weights, rng))
    leaders = order
    if companions is not None:
        order, leaders = companions.beside(order, rng)
    # A rest that fills no batch is left out, before anything is sorted: else it would always be the largest inputs.
    kept = np.arange(batch_size) % n if n < batch_size else np.arange(n - n % batch_size)
    order = order[kept]
    if sizes is None:
        return _parts(order, batch_size)
    sizes = sizes[leaders[kept]]  # whoever has company is sorted with it
    batches = [
        batch
        for places in _parts(np.arange(len(order)), ALIKE * batch_size)
        for batch in _parts(order[places[np.argsort(sizes[places], kind="stable")]], batch_size)
    ]
    return [batches[place] for place in rng.permutation(len(batches))]


@dataclass(frozen=True)
class Companions:
    """Clips that are easily taken for one another, to be contrasted within a batch.

    Attributes:
        neighbours: of each clip the most alike, nearest first, (n, K); -1 where there are no more.
        share: of the clips that are given one, where one is still to be had.
    """

    neighbours: np.ndarray
    share: float

    def beside(self, order: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """An order in which clips stand behind one they are like, and for each place whom it belongs to.

        Args:
            order: of clips; each place is used once.
            rng: chooses the clips that are given company.
        """
        waiting: dict[int, list[int]] = {}
        for place in range(len(order) - 1, -1, -1):
            waiting.setdefault(int(order[place]), []).append(place)
        chosen, taken = rng.random(len(order)) < self.share, np.zeros(len(order), bool)
        found: list[int] = []
        leaders: list[int] = []
        for place, clip in enumerate(order):
            if taken[place]:
                continue
            waiting[int(clip)].pop()
            found.append(int(clip))
            leaders.append(int(clip))
            near = self.neighbours[clip] if chosen[place] else ()
            other = next((int(one) for one in near if one >= 0 and waiting.get(int(one))), None)
            if other is not None:
                taken[waiting[other].pop()] = True
                found.append(other)
                leaders.append(int(clip))
        return np.array(found), np.array(leaders)


def _parts(order: np.ndarray, size: int) -> list[np.ndarray]:
    """An order cut into parts of a size, the last of what is left."""
    return [order[first : first + size] for first in range(0, len(order), size)]


def _drawn(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many indices as there are weights, sorted, some of them several times."""
    ends = np.cumsum(weights, dtype=np.float64)
    places = (np.arange(len(weights)) + rng.random()) * (ends[-1] / len(weights))
    return np.minimum(np.searchsorted(ends, places, side="right"), len(weights) - 1)


def occurrences(indices: np.ndarray) -> np.ndarray:
    """How often each entry has come before in the sequence: [3, 5, 3, 3] gives [0, 0, 1, 2]."""
    order = np.argsort(indices, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(indices[order]) != 0])
    counts = np.empty(len(indices), np.int64)
    counts[order] = np.arange(len(indices)) - np.repeat(starts, np.diff(np.r_[starts, len(indices)]))
    return counts


def clip_weights(dataset: Dataset, decoded: Decoded) -> np.ndarray | None:
    """Weights of a data set's decoded windows, float64 (windows,); None where all are alike."""
    weights = np.array([dataset.clips[clip].weight for clip in decoded.windows.clips])
    return None if (weights == weights[0]).all() else weights


def balanced(targets: Stored, clusters: int, seed: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Weights with which every cluster of the teacher's embeddings is trained on equally often (S-SONDO, 2604.24933).

    Rare kinds of sound are used as often as common ones, which keeps a student that starts from scratch from learning
    the common ones alone.

    Args:
        targets: teacher embeddings of every view, (clips, views, D); a clip's mean over its views is what is clustered.
        clusters: how many, at most one a clip (k-means++).
        seed: of the clustering.
        weights: of clips inside a cluster, (clips,); None for equal ones.

    Returns:
        float64 (clips,), its sum the number of clips.
    """
    means = np.stack([views.astype(np.float64).mean(0) for views in targets])
    kinds = min(clusters, len(np.unique(means, axis=0)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")
        _, label = kmeans2(means, kinds, iter=ROUNDS, minit="++", rng=seed)
    own = np.ones(len(means)) if weights is None else weights
    total = np.bincount(label, own, minlength=clusters)
    shares = own / total[label]
    return shares * (len(shares) / shares.sum())
