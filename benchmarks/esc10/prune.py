"""What fewer latent dimensions cost on real audio; writes benchmarks/results/prune.json and prune.png.

    python -m benchmarks.esc10.prune runs/esc10_benchmark/*/views-* [--finetune 5]

Every run is a distillation with a test set (those of benchmarks/esc10/study.py). Its student is pruned to 384 ... 8
dimensions by every method, chosen by its embeddings of the training clips, and scored on the test clips: zero-shot
accuracy, and the share of the teacher's ten nearest clips among all clips of the data that the student finds too.
Rotations are also made of the teacher's embeddings of the training clips, alone and with those of the class prompts;
`mask` is the other reading of the paper's rule, for every clip its own largest entries, which shrinks nothing. With
--finetune each head is trained again on the stored views for so many epochs. The published student's shape is counted
and timed before and after, with weights drawn at random, which change neither.
"""

import argparse
import statistics as plain_statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.bench.timing import interleaved_ms
from tinyclap.common.files import write_json
from tinyclap.common.numbers import round_percent
from tinyclap.common.statistics import bootstrap_sums, interval, recording_ids, unseen_share
from tinyclap.config.data import one_or_more
from tinyclap.data import build_dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings import neighbours, zero_shot
from tinyclap.embeddings.latent_map import LatentMap, latent_map, mask_per_clip
from tinyclap.exporters.onnx import graph
from tinyclap.exporters.onnx.student import encoder_graph
from tinyclap.models.student import Student
from tinyclap.models.student_config import REFERENCE
from tinyclap.pipelines.build import describe_student
from tinyclap.pipelines.distilled_run import load_distilled_run
from tinyclap.pipelines.prune import head_training_set
from tinyclap.pruning.finetune import HeadTrainingSet, finetune
from tinyclap.pruning.fold import narrow, prune
from tinyclap.reports.plots.lines import Line, write_line_plots
from tinyclap.reports.plots.look import DASHED, DOTTED
from tinyclap.runs.provenance import environment
from tinyclap.runtime.session import open_session
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips, teacher_texts

RESULTS = Path(__file__).parents[1] / "results"
DIMS = (384, 256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8)
TRAINED = ("rotation", "magnitude", "random")
SHAPES = (512, 256, 128, 64)
N_BOOTSTRAP, ROUNDS = 2000, 20
AGAIN = ", head trained again"
LABELS = {"mask": "mask (shrinks nothing)"}
COLOURS = {
    "rotation": "teacher",
    "magnitude": "student",
    "random": "line-2",
    "mask": "line-1",
}  # the rest lie on rotation
LEVELS = {"unpruned": "ink", "chance": "soft"}  # what does not depend on the dimensions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="finished distillations on ESC-10, with a test set")
    parser.add_argument("--finetune", type=int, default=0, metavar="EPOCHS")
    given = parser.parse_args()
    outcomes: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for run in given.runs:
        for key, outcome in measure(run, given.finetune).items():
            outcomes.setdefault(key, []).append(outcome)
    result = {
        "command": f"python -m benchmarks.esc10.prune RUN... --finetune {given.finetune}",
        "environment": environment(seed=0),
        "n_runs": len(given.runs),
        "runs": ["/".join(run.parts[-2:]) for run in given.runs],
        "knn10_chance": outcomes["none", max(DIMS)][0]["chance"],
        "sweep": [summarise(method, dim, found, outcomes) for (method, dim), found in outcomes.items()],
        "published_shape": published_shape(),
    }
    write_json(RESULTS / "prune.json", result)
    plot(result, RESULTS / "prune.png")
    for row in result["sweep"]:
        told = f"{row['method']:32} {row['dim']:4}  {row['accuracy']:.3f}  {row['retention']:.3f}  {row['overlap']:.3f}"
        sys.stdout.write(f"{told}\n")


