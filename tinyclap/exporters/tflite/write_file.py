"""From a student to a .tflite file: layers, memory, and the comparison with torch."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.common.files import write_bytes
from tinyclap.common.progress import silent
from tinyclap.errors import TinyclapError
from tinyclap.exporters.c.calibrate import calibrated_on
from tinyclap.exporters.c.layers import network_of
from tinyclap.exporters.c.source import NO_LABELS, Labels
from tinyclap.exporters.calibration import CalibrationSet
from tinyclap.exporters.int8_gate import MIN_AGREEMENT, MIN_COSINE, distance, refuse_too_large
from tinyclap.exporters.tflite.graph import SCHEMA, Tensor, tflite_micro
from tinyclap.exporters.tflite.interpreter import MicroInterpreter
from tinyclap.exporters.tflite.memory import OFFLINE_PLAN, as_metadata, memory_plan
from tinyclap.exporters.tflite.network import Image, NetworkWriter
from tinyclap.exporters.tflite.report import TfliteReport
from tinyclap.hardware.student_shape import StudentShape
from tinyclap.models.student import Student
from tinyclap.version import __version__

SUFFIX, METADATA = ".tflite", "tinyclap"
STRUCTURES = 2**22  # bytes of arena besides maps, more than any student needs, until they are counted


@dataclass(frozen=True)
class TfliteExporter:
    """Writes a student as a .tflite file.

    Attributes:
        student: is put into evaluation mode.
        calibration_set: to calibrate and measure on.
        labels: on which INT8 and float should agree; they are not in the file.
        name: of the model.
        licence: of its weights.
        image: what the file takes decibels as.
        device: name or file of the device that it must fit; None for any.
        min_cosine, min_agreement: that must be reached.
        progress: called with a line on each step.
    """

    student: Student
    calibration_set: CalibrationSet
    labels: Labels = NO_LABELS
    name: str = "student"
    licence: str = "unknown"
    image: Image = "int8"
    device: str | None = None
    min_cosine: float = MIN_COSINE
    min_agreement: float = MIN_AGREEMENT
    progress: Callable[[str], None] = silent

    def write(self, file: Path, *, overwrite: bool = False) -> TfliteReport:
        """Write the file, whole or not at all.

        Raises:
            TinyclapError: the file is taken, `tflite-micro` is missing, the student has a part that is not written yet,
                or does not fit the device.
            GateError: the file does not compute what the student computes; nothing is written.
        """
        refuse_taken(file, overwrite)
        refuse_missing()
        content, _, report = self.built()
        write_bytes(file, content)
        return report

    def built(self) -> tuple[bytes, MicroInterpreter, TfliteReport]:
        """The file's content, which passed all checks, what runs it, and what was measured."""
        student = self.student.eval()
        network = network_of(student)
        found = calibrated_on(student, network, self.calibration_set, self.progress)
        writer = NetworkWriter(network, found, self.image)
        source, target = writer.write()
        plan = memory_plan(writer.graph, source, target)
        metadata = {
            OFFLINE_PLAN: as_metadata(writer.graph, plan),
            METADATA: json.dumps(self._facts(source, target)).encode(),
        }
        content = writer.graph.packed(source, target, f"{self.name}, tinyclap {__version__}", metadata)
        assert source.stored is not None
        runner = MicroInterpreter(content, plan.size_bytes + STRUCTURES, source.stored, self.image)
        maps, rest = runner.arena_bytes()
        if self.device is not None:
            refuse_too_large(self.device, maps + rest, len(content), "int8")
        self.progress("running it in TensorFlow Lite Micro, and comparing it with torch")
        far = distance(student, self.calibration_set, self.labels.vectors, self._embedding(runner))
        finer = "export with --tflite-input int16" if self.image == "int8" else "train on, or take another student"
        far.refuse_far("the .tflite", self.min_cosine, self.min_agreement, finer)
        counted = StudentShape.of(student).costs().ram_bytes("int8")
        operators = dict(sorted(Counter(step.kind for step in writer.graph.steps).items()))
        measured = {**dataclasses.asdict(far), "operators": operators, "input": self.image}
        return content, runner, TfliteReport(len(content), maps + rest, maps, counted, **measured)

    def _embedding(self, runner: MicroInterpreter) -> Callable[[np.ndarray], np.ndarray]:
        def embed(sound: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                logmel = self.student.frontend(torch.from_numpy(sound)[None]).numpy()[0, 0]
            return runner.embed_logmel(logmel)

        return embed

    def _facts(self, source: Tensor, target: Tensor) -> dict[str, Any]:
        """How to feed the file, as `read_facts` gives it."""
        config = self.student.config
        assert source.stored is not None
        return {
            "tinyclap": __version__,
            "name": self.name,
            "licence": self.licence,
            "sample_rate": config.frontend.sample_rate,
            "window_samples": config.window_samples,
            "frontend": dataclasses.asdict(config.frontend),
            "input": {
                "what": "log-mel spectrogram in decibels: integer = round(decibels / scale) + zero, clipped",
                "dtype": source.dtype,
                "shape": list(source.shape),
                "scale": float(source.stored.scale),
                "zero": source.stored.zero,
            },
            "output": {"what": "embedding of unit norm", "dtype": target.dtype, "shape": list(target.shape)},
        }


def read_facts(content: bytes) -> dict[str, Any]:
    """What a file says of itself: name, sample rate, front end, and how its input is stored.

    Raises:
        TinyclapError: not a file of this exporter.
    """
    schema = tflite_micro(SCHEMA)
    if content[4:8] == b"TFL3":
        model = schema.ModelT.InitFromPackedBuf(content)
        for entry in model.metadata or ():
            if entry.name == METADATA.encode():
                facts: dict[str, Any] = json.loads(bytes(model.buffers[entry.buffer].data))
                return facts
    raise TinyclapError("not a .tflite that `tinyclap export --tflite` wrote")


def refuse_missing() -> None:
    """Raise TinyclapError without `tflite-micro`, before minutes of calibration."""
    tflite_micro(SCHEMA)


def refuse_taken(file: Path, overwrite: bool) -> None:
    """A .tflite is replaced only if asked to, and nothing else ever."""
    if file.suffix != SUFFIX:
        raise TinyclapError(f"--tflite {file}: name a file that ends in {SUFFIX}, e.g. --tflite {file}{SUFFIX}")
    if file.is_dir():
        raise TinyclapError(f"--tflite {file} is a folder; name a file")
    if file.exists() and not overwrite:
        raise TinyclapError(f"--tflite {file} is there already; replace it with --overwrite, or name another")
