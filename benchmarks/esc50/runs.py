"""Students of a tagger on real ESC-50, tested on a fold that they have not met: what the scripts here share.

Clips of recordings that the test fold holds too are left out of the training (folds 2 and 3 share two). Rows that a
result file holds already are not measured again, and a run that was stopped goes on.
"""

import argparse
import csv
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.esc10.runs import made
from benchmarks.esc10.train_baselines import outcomes, supervised
from tinyclap.common.files import read_json, write_json
from tinyclap.common.statistics import accuracy_interval, recording_ids
from tinyclap.config.load_recipe import load_recipe
from tinyclap.config.schema import DistillRecipe
from tinyclap.data import build_dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.data.folder import folder
from tinyclap.data.published.esc50 import esc50
from tinyclap.hardware.traced_costs import n_parameters
from tinyclap.runs.provenance import environment
from tinyclap.runs.results import read_run
from tinyclap.teachers.options import TaggerOptions

RESULTS = Path(__file__).parents[1] / "results"
SHARES = 10  # of the epochs, in a row's history
MEASURED = ("retention", "centred_cosine", "knn10_overlap", "n_clips")
SIZES = {
    "0.13M": ["student.phinet.alpha=0.25", "student.phinet.t0=5", "student.features=160"],
    "0.3M": ["student.phinet.alpha=0.334", "student.phinet.t0=5", "student.features=384"],
    "0.6M": ["student.phinet.alpha=0.6", "student.phinet.t0=6", "student.features=512"],
    "1.2M": ["student.phinet.alpha=1.0", "student.phinet.t0=6", "student.features=768"],
    "published": [
        *("student.phinet.alpha=1.5", "student.phinet.beta=0.75", "student.phinet.t0=6"),
        *("student.phinet.compatibility=true", "student.features=2048", "student.head=projection"),
    ],
}


