"""A library of a hundred thousand sound files, from nothing to answers; writes benchmarks/results/library_files.json.

    python -m benchmarks.library.files --bundle BUNDLE --sounds FOLDER... --work DIR [--files 100000] [--base PYTHON]

The files: one second of WAV at 16 kHz each, cut at random places from real sounds and named after them, a thousand a
folder. Steps, each in a process of its own: `index` by all cores, `again` with nothing new, `changes` after one file of
a hundred each was changed, moved and deleted, and `find`: answers to 60 texts in one process (warm), and a whole
`tinyclap find` (cold; with --base also by a base install's Python). What is done stays in --work: stopped, the same
command goes on, and the times of all processes that indexed are added up.
"""

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.library.growth import cold, packages, texts, timed
from tinyclap.audio.checks import AudioError
from tinyclap.audio.files import read
from tinyclap.audio.listing import find_sounds
from tinyclap.common.files import read_json, whole_folder, write_json
from tinyclap.common.machine import peak_rss_bytes, usable_cores
from tinyclap.common.progress import Progress
from tinyclap.library.answers import Update
from tinyclap.library.facts import is_library
from tinyclap.library.library import Library
from tinyclap.runs.provenance import environment
from tinyclap.runtime.bundle import Bundle

RESULT = Path(__file__).parents[1] / "results" / "library_files.json"
RATE, SECONDS = 16_000, 1.0
IN_FOLDER, CUTS = 1000, 10  # files of a folder, and of a source in it
SOFTEST = 1e-2  # peak, below which another place is taken
OF_HUNDRED = 100  # one file of so many is changed, one moved, one deleted
DECODED = 2000  # files by which the share of decoding is measured
BEAT_S = 2.0