def measure(run: Path, epochs: int) -> dict[tuple[str, int], dict[str, Any]]:
    """One student, pruned in every way: by (method, dimensions) which test clips it names rightly, and its overlap."""
    finished = load_distilled_run(run, "prune")
    recipe, student, teacher = finished.recipe, finished.student, finished.teacher
    (spec,) = one_or_more(recipe.data.train)
    root = spec.root
    train, test = build_dataset(recipe.data.train), build_dataset(recipe.data.test)  # type: ignore[arg-type]
    whole = esc50(root, esc10=True)
    mine = clip_embeddings(student.embed_audio, decode(whole, student.sample_rate), progress="student embeds")
    theirs = teacher_clips(teacher, decode(whole, teacher.sample_rate))
    places = {clip.name: index for index, clip in enumerate(whole.clips)}
    heard, tested = ([places[clip.name] for clip in part.clips] for part in (train, test))
    prompts = [text for pair in zero_shot.prompts_for(whole.labels, teacher.prompts) for text in pair]
    texts = teacher_texts(teacher, prompts)
    made_of = {
        "rotation": ("rotation", mine[heard]),
        "rotation (teacher's clips)": ("rotation", theirs[heard]),
        "rotation (teacher's clips, prompts)": ("rotation", np.concatenate([theirs[heard], texts])),
        "magnitude": ("magnitude", mine[heard]),
        "random": ("random", mine[heard]),
    }
    targets = np.array([whole.labels.index(str(whole.clips[index].label)) for index in tested])
    sources = [whole.clips[index].source for index in tested]

    def score(embeddings: np.ndarray, classes: np.ndarray) -> dict[str, Any]:
        return {
            "correct": zero_shot.predict(embeddings[tested], classes) == targets,
            "sources": sources,
            "overlap": neighbours.knn_overlap(embeddings, theirs, np.array(tested)),
            "chance": neighbours.knn_chance(len(whole)),
        }

    learned = head_training_set(finished, train) if epochs else None
    found = {("none", student.embed_dim): score(mine, class_vectors(teacher, whole.labels, teacher.prompts))}
    for dim in (dim for dim in DIMS if dim <= student.embed_dim):
        found["mask", dim] = score(mask_per_clip(mine, dim), class_vectors(teacher, whole.labels, teacher.prompts))
        for name, (method, embeddings) in made_of.items():
            made = latent_map(method, dim, embeddings, seed=recipe.seed)
            classes = class_vectors(teacher, whole.labels, teacher.prompts, made)
            found[name, dim] = score(made.apply(mine), classes)
            if learned and name in TRAINED:
                found[f"{name}{AGAIN}", dim] = score(
                    trained(student, made, learned, epochs, recipe.seed, decode(whole, student.sample_rate)), classes
                )
    return found


def trained(
    student: Student, made: LatentMap, learned: HeadTrainingSet, epochs: int, seed: int, decoded: Any
) -> np.ndarray:
    """Embeddings of all clips by a student that was pruned and whose head was trained again."""
    again = finetune(prune(student, made), learned, epochs, seed=seed)
    return clip_embeddings(again.embed_audio, decoded, progress="student embeds")


def summarise(
    method: str, dim: int, found: list[dict[str, Any]], outcomes: dict[tuple[str, int], list[dict[str, Any]]]
) -> dict[str, Any]:
    """Means over the runs; intervals draw whole recordings, and retention is paired with the unpruned student's."""
    unpruned = next(listed for (name, _), listed in outcomes.items() if name == "none")
    correct = np.concatenate([outcome["correct"] for outcome in found])
    before = np.concatenate([outcome["correct"] for outcome in unpruned])
    recordings = recording_ids([source for outcome in found for source in outcome["sources"]], len(correct))
    columns = np.stack([np.ones(len(correct)), correct, before], axis=1)
    n, sums, wholes = bootstrap_sums(columns, recordings, N_BOOTSTRAP, 0).T
    margin, accuracy = unseen_share(int(recordings.max()) + 1), float(correct.mean())
    retention = accuracy / float(before.mean())
    overlaps = [outcome["overlap"] for outcome in found]
    return {
        "method": method,
        "dim": dim,
        "accuracy": accuracy,
        "ci95": interval(accuracy, sums / n, margin, (0.0, 1.0)),
        "retention": retention,
        "retention_ci95": interval(retention, sums / wholes, margin, (0.0, 1.0 / float(before.mean()))),
        "overlap": plain_statistics.mean(overlaps),
        "overlap_sd_of_runs": plain_statistics.stdev(overlaps) if len(overlaps) > 1 else None,
    }


