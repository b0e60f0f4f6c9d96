"""Is a searched student better than one drawn at random? ESC-10, one outer fold; writes benchmarks/results/search.json.

    python -m benchmarks.esc10.search --root DATA/ESC-10 --teacher TEACHER --work runs/search_benchmark [--seeds 0 1 2]

For each budget (operations for one window and RAM in int8) and seed, `tinyclap search` and the same number of students
drawn at random among all that fit are trained equally briefly on folds 1-3, a fifth of whose recordings ranks them. The
best of either is then distilled on folds 1-3 at equal length and reported on fold 5, which nothing was chosen on: the
paired difference of centred cosine and accuracy, with intervals that draw whole recordings. Everything is kept in
--work; the same command goes on after an interruption.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.esc10.runs import search_parser
from tinyclap.common.files import read_json, write_json
from tinyclap.common.statistics import bootstrap_sums, interval, recording_ids, unseen_share
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data import build_dataset
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import decode
from tinyclap.embeddings import zero_shot
from tinyclap.embeddings.latent_map import latent_map
from tinyclap.hardware.budget import Budget
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student_config import StudentConfig
from tinyclap.pipelines.build import build_distillation_set
from tinyclap.pipelines.distilled_run import load_distilled_run
from tinyclap.pipelines.run_recipe import run_recipe
from tinyclap.pipelines.search import search_run
from tinyclap.runs.provenance import environment
from tinyclap.scaling.options import CHOSEN, RESULT, SearchOptions
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips

RESULTS = Path(__file__).parents[1] / "results"
BUDGETS = {
    "5 M MACs, 128 KiB": Budget(macs=5_000_000, ram_bytes=128 * 1024, flash_bytes=512 * 1024),
    "20 M MACs, 320 KiB": Budget(macs=20_000_000, ram_bytes=320 * 1024, flash_bytes=1024 * 1024),
}
ARMS = ("searched", "by lot")
N_BOOTSTRAP = 2000


def main() -> None:
    parser = search_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=24, help="of a trial")
    parser.add_argument("--views", type=int, default=8, help="of a clip in the trials")
    parser.add_argument("--final-epochs", type=int, default=80)
    parser.add_argument("--final-views", type=int, default=16)
    given = parser.parse_args()
    rows = []
    for seed in given.seeds:
        for name, budget in BUDGETS.items():
            for arm in ARMS:
                rows.append(one(name, budget, arm, seed, given))
                write_json(RESULTS / "search.json", summarise(rows, given))
    for name in BUDGETS:
        sys.stdout.write(f"{name}: {json.dumps(summarise(rows, given)['differences'][name])}\n")


def one(name: str, budget: Budget, arm: str, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """One search, the full training of its choice, and how that does on fold 5."""
    folder = given.work / f"{name} {arm} {seed}".replace(",", "").replace(" ", "_")
    done = read_json(folder / "outcome.json", {})
    if done:
        return done
    data = [f"data.{part}={{kind: esc50, root: {given.root}, esc10: true, folds: {folds}}}" for part, folds in SPLIT]
    settings = [*data, f"teacher.source={given.teacher}", f"seed={seed}"]
    recipe = load_recipe("esc10", settings, task="distill")
    began = time.process_time()
    options = SearchOptions(given.trials, given.epochs, seed=seed, random=arm == "by lot")
    search_run(recipe, budget, options, given.views, folder / "search")
    searched = time.process_time() - began
    told = json.loads((folder / "search" / RESULT).read_text(encoding="utf-8"))
    best = told["trials"][0]
    lengths = [f"training.epochs={given.final_epochs}", f"views.per_clip={given.final_views}"]
    final = load_recipe(folder / "search" / CHOSEN, lengths, task="distill")
    run = folder / "final"
    run_recipe(final, run, resume=run.exists())
    outcome = {
        "budget": name,
        "arm": arm,
        "seed": seed,
        "student": best["student"],
        "held_out_centred_cosine": best["centred_cosine"],
        **{key: best[key] for key in ("macs", "parameters", "ram_bytes", "flash_bytes")},
        "search_cpu_s": searched,
        "cpu_s": time.process_time() - began,
        "epochs_trained": sum(trial["epochs"] for trial in told["trials"]),
        **tested(run, StudentConfig.from_dict(best["student"])),
    }
    assert budget.excess(student_costs(StudentConfig.from_dict(best["student"]))) <= 1
    write_json(folder / "outcome.json", outcome)
    return outcome


SPLIT = (("train", "[1, 2, 3]"), ("test", "[5]"))


def tested(run: Path, chosen: StudentConfig) -> dict[str, Any]:
    """Each test clip's centred cosine to the teacher, and whether its class is found, in the chosen dimensions."""
    finished = load_distilled_run(run, "test")
    recipe, student, teacher = finished.recipe, finished.student, finished.teacher
    test = build_dataset(recipe.data.test)  # type: ignore[arg-type]
    heard = decode(test, student.sample_rate, **recipe.data.limits)
    ours = clip_embeddings(student.embed_audio, heard, progress="student embeds")
    theirs = teacher_clips(teacher, decode(test, teacher.sample_rate, **recipe.data.limits))
    learned = build_distillation_set(recipe, build_dataset(recipe.data.train), teacher, student)
    flat = np.asarray(learned.targets.embeddings.reshape(-1, teacher.embed_dim), np.float32)
    mean = flat.mean(0)
    if chosen.embed_dim < teacher.embed_dim:
        kept = latent_map("rotation", chosen.embed_dim, flat).matrix
        ours = ours @ kept.T @ kept
        ours = ours / np.linalg.norm(ours, axis=1, keepdims=True)
    one, two = ours - mean, theirs - mean
    cosines = (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)
    predicted = zero_shot.predict(ours, class_vectors(teacher, test.labels, teacher.prompts))
    targets = np.array([test.labels.index(str(clip.label)) for clip in test.clips])
    return {
        "centred_cosine": float(cosines.mean()),
        "accuracy": float((predicted == targets).mean()),
        "clips": [
            {"source": clip.source, "centred_cosine": float(cosine), "correct": bool(correct)}
            for clip, cosine, correct in zip(test.clips, cosines, predicted == targets, strict=True)
        ],
    }


