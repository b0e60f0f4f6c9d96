"""One trunk trained in four ways on ESC-10, by cross-validation; writes benchmarks/results/baselines.json.

    python -m benchmarks.esc10.train_baselines --root data/ESC-50 [--folds 1 2 3 5] [--seeds 0 1 2] [--epochs 60]

Front end, window and PhiNet are those of recipe esc10 in all four, and so are the clips and the number of epochs; one
teacher for each fold (recipe esc10_teacher) serves both distillations. What each is given besides the sound:

  supervised   the labels: cross-entropy on the views of `ours`, where a mixture counts for both its parts' labels. It
               can name these classes and nothing else.
  contrastive  the labels as captions, and a text tower: a CLAP from scratch, as the teacher was made (recipe
               esc10_teacher), only with this trunk as its audio tower.
  paper        the teacher, no label: tinyCLAP's settings (arXiv 2311.14517): every clip heard as it is, plain cosine,
               Adam at a constant .012, batches of 64, 2048 features, a projection head with dropout .5, and 10 epochs
               more for that head alone.
  ours         the teacher, no label: recipe esc10.

Every run is a folder under --work. What is finished is not repeated unless its recipe changed, so the script can be
killed. It runs on a GPU where there is one; the machine of each run is kept with its row.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.esc10.runs import FIXED_VIEWS, data_overrides, made, run_folder, runs_parser, train_teacher
from tinyclap.common.files import read_json, write_json
from tinyclap.common.statistics import accuracy_interval, paired_comparison, recording_ids
from tinyclap.config.load_recipe import dump, load_recipe
from tinyclap.config.schema import DistillRecipe, PretrainRecipe
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.data.views import Views
from tinyclap.embeddings import neighbours, similarity, zero_shot
from tinyclap.hardware.traced_costs import n_parameters
from tinyclap.models.student import Student
from tinyclap.runs.provenance import environment
from tinyclap.runs.results import TEACHER_MEAN
from tinyclap.teachers import load_teacher
from tinyclap.teachers.dual.load import load_dual
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips
from tinyclap.training.distill import view_number
from tinyclap.training.distributed import build_accelerator
from tinyclap.training.ema import Ema, RunningStatistics
from tinyclap.training.optim import build_optimizer, set_learning_rate
from tinyclap.training.options import TrainingOptions
from tinyclap.training.sampling import epoch_batches
from tinyclap.training.spectrograms import LogMelViews

RESULT = Path(__file__).parents[1] / "results" / "baselines.json"
OUTCOME = "outcome.json"
N_BOOTSTRAP = 2000
OURS = "ours"
ARMS = ("supervised", "contrastive", "paper", OURS)
PAPER = [
    *FIXED_VIEWS,
    "student.head=projection",
    "student.features=2048",
    "student.dropout=0.5",
    "training.loss=cosine",
    "training.batch_size=64",
    "training.optimizer=adam",
    "training.lr=0.012",
    "training.weight_decay=0.0",
    "training.schedule=constant",
    "training.warmup_share=0.0",
    "training.ema=0.0",
    "training.clip_norm=0.0",
    "training.head_epochs=10",
    "training.head_lr=0.004",
]


def main() -> None:
    parser = runs_parser(__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for seed, fold, arm in itertools.product(arguments.seeds, arguments.folds, ARMS):
        rows.append(one_run(arguments, arm, fold, seed))
        write_json(RESULT, summarise(arguments, rows))
    sys.stdout.write("".join(f"{name}: {told}\n" for name, told in summarise(arguments, rows)["arms"].items()))


def one_run(arguments: argparse.Namespace, arm: str, fold: int, seed: int) -> dict[str, Any]:
    """Train one arm unless that is done, and test it on its fold: the run's row."""
    folder = run_folder(arguments, fold, f"{arm}-{arguments.epochs}-{seed}")
    teacher_run = train_teacher(arguments, fold)
    recipe = clap_recipe if arm == "contrastive" else our_recipe
    wanted = recipe(arguments, fold, seed, teacher_run, PAPER if arm == "paper" else [])
    kept = read_json(folder / OUTCOME, {})
    if kept.get("recipe") == dump(wanted):
        return dict(kept["row"])
    test = build_dataset(wanted.data.test)  # type: ignore[arg-type]
    began = time.perf_counter()
    theirs = mean = None
    if arm == "supervised":
        assert isinstance(wanted, DistillRecipe)
        network: Student = supervised(wanted, folder)
        classes = np.eye(len(test.labels))
    elif arm == "contrastive":
        clap = load_dual(str(made(wanted, folder) / "teacher"))
        assert isinstance(clap.audio, Student)
        network, classes = clap.audio, class_vectors(clap, test.labels, clap.prompts)
    else:
        run = made(wanted, folder)
        network = Student.from_pretrained(run / "student")
        taught_by = load_teacher("dual", str(teacher_run / "teacher"))
        classes = class_vectors(taught_by, test.labels, taught_by.prompts)
        theirs, mean = teacher_clips(taught_by, decode(test, taught_by.sample_rate)), np.load(run / TEACHER_MEAN)
    wall_s = read_json(folder / "summary.json", {}).get("wall_s", time.perf_counter() - began)
    mine = clip_embeddings(network.embed_audio, decode(test, network.sample_rate), progress="student embeds")
    right = outcomes(mine, test, classes)
    told = {} if theirs is None else closeness(mine, theirs, mean)
    row = {"arm": arm, "fold": fold, "seed": seed, "accuracy": float(np.mean(right)), **told}
    row |= {"parameters": n_parameters(network), "wall_s": wall_s, "made_with": machine(folder)}
    row |= {"correct": right, "sources": [clip.source for clip in test.clips]}
    write_json(folder / OUTCOME, {"recipe": dump(wanted), "row": row})
    return row


