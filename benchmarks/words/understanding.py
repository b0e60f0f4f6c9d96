"""What the ready-made bundle understands beyond names, beside its teacher's words; writes results/understanding.json.

    python -m benchmarks.words.understanding [--weights mn04_as_mAP_432.pt] [--text MiniLM] [--n 60]

The puzzles of `tinyclap probe` (generated sounds), heard by the bundle and read by its own words and by the sentence
encoder that these were learned from.
"""

import argparse
from pathlib import Path

from tinyclap.common.files import write_json
from tinyclap.evaluation.probe import Ears, Words, probe
from tinyclap.runs.provenance import environment
from tinyclap.runtime import ready_made
from tinyclap.runtime.bundle import Bundle
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.stored_embeddings import teacher_texts

RESULT = Path(__file__).parents[1] / "results" / "understanding.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default=TaggerOptions.audio, help="a tagger of EfficientAT, by name or file")
    parser.add_argument("--text", default=TaggerOptions.text, help="a text encoder, by hub id or folder")
    parser.add_argument("--n", type=int, default=60, help="puzzles of each probe")
    given = parser.parse_args()
    bundle = Bundle.load(ready_made.existing() or ready_made.make("everyday", weights=Path(given.weights)))
    teacher = load_tagger_teacher(TaggerOptions(given.weights, given.text))
    ears = Ears(
        "bundle",
        bundle.sample_rate,
        bundle.manifest.window_s,
        lambda recordings: bundle.embed(recordings, sample_rate=bundle.sample_rate),
    )
    words = [Words("bundle", bundle.embed_text), Words("teacher", lambda texts: teacher_texts(teacher, texts))]
    command = "python -m benchmarks.words.understanding"
    found = probe([ears], words, n=given.n)
    write_json(RESULT, {"command": command, "environment": environment(seed=found["seed"]), **found})


if __name__ == "__main__":
    main()
