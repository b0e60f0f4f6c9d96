"""Do captions that are easily taken for one another teach a text student more? Writes results/hard_negatives.json.

    python -m benchmarks.words.hard_negatives [--audio mn04_as] [--text MiniLM] [--n 8000] [--epochs 5] [--seeds 0 1]

Small text students learn the sentences of the grammar from the ready-made bundle's teacher: by the recipe's loss; with
the loss that compares the captions of a batch; and with that on batches in which confusable captions stand side by side
(`text.training.confusable_share`). Each is asked what `tinyclap probe` asks of texts alone, where the embeddings of the
sentence encoder lie, beside that encoder itself. Intervals draw whole puzzles, and differences are of the same ones.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.esc10.runs import made
from tinyclap.common.files import write_json
from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data.probes.probes import PROBES, puzzles_of
from tinyclap.data.probes.puzzles import texts_of
from tinyclap.evaluation.probe import Vectors, solve
from tinyclap.models.text_student import TextStudent
from tinyclap.runs.provenance import environment
from tinyclap.runs.results import read_result
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.options import TaggerOptions

RESULT = Path(__file__).parents[1] / "results" / "hard_negatives.json"
ARMS = {
    "the recipe's loss": [],
    "batches compared": ["text.training.relational_weight=1"],
    "confusable batches compared": ["text.training.relational_weight=1", "text.training.confusable_share=1"],
}
STUDENT = "{kind: transformer, vocabulary: 4000, table_dim: 64, dim: 128, layers: 2}"
RESAMPLES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", default=TaggerOptions.audio, help="a tagger of EfficientAT, by name or file")
    parser.add_argument("--text", default=TaggerOptions.text, help="a text encoder, by hub id or folder")
    parser.add_argument("--n", type=int, default=8000, help="captions")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--puzzles", type=int, default=200, help="of each probe")
    parser.add_argument("--work", type=Path, default=Path("runs/hard_negatives"))
    given = parser.parse_args()
    target = load_tagger_teacher(TaggerOptions(given.audio, given.text)).text_target()

    def theirs(texts: list[str]) -> np.ndarray:
        with torch.no_grad():
            return target.embed(texts).float().cpu().numpy()

    asked = Asked(given.puzzles)
    hits: dict[str, list[dict[str, np.ndarray]]] = {"the teacher": [asked.hits(theirs)]}
    rows: list[dict[str, Any]] = []
    for arm, overrides in ARMS.items():
        for seed in given.seeds:
            began = time.perf_counter()
            run = _run(given, arm, seed, overrides)
            student = TextStudent.from_pretrained(run / "text" / "student")
            hits.setdefault(arm, []).append(asked.hits(partial(_own, student)))
            told = read_result(run, "text.json")["agreement"]
            rows.append({"arm": arm, "seed": seed, "centred_cosine": told["groups"][0]["centred_cosine"]})
            sys.stdout.write(f"{arm}, seed {seed}: {time.perf_counter() - began:.0f} s, {rows[-1]}\n")
    how = {key: getattr(given, key) for key in ("n", "epochs", "seeds", "puzzles")}
    command = "python -m benchmarks.words.hard_negatives"
    write_json(
        RESULT,
        {"command": command, "environment": environment(seed=given.seeds[0]), **how, "students": rows}
        | {"probes": asked.summary(hits)},
    )


def _own(student: TextStudent, texts: list[str]) -> np.ndarray:
    embeddings: np.ndarray = student.encode_texts(texts).numpy()
    return embeddings


def _run(given: argparse.Namespace, arm: str, seed: int, overrides: list[str]) -> Path:
    fixed = [
        f"teacher={{kind: tagger, audio: {given.audio}, text: {given.text}}}",
        f"text.sources=[{{kind: grammar, n: {given.n}}}]",
        f"text.student={STUDENT}",
        f"text.training.epochs={given.epochs}",
        "text.training.batch_size=128",
        f"seed={seed}",
    ]
    recipe = load_recipe("everyday_words", [*fixed, *overrides], task="distill_text")
    return made(recipe, given.work / f"{arm.replace(' ', '_')}-{seed}")


class Asked:
    """The puzzles, and how right answers to them are."""

    def __init__(self, count: int) -> None:
        self.puzzles = {one.name: puzzles_of(one, count, 0) for one in PROBES if one.kind == "texts"}
        self.texts = texts_of([puzzle for made in self.puzzles.values() for puzzle in made])

    def hits(self, embed: Callable[[list[str]], np.ndarray]) -> dict[str, np.ndarray]:
        """By probe, of both sides of all puzzles."""
        vectors: Vectors = dict(zip(self.texts, embed(self.texts), strict=True))
        found = {}
        for name, made_ in self.puzzles.items():
            results = [solve(puzzle, vectors) for puzzle in made_]
            found[name] = np.stack([np.concatenate([one["texts"], one["sounds"]]) for one in results])
        return found

    def summary(self, hits: dict[str, list[dict[str, np.ndarray]]]) -> list[dict[str, Any]]:
        """Accuracy of each arm, the mean of its seeds, and its difference to the first one."""
        first = next(iter(ARMS))
        rows = []
        for name, made_ in self.puzzles.items():
            means = {arm: np.mean([one[name] for one in found], axis=0) for arm, found in hits.items()}
            owners = recording_ids(
                [str(number) for number in range(len(made_)) for _ in means[first][0]], means[first].size
            )
            row: dict[str, Any] = {"probe": name, "chance": 1 / len(made_[0].texts)}
            for arm, found in means.items():
                flat = found.ravel()
                row[arm] = {"accuracy": float(flat.mean()), "ci95": accuracy_interval(flat, owners, RESAMPLES, 0)}
                if arm in ARMS and arm != first:
                    difference, interval = paired_difference(means[first].ravel(), flat, owners, RESAMPLES, 0)
                    row[arm] |= {"difference": difference, "difference_ci95": interval}
            rows.append(row)
        return rows


if __name__ == "__main__":
    main()
