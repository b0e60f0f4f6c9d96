"""Which copies `tinyclap duplicates` finds, at which threshold; writes benchmarks/results/library_duplicates.json.

    python -m benchmarks.library.duplicates --pool FOLDER --bundle BUNDLE [--files 300] [--skip 300]

Files drawn from a folder of real sounds, of 0.5 to 30 s and of different content, and copies of each: mp3 of 64 kbit/s,
Ogg Vorbis, resampled to half the rate, 12 dB softer, a tenth cut off (a random part of it in front, the rest behind),
and all of this at once. All pairs of files are compared. Recall: share of the copies that are linked to their original.
Precision: share of the linked pairs that are of one original; where the folder itself has copies, they count as wrong.
The fingerprint and its threshold were made and chosen on the first 300 files (`--skip 0`); what is written is of the
next 300, which had no part in that. `cosine`: the same by the embeddings of a bundle, for comparison; its threshold is
the one of the best F1 on the very files that are reported.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from tinyclap.audio.checks import AudioError
from tinyclap.audio.files import info, read_channels
from tinyclap.audio.listing import find_sounds
from tinyclap.common.files import sha256_of, write_json
from tinyclap.common.machine import usable_cores
from tinyclap.library.copies import duplicates
from tinyclap.library.copies.duplicates import Links
from tinyclap.library.library import Library
from tinyclap.runs.provenance import environment

RESULT = Path(__file__).parents[1] / "results" / "library_duplicates.json"
THRESHOLDS = (0.75, 0.8, 0.84, 0.86, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99)
SEED = 0
SHORTEST_S, LONGEST_S = 0.5, 30.0
SOFTER_DB, CUT = -12.0, 0.1
MPEG_RATES = (32_000, 44_100, 48_000)
LEVEL_64K = (320 - 64) / (320 - 32)  # of libsndfile, of constant bit rates from 320 down to 32
Samples = tuple[np.ndarray, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="a folder of real sounds")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--files", type=int, default=300, help="originals")
    parser.add_argument("--skip", type=int, default=300, help="so many that are drawn before them")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        count = write_copies(given.pool, Path(folder) / "sounds", given.files, given.skip)
        library = Library.create(Path(folder) / "library", given.bundle)
        update = library.add([Path(folder) / "sounds"])
        rows = library.rows()
        paths, durations_s = [row.path for row in rows], np.array([row.duration_s for row in rows])
        began = time.perf_counter()
        _, sketches, left_out = duplicates.sketched(paths, usable_cores(), progress=False)
        read_s = time.perf_counter() - began
        links = dict(duplicates.linked(paths, sketches, durations_s, THRESHOLDS[0]))
        compared_s = time.perf_counter() - began - read_s
        result = {
            "command": "python -m benchmarks.library.duplicates --pool FOLDER --bundle BUNDLE "
            f"--files {given.files} --skip {given.skip}",
            "environment": environment(SEED),
            "bundle": library.bundle.manifest.name,
            "originals": count,
            "copies": len(paths) - count,
            "unreadable": len(update.unreadable) + len(left_out),
            "read_s": read_s,
            "compared_s": compared_s,
            "fingerprint": measured(paths, links, duplicates.THRESHOLD),
            "cosine": measured(paths, by_cosine(library.embeddings(), durations_s)),
        }
    write_json(RESULT, result)
    sys.stdout.write(f"{table(result)}\n")


def write_copies(pool: Path, folder: Path, count: int, skip: int) -> int:
    """Write `count` originals and a copy of each by each way, 0007/mp3.mp3; returns how many originals."""
    files, contents, written = find_sounds([pool]), set(), 0
    for at in np.random.default_rng(SEED).permutation(len(files)):
        if written == count:
            break
        content = sha256_of(files[at])
        try:
            fits = SHORTEST_S <= info(files[at]).duration_s <= LONGEST_S
            samples, rate = read_channels(files[at])
        except AudioError:
            continue
        if not fits or content in contents or np.abs(samples).max() < 1e-3:
            continue
        contents.add(content)
        if len(contents) <= skip:
            continue
        place = folder / f"{written:04}"
        place.mkdir(parents=True)
        soundfile.write(place / "original.wav", samples, rate)
        for name, make in COPIES.items():
            make(place / name, (samples, rate))
        written += 1
    return written


def mp3(path: Path, sound: Samples) -> None:
    samples, rate = sound
    rate_of_mp3 = min(MPEG_RATES, key=lambda allowed: abs(allowed - rate))
    how: dict[str, Any] = {"bitrate_mode": "CONSTANT", "compression_level": LEVEL_64K}
    resampled = soxr.resample(samples[:, :2], rate, rate_of_mp3)
    soundfile.write(path.with_suffix(".mp3"), resampled, rate_of_mp3, format="MP3", subtype="MPEG_LAYER_III", **how)


def ogg(path: Path, sound: Samples) -> None:
    soundfile.write(path.with_suffix(".ogg"), *sound, format="OGG", subtype="VORBIS")


def resampled(path: Path, sound: Samples) -> None:
    samples, rate = sound
    soundfile.write(path.with_suffix(".wav"), soxr.resample(samples, rate, rate // 2), rate // 2)


def softer(path: Path, sound: Samples) -> None:
    soundfile.write(path.with_suffix(".wav"), sound[0] * 10 ** (SOFTER_DB / 20), sound[1])


def cut(path: Path, sound: Samples) -> None:
    soundfile.write(path.with_suffix(".flac"), _without_ends(sound[0]), sound[1])


def all_at_once(path: Path, sound: Samples) -> None:
    samples, rate = sound
    mp3(path, (soxr.resample(_without_ends(samples), rate, rate // 2) * 10 ** (SOFTER_DB / 20), rate // 2))


def _without_ends(samples: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(len(samples))
    cut_off = round(CUT * len(samples))
    front = int(rng.integers(0, cut_off + 1))
    return samples[front : len(samples) - (cut_off - front)]


COPIES: dict[str, Callable[[Path, Samples], None]] = {
    "mp3": mp3,
    "ogg": ogg,
    "resampled": resampled,
    "softer": softer,
    "cut": cut,
    "everything": all_at_once,
}


def measured(paths: list[Path], links: Links, chosen: float | None = None) -> dict[str, Any]:
    """Recall and precision at each threshold, and at the one that was chosen before; None for that of the best F1."""
    originals, kinds = np.array([int(path.parent.name) for path in paths]), [path.stem for path in paths]
    rows = [at_threshold(originals, kinds, links, least) for least in THRESHOLDS]
    if chosen is None:
        chosen = max(rows, key=lambda row: 2 / (1 / max(row["recall"], 1e-9) + 1 / max(row["precision"], 1e-9)))[
            "threshold"
        ]
    return {"threshold": chosen, "reported": at_threshold(originals, kinds, links, chosen), "rows": rows}


def at_threshold(originals: np.ndarray, kinds: list[str], links: Links, least: float) -> dict[str, Any]:
    """Recall by kind of copy, and precision of the pairs that are linked."""
    right, total, found = 0, 0, dict.fromkeys(COPIES, 0)
    for (one, other), similarity in links.items():
        if similarity < least:
            continue
        total += 1
        if originals[one] == originals[other]:
            right += 1
            if "original" in (kinds[one], kinds[other]):
                found[kinds[other] if kinds[one] == "original" else kinds[one]] += 1
    count = len(set(originals))
    recalls = {kind: number / count for kind, number in found.items()}
    return {
        "threshold": least,
        "recall": float(np.mean(list(recalls.values()))),
        "precision": right / total if total else 1.0,
        "pairs": total,
        "recall_of": recalls,
    }


def by_cosine(vectors: np.ndarray, durations_s: np.ndarray) -> Links:
    """All pairs of files of fitting lengths and a cosine of at least the lowest threshold."""
    cosines = np.triu(vectors @ vectors.T, 1)
    pairs = np.argwhere(cosines >= THRESHOLDS[0])
    shorter, longer = np.sort(durations_s[pairs], axis=1).T
    fitting = pairs[shorter >= duplicates.SHORTEST_SHARE * longer]
    return {(int(one), int(other)): float(cosines[one, other]) for one, other in fitting}


def table(result: dict[str, Any]) -> str:
    lines = []
    for how in ("fingerprint", "cosine"):
        lines.append(f"{how:>11} {'recall':>7} {'precision':>9}  " + " ".join(f"{kind:>10}" for kind in COPIES))
        for row in result[how]["rows"]:
            recalls = " ".join(f"{row['recall_of'][kind]:10.3f}" for kind in COPIES)
            lines.append(f"{row['threshold']:11} {row['recall']:7.3f} {row['precision']:9.3f}  {recalls}")
        told = result[how]["reported"]
        lines.append(f"chosen {told['threshold']}: recall {told['recall']:.3f}, precision {told['precision']:.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
