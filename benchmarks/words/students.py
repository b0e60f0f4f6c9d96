"""How small a teacher's words can be: text students of both kinds and several sizes; writes results/words.json.

    python -m benchmarks.words.students --root ESC-50 [--rows "static 1 MB" ...] [--captions AUDIOCAPS/test.csv]

The teacher is that of the ready-made bundle. Each student learns the captions of recipe everyday_words; with --held-out
none of these holds a word of ESC-50's class names or a synonym of one, and with --keep-table what is known of a word
piece is not trained, so that words that were not met keep their place. Each is exported as INT8, and that graph is
measured: zero-shot accuracy on all clips of ESC-50 and ESC-10 with the ready-made bundle's ears, beside the teacher's
words (intervals draw whole recordings); neighbours among 1,000 captions that it has not met (those of AudioCaps' test
set, else the recipe's held out); milliseconds a label, on one thread.
"""

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.esc10.runs import made
from benchmarks.words.held_out import NAMES_AND_SYNONYMS
from tinyclap.common.files import read_json, write_json
from tinyclap.common.statistics import accuracy_interval, paired_difference, recording_ids
from tinyclap.config.load_recipe import load_recipe
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings.neighbours import knn_overlap
from tinyclap.embeddings.similarity import unit
from tinyclap.embeddings.zero_shot import class_matrix, predict
from tinyclap.exporters.onnx.text import StudentWords, write_text_side
from tinyclap.models.text_student import TextStudent
from tinyclap.runs.provenance import environment
from tinyclap.runtime import ready_made
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.text_encoder import TextEncoder
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.tagger import TaggerTeacher

RESULT = Path(__file__).parents[1] / "results" / "words.json"
CAPTIONS, NEIGHBOURS, CALLS = 1000, 10, 300
SHAPES = {  # kind, word pieces, table_dim, dim, layers; the names of 527 classes are 0.2 MB of each
    "static 0.25 MB": ("static", 1000, 24, 48, 1),
    "static 0.5 MB": ("static", 4000, 48, 128, 1),
    "static 1 MB": ("static", 10_000, 64, 256, 1),
    "static 2 MB": ("static", 16_000, 96, 512, 1),
    "static 4 MB": ("static", 30_000, 112, 512, 1),
    "transformer 0.25 MB": ("transformer", 1000, 32, 32, 1),
    "transformer 0.5 MB": ("transformer", 3000, 48, 64, 1),
    "transformer 1 MB": ("transformer", 6000, 64, 128, 2),
    "transformer 2 MB": ("transformer", 8000, 96, 160, 2),
    "transformer 4 MB": ("transformer", 16_000, 128, 256, 2),
}


def main() -> None:
    given = words_parser(__doc__).parse_args()
    teacher = load_tagger_teacher(TaggerOptions(given.audio, given.text))
    assert isinstance(teacher, TaggerTeacher)
    test = Measured(given, teacher)
    rows = read_json(RESULT, {}).get("rows", [])
    for name in given.rows:
        row = {key: getattr(given, key) for key in ("held_out", "keep_table", "epochs", "seed", "more")} | {"row": name}
        if any(all(done.get(key) == value for key, value in row.items()) for done in rows):
            continue
        student = TextStudent.from_pretrained(_run(given, name) / "text" / "student")
        row |= test.of_student(student, given.work / f"{name}-graph")
        rows = [*read_json(RESULT, {}).get("rows", []), row]
        write_json(
            RESULT, {"command": "python -m benchmarks.words.students --root ESC-50", **_how(given), "rows": rows}
        )
        sys.stdout.write(
            f"{name}: {row['size_bytes']:,} bytes, ESC-50 {100 * row['esc50']['accuracy']:.1f} % "
            f"(teacher's words {100 * row['esc50']['teacher_words']:.1f} %), neighbours {row['neighbours']:.3f}\n"
        )


def words_parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--rows", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--held-out", action="store_true", help="no caption with a class name of ESC-50 or a synonym")
    parser.add_argument("--keep-table", action="store_true", help="leave what is known of a word piece as it was")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--audio", default=TaggerOptions.audio, help="a tagger of EfficientAT, by name or file")
    parser.add_argument("--text", default=TaggerOptions.text, help="a text encoder, by hub id or folder")
    parser.add_argument("--more", help="file of further captions to learn from, AudioCaps' train.csv")
    parser.add_argument("--captions", type=Path, help="AudioCaps' test.csv")
    parser.add_argument("--set", nargs="+", default=[], dest="settings", help="overrides of the recipe")
    parser.add_argument("--work", type=Path, default=Path("runs/words"))
    return parser