def main() -> None:
    given = arguments()
    given.work.mkdir(parents=True, exist_ok=True)
    if given.step:
        write_json(given.work / f"{given.step}.json", STEPS[given.step](given))
        return
    write_files(given.work / "sounds", given.sounds, given.files)
    for step in STEPS:
        if not (given.work / f"{step}.json").is_file():
            sys.stderr.write(f"step {step}\n")
            module = [sys.executable, "-m", "benchmarks.library.files", *sys.argv[1:], "--step", step]
            subprocess.run(module, check=True)
    result = {
        "command": "python -m benchmarks.library.files --bundle BUNDLE --sounds FOLDER... --work DIR "
        f"--files {given.files} --base PYTHON",
        "environment": environment(seed=0),
        "bundle": Bundle.load(given.bundle).manifest.name,
        "files": given.files,
        "seconds_each": SECONDS,
        "base_packages": None if given.base is None else packages(given.base),
        **{step: read_json(given.work / f"{step}.json", {}) for step in STEPS},
    }
    write_json(given.out, result)
    sys.stdout.write(given.out.read_text(encoding="utf-8"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", required=True, help="with words; a folder, or a ready-made one's name")
    parser.add_argument("--sounds", type=Path, nargs="+", required=True, help="folders of real sounds")
    parser.add_argument("--work", type=Path, required=True, help="folder of the files and the library")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--base", type=Path, help="Python of an environment with `pip install .` alone")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--step", choices=STEPS, help="this one alone")
    return parser.parse_args()


# ---- the files


def write_files(folder: Path, sources: list[Path], count: int) -> None:
    """A thousand to a folder, each folder whole or not there."""
    paths, names = find_sounds(sources), classes(sources)
    with Progress("write", count, "file") as counter:
        for number in range(-(-count // IN_FOLDER)):
            wanted, place = min(IN_FOLDER, count - number * IN_FOLDER), folder / f"{number:04}"
            if not place.is_dir():
                with whole_folder(place) as fresh:
                    rng = np.random.default_rng([count, number])
                    for at, (source, cut) in zip(range(wanted), cuts(paths, rng), strict=False):
                        name = f"{names.get(source.name) or class_of(source)}_{number * IN_FOLDER + at:06}.wav"
                        soundfile.write(fresh / name, cut, RATE, subtype="PCM_16")
            counter.update(wanted)


def cuts(paths: list[Path], rng: np.random.Generator) -> Iterator[tuple[Path, np.ndarray]]:
    """Sources drawn at random, and of each some pieces from random places, no two of which are the same to the bit."""
    length = round(RATE * SECONDS)
    while True:
        source = paths[int(rng.integers(len(paths)))]
        try:
            whole = read(source, RATE, duration_s=60.0)
        except AudioError:
            continue
        if len(whole) < length:
            whole = np.tile(whole, -(-2 * length // len(whole)))
        for first in rng.integers(0, len(whole) - length + 1, CUTS):
            piece = whole[first : first + length]
            if np.abs(piece).max() >= SOFTEST:
                dither = rng.uniform(-1, 1, length).astype(np.float32) / 2**15
                yield source, np.clip(piece + dither, -1, 1)


def classes(sources: list[Path]) -> dict[str, str]:
    """The class of each file where ESC-50's table lies beside the sounds."""
    lines = [
        line.split(",")
        for source in sources
        if (table := source / "meta" / "esc50.csv").is_file()
        for line in table.read_text(encoding="utf-8").splitlines()[1:]
    ]
    return {Path(line[0]).stem + suffix: line[3] for line in lines for suffix in (".wav", ".ogg", ".flac")}


def class_of(source: Path) -> str:
    """A file's name without its number."""
    return re.sub(r"[-_ ]*\d+$", "", source.stem) or source.stem


# ---- the steps


@contextmanager
def beating(path: Path) -> Iterator[Callable[[], dict[str, Any]]]:
    """Writes now and then how long this process has worked at something; gives the sum over all that did.

    Args:
        path: of a JSON list with an entry for every process.
    """
    before, began, core, stop = read_json(path, []), time.perf_counter(), time.process_time(), threading.Event()
    load = os.getloadavg()[0]

    def told() -> dict[str, Any]:
        return {
            "wall_s": time.perf_counter() - began,
            "core_s": time.process_time() - core,
            "peak_rss_bytes": peak_rss_bytes(),
            "load_average": load,
        }

    def beat() -> None:
        while not stop.wait(BEAT_S):
            write_json(path, [*before, told()])

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield lambda: summed([*before, told()])
    finally:
        stop.set()
        thread.join()


def summed(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    """Times of all processes added up, and the largest of them."""
    return {
        "processes": len(sessions),
        "wall_s": sum(session["wall_s"] for session in sessions),
        "core_s": sum(session["core_s"] for session in sessions),
        "peak_rss_bytes": max(session["peak_rss_bytes"] for session in sessions),
        "load_average": [session["load_average"] for session in sessions],
    }


def index(given: argparse.Namespace) -> dict[str, Any]:
    """All files embedded, by all cores."""
    folder, sounds = given.work / "library", given.work / "sounds"
    with beating(given.work / "sessions.json") as told:
        library = Library.open(folder) if is_library(folder) else Library.create(folder, given.bundle)
        update = library.add([sounds])
        took = told()
    files = library.catalogue.n_files()
    check(update, files + len(update.unreadable), given.files)
    return {
        "indexed": files,
        "unreadable": len(update.unreadable),
        "workers": usable_cores(),
        **took,
        "files_per_s": files / took["wall_s"],
        "files_per_core_s": files / took["core_s"],
        "decoding_share": decoding_s(find_sounds([sounds]), library.bundle.sample_rate) / took["core_s"],
        "recall": library.recall(),
        "neighbours_kept": update.neighbours_kept,
        "bytes": {path.name.split("-")[0].split(".")[0]: path.stat().st_size for path in folder.iterdir()},
        "bytes_of_sounds": given.files * round(44 + 2 * RATE * SECONDS),
    }


def decoding_s(files: list[Path], rate: int) -> float:
    """Seconds of a core that decoding and resampling all files would take, by some of them."""
    some = files[:: -(-len(files) // DECODED)]
    began = time.process_time()
    for path in some:
        read(path, rate)
    return (time.process_time() - began) / len(some) * len(files)


def again(given: argparse.Namespace) -> dict[str, Any]:
    """Nothing has changed."""
    with Library.open(given.work / "library") as library:
        library_files, took = library.catalogue.n_files(), updated(library, given)
    check(took.pop("update"), took["unchanged"], library_files)
    return took


def changes(given: argparse.Namespace) -> dict[str, Any]:
    """One file of a hundred has changed, one has moved and one is gone; another hundredth each at every try."""
    with Library.open(given.work / "library") as library:
        tries = read_json(given.work / "tries.json", [])
        if tries:
            library.add([given.work / "sounds"])  # what a stopped try has left
        write_json(given.work / "tries.json", [*tries, 1])
        files = find_sounds([given.work / "sounds"])
        changed, moved, deleted = (files[3 * len(tries) + which :: OF_HUNDRED] for which in range(3))
        for path in changed:
            samples, rate = soundfile.read(path)
            soundfile.write(path, 0.5 * samples[::-1], rate, subtype="PCM_16")
        elsewhere = given.work / "sounds" / "moved"
        elsewhere.mkdir(exist_ok=True)
        for path in moved:
            path.rename(elsewhere / path.name)
        for path in deleted:
            path.unlink()
        took = updated(library, given)
    expected = (len(changed), len(moved), len(deleted))
    check(took.pop("update"), (took["changed"], took["moved"], took["gone"]), expected)
    return took


def updated(library: Library, given: argparse.Namespace) -> dict[str, Any]:
    load, began, core = os.getloadavg()[0], time.perf_counter(), time.process_time()
    update = library.add([given.work / "sounds"])
    took = {"wall_s": time.perf_counter() - began, "core_s": time.process_time() - core}
    counts = {key: getattr(update, key) for key in ("new", "changed", "moved", "gone", "unchanged")}
    return {**took, **counts, "load_average": load, "peak_rss_bytes": peak_rss_bytes(), "update": update}


def check(update: Update, found: object, expected: object) -> None:
    """End the program where the library has not noticed what there was."""
    if found != expected:
        raise SystemExit(f"found {found}, expected {expected}: {update}")


def find(given: argparse.Namespace) -> dict[str, Any]:
    """Answers, warm and cold."""
    folder, load = given.work / "library", os.getloadavg()[0]
    cold_s, cold_core_s = cold(folder)
    told: dict[str, Any] = {"cold_s": cold_s, "cold_core_s": cold_core_s}
    if given.base is not None:
        told["base_cold_s"], told["base_cold_core_s"] = cold(folder, given.base)
    with Library.open(folder) as library:
        library.find(texts()[0])
        told["by_both"], _ = timed(library.find, texts())
        told["by_sound"], _ = timed(lambda text: library.find(text, by="sound"), texts())
    return {**told, "load_average": load, "peak_rss_bytes": peak_rss_bytes()}


STEPS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "index": index,
    "again": again,
    "changes": changes,
    "find": find,
}

if __name__ == "__main__":
    main()
