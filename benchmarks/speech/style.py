"""The examples of CLSP's README on its eleven clips: retrieval both ways, zero-shot labels, style similarity.

    python -m benchmarks.speech.style --clips FOLDER [--teacher clsp:yfyeung/CLSP] [--json FILE]

FOLDER holds the clips of `assets` in github.com/yfyeung/CLSP. Captions and prompts are the README's (examples.json),
and so are the figures: one caption a clip, R@1, 5 and 10, mAP@10, and the cosines of one clip with five descriptions.
One difference: files are resampled by soxr, there by torchaudio.

Not run with the published weights yet, which were not at hand: there is no result file, and what other weights print
here says nothing of CLSP.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from tinyclap.audio.files import read
from tinyclap.common.files import read_json, write_json
from tinyclap.errors import TinyclapError
from tinyclap.evaluation.retrieval import find
from tinyclap.pipelines.clap_score import named_teacher
from tinyclap.teachers.encoder import Teacher

EXAMPLES = Path(__file__).with_name("examples.json")
RECALLS = (1, 5, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--teacher", default="clsp:yfyeung/CLSP", help="KIND:SOURCE")
    parser.add_argument("--json", type=Path, help="write what is printed there too")
    args = parser.parse_args()
    try:
        found = measured(named_teacher(args.teacher), args.clips)
    except TinyclapError as error:
        sys.exit(f"error: {error}")
    if args.json:
        write_json(args.json, found)
    print(json.dumps(found, indent=2, ensure_ascii=False))


def measured(teacher: Teacher, folder: Path) -> dict[str, Any]:
    """What a teacher says of the examples: `retrieval` by caption and direction, `answers` and `styles` of one clip.

    Raises:
        TinyclapError: a clip that is not there or cannot be read.
    """
    examples: dict[str, Any] = read_json(EXAMPLES, {})
    clips = embedded(teacher, [folder / name for name in examples["clips"]])
    one = embedded(teacher, [folder / examples["one_clip"]])[0]
    answers = {}
    for attribute, prompts in examples["prompts"].items():
        answers[attribute] = prompts[int(np.argmax(words(teacher, prompts) @ one))]
    cosines = words(teacher, examples["styles"]) @ one
    return {
        "teacher": teacher.name,
        "retrieval": {kind: retrieval(clips, words(teacher, texts)) for kind, texts in examples["captions"].items()},
        "answers": answers,
        "styles": dict(zip(examples["styles"], map(float, cosines), strict=True)),
    }


def retrieval(audio: np.ndarray, texts: np.ndarray) -> dict[str, dict[str, Any]]:
    """Figures of clips and their captions, both (N, D) and in the same order; `ranks` of the right ones from 1."""
    told = {}
    for way, queries, items in (("audio_to_text", audio, texts), ("text_to_audio", texts, audio)):
        found = find(queries, items, [np.array([number]) for number in range(len(queries))])
        told[way] = {f"R@{count}": float(np.mean(found.rank <= count)) for count in RECALLS}
        told[way] |= {"mAP@10": float(found.precision.mean()), "ranks": found.rank.tolist()}
    return told


def embedded(teacher: Teacher, paths: list[Path]) -> np.ndarray:
    """Files to unit-norm (N, D), each as a whole."""
    clips = [torch.from_numpy(read(path, teacher.sample_rate)) for path in paths]
    lengths = torch.tensor([len(clip) for clip in clips])
    rows: np.ndarray = teacher.embed_audio(pad_sequence(clips, batch_first=True), lengths).float().cpu().numpy()
    return rows


def words(teacher: Teacher, texts: list[str]) -> np.ndarray:
    """Texts to unit-norm (N, D)."""
    rows: np.ndarray = teacher.embed_text(texts).float().cpu().numpy()
    return rows


if __name__ == "__main__":
    main()