def runs_parser(description: str | None, work: str, folds: Sequence[int]) -> argparse.ArgumentParser:
    """The options on data, teacher, folds and seeds."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--pool", type=Path, help="a folder of other sounds, without labels")
    parser.add_argument("--audio", default=TaggerOptions.audio, help="a tagger of EfficientAT, by name or file")
    parser.add_argument("--text", default=TaggerOptions.text, help="a text encoder, by hub id or folder")
    parser.add_argument("--folds", type=int, nargs="+", default=list(folds), help="to test on, each in turn")
    parser.add_argument("--all-folds", type=int, nargs="+", default=[1, 2, 3, 5], help="folds that there are")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--work", type=Path, default=Path(work))
    return parser


class Rows:
    """The rows of a result file, each written as soon as it is measured.

    Args:
        path: of the file.
        command: that makes it.
        keys: which tell rows apart.
        summarise: makes the summary of all rows.
    """

    def __init__(
        self,
        path: Path,
        command: str,
        keys: Sequence[str],
        summarise: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    ) -> None:
        self.path, self.command, self.keys, self.summarise = path, command, keys, summarise
        self.rows: list[dict[str, Any]] = read_json(path, {}).get("rows", [])

    def has(self, **wanted: Any) -> bool:
        """Whether this row is there."""
        return any(all(row[key] == wanted[key] for key in self.keys) for row in self.rows)

    def made(self, make: Callable[[], dict[str, Any]], **wanted: Any) -> dict[str, Any]:
        """This row, with what `make` measures if it is not there yet."""
        if not self.has(**wanted):
            self.add(wanted | make())
        return next(row for row in self.rows if all(row[key] == wanted[key] for key in self.keys))

    def add(self, row: dict[str, Any]) -> None:
        """Write the file with one row more; rows that other processes wrote meanwhile stay."""
        there = read_json(self.path, {}).get("rows", [])
        own = [row[key] for key in self.keys]
        self.rows = [other for other in there if [other[key] for key in self.keys] != own] + [row]
        self.rows.sort(key=lambda each: [each[key] for key in self.keys])
        result = {"command": self.command, "environment": environment(seed=0), "rows": self.rows}
        write_json(self.path, result | {"summary": self.summarise(self.rows)})


def distilled(
    arguments: argparse.Namespace, train: Sequence[str], fold: int, overrides: Sequence[str], run: Path
) -> dict[str, Any]:
    """What a student does on a fold of ESC-50 beside its teacher; `train` are data sections as YAML."""
    made(recipe_of(arguments, train, fold, overrides), run)
    found = read_run(run)
    evaluation, student, epochs = found.evaluations[0], found.summary["student"], found.epochs
    return {
        "training_clips": found.summary["clips"],
        "teacher_accuracy": evaluation["teacher"]["accuracy"],
        "student_accuracy": evaluation["student"]["accuracy"],
        "student_ci95": evaluation["student"]["ci95"],
        **{key: evaluation[key] for key in MEASURED},
        "parameters": student["parameters"],
        "macs": student["macs"],
        "history": [epochs[len(epochs) * share // SHARES - 1]["centred_cosine"] for share in range(1, SHARES + 1)],
        "made_with": read_json(run / "env.json", {}).get("commit"),
    }


def trained_on_labels(
    arguments: argparse.Namespace, train: Sequence[str], fold: int, overrides: Sequence[str], run: Path
) -> dict[str, Any]:
    """What the student's network does on a fold when it is trained from scratch on the labels, in the same views."""
    recipe = recipe_of(arguments, train, fold, overrides)
    assert recipe.data.test is not None
    test = build_dataset(recipe.data.test)
    network = supervised(recipe, run)
    embeddings = clip_embeddings(network.embed_audio, decode(test, network.sample_rate), progress="student embeds")
    right = np.array(outcomes(embeddings, test, np.eye(len(test.labels))))
    recordings = recording_ids([clip.source for clip in test.clips], len(right))
    return {
        "training_clips": len(build_dataset(recipe.data.train)),
        "student_accuracy": float(right.mean()),
        "student_ci95": accuracy_interval(right, recordings, recipe.evaluate.bootstrap, 0),
        "n_clips": len(right),
        "parameters": n_parameters(network),
    }


def recipe_of(
    arguments: argparse.Namespace, train: Sequence[str], fold: int, overrides: Sequence[str]
) -> DistillRecipe:
    """Recipe esc50 with this teacher, these training sets and this test fold."""
    given = [
        f"teacher={{kind: tagger, audio: {arguments.audio}, text: {arguments.text}}}",
        f"data.train=[{', '.join(train)}]",
        f"data.test={{kind: esc50, root: {arguments.root}, folds: [{fold}]}}",
    ]
    return load_recipe("esc50", [*given, *overrides], task="distill")


def esc50_clips(arguments: argparse.Namespace, fold: int) -> Path:
    """A manifest of the other folds' clips, without those whose recording the test fold holds too."""
    clips = esc50(arguments.root).clips
    met = {clip.source for clip in clips if clip.fold == fold}
    kept = [
        (clip.path, clip.source, clip.label)
        for clip in clips
        if clip.fold in arguments.all_folds and clip.fold != fold and clip.source not in met
    ]
    return _manifest(Path(arguments.work) / f"train-without-fold{fold}.csv", kept)


def pool_clips(arguments: argparse.Namespace, share: float) -> Path:
    """A manifest of a share of the pool, chosen by the hash of its files' names: a half holds the quarter."""
    clips = sorted(folder(arguments.pool).clips, key=lambda clip: hashlib.sha256(clip.name.encode()).digest())
    kept = sorted((clip.path, clip.name, None) for clip in clips[: round(share * len(clips))])
    return _manifest(Path(arguments.work) / f"pool-{share:g}.csv", kept)


def _manifest(path: Path, clips: Sequence[tuple[Path | None, str | None, str | None]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["path", "source", "label"])
        for file, source, label in clips:
            assert file is not None
            table.writerow([file.resolve(), source, label])
    return path
