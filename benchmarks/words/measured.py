"""Words beside their teacher's, on real ESC-50 and on captions: what the scripts here share."""

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.data.published.esc50 import esc50
from tinyclap.data.texts.grammar import Grammar
from tinyclap.embeddings.neighbours import knn_overlap
from tinyclap.embeddings.similarity import unit
from tinyclap.embeddings.zero_shot import class_matrix, predict
from tinyclap.exporters.onnx.text import StudentWords, write_text_side
from tinyclap.models.text_student import TextStudent
from tinyclap.runtime import ready_made
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.text_encoder import TextEncoder
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.tagger import TaggerTeacher

CAPTIONS, NEIGHBOURS, CALLS = 1000, 10, 300


def words_parser(description: str | None) -> argparse.ArgumentParser:
    """The options on data, teacher and captions to measure on."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--audio", default=TaggerOptions.audio, help="a tagger of EfficientAT, by name or file")
    parser.add_argument("--text", default=TaggerOptions.text, help="a text encoder, by hub id or folder")
    parser.add_argument("--captions", type=Path, help="AudioCaps' test.csv")
    parser.add_argument("--work", type=Path, default=Path("runs/words"))
    return parser


class Measured:
    """Clips, captions and the teacher's words, to measure graphs beside."""

    def __init__(self, given: argparse.Namespace, teacher: TaggerTeacher) -> None:
        self.teacher = teacher
        self.dataset = dataset = esc50(given.root)
        self.bundle = Bundle.load(ready_made.existing() or ready_made.make("everyday", weights=Path(given.audio)))
        paths = [clip.path for clip in dataset.clips if clip.path is not None]
        self.clips, self.labels = self.bundle.embed(paths), dataset.labels
        self.truth = np.array([dataset.labels.index(str(clip.label)) for clip in dataset.clips])
        self.recordings = recording_ids([clip.source for clip in dataset.clips], len(dataset))
        ten = esc50(given.root, esc10=True).labels
        self.esc10 = np.array([clip.label in ten for clip in dataset.clips])
        self.captions = _captions(given.captions)
        self.sentences = teacher.text.embed(self.captions).numpy()
        self.theirs = class_matrix(lambda texts: teacher.embed_text(texts).numpy(), self.labels, teacher.prompts)

    def of_student(self, student: TextStudent, folder: Path, table_bits: int = 8) -> dict[str, Any]:
        """A text student as its INT8 graph, whose table may have 4 bits a number."""
        encoder, cosine = self.exported(student, folder, table_bits)
        own = student.encode_texts(self.captions).numpy()
        size = sum(path.stat().st_size for path in folder.iterdir())
        return {"size_bytes": size, "int8_cosine": cosine, **self.of(encoder.embed, own)}

    def exported(self, student: TextStudent, folder: Path, table_bits: int = 8) -> tuple[TextEncoder, Any]:
        """The INT8 graph of a text student, written to `folder`, and its cosine to what it was made of."""
        folder.mkdir(parents=True, exist_ok=True)
        side = write_text_side(StudentWords(student), folder, list(self.labels), int8=True, table_bits=table_bits)
        limits = {"max_tokens": side.entry["max_tokens"], "pad_id": side.entry["pad_id"]}
        return TextEncoder(folder, **limits, threads=1), side.cosine

    def of(self, embed: Callable[[list[str]], np.ndarray], sentences: np.ndarray) -> dict[str, Any]:
        """Words by what embeds texts in the shared space, and by their embeddings of the captions before that."""
        ours = class_matrix(embed, self.labels, self.teacher.prompts)
        mean = self.sentences.mean(axis=0)
        own_mean = mean if sentences.shape[1] == len(mean) else sentences.mean(axis=0)
        kept = knn_overlap(unit(sentences - own_mean), unit(self.sentences - mean), k=NEIGHBOURS)
        return {
            "esc50": self.accuracies(ours, np.ones(len(self.truth), bool)),
            "esc10": self.accuracies(ours, self.esc10),
            "class_cosine": float((ours * self.theirs).sum(axis=1).mean()),
            "neighbours": kept,
            "ms": _milliseconds(embed),
        }

    def accuracies(self, ours: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
        """Of the chosen clips (N,) bool, among their own classes, by vectors of all classes (C, D)."""
        among = np.unique(self.truth[chosen])
        truth = np.searchsorted(among, self.truth[chosen])
        recordings = np.unique(self.recordings[chosen], return_inverse=True)[1]
        own, teachers = (predict(self.clips[chosen], classes[among]) == truth for classes in (ours, self.theirs))
        difference, interval = paired_difference(teachers, own, recordings, 2000, 0)
        return {
            "n_clips": len(truth),
            "accuracy": float(own.mean()),
            "ci95": accuracy_interval(own, recordings, 2000, 0),
            "teacher_words": float(teachers.mean()),
            "difference": difference,
            "difference_ci95": interval,
        }


def _captions(path: Path | None) -> list[str]:
    """Some captions of AudioCaps' test set, one a clip, or of the recipe's grammar with another seed."""
    if path is None:
        return [caption.text for caption in Grammar(CAPTIONS).captions(seed=1)][:CAPTIONS]
    with path.open(encoding="utf-8", newline="") as stream:
        rows = {row["youtube_id"]: row["caption"] for row in csv.DictReader(stream)}
    return list(dict.fromkeys(rows.values()))[:CAPTIONS]


def _milliseconds(embed: Callable[[list[str]], np.ndarray]) -> float:
    taken = []
    for number in range(CALLS):
        began = time.perf_counter()
        embed([("dog barking", "vacuum cleaner", "rain")[number % 3]])
        taken.append(time.perf_counter() - began)
    return 1000 * float(np.median(taken))
