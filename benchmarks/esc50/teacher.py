"""A tagger and a sentence encoder as a zero-shot teacher, on real ESC-50; writes benchmarks/results/esc50_teacher.json.

    python -m benchmarks.esc50.teacher --root ESC-50 [--audio mn04_as] [--text sentence-transformers/all-MiniLM-L6-v2]

Both spaces, tags and names, with and without calibration. Settings were chosen on folds 1-3; fold 5 is reported apart.
A clip is right if its class's prompts are the nearest; intervals draw whole recordings. `map` is the mean average
precision of finding each class's clips by its prompts. `embedding` asks what the tagger's last hidden layer knows with
labels: 10-NN and a linear probe trained on the other folds (ridge regression on one-hot labels).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.common.files import write_json
from tinyclap.common.statistics import accuracy_interval, recording_ids
from tinyclap.data.clip_embeddings import clip_embeddings
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings.zero_shot import predict
from tinyclap.evaluation.retrieval import mean_average_precision
from tinyclap.models.long_audio import embed_long, repeat_pad
from tinyclap.runs.provenance import environment
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.efficientat import EfficientAT, load_efficientat
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips

RESULT = Path(__file__).parents[1] / "results" / "esc50_teacher.json"
CHOSEN_ON, REPORTED_ON, FOLDS = (1, 2, 3), (5,), (1, 2, 3, 5)
NEIGHBOURS, RIDGE = 10, 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--audio", default=TaggerOptions.audio, help="a tagger of EfficientAT, by name or file")
    parser.add_argument("--text", default=TaggerOptions.text, help="a text encoder, by hub id or folder")
    given = parser.parse_args()
    dataset = esc50(given.root).select(folds=FOLDS)
    truth = np.array([dataset.labels.index(str(clip.label)) for clip in dataset.clips])
    folds = np.array([clip.fold for clip in dataset.clips])
    recordings = recording_ids([clip.source for clip in dataset.clips], len(dataset))
    tagger = load_efficientat(given.audio)
    decoded = decode(dataset, tagger.sample_rate)
    rows = []
    for space in ("tags", "names"):
        for calibrated in (True, False):
            options = TaggerOptions(given.audio, given.text, space=space, calibrated=calibrated)
            teacher = load_tagger_teacher(options)
            audio, classes = teacher_clips(teacher, decoded), class_vectors(teacher, dataset.labels, teacher.prompts)
            correct = predict(audio, classes) == truth
            row: dict[str, Any] = {"space": space, "calibrated": calibrated, "dimensions": teacher.embed_dim}
            for name, wanted in (("chosen_on", CHOSEN_ON), ("reported_on", REPORTED_ON), ("all", FOLDS)):
                row[name] = _scores(correct, audio, classes, truth, recordings, np.isin(folds, wanted))
            row["folds"] = {str(fold): float(correct[folds == fold].mean()) for fold in FOLDS}
            rows.append(row)
            sys.stdout.write(
                f"{space:6} calibrated {calibrated!s:6} {100 * row['all']['accuracy']:.1f} % {row['all']}\n"
            )
    result = {
        "command": "python -m benchmarks.esc50.teacher --root ESC-50",
        "environment": environment(seed=0),
        "tagger": {"name": tagger.name, **tagger.costs()},
        "n_clips": len(dataset),
        "rows": rows,
        "embedding": _probes(tagger, decoded, truth, folds),
    }
    write_json(RESULT, result)
    sys.stdout.write(f"{result['embedding']}\n")


def _scores(
    correct: np.ndarray,
    audio: np.ndarray,
    classes: np.ndarray,
    truth: np.ndarray,
    recordings: np.ndarray,
    chosen: np.ndarray,
) -> dict[str, Any]:
    relevant = truth[chosen][None] == np.arange(len(classes))[:, None]
    return {
        "accuracy": float(correct[chosen].mean()),
        "ci95": accuracy_interval(correct[chosen], np.unique(recordings[chosen], return_inverse=True)[1], 2000, 0),
        "n_clips": int(chosen.sum()),
        "map": mean_average_precision(classes, audio[chosen], relevant),
    }


def _probes(tagger: EfficientAT, decoded: Decoded, truth: np.ndarray, folds: np.ndarray) -> dict[str, float]:
    """Accuracy with labels on the tagger's hidden layer, each fold by the others, mean over the folds."""
    window = round(tagger.window_s * tagger.sample_rate)

    def hidden(windows: torch.Tensor) -> torch.Tensor:
        features = tagger.network.features(tagger.frontend(windows).transpose(2, 3)).mean((2, 3))
        return torch.nn.functional.normalize(features, dim=-1)

    def embed(waveforms: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        with torch.no_grad():
            return embed_long(waveforms, lengths, hidden, window=window, pad=lambda clip: repeat_pad(clip, window))

    embeddings = clip_embeddings(embed, decoded, progress="hidden layer")
    found: dict[str, list[float]] = {"knn": [], "linear_probe": []}
    for fold in FOLDS:
        test, train = folds == fold, folds != fold
        nearest = np.argsort(-(embeddings[test] @ embeddings[train].T), axis=1)[:, :NEIGHBOURS]
        votes = np.array([np.bincount(truth[train][row], minlength=truth.max() + 1).argmax() for row in nearest])
        found["knn"].append(float((votes == truth[test]).mean()))
        mean, spread = embeddings[train].mean(0), embeddings[train].std(0) + 1e-6
        inputs, targets = (embeddings - mean) / spread, np.eye(truth.max() + 1)[truth[train]]
        gram = inputs[train].T @ inputs[train] + RIDGE * train.sum() * np.eye(inputs.shape[1])
        weights = np.linalg.solve(gram, inputs[train].T @ (targets - targets.mean(0)))
        found["linear_probe"].append(float(((inputs[test] @ weights).argmax(1) == truth[test]).mean()))
    return {name: float(np.mean(values)) for name, values in found.items()}


if __name__ == "__main__":
    main()
