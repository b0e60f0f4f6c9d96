"""Does the everyday bundle say that it does not know? Real ESC-50 and other sounds; writes results/unknown.json.

    python -m benchmarks.esc50.unknown --root ESC-50 --pool FOLDER --bundle BUNDLE [--chosen-on 1 2 3] [--reported-on 5]

BUNDLE is that of `tinyclap get everyday`. Some classes are the labels, drawn at random; clips of the other
classes must be unknown. Of `rules` that turn a cosine into a score, one was chosen on folds 1-3, by the area under the
curve of known against unknown clips with one threshold for all draws, and by how well the share of false alarms is the
one that the threshold allows. `thresholds` says what the chosen rule does there and on the fold kept for the report:
known clips that are not recognised, those given another label, and false alarms among clips of other classes and among
5 s windows of a folder of other sounds (some of which are of the classes after all, so that fewer are false), each also
as false alarms per hour, one decision every 5 s.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyclap.audio.checks import AudioError
from tinyclap.audio.listing import find_sounds
from tinyclap.common.files import write_json
from tinyclap.data.published.esc50 import esc50
from tinyclap.runs.provenance import environment
from tinyclap.runtime.background import Background
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.judge import Answer, Judge
from tinyclap.runtime.labels import LabelTable

RESULT = Path(__file__).parents[1] / "results" / "unknown.json"
LABELS, DRAWS = (1, 3, 10, 25), 30
THRESHOLDS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
DECISIONS_PER_HOUR = 720  # one every 5 s
LEVEL_DBFS = -20.0  # all that is compared here is loud enough


class Clips(NamedTuple):
    """Embeddings (N, D), and the number of each clip's class."""

    embeddings: np.ndarray
    classes: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--pool", type=Path, required=True, help="a folder of other sounds")
    parser.add_argument("--bundle", type=Path, required=True, help="as `tinyclap get everyday` makes it")
    parser.add_argument("--chosen-on", type=int, nargs="+", default=[1, 2, 3], metavar="FOLD")
    parser.add_argument("--reported-on", type=int, nargs="+", default=[5], metavar="FOLD")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of single files
    bundle = Bundle.load(given.bundle)
    names = esc50(given.root).labels
    table = bundle.label_table([name.replace("_", " ") for name in names])
    assert bundle.background is not None
    chosen_on = _clips(bundle, given.root, given.chosen_on)
    reported_on = _clips(bundle, given.root, given.reported_on)
    pool = _windows(bundle, given.pool)
    result: dict[str, Any] = {
        "command": "python -m benchmarks.esc50.unknown --root ESC-50 --pool FOLDER --bundle BUNDLE",
        "environment": environment(seed=0),
        "bundle": bundle.manifest.name,
        "background_sounds": len(bundle.background.sounds),
        "clips": {"chosen_on": len(chosen_on.classes), "reported_on": len(reported_on.classes), "pool": len(pool)},
        "folds": {"chosen_on": given.chosen_on, "reported_on": given.reported_on},
        "rules": _rules(table, bundle.background, chosen_on),
        "thresholds": _thresholds(table, bundle.background, {"chosen_on": chosen_on, "reported_on": reported_on}, pool),
    }
    write_json(RESULT, result)
    for row in [*result["rules"], *result["thresholds"]]:
        sys.stdout.write(f"{row}\n")


def _clips(bundle: Bundle, root: str, folds: list[int]) -> Clips:
    dataset = esc50(root).select(folds=folds)
    classes = np.array([esc50(root).labels.index(str(clip.label)) for clip in dataset.clips])
    return Clips(bundle.embed([clip.path for clip in dataset.clips if clip.path]), classes)


def _windows(bundle: Bundle, folder: Path) -> np.ndarray:
    """Of every usable sound below the folder: (N, D)."""
    rows = []
    for path in find_sounds([folder]):
        try:
            rows.append(bundle.embed_windows(path)[1])
        except AudioError as error:
            sys.stderr.write(f"left out: {error}\n")
    return np.concatenate(rows)


def _draws(n_classes: int, n_labels: int) -> Iterator[np.ndarray]:
    """Classes that are the labels: each in turn, or some at random."""
    if n_labels == 1:
        yield from np.arange(n_classes)[:, None]
        return
    rng = np.random.default_rng(n_labels)
    for _ in range(DRAWS):
        yield rng.choice(n_classes, n_labels, replace=False)