def _how(given: argparse.Namespace) -> dict[str, Any]:
    captions = "AudioCaps, test set" if given.captions else "held out of the recipe's"
    return {"environment": environment(seed=given.seed), "captions": captions}


def _run(given: argparse.Namespace, name: str) -> Path:
    kind, vocabulary, table_dim, dim, layers = SHAPES[name]
    shape = f"kind: {kind}, vocabulary: {vocabulary}, table_dim: {table_dim}, dim: {dim}, layers: {layers}"
    overrides = [
        f"teacher={{kind: tagger, audio: {given.audio}, text: {given.text}}}",
        f"seed={given.seed}",
        f"text.training.epochs={given.epochs}",
        f"text.training.train_table={str(not given.keep_table).lower()}",
        f"text.student={{{shape}}}",
        *given.settings,
    ]
    if given.more:
        sources = load_recipe("everyday_words", overrides, task="distill_text").text.model_dump(mode="json")["sources"]
        overrides.append(f"text.sources={json.dumps([*sources, {'kind': 'captions', 'path': given.more}])}")
    if given.held_out:
        overrides.append(f"text.exclude=[{', '.join(NAMES_AND_SYNONYMS)}]")
    name = f"{name}{'-more' if given.more else ''}{'-kept' if given.keep_table else ''}"
    folder = given.work / f"{name}-{given.epochs}-{given.seed}{'-held-out' if given.held_out else ''}".replace(" ", "_")
    return made(load_recipe("everyday_words", overrides, task="distill_text"), folder)


class Measured:
    """Clips, captions and the teacher's words, to measure graphs beside."""

    def __init__(self, given: argparse.Namespace, teacher: TaggerTeacher) -> None:
        self.teacher = teacher
        dataset = esc50(given.root)
        ears = Bundle.load(ready_made.existing() or ready_made.make("everyday", weights=Path(given.audio)))
        paths = [clip.path for clip in dataset.clips if clip.path is not None]
        self.clips, self.labels = ears.embed(paths), dataset.labels
        self.truth = np.array([dataset.labels.index(str(clip.label)) for clip in dataset.clips])
        self.recordings = recording_ids([clip.source for clip in dataset.clips], len(dataset))
        ten = esc50(given.root, esc10=True).labels
        self.esc10 = np.array([clip.label in ten for clip in dataset.clips])
        self.captions = _captions(given.captions)
        self.sentences = teacher.text.embed(self.captions).numpy()

    def of_student(self, student: TextStudent, folder: Path) -> dict[str, Any]:
        """A text student as its INT8 graph."""
        folder.mkdir(parents=True, exist_ok=True)
        side = write_text_side(StudentWords(student), folder, list(self.labels), int8=True)
        encoder = TextEncoder(folder, max_tokens=side.entry["max_tokens"], pad_id=side.entry["pad_id"], threads=1)
        with torch.no_grad():
            own = torch.cat([student.encode(student.tokens([caption])) for caption in self.captions]).numpy()
        size = sum(path.stat().st_size for path in folder.iterdir())
        return {"size_bytes": size, "int8_cosine": side.cosine, **self.of(encoder.embed, own)}

    def of(self, embed: Callable[[list[str]], np.ndarray], sentences: np.ndarray) -> dict[str, Any]:
        """Words by what embeds texts in the shared space, and by their embeddings of the captions before that."""
        theirs = class_matrix(lambda texts: self.teacher.embed_text(texts).numpy(), self.labels, self.teacher.prompts)
        ours = class_matrix(embed, self.labels, self.teacher.prompts)
        mean = self.sentences.mean(axis=0)
        own_mean = mean if sentences.shape[1] == len(mean) else sentences.mean(axis=0)
        kept = knn_overlap(unit(sentences - own_mean), unit(self.sentences - mean), k=NEIGHBOURS)
        return {
            "esc50": self._accuracies(ours, theirs, np.ones(len(self.truth), bool)),
            "esc10": self._accuracies(ours, theirs, self.esc10),
            "class_cosine": float((ours * theirs).sum(axis=1).mean()),
            "neighbours": kept,
            "ms": _milliseconds(embed),
        }

    def _accuracies(self, ours: np.ndarray, theirs: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
        among = np.unique(self.truth[chosen])
        truth = np.searchsorted(among, self.truth[chosen])
        recordings = np.unique(self.recordings[chosen], return_inverse=True)[1]
        own, teachers = (predict(self.clips[chosen], classes[among]) == truth for classes in (ours, theirs))
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
        from tinyclap.data.texts.grammar import Grammar

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


if __name__ == "__main__":
    main()