@torch.no_grad()
def published_shape() -> list[dict[str, Any]]:
    """Parameters, bytes, MACs and time of the published student's shape, whole and pruned."""
    torch.manual_seed(0)
    student = Student(REFERENCE).eval()
    width = student.embed_dim
    maps = {dim: LatentMap(np.eye(width, dtype=np.float32)[:dim], "magnitude") for dim in SHAPES}
    shapes: dict[tuple[str, int], Student] = {("unpruned, and mask at any width", width): student}
    for dim, made in maps.items():
        pruned = prune(student, made)
        shapes["magnitude or rotation, the map behind the head", dim] = pruned
        shapes["magnitude or rotation, a narrow head (--finetune)", dim] = narrow(pruned)
    calls: dict[str, Callable[[], object]] = {}
    spec = REFERENCE.frontend
    logmel = np.full((1, 1, spec.n_frames(REFERENCE.window_samples), spec.n_mels), -40.0, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for number, shape in enumerate(shapes.values()):
            path = Path(folder) / f"{number}.onnx"
            graph.save(encoder_graph(shape), path)
            session = open_session(path, inputs=["logmel"], output="embedding", providers=None, threads=1)
            calls[str(number)] = partial(session.run, None, {"logmel": logmel})
        taken = interleaved_ms(calls, ROUNDS)
    rows = []
    for number, ((form, dim), shape) in enumerate(shapes.items()):
        told = describe_student(shape)
        facts = {key: told[key] for key in ("parameters", "size_bytes", "macs")}
        rows.append({"form": form, "dim": dim, **facts, "latency_ms": plain_statistics.median(taken[str(number)])})
    return rows


def plot(result: dict[str, Any], path: Path) -> None:
    """Accuracy and overlap over the dimensions as a PNG file; bands are intervals, dashed heads were trained again."""
    whole = next(row for row in result["sweep"] if row["method"] == "none")
    plots = {}
    for key, title in {"accuracy": "Zero-shot accuracy", "overlap": "10-neighbour overlap"}.items():
        levels = {"unpruned": whole[key], **({"chance": result["knn10_chance"]} if key == "overlap" else {})}
        plots[title] = [
            *lines(result["sweep"], key),
            *(
                Line(name, [(min(DIMS), level), (max(DIMS), level)], LEVELS[name], DOTTED, marked=False)
                for name, level in levels.items()
            ),
        ]
    write_line_plots(path, plots, "dimensions", round_percent, base=2)


def lines(sweep: list[dict[str, Any]], key: str) -> list[Line]:
    """A line per method in COLOURS, and per method whose head was trained again."""
    found = []
    for method in dict.fromkeys(row["method"] for row in sweep):
        untrained = method.removesuffix(AGAIN)
        if untrained in COLOURS:
            rows = sorted((row for row in sweep if row["method"] == method), key=lambda row: row["dim"])
            points = [(row["dim"], row[key]) for row in rows]
            band = [tuple(row["ci95"]) for row in rows] if key == "accuracy" and method == untrained else []
            dashes = "-" if method == untrained else DASHED
            found.append(Line(LABELS.get(method, method), points, COLOURS[untrained], dashes, band, marked=False))
    return found


if __name__ == "__main__":
    main()
