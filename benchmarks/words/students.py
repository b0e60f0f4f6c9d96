"""How small a teacher's words can be: text students of both kinds and several sizes; writes results/words.json.

    python -m benchmarks.words.students --root ESC-50 [--rows "static 1 MB" ...] [--captions AUDIOCAPS/test.csv]

The teacher is that of the ready-made bundle. Each student learns the captions of recipe everyday_words; with --held-out
none of these holds a word of ESC-50's class names or a synonym of one; with --keep-table what is known of a word piece
is not trained, so that words that were not met keep their place, and with --all-words every word of WordNet is learned
with its definition, whether it can be heard or not. Each is exported as INT8, and that graph is measured: zero-shot
accuracy on all clips of ESC-50 and ESC-10 with the ready-made bundle's ears, beside the teacher's words (intervals draw
whole recordings); neighbours among 1,000 captions that it has not met (those of AudioCaps' test set, else the recipe's
held out); milliseconds a label, on one thread.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.esc10.runs import made
from benchmarks.words.held_out import NAMES_AND_SYNONYMS
from benchmarks.words.measured import Measured, words_parser
from tinyclap.common.files import read_json, write_json
from tinyclap.config.load_recipe import load_recipe
from tinyclap.models.text_student import TextStudent
from tinyclap.runs.provenance import environment
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.tagger import TaggerTeacher

RESULT = Path(__file__).parents[1] / "results" / "words.json"
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
    "transformer 2 MB, wide 4-bit table": ("transformer", 6500, 256, 160, 2),
}
ALL_WORDS = {"kinds": ["all"], "glosses": ["all"]}
KEYS = ("held_out", "keep_table", "all_words", "epochs", "seed", "more")


def main() -> None:
    parser = words_parser(__doc__)
    parser.add_argument("--rows", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--held-out", action="store_true", help="no caption with a class name of ESC-50 or a synonym")
    parser.add_argument("--keep-table", action="store_true", help="leave what is known of a word piece as it was")
    parser.add_argument("--all-words", action="store_true", help="learn all of WordNet, with all definitions")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--more", help="file of further captions to learn from, AudioCaps' train.csv")
    parser.add_argument("--set", nargs="+", default=[], dest="settings", help="overrides of the recipe")
    given = parser.parse_args()
    teacher = load_tagger_teacher(TaggerOptions(given.audio, given.text))
    assert isinstance(teacher, TaggerTeacher)
    test = Measured(given, teacher)
    rows = read_json(RESULT, {}).get("rows", [])
    for name in given.rows:
        row = {key: getattr(given, key) for key in KEYS} | {"row": name}
        if any(all((done.get(key) or None) == (value or None) for key, value in row.items()) for done in rows):
            continue
        student = TextStudent.from_pretrained(_run(given, name) / "text" / "student")
        row |= test.of_student(student, given.work / f"{name}-graph", 4 if "4-bit" in name else 8)
        rows = [*read_json(RESULT, {}).get("rows", []), row]
        write_json(
            RESULT, {"command": "python -m benchmarks.words.students --root ESC-50", **_how(given), "rows": rows}
        )
        sys.stdout.write(
            f"{name}: {row['size_bytes']:,} bytes, ESC-50 {100 * row['esc50']['accuracy']:.1f} % "
            f"(teacher's words {100 * row['esc50']['teacher_words']:.1f} %), neighbours {row['neighbours']:.3f}\n"
        )


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
    if given.more or given.all_words:
        sources = load_recipe("everyday_words", overrides, task="distill_text").text.model_dump(mode="json")["sources"]
        if given.all_words:
            sources = [one | ALL_WORDS if one["kind"] == "wordnet" else one for one in sources]
        if given.more:
            sources.append({"kind": "captions", "path": given.more})
        overrides.append(f"text.sources={json.dumps(sources)}")
    if given.held_out:
        overrides.append(f"text.exclude=[{', '.join(NAMES_AND_SYNONYMS)}]")
    ways = {"more": given.more, "all": given.all_words, "kept": given.keep_table, "held-out": given.held_out}
    parts = [name.replace(",", ""), *(way for way, taken in ways.items() if taken), str(given.epochs), str(given.seed)]
    folder = given.work / "-".join(parts).replace(" ", "_")
    return made(load_recipe("everyday_words", overrides, task="distill_text"), folder)


if __name__ == "__main__":
    main()
