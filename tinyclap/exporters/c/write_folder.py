"""From a student to a folder of C: the code, what builds it, and the comparison with torch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tinyclap.bench.compiled_c import HEADER, CompiledC, compiler
from tinyclap.common.files import whole_folder, write_text
from tinyclap.common.progress import silent
from tinyclap.exporters import folders
from tinyclap.exporters.c import selftest
from tinyclap.exporters.c.arena import Plan
from tinyclap.exporters.c.calibrate import calibrated_on
from tinyclap.exporters.c.in_float import float_network
from tinyclap.exporters.c.in_int8 import Int8Writer
from tinyclap.exporters.c.layers import Network, network_of
from tinyclap.exporters.c.report import CReport, measured_lines
from tinyclap.exporters.c.source import NO_LABELS, Labels, arena_plan, header, source, template
from tinyclap.exporters.c.stream import StreamShape, stream_shape
from tinyclap.exporters.calibration import CalibrationSet
from tinyclap.exporters.int8_gate import MIN_AGREEMENT, MIN_COSINE, distance, refuse_too_large
from tinyclap.exporters.onnx.parity import Worst, test_sounds, tolerance
from tinyclap.hardware.student_shape import StudentShape
from tinyclap.models.student import Student
from tinyclap.version import __version__

SELFTEST_COSINE = 0.999  # INT8 on another machine: only the front end's last bits differ
UNCHECKED_COSINE = 0.9  # to the float embedding, where INT8 could not be run here
STACK_BYTES = 8192  # that are set aside besides the arena
FILES = {
    "CMakeLists.txt": "CMakeLists.txt",
    "library.json": "library.json",
    "library.properties": "library.properties",
    "idf_component.yml": "idf_component.yml",
    "selftest.c": "test/selftest.c",
    "classify.c": "examples/classify/classify.c",
    "Listen.ino": "examples/Listen/Listen.ino",
    "qemu/start.c": "qemu/start.c",
    "qemu/an500.ld": "qemu/an500.ld",
    "qemu/an547.ld": "qemu/an547.ld",
}


@dataclass(frozen=True)
class CExporter:
    """Writes a student as C.

    Attributes:
        student: is put into evaluation mode.
        calibration_set: to calibrate, measure and compare on.
        labels: as constants in the code.
        name: of the model, for comments.
        licence: of its weights.
        int8: integers instead of floats.
        hop_s: seconds from one answer of a stream to the next; None for one second, or a shorter window.
        device: name or file of the device that it must fit; None for any.
        min_cosine, min_agreement: that INT8 must reach.
        progress: called with a line on each step.
    """

    student: Student
    calibration_set: CalibrationSet
    labels: Labels = NO_LABELS
    name: str = "student"
    licence: str = "unknown"
    int8: bool = False
    hop_s: float | None = None
    device: str | None = None
    min_cosine: float = MIN_COSINE
    min_agreement: float = MIN_AGREEMENT
    progress: Callable[[str], None] = silent

    def write(self, folder: Path, *, overwrite: bool = False) -> CReport:
        """Write the folder, whole or not at all.

        Raises:
            TinyclapError: the folder is taken, the student has a part that C does not, or does not fit the device.
            GateError: the code does not compute what the student computes; nothing is written.
        """
        refuse_taken(folder, overwrite)
        student = self.student.eval()
        network = network_of(student)
        stream = stream_shape(network.spec, network.window_samples, self.hop_s)
        plan = arena_plan(network, stream, int8=self.int8)
        self._refuse_too_large(plan)
        if self.int8:
            found = calibrated_on(student, network, self.calibration_set, self.progress)
            constants = Int8Writer(network, found, plan.places).constants()
        else:
            constants = float_network(network, plan.places)
        with whole_folder(folder) as new:
            code = source(network, stream, plan, self.labels, constants, int8=self.int8)
            head = header(network, stream, plan, self.labels, self.name, int8=self.int8)
            _write(new / "src" / "tinyclap.c", code)
            _write(new / HEADER, head)
            for file, place in FILES.items():
                values = {"LIBRARY_VERSION": _version(), "LICENCE": self.licence.replace('"', "'")}
                _write(new / place, template(file, values))
            report = self._checked(new, network, plan)
            _write(new / "README.md", self._readme(network, stream, report))
            return report

    def _refuse_too_large(self, plan: Plan) -> None:
        if self.device is None:
            return
        vectors = 0 if self.labels.vectors is None else self.labels.vectors.size * (1 if self.int8 else 4)
        flash = StudentShape.of(self.student).costs().flash_bytes(self._precision) + vectors
        smaller = "" if self.int8 else "; --int8 takes about a third"
        refuse_too_large(self.device, plan.size_bytes + STACK_BYTES, flash, self._precision, smaller)

    @property
    def _precision(self) -> str:
        return "int8" if self.int8 else "float32"

    def _checked(self, folder: Path, network: Network, plan: Plan) -> CReport:
        """Compile and compare, and write what the selftest expects."""
        counted = StudentShape.of(self.student).costs().ram_bytes(self._precision)
        report = CReport(self._precision, plan.size_bytes, counted, len(self.labels.names), compiler() is not None)
        signals = [selftest.signal(number, network.window_samples) for number in range(selftest.SIGNALS)]
        with torch.no_grad():
            known = self.student(torch.from_numpy(np.stack(signals))).numpy()
        limits = (UNCHECKED_COSINE, 1.0) if self.int8 else (SELFTEST_COSINE, 2 * tolerance(self.student))
        if report.checked:
            self.progress("compiling the code, and comparing it with torch")
            library = folder / "tinyclap.so"
            code = CompiledC(folder / "src" / "tinyclap.c", library, network.window_samples, network.embed_dim)
            library.unlink()
            report = self._int8_gate(code, report) if self.int8 else self._float_gate(code, report)
            if self.int8:
                known, limits = np.stack([code.embed(one) for one in signals]), (SELFTEST_COSINE, 1.0)
        _write(folder / "test" / "expected.h", selftest.expected(known, *limits))
        return report

    def _float_gate(self, code: CompiledC, report: CReport) -> CReport:
        student, train = self.student, self.calibration_set.train
        window, worst = student.config.window_samples, Worst(tolerance(student))
        sounds = test_sounds(train, window)
        for name, sound in sounds.items():
            samples = np.resize(sound, window)
            with torch.no_grad():
                expected = student(torch.from_numpy(samples)[None]).numpy()[0]
            worst.note(name, code.embed(samples), expected)
        worst.refuse("tinyclap.c")
        return replace(report, difference=worst.difference, clips=len(sounds))

    def _int8_gate(self, code: CompiledC, report: CReport) -> CReport:
        found = distance(self.student, self.calibration_set, self.labels.vectors, code.embed)
        found.refuse_far("tinyclap.c", self.min_cosine, self.min_agreement, "export without --int8")
        return replace(report, cosine=found.cosine, agreement=found.agreement, clips=found.clips)

    def _readme(self, network: Network, stream: StreamShape, report: CReport) -> str:
        values = {
            "NAME": self.name,
            "RATE": network.spec.sample_rate,
            "DIM": network.embed_dim,
            "SECONDS": f"{network.window_samples / network.spec.sample_rate:g}",
            "HOP": f"{stream.hop / network.spec.sample_rate:g}",
            "PRECISION": "INT8" if self.int8 else "float32",
            "VERSION": __version__,
            "LICENCE": self.licence,
            "MEASURED": "\n".join(measured_lines(report)),
            "CMSIS": "; `TINYCLAP_CMSIS_NN` takes\nthe 1x1 layers from CMSIS-NN (same integers)" if self.int8 else "",
        }
        return template("folder_readme.txt", values)


def refuse_taken(folder: Path, overwrite: bool) -> None:
    """Only a folder of generated C is ever replaced, and only if asked to."""
    folders.refuse_taken(folder, overwrite, "--c", HEADER, "generated C")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def _version() -> str:
    """As libraries have it, three numbers."""
    numbers = [part for part in __version__.split(".") if part.isdigit()]
    return ".".join([*numbers, "0", "0", "0"][:3])
