"""How fast and how exactly libraries of several sizes answer; writes benchmarks/results/library_growth.json.

    python -m benchmarks.library.growth --bundle BUNDLE --pool FOLDER [--sizes 1000 10000 100000 1000000] [--files 5000]
        [--codes float16 int8 binary] [--base PYTHON] [--work DIR] [--update]

`build`: real files indexed from nothing, and how long decoding alone takes. `rows`: libraries of generated vectors,
asked by processes of their own: mixtures of two vectors of the real files, which fill the same cone. Timed: a whole
`tinyclap find` (cold; with --base also by a base install's Python), and then answers to 60 texts in one process (warm).
Recall: share of the ten nearest, by float32 and comparing every row, that are found. `again_s`: an update in which
nothing is new. With --work the real files are indexed once for several calls; with --update the result keeps its
`build` and its other rows.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.audio.checks import AudioError
from tinyclap.audio.files import read
from tinyclap.audio.listing import find_sounds
from tinyclap.common.files import read_json, write_json
from tinyclap.common.machine import peak_rss_bytes
from tinyclap.embeddings import quantization
from tinyclap.embeddings.similarity import unit
from tinyclap.library import bits
from tinyclap.library.answers import Hit
from tinyclap.library.library import Library
from tinyclap.runs.provenance import environment
from tinyclap.runtime.bundle import Bundle

RESULT = Path(__file__).parents[1] / "results" / "library_growth.json"
CODES = ("float16", "int8", "binary")
AT_ONCE = 16_384
TEXTS = Path(__file__).parents[2] / "tinyclap" / "assets" / "audioset_classes.csv"
N_TEXTS, N_NEAREST, N_EXACT = 60, 10, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="with words")
    parser.add_argument("--pool", type=Path, required=True, help="a folder of real sounds")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--files", type=int, default=5000, help="of the pool that are indexed, at most")
    parser.add_argument("--codes", nargs="+", choices=CODES, default=list(CODES))
    parser.add_argument("--base", type=Path, help="Python of an environment with `pip install .` alone")
    parser.add_argument("--work", type=Path, help="folder in which the library of real files is kept")
    parser.add_argument("--update", action="store_true", help="keep the build and the other rows of the result")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--ask", type=Path, help="measure this library in this process and print it")
    given = parser.parse_args()
    if given.ask:
        sys.stdout.write(json.dumps(asked(Library.open(given.ask))) + "\n")
        return
    with tempfile.TemporaryDirectory() as place:
        build, real = kept_build(given, given.work or Path(place))
        rows: dict[tuple[int, str], dict[str, Any]] = {}
        if given.update:
            former = read_json(given.out, {})
            build, rows = former["build"], {(row["n"], row["codes"]): row for row in former["rows"]}
        for size in given.sizes:
            for codes in given.codes:
                row = measured(given.bundle, real, size, codes, Path(place) / f"{size}-{codes}", given.base)
                rows[size, codes] = row
                sys.stderr.write(json.dumps(row) + "\n")
                in_order = sorted(rows.values(), key=lambda row: (row["n"], CODES.index(row["codes"])))
                write_json(given.out, told(given, build, in_order))  # so that the largest may be stopped
    sys.stdout.write(given.out.read_text(encoding="utf-8"))


def told(given: argparse.Namespace, build: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The result; each row says of which commit it is."""
    sizes = " ".join(map(str, dict.fromkeys(row["n"] for row in rows)))
    return {
        "command": "python -m benchmarks.library.growth --bundle BUNDLE --pool FOLDER "
        f"--sizes {sizes} --files {given.files} --base PYTHON",
        "environment": environment(seed=0),
        "bundle": Bundle.load(given.bundle).manifest.name,
        "base_packages": None if given.base is None else packages(given.base),
        "build": build,
        "rows": rows,
    }


def packages(python: Path) -> list[str]:
    """What an environment holds. Ends the program where that is more than a base install."""
    command = [str(python), "-m", "pip", "freeze"]
    listed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    names = [line.partition(" @ ")[0] for line in listed if "tinyclap" not in line]
    if any(name.startswith("torch==") for name in names):
        raise SystemExit(f"{python} has torch: give one of an environment with `pip install .` alone")
    return names


