"""`tinyclap latency`: graphs of random students, made on one machine, timed and fitted on any, there without torch."""

import dataclasses
import json
import random
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.bench.timing import ROUNDS, interleaved_ms
from tinyclap.common.files import read_json, write_json, write_text
from tinyclap.common.machine import cpu, shell_path
from tinyclap.common.progress import counted
from tinyclap.errors import TinyclapError
from tinyclap.hardware.latency_model import LatencyFit, features, fit
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student_config import StudentConfig
from tinyclap.runtime.session import open_session
from tinyclap.scaling.design_space import DesignSpace

STUDENTS, TIMES = "students.json", "times.json"
DRAWS = 1000  # for each student wanted, after which there are too few
LARGEST_MACS = 100_000_000
AT_ONCE = 8  # that take turns while they are timed


def make_students(folder: Path, space: DesignSpace, n: int, seed: int = 0) -> None:
    """Write graphs from waveform to embedding of students drawn at random from a space; needs the train install.

    Goes on where an earlier call for the same students was interrupted.

    Raises:
        TinyclapError: the folder holds something else, or all of them already.
    """
    configs = _drawn(space, n, random.Random(seed))
    wanted = json.loads(json.dumps([dataclasses.asdict(config) for config in configs]))
    if folder.exists() and read_json(folder / STUDENTS, []) != wanted and any(folder.iterdir()):
        raise TinyclapError(f"{folder} holds something else than these {n} students; name another folder")
    missing = [number for number in range(n) if not (folder / _graph_name(number)).is_file()]
    if not missing:
        raise TinyclapError(
            f"{folder} holds these students already; time them with `tinyclap latency {shell_path(folder)}`"
        )
    import torch

    from tinyclap.exporters.onnx.graph import join, save
    from tinyclap.exporters.onnx.student import encoder_graph, frontend_graph
    from tinyclap.models.student import Student

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / STUDENTS, wanted)
    for number in counted(missing, "students", len(missing), "student"):
        torch.manual_seed(seed + number)
        student = Student(configs[number]).eval()
        graph = join(frontend_graph(student.frontend, student.config.window_samples), encoder_graph(student))
        save(graph, folder / _graph_name(number))


def time_students(folder: Path, threads: int = 1, rounds: int = ROUNDS) -> LatencyFit:
    """Time the students of a folder on this machine, fit, and write the fit there (`fit_file`).

    Raises:
        TinyclapError: no such folder, or too few students in it.
    """
    listed = read_json(folder / STUDENTS, [])
    if not listed:
        raise TinyclapError(
            f"{folder} holds no students to time; make some with `tinyclap latency --make {shell_path(folder)}`"
        )
    absent = [number for number in range(len(listed)) if not (folder / _graph_name(number)).is_file()]
    if absent:
        raise TinyclapError(
            f"{folder} lacks {len(absent)} of its {len(listed)} students; make them with `tinyclap latency --make "
            f"{shell_path(folder)} --students {len(listed)}`"
        )
    try:
        configs = [StudentConfig.from_dict(values) for values in listed]
    except TinyclapError as error:
        raise TinyclapError(f"{folder / STUDENTS} is damaged ({error}); make the students again") from error
    taken: list[float] = []
    for first in counted(range(0, len(configs), AT_ONCE), "timing", -(-len(configs) // AT_ONCE), "group"):
        calls = {
            str(number): _call(folder / _graph_name(number), configs[number], threads)
            for number in range(first, min(first + AT_ONCE, len(configs)))
        }
        taken += [statistics.median(times) for times in interleaved_ms(calls, rounds, wall=threads > 1).values()]
    import onnxruntime

    where = f"{cpu()}, float32 by onnxruntime {onnxruntime.__version__}, {threads} thread"
    fitted = fit([features(student_costs(config).layers) for config in configs], taken, where + "s" * (threads > 1))
    write_json(
        folder / TIMES, [{"ms": ms, "macs": student_costs(c).macs} for ms, c in zip(taken, configs, strict=True)]
    )
    write_text(fit_file(folder, threads), as_yaml(fitted))
    return fitted


def fit_file(folder: Path, threads: int) -> Path:
    """Where the fit for so many threads is written."""
    return folder / ("latency.yaml" if threads == 1 else f"latency_{threads}_threads.yaml")


def as_yaml(fitted: LatencyFit) -> str:
    """A fit as the section `latency` of a device file."""
    lines = [f"  {name}: {value:.4g}" for name, value in fitted.ms.items()]
    return "\n".join(
        [
            "latency:  # milliseconds for each unit; a section of a device file",
            *lines,
            f"  median_error: {fitted.median_error:.4g}",
            f"  n_students: {fitted.n_students}",
            f"  measured_on: {json.dumps(fitted.measured_on)}",
            "",
        ]
    )


def _call(path: Path, config: StudentConfig, threads: int) -> Any:
    session = open_session(path, inputs=["waveform"], output="embedding", providers=None, threads=threads)
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, (1, config.window_samples)).astype(np.float32)
    return partial(session.run, None, {"waveform": waveform})


def _drawn(space: DesignSpace, n: int, rng: random.Random) -> list[StudentConfig]:
    trunks = list(space.trunks())
    found: dict[StudentConfig, None] = {}
    for _ in range(DRAWS * n):
        config = dataclasses.replace(
            space.base,
            phinet=rng.choice(trunks),
            frontend=rng.choice(space.frontends),
            features=rng.choice(space.features),
            embed_dim=rng.choice(space.dims),
        )
        if student_costs(config).macs <= LARGEST_MACS:
            found[config] = None
        if len(found) == n:
            return list(found)
    raise TinyclapError(
        f"fewer than {n} students near this recipe's have at most {LARGEST_MACS:,} MACs; ask for {len(found)} or fewer"
    )


def _graph_name(number: int) -> str:
    return f"{number:03}.onnx"