def our_recipe(
    arguments: argparse.Namespace, fold: int, seed: int, teacher_run: Path, overrides: list[str]
) -> DistillRecipe:
    data, teacher = data_overrides(arguments, fold), f"teacher.source={teacher_run}/teacher"
    given = [*data, teacher, f"seed={seed}", f"training.epochs={arguments.epochs}", *overrides]
    return load_recipe("esc10", given, task="distill")


def clap_recipe(
    arguments: argparse.Namespace, fold: int, seed: int, teacher_run: Path, overrides: list[str]
) -> PretrainRecipe:
    """Recipe esc10_teacher with the student's audio encoder; no teacher is needed."""
    trunk = load_recipe("esc10", task="distill").student.phinet
    shape = [f"audio.phinet.{key}={getattr(trunk, key)}" for key in ("alpha", "beta", "t0", "depth")]
    given = [f"text.source={arguments.text}", f"seed={seed}", f"training.epochs={arguments.epochs}", *shape]
    return load_recipe("esc10_teacher", [*data_overrides(arguments, fold), *given, *overrides], task="pretrain")


def supervised(recipe: DistillRecipe, folder: Path) -> "Classifier":
    """The student's encoder with one output for each class, trained on labels; optimiser and views are the recipe's."""
    train, options = build_dataset(recipe.data.train), TrainingOptions(**common_options(recipe))
    torch.manual_seed(recipe.seed)
    network = Classifier(recipe.student.with_embedding(len(train.labels), recipe.views.longest_s))
    device = build_accelerator("no").device
    views = Views(decode(train, network.sample_rate, **recipe.data.limits), recipe.views)
    heard = LogMelViews(views, network.frontend, keep=True)
    network.to(device)
    optimizer = build_optimizer([(network.parameters(), options.lr)], options)
    ema, statistics = Ema(network, options.ema), RunningStatistics(network)
    labels = [train.labels.index(str(train.clips[window.clip].label)) for window in views.decoded.windows]
    step = 0
    for epoch in range(options.epochs):
        network.train()
        batches = epoch_batches(len(views), options.batch_size, recipe.seed, epoch)
        for batch in batches:
            rows = [(int(index), view_number(int(index), epoch, recipe.views.per_clip)) for index in batch]
            wanted = torch.zeros(len(rows), len(train.labels))
            for place, (index, k) in enumerate(rows):
                view = views.draw(index, k)
                wanted[place, labels[index]] += 1.0 - view.other_share
                if view.other is not None:
                    wanted[place, labels[view.other.index]] += view.other_share
            set_learning_rate(optimizer, step, options.epochs * len(batches), options)
            statistics.before(step)
            logits = network.logits(heard.batch(rows).to(device))
            F.cross_entropy(logits, wanted.to(device)).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), options.clip_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            ema.update(network, step)
            step += 1
        sys.stderr.write(f"{folder.name}: epoch {epoch + 1} of {options.epochs}\n")
    ema.write_into(network)
    return network.cpu().eval()