def kept_build(given: argparse.Namespace, work: Path) -> tuple[dict[str, Any], np.ndarray]:
    """What `built` gives, from an earlier call where it is kept."""
    work.mkdir(parents=True, exist_ok=True)
    kept, folder = work / "build.json", work / "real"
    if kept.is_file():
        with Library.open(folder, given.bundle) as library:
            return read_json(kept, {}), library.embeddings()
    if folder.exists():
        shutil.rmtree(folder)  # of a call that was stopped
    build, real = built(given.bundle, find_sounds([given.pool]), given.files, folder)
    build["commit"] = environment(seed=0)["commit"]
    write_json(kept, build)
    return build, real


def built(bundle: Path, files: list[Path], count: int, folder: Path) -> tuple[dict[str, Any], np.ndarray]:
    """Index real files; how fast, and their vectors (N, D)."""
    chosen = files[:: max(1, len(files) // count)][:count]
    began = time.process_time()
    for path in chosen:
        try:
            read(path, 32_000)
        except AudioError:
            continue
    decoding_s = time.process_time() - began
    library, load = Library.create(folder, bundle), os.getloadavg()[0]
    began, before = time.perf_counter(), time.process_time()
    update = library.add(chosen, progress=False)
    build_s, core_s = time.perf_counter() - began, time.process_time() - before
    began = time.perf_counter()
    library.add(chosen, progress=False)
    seconds = [hit.duration_s for hit in library.rows()]
    return {
        "files": len(chosen),
        "unreadable": len(update.unreadable),
        "sound_s": sum(seconds),
        "wall_s": build_s,
        "load_average": load,
        "files_per_s": len(chosen) / build_s,
        "core_s": core_s,  # of all cores together
        "files_per_core_s": len(chosen) / core_s,
        "decoding_share": decoding_s / core_s,
        "again_s": time.perf_counter() - began,
        "bytes_without_vectors": (folder / "catalogue.sqlite").stat().st_size,
    }, library.embeddings()


def measured(bundle: Path, real: np.ndarray, size: int, codes: str, folder: Path, base: Path | None) -> dict[str, Any]:
    """A library of so many generated vectors: what it takes on the disk, and what a process of its own measures."""
    began = time.perf_counter()
    write_library(bundle, real, size, codes, folder)
    written_s = time.perf_counter() - began
    command = [sys.executable, "-m", "benchmarks.library.growth", "--bundle", str(bundle), "--pool", "."]
    command += ["--ask", str(folder)]
    load = os.getloadavg()[0]  # this benchmark's own included; where it is far above 1, the clock tells little
    cold_s, cold_core_s = cold(folder)
    if base is not None:
        base_s, base_core_s = cold(folder, base)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answered: dict[str, Any] = json.loads(done.stdout)
    queries = Library.open(folder).bundle.embed_text(texts())
    pairs = zip(answered.pop("found"), nearest_of_all(real, size, queries), strict=True)
    recall = np.mean([len(np.intersect1d(found, exact)) / N_NEAREST for found, exact in pairs])
    sizes = {path.name.split("-")[0].split(".")[0]: path.stat().st_size for path in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
    facts = {"load_average": load, "recall": float(recall), "bytes": sizes, "written_s": written_s}
    facts["commit"] = environment(seed=0)["commit"]
    if base is not None:
        facts |= {"base_cold_s": base_s, "base_cold_core_s": base_core_s}
    return {"n": size, "codes": codes, "cold_s": cold_s, "cold_core_s": cold_core_s, **answered, **facts}


def write_library(bundle: Path, real: np.ndarray, size: int, codes: str, folder: Path) -> None:
    library = Library.create(folder, bundle, codes)
    vectors = library._reader.state().vectors
    for first, some in generated(real, size):
        vectors.write(first, quantization.quantize(some, codes))
        numbers = range(first, first + len(some))
        with library.catalogue.transaction():
            library.catalogue.run_many(
                "INSERT INTO files (id, path, name, size_bytes, mtime_ns, duration_s, sample_rate) "
                "VALUES (?,?,?,1,1,5,32000)",
                [(number, f"/sounds/{number}.wav", f"sounds/{number}.wav") for number in numbers],
            )
            named = [(number, f"sounds/{number}.wav") for number in numbers]
            library.catalogue.run_many("INSERT INTO names (rowid, words) VALUES (?, ?)", named)
            pairs = [(number, number) for number in numbers]
            library.catalogue.run_many("INSERT INTO rows (row, file, start_s, end_s) VALUES (?,?,0,5)", pairs)
    library._reader.forget()
    bits.keep_up(folder, library.catalogue, library._reader.state().vectors, np.empty(0, np.int64))
    library.close()


def generated(real: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Mixtures of two real vectors, the same whenever they are drawn."""
    for first in range(0, size, AT_ONCE):
        rng = np.random.default_rng([size, first])
        count = min(AT_ONCE, size - first)
        share = rng.uniform(0.5, 1, (count, 1)).astype(np.float32)
        one, other = (real[rng.integers(0, len(real), count)] for _ in range(2))
        yield first, unit(share * one + (1 - share) * other).astype(np.float32)


def nearest_of_all(real: np.ndarray, size: int, queries: np.ndarray) -> np.ndarray:
    """The ten nearest rows of each query, from float32, comparing all."""
    best = np.full((len(queries), N_NEAREST), -2.0)
    rows = np.zeros((len(queries), N_NEAREST), np.int64)
    for first, some in generated(real, size):
        scores = np.concatenate([best, queries @ some.T], axis=1)
        fresh = np.broadcast_to(np.arange(first, first + len(some)), (len(queries), len(some)))
        numbers = np.concatenate([rows, fresh], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :N_NEAREST]
        best, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(numbers, order, 1)
    return rows


def texts() -> list[str]:
    lines = TEXTS.read_text(encoding="utf-8").splitlines()[1:]
    return [line.split(",", 2)[2].strip('"') for line in lines[:: len(lines) // N_TEXTS]][:N_TEXTS]


def cold(folder: Path, python: Path | None = None) -> tuple[float, float]:
    """Seconds of a whole `tinyclap find`, by the clock and of a core, the best of three.

    `python` is that of another environment, whose own tinyclap is run.
    """
    command = [str(python or sys.executable), "-m", "tinyclap", "find", "dog barking", "--json"]
    command += ["--lib", str(folder.absolute())]
    variables = {key: value for key, value in os.environ.items() if python is None or key != "PYTHONPATH"}
    place = None if python is None else folder.parent  # where no other tinyclap lies
    times, core_s = [], []
    for _ in range(3):
        began, before = time.perf_counter(), os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=variables, cwd=place)
        after = os.times()
        times.append(time.perf_counter() - began)
        core_s.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(times), min(core_s)


def asked(library: Library) -> dict[str, Any]:
    """Warm answers: how long, and which rows."""
    questions = texts()
    library.find(questions[0], N_NEAREST)
    before = peak_rss_bytes()
    by_sound, found = timed(lambda text: library.find(text, N_NEAREST, by="sound"), questions)
    by_both, _ = timed(lambda text: library.find(text, N_NEAREST), questions)
    exact, best = timed(lambda text: library.find(text, N_NEAREST, by="sound", exact=True), questions[:N_EXACT])
    shared = [len({hit.row for hit in a} & {hit.row for hit in b}) for a, b in zip(found, best, strict=False)]
    return {
        "by_sound": by_sound,
        "by_both": by_both,
        "exact": exact,
        "recall_of_bits": float(np.mean(shared)) / N_NEAREST,  # beside comparing all rows by the same codes
        "peak_rss_before": before,
        "peak_rss_bytes": peak_rss_bytes(),
        "found": [[hit.row for hit in hits] for hits in found],
    }


def timed(answer: Callable[[str], list[Hit]], questions: list[str]) -> tuple[dict[str, float], list[list[Hit]]]:
    """Milliseconds of an answer by the clock, and those of a core, which another process cannot lengthen."""
    took, core, found = [], [], []
    for text in questions:
        began, before = time.perf_counter(), time.process_time()
        found.append(answer(text))
        took.append(1e3 * (time.perf_counter() - began))
        core.append(1e3 * (time.process_time() - before))
    values = {"p50_ms": np.median(took), "p90_ms": np.percentile(took, 90), "core_p50_ms": np.median(core)}
    return {key: float(value) for key, value in values.items()}, found


if __name__ == "__main__":
    main()
