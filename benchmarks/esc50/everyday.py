"""The bundle that `tinyclap get everyday` makes, on real ESC-50; writes benchmarks/results/esc50_everyday.json.

    python -m benchmarks.esc50.everyday --root ESC-50 [--weights mn04_as_mAP_432.pt] [--text MiniLM] [--folds 1 2 3 5]

Zero-shot accuracy of both graphs beside the teacher's in torch, on the same clips with the teacher's class vectors, and
of the INT8 graph with those of the bundle's own words, which is what the bundle does; intervals draw whole recordings.
Times are medians of interleaved calls on one thread: from 5 s of sound to its embedding, from a label to its vector.
`first_answer_s` is the time of `tinyclap classify --labels` of one clip in a process of its own.
"""

import argparse
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tinyclap.bench.timing import interleaved_ms
from tinyclap.common.files import write_json
from tinyclap.common.statistics import accuracy_interval, paired_comparison, recording_ids
from tinyclap.data.decoded import decode
from tinyclap.data.published.esc50 import esc50
from tinyclap.embeddings.zero_shot import class_matrix, predict
from tinyclap.runs.provenance import environment
from tinyclap.runtime import ready_made
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import TEXT_FILES
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_clips

RESULT = Path(__file__).parents[1] / "results" / "esc50_everyday.json"
WINDOW_S = 5.0
STARTS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="ESC-50 in its official layout")
    parser.add_argument("--weights", type=Path, help="the publisher's file; else it is fetched")
    parser.add_argument("--text", default=TaggerOptions.text, help="the sentence encoder, by hub id or folder")
    parser.add_argument("--work", type=Path, default=Path("runs/esc50_everyday"))
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 5])
    given = parser.parse_args()
    folder = given.work / "everyday"
    shutil.rmtree(folder, ignore_errors=True)
    ready_made.make("everyday", folder, weights=given.weights)
    bundle_bytes = sum(path.stat().st_size for path in folder.iterdir())
    first_answer_s = median(first_answer(folder, Path(str(esc50(given.root).clips[0].path))) for _ in range(STARTS))
    ready_made.make("everyday", folder, weights=given.weights, exact=True, overwrite=True)
    audio = TaggerOptions.audio if given.weights is None else str(given.weights)
    teacher = load_tagger_teacher(TaggerOptions(audio, given.text))
    dataset = esc50(given.root).select(folds=given.folds)
    decoded = decode(dataset, teacher.sample_rate)
    truth = np.array([dataset.labels.index(str(clip.label)) for clip in dataset.clips])
    recordings = recording_ids([clip.source for clip in dataset.clips], len(dataset))
    classes = class_vectors(teacher, dataset.labels, teacher.prompts)
    correct = {"teacher": predict(teacher_clips(teacher, decoded), classes) == truth}
    bundles = {graph: Bundle.load(folder, graph=graph, threads=1) for graph in ("float", "int8")}
    for graph, bundle in bundles.items():
        rows = [bundle.embed([decoded.waveform(at)], sample_rate=bundle.sample_rate)[0] for at in range(len(decoded))]
        correct[graph] = predict(np.stack(rows), classes) == truth
    words = class_matrix(bundles["int8"].embed_text, dataset.labels, teacher.prompts)
    correct["own words"] = predict(np.stack(rows), words) == truth
    sound = decoded.waveform(0)[: round(WINDOW_S * teacher.sample_rate)]
    taken = interleaved_ms(
        {graph: partial(bundle.embed, [sound], sample_rate=bundle.sample_rate) for graph, bundle in bundles.items()}
        | {"own words": partial(bundles["int8"].embed_text, ["vacuum cleaner"])}
    )
    rows_of: dict[str, Any] = {
        name: {"accuracy": float(hits.mean()), "ci95": accuracy_interval(hits, recordings, 2000, 0)}
        for name, hits in correct.items()
    }
    rows_of["own words"] |= {
        "minus_teacher": paired_comparison(correct["teacher"], correct["own words"], recordings, 2000, 0),
        "minus_int8": paired_comparison(correct["int8"], correct["own words"], recordings, 2000, 0),
        "ms": float(np.median(taken["own words"])),
        "size_bytes": sum((folder / name).stat().st_size for name in TEXT_FILES),
    }
    for graph, bundle in bundles.items():
        compared = paired_comparison(correct["teacher"], correct[graph], recordings, 2000, 0)
        file = next(name for name in bundle.manifest.graphs if (name == "audio.onnx") == (graph == "float"))
        size = bundle.manifest.graphs[file]["size_bytes"]
        rows_of[graph] |= {"minus_teacher": compared, "ms": float(np.median(taken[graph])), "size_bytes": size}
    result = {
        "command": "python -m benchmarks.esc50.everyday --root ESC-50",
        "environment": environment(seed=0),
        "n_clips": len(dataset),
        "folds": given.folds,
        "bundle_bytes": bundle_bytes,
        "first_answer_s": first_answer_s,
        "rows": rows_of,
    }
    write_json(RESULT, result)
    for name, row in rows_of.items():
        sys.stdout.write(
            f"{name:8} {100 * row['accuracy']:.1f} % {row.get('ms', 0):.1f} ms {row.get('size_bytes', '')}\n"
        )


def first_answer(folder: Path, clip: Path) -> float:
    """Seconds of a process that names a clip by labels that are not in the bundle's table."""
    labels = "angry dog, espresso machine, violin"
    began = time.perf_counter()
    command = [sys.executable, "-m", "tinyclap", "classify", str(clip), "--bundle", str(folder), "--labels", labels]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