def summarise(rows: list[dict[str, Any]], given: argparse.Namespace) -> dict[str, Any]:
    """The outcomes, and for each budget the difference between the arms."""
    seeds = " ".join(map(str, given.seeds))
    command = f"python -m benchmarks.esc10.search --root ROOT --teacher TEACHER --work WORK --seeds {seeds}"
    lengths = {key: getattr(given, key) for key in ("trials", "epochs", "views", "final_epochs", "final_views")}
    return {
        "command": command,
        "environment": environment(seed=0),
        **lengths,
        "cpu_minutes": sum(row["cpu_s"] for row in rows) / 60,
        "differences": {name: difference([row for row in rows if row["budget"] == name]) for name in BUDGETS},
        "outcomes": rows,
    }


def difference(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Searched minus drawn at random, seed by seed on the same clips; intervals draw whole recordings."""
    by = {(row["arm"], row["seed"]): row for row in rows}
    seeds = sorted(seed for arm, seed in by if arm == ARMS[0] and (ARMS[1], seed) in by)
    told: dict[str, Any] = {"seeds": seeds}
    for key, field in (("centred_cosine", "centred_cosine"), ("accuracy", "correct")):
        if not seeds:
            continue
        gains = [
            [
                float(one[field]) - float(two[field])
                for one, two in zip(by[ARMS[0], s]["clips"], by[ARMS[1], s]["clips"], strict=True)
            ]
            for s in seeds
        ]
        flat = np.concatenate(gains)
        sources = [clip["source"] for clip in by[ARMS[0], seeds[0]]["clips"]] * len(seeds)
        recordings = recording_ids(sources, len(flat))
        n, sums = bootstrap_sums(np.stack([np.ones(len(flat)), flat], axis=1), recordings, N_BOOTSTRAP, 0).T
        margin = unseen_share(int(recordings.max()) + 1)
        told[key] = float(flat.mean())
        told[f"{key}_ci95"] = interval(float(flat.mean()), sums / n, margin, (-2.0, 2.0))
        for arm in ARMS:
            told[f"{arm} {key}"] = float(np.mean([by[arm, seed][key] for seed in seeds]))
    return told


if __name__ == "__main__":
    main()
