"""Which copies `tinyclap duplicates` finds, at which threshold; writes benchmarks/results/library_duplicates.json.

    python -m benchmarks.library.duplicates --pool FOLDER --bundle BUNDLE [--files 300] [--seed 0]

Files drawn from a folder of real sounds, of 0.5 to 30 s and of different content, and copies of each: mp3 of 64 kbit/s,
Ogg Vorbis, resampled to half the rate, 12 dB softer, a twentieth cut off at both ends, and all of this at once.
They are indexed as any library, and all pairs of files compared. Recall: share of the copies that are linked to their original.
Precision: share of the linked pairs that are of one original; different takes of one word or stroke count as wrong. The
threshold is chosen on one half of the originals, the highest recall at a precision of 98 %, and reported on the other.
"""

import argparse
import sys
import tempfile
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
from tinyclap.common.machine import environment
from tinyclap.library import duplicates
from tinyclap.library.library import Library

RESULT = Path(__file__).parents[1] / "results" / "library_duplicates.json"
THRESHOLDS = (0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995)
SHORTEST_S, LONGEST_S = 0.5, 30.0
SOFTER_DB, CUT = -12.0, 0.05
LEAST_PRECISION = 0.98
MPEG_RATES = (32_000, 44_100, 48_000)
LEVEL_64K = (320 - 64) / (320 - 32)  # of libsndfile, of constant bit rates from 320 down to 32
Samples = tuple[np.ndarray, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="a folder of real sounds")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--files", type=int, default=300, help="originals")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        count = write_copies(given.pool, Path(folder) / "sounds", given.files, given.seed)
        library = Library.create(Path(folder) / "library", given.bundle)
        update = library.add([Path(folder) / "sounds"])
        found = duplicates.files_of(library)
        result = {
            "command": "python -m benchmarks.library.duplicates --pool FOLDER --bundle BUNDLE "
            f"--files {given.files} --seed {given.seed}",
            "environment": environment(),
            "bundle": library.bundle.manifest.name,
            "originals": count,
            "copies": len(found.paths) - count,
            "unreadable": len(update.unreadable),
            **calibrated(found),
        }
    write_json(RESULT, result)
    sys.stdout.write(f"{table(result)}\n")


def write_copies(pool: Path, folder: Path, count: int, seed: int) -> int:
    """Write `count` originals and a copy of each by each way, 0007/mp3.mp3; returns how many originals there are."""
    files, contents, written = find_sounds([pool]), set(), 0
    for at in np.random.default_rng(seed).permutation(len(files)):
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
    edge = round(CUT * len(samples))
    return samples[edge : len(samples) - edge]


COPIES: dict[str, Callable[[Path, Samples], None]] = {
    "mp3": mp3,
    "ogg": ogg,
    "resampled": resampled,
    "softer": softer,
    "cut": cut,
    "everything": all_at_once,
}


def calibrated(files: duplicates.Files) -> dict[str, Any]:
    """Recall and precision at each threshold, the one chosen on the even originals, and that on the odd ones."""
    originals = np.array([int(path.parent.name) for path in files.paths])
    kinds = np.array([path.stem for path in files.paths])
    halves = {name: originals % 2 == rest for name, rest in (("chosen_on", 0), ("reported_on", 1))}
    rows = {name: [measured(files, originals, kinds, half, at) for at in THRESHOLDS] for name, half in halves.items()}
    good = [row for row in rows["chosen_on"] if row["precision"] >= LEAST_PRECISION] or [rows["chosen_on"][-1]]
    best = max(good, key=lambda row: (row["recall"], row["threshold"]))["threshold"]
    (reported,) = [row for row in rows["reported_on"] if row["threshold"] == best]
    whole = [measured(files, originals, kinds, np.ones(len(kinds), bool), at) for at in THRESHOLDS]
    return {"threshold": best, "least_precision": LEAST_PRECISION, "reported": reported, "rows": whole, **rows}


def measured(
    files: duplicates.Files, originals: np.ndarray, kinds: np.ndarray, chosen: np.ndarray, threshold: float
) -> dict[str, Any]:
    """Recall by kind of copy, and precision over all pairs that are linked among some files."""
    rows = np.flatnonzero(chosen)
    pairs = duplicates.linked(files.vectors[rows], files.durations_s[rows], threshold, duplicates.SHORTEST_SHARE)
    right, found = 0, {kind: 0 for kind in COPIES}
    total = 0
    for one, other in ((rows[a], rows[b]) for a, b in pairs):
        total += 1
        right += originals[one] == originals[other]
        if originals[one] == originals[other] and "original" in (kinds[one], kinds[other]):
            found[str(kinds[other] if kinds[one] == "original" else kinds[one])] += 1
    count = len(set(originals[rows]))
    recalls = {kind: number / count for kind, number in found.items()}
    return {
        "threshold": threshold,
        "recall": float(np.mean(list(recalls.values()))),
        "precision": right / total if total else 1.0,
        "pairs": total,
        "recall_of": recalls,
    }


def table(result: dict[str, Any]) -> str:
    lines = [f"{'threshold':>9} {'recall':>7} {'precision':>9}  " + " ".join(f"{kind:>10}" for kind in COPIES)]
    for row in result["rows"]:
        recalls = " ".join(f"{row['recall_of'][kind]:10.3f}" for kind in COPIES)
        lines.append(f"{row['threshold']:9} {row['recall']:7.3f} {row['precision']:9.3f}  {recalls}")
    told = result["reported"]
    return "\n".join(
        [*lines, f"chosen {result['threshold']}: recall {told['recall']:.3f}, precision {told['precision']:.3f}"]
    )


if __name__ == "__main__":
    main()