class Classifier(Student):
    """A student whose head answers with one logit for each class."""

    def logits(self, logmel: Tensor) -> Tensor:
        """Decibels (B, 1, frames, n_mels) to (B, classes)."""
        found: Tensor = self.head(self.features(logmel))
        return found

    def encode(self, logmel: Tensor) -> Tensor:
        """Probabilities (B, classes), which windows of a long clip are averaged in."""
        return self.logits(logmel).softmax(-1)


def common_options(recipe: DistillRecipe) -> dict[str, Any]:
    """Those settings of a distillation that any training has."""
    return {key: getattr(recipe.training, key) for key in TrainingOptions.__dataclass_fields__}


def outcomes(embeddings: np.ndarray, test: Dataset, classes: np.ndarray) -> list[bool]:
    """Which test clips are named rightly by their embeddings (N, D)."""
    targets = [test.labels.index(str(clip.label)) for clip in test.clips]
    return [bool(right) for right in zero_shot.predict(embeddings, classes) == targets]


def closeness(mine: np.ndarray, theirs: np.ndarray, mean: np.ndarray | None) -> dict[str, float]:
    """How near a student is to its teacher on the test clips."""
    return {
        "centred_cosine": similarity.centred_cosine(mine, theirs, mean),
        "knn10_overlap": neighbours.knn_overlap(mine, theirs),
    }


def machine(folder: Path) -> str:
    """What a run was made with: as its own folder says, or this process where it made it."""
    told = read_json(folder / "env.json", {}) or environment(seed=0)
    return f"commit {told['commit']}, torch {told['torch']}, {told['gpu'] or told['cpu']}, {told['threads']} threads"


def summarise(arguments: argparse.Namespace, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over folds and seeds of each arm, and `ours` minus each other on the same clips; recordings are drawn."""
    given = " ".join(f"--{key} {' '.join(map(str, getattr(arguments, key)))}" for key in ("folds", "seeds"))
    module = "benchmarks.esc10.train_baselines"
    return {
        "command": f"python -m {module} --root ROOT --text TEXT {given} --epochs {arguments.epochs}",
        "epochs": arguments.epochs,
        "complete": len(rows) == len(arguments.seeds) * len(arguments.folds) * len(ARMS),
        "teacher_accuracy": float(np.mean([teacher_accuracy(arguments, fold) for fold in arguments.folds])),
        "arms": {arm: arm_summary([row for row in rows if row["arm"] == arm]) for arm in ARMS},
        "ours_minus": {arm: difference(rows, arm) for arm in ARMS if arm != OURS},
        "runs": [{key: value for key, value in row.items() if key not in ("correct", "sources")} for row in rows],
    }


def teacher_accuracy(arguments: argparse.Namespace, fold: int) -> float:
    """Of the teacher that both distillations of a fold learned from, on that fold."""
    (evaluation,) = read_json(train_teacher(arguments, fold) / "evaluation.json", [])
    return float(evaluation["teacher"]["accuracy"])


def arm_summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if not rows:
        return {}
    right = np.concatenate([row["correct"] for row in rows])
    recordings = recording_ids([source for row in rows for source in row["sources"]], len(right))
    near = [key for key in ("centred_cosine", "knn10_overlap") if key in rows[0]]
    return {
        "n_runs": len(rows),
        "n_clips": sum(len(row["correct"]) for row in {row["fold"]: row for row in rows}.values()),
        "n_recordings": int(recordings.max()) + 1,
        "accuracy": float(right.mean()),
        "accuracy_ci95": accuracy_interval(right, recordings, N_BOOTSTRAP, 0),
        **{str(key): float(np.mean([row[key] for row in rows])) for key in near},
        "parameters": rows[0]["parameters"],
        "median_wall_s": float(np.median([row["wall_s"] for row in rows])),
        "made_with": sorted({row["made_with"] for row in rows}),
    }


def difference(rows: list[dict[str, Any]], arm: str) -> dict[str, Any]:
    """Paired by fold, seed and clip."""
    by = {(row["arm"], row["fold"], row["seed"]): row for row in rows}
    both = [(by[OURS, *key], by[arm, *key]) for name, *key in by if name == OURS and (arm, *key) in by]
    if not both:
        return {}
    ours, other = (np.concatenate([pair[side]["correct"] for pair in both]) for side in (0, 1))
    recordings = recording_ids([source for pair in both for source in pair[0]["sources"]], len(ours))
    compared = paired_comparison(other, ours, recordings, N_BOOTSTRAP, 0)
    return {"n_pairs": len(both), "accuracy": compared["difference"], "accuracy_ci95": compared["difference_ci95"]}


if __name__ == "__main__":
    main()