def _rules(table: LabelTable, background: Background, clips: Clips) -> list[dict[str, Any]]:
    """Ways from cosines (N, C) to scores, with one threshold for all draws of labels."""
    cosines = clips.embeddings @ table.embeddings.T
    unrelated = background.sounds @ table.embeddings.T
    ascending, spread = np.sort(unrelated, axis=0), unrelated.std(axis=0)
    excess = cosines - background.usual(table.embeddings)

    def counted() -> np.ndarray:
        columns = [np.searchsorted(column, mine) for column, mine in zip(ascending.T, cosines.T, strict=True)]
        return np.stack(columns, axis=1) / len(unrelated)

    rules: dict[str, Callable[[], np.ndarray]] = {
        "cosine": lambda: cosines,
        "cosine beyond the usual": lambda: excess,
        "share of pairs below (used)": lambda: background.share_below(excess),
        "share of this label's background below": counted,
        "standard deviations from this label's background": lambda: (cosines - unrelated.mean(axis=0)) / spread,
    }
    return [_curve(name, score(), clips, n_labels) for name, score in rules.items() for n_labels in LABELS]


def _curve(name: str, scores: np.ndarray, clips: Clips, n_labels: int) -> dict[str, Any]:
    known, unknown = [], []
    for drawn in _draws(scores.shape[1], n_labels):
        best, is_known = scores[:, drawn].max(axis=1), np.isin(clips.classes, drawn)
        known.append(best[is_known])
        unknown.append(best[~is_known])
    mine, others = np.concatenate(known), np.sort(np.concatenate(unknown))
    below = (np.searchsorted(others, mine, "left") + np.searchsorted(others, mine, "right")) / 2
    missed = {f"missed_at_{share}": float((mine <= np.quantile(others, 1 - share)).mean()) for share in (0.05, 0.01)}
    return {"rule": name, "labels": n_labels, "area": float(below.mean() / len(others)), **missed}


def _thresholds(
    table: LabelTable, background: Background, sets: dict[str, Clips], pool: np.ndarray
) -> list[dict[str, Any]]:
    rows = []
    for n_labels in LABELS:
        judged = {name: _judged(table, background, clips, pool, n_labels) for name, clips in sets.items()}
        for threshold in THRESHOLDS:
            shares = {name: _at(scores, threshold) for name, scores in judged.items()}
            rows.append({"labels": n_labels, "threshold": threshold, **shares})
    return rows


class Judged(NamedTuple):
    """Scores of the best label, over all draws of labels; of known clips also whether that label is theirs."""

    known: np.ndarray
    right: np.ndarray
    others: np.ndarray
    pool: np.ndarray


def _judged(table: LabelTable, background: Background, clips: Clips, pool: np.ndarray, n_labels: int) -> Judged:
    parts = []
    for drawn in _draws(len(table.labels), n_labels):
        chosen = LabelTable(tuple(table.labels[at] for at in drawn), table.embeddings[drawn])
        judge = Judge(chosen, 1.0, background, top_k=1, threshold=min(THRESHOLDS))
        answers = [judge(embedding, LEVEL_DBFS) for embedding in clips.embeddings]
        scores, is_known = np.array([_score(answer) for answer in answers]), np.isin(clips.classes, drawn)
        right = np.array(
            [answer[0].label == table.labels[at] for answer, at in zip(answers, clips.classes, strict=True)]
        )
        elsewhere = np.array([_score(judge(embedding, LEVEL_DBFS)) for embedding in pool])
        parts.append((scores[is_known], right[is_known], scores[~is_known], elsewhere))
    return Judged(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _score(answer: Answer) -> float:
    assert answer.scores is not None
    return answer.scores[0]


def _at(judged: Judged, threshold: float) -> dict[str, float]:
    """What answers with this threshold are."""
    shares = {
        "missed": float((judged.known < threshold).mean()),
        "confused": float(((judged.known >= threshold) & ~judged.right).mean()),
        "false_alarms": float((judged.others >= threshold).mean()),
        "false_alarms_pool": float((judged.pool >= threshold).mean()),
    }
    hourly = {f"{name}_per_hour": DECISIONS_PER_HOUR * shares[name] for name in ("false_alarms", "false_alarms_pool")}
    return shares | hourly


if __name__ == "__main__":
    main()
