"""A bundle in MTEB, X-ARES and HEAR's form, on real ESC-50; writes benchmarks/results/suites.json.

    python -m benchmarks.suites.run --root ESC-50 [--bundle everyday] [--folds 1 2 3 5]

Needs mteb and xares (`pip install -r tests/suites/requirements.txt`). MTEB: its mock tasks of sounds, and its zero-shot
task of ESC-50, whose prompts and score are its own. X-ARES: its check of encoders, and its ESC-50 task, a linear layer
on frozen embeddings (which it calls MLP; three seeds) and ten neighbours, over the folds that are there. HEAR's
timestamps: how well a linear classifier on them tells when each of six sounds of half a second is heard in 8 s of rain,
wind, sea or engine, for several windows; fold 1 is learned from, fold 2 tested on.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.audio import files
from tinyclap.common.files import write_json
from tinyclap.data.dataset import Dataset
from tinyclap.data.published.esc50 import esc50
from tinyclap.runs.provenance import environment
from tinyclap.runtime.bundle import Bundle
from tinyclap.suites import mteb as for_mteb
from tinyclap.suites import xares as for_xares
from tinyclap.suites.frames import embed_at
from tinyclap.suites.hear import HOP_MS
from tinyclap.suites.loading import bundle_of

RESULT = Path(__file__).parents[1] / "results" / "suites.json"
EVENTS = ("dog", "sneezing", "door_wood_knock", "mouse_click", "cow", "glass_breaking")
BACKGROUNDS = ("rain", "wind", "sea_waves", "engine")
WINDOWS_S = (0.25, 0.5, 1.0, 2.0, None)
EVENT_S, BEFORE_PEAK_S, SCENE_S = 0.5, 0.15, 8.0
EVENT_PEAK, BACKGROUND_RMS = 0.5, 0.02
XARES_SEEDS = (42, 43, 44)  # the first is X-ARES's own
TRAINED_ON, TESTED_ON, SEED = (1, 24), (2, 12), 0  # a fold, and scenes made of it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--bundle", default="everyday")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 5])
    given = parser.parse_args()
    bundle, dataset = bundle_of(given.bundle), esc50(given.root).select(folds=given.folds)
    result = {
        "command": "python -m benchmarks.suites.run --root ESC-50",
        "environment": environment(seed=SEED),
        "versions": {name: metadata.version(name) for name in ("mteb", "xares", "datasets", "webdataset")},
        "bundle": bundle.manifest.name,
        "n_clips": len(dataset),
        "folds": given.folds,
        "mteb": in_mteb(bundle, dataset),
        "xares": in_xares(bundle, dataset, given.folds),
        "moments": moments(bundle, dataset),
    }
    write_json(RESULT, result)
    sys.stdout.write(f"{result['mteb']}\n{result['xares']}\n{result['moments']}\nwritten: {RESULT}\n")


def in_mteb(bundle: Bundle, dataset: Dataset) -> dict[str, Any]:
    """The mock tasks that ran, and the zero-shot accuracy as MTEB counts it."""
    import datasets
    import mteb
    from mteb.mocks import MOCK_MAEB_TASK_GRID

    encoder = for_mteb.Encoder(bundle)
    began = time.perf_counter()
    mock = mteb.evaluate(encoder, MOCK_MAEB_TASK_GRID, cache=None, show_progress_bar=False)
    mock_s = time.perf_counter() - began
    task = mteb.get_task("ESC50_Zeroshot")
    names = [text.rsplit(" ", 1)[1] for text in task.get_candidate_labels()]
    rows = datasets.Dataset.from_dict(
        {
            "audio": [str(clip.path) for clip in dataset.clips],
            "target": [names.index(str(clip.label)) for clip in dataset.clips],
        }
    )
    task.dataset = datasets.DatasetDict(train=rows.cast_column("audio", datasets.Audio()))
    task.data_loaded = True  # or it would be downloaded
    began = time.perf_counter()
    (found,) = mteb.evaluate(encoder, task, cache=None, show_progress_bar=False).task_results
    return {
        "mock_tasks": len(MOCK_MAEB_TASK_GRID),
        "mock_passed": len(mock.task_results),
        "mock_s": mock_s,
        "zero_shot": float(found.get_score()),
        "zero_shot_s": time.perf_counter() - began,
    }


def in_xares(bundle: Bundle, dataset: Dataset, folds: Sequence[int]) -> dict[str, Any]:
    """Whether X-ARES takes the encoder, and what it scores on ESC-50."""
    from tasks.esc50_task import esc50_config
    from xares.audio_encoder_checker import check_audio_encoder
    from xares.audiowebdataset import write_audio_tar
    from xares.task import XaresTask

    encoder = for_xares.Encoder(bundle)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "esc50"
        place.mkdir()
        for fold in folds:
            clips = dataset.select(folds=[fold]).clips
            paths, labels = (
                [str(clip.path) for clip in clips],
                [dataset.labels.index(str(clip.label)) for clip in clips],
            )
            tar, suffix = str(place / f"wds-audio-fold-{fold}-*.tar"), Path(paths[0]).suffix[1:]
            write_audio_tar(paths, [{"label": label} for label in labels], tar, suffix=suffix, num_shards=1)
        (place / ".audio_tar_ready").touch()  # or it would be downloaded
        mlps = []
        for seed in XARES_SEEDS:
            config = esc50_config(encoder)
            config.env_root, config.k_fold_splits = folder, list(folds)
            config.torch_num_threads, config.num_encoder_workers = 1, 0
            config.seed, config.ckpt_dir_name = seed, f"checkpoints-{seed}"  # the embeddings are made once
            config.update_tar_name_of_split()
            (mlp, _), (knn, _) = XaresTask(config).run()
            mlps.append(float(mlp))
    taken = time.perf_counter() - began
    return {"check": check_audio_encoder(encoder), "mlp": mlps, "knn": float(knn), "s": taken}


def moments(bundle: Bundle, dataset: Dataset) -> list[dict[str, Any]]:
    """Mean average precision of six sounds' frames, by what each timestamp hears."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(SEED)
    times = np.arange(0, SCENE_S + 1e-9, HOP_MS / 1000)
    learned, tested = (
        [_scene(dataset.select(folds=[fold]), bundle.sample_rate, times, rng) for _ in range(count)]
        for fold, count in (TRAINED_ON, TESTED_ON)
    )
    rows = []
    for window_s in WINDOWS_S:
        features, truth, other, wanted = (
            np.concatenate(part)
            for scenes in (learned, tested)
            for part in zip(
                *((embed_at(bundle, sound, times, window_s), heard) for sound, heard in scenes), strict=True
            )
        )
        fitted = [LogisticRegression(C=10, max_iter=300).fit(features, heard) for heard in truth.T]
        scores = [
            average_precision_score(heard, model.decision_function(other))
            for model, heard in zip(fitted, wanted.T, strict=True)
        ]
        rows.append({"window_s": window_s or bundle.manifest.window_s, "map": float(np.mean(scores))})
    return rows


def _scene(dataset: Dataset, rate: int, times: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A background with two different sounds somewhere in it: samples, and which is heard at each time (T, events)."""

    def drawn(label: str) -> np.ndarray:
        clips = [clip for clip in dataset.clips if clip.label == label]
        return files.read(Path(str(clips[rng.integers(len(clips))].path)), rate)

    background = np.resize(drawn(str(rng.choice(BACKGROUNDS))), round(SCENE_S * rate))
    samples = background / np.sqrt(np.mean(background**2)) * BACKGROUND_RMS
    heard = np.zeros((len(times), len(EVENTS)), bool)
    for number in rng.choice(len(EVENTS), 2, replace=False):
        sound = drawn(EVENTS[number])
        first = max(0, int(np.abs(sound).argmax()) - round(BEFORE_PEAK_S * rate))
        sound = sound[first : first + round(EVENT_S * rate)]
        start = int(rng.integers(0, len(samples) - len(sound)))
        samples[start : start + len(sound)] += EVENT_PEAK * sound / np.abs(sound).max()
        heard[:, number] |= (times >= start / rate) & (times <= (start + len(sound)) / rate)
    return samples.astype(np.float32), heard


if __name__ == "__main__":
    main()
