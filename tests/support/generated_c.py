"""C of untrained students, and the programs that it needs."""

import shutil
from pathlib import Path

import pytest
import torch

from tests.support.tiny_exports import LABELS, TINY, clips, settled
from tinyclap.bench.compiled_c import FLAGS, CompiledC, compiler
from tinyclap.bench.emulator import PACKAGES, lacking
from tinyclap.exporters.c.source import Labels
from tinyclap.exporters.c.write_folder import CExporter
from tinyclap.exporters.calibration import CalibrationSet
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig


def needs_a_compiler() -> None:
    """The test is skipped without a C compiler."""
    if compiler() is None:
        pytest.skip("no C compiler here (cc, gcc or clang)")


def needs_an_emulator() -> None:
    """The test is skipped without Arm's compiler and QEMU."""
    if absent := lacking():
        pytest.skip(f"{', '.join(absent)} not installed (Debian: {PACKAGES})")


def tool(name: str) -> str:
    """The path of a compiler; the test is skipped without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def exporter(config: StudentConfig = TINY, **options: object) -> CExporter:
    vectors = torch.nn.functional.normalize(torch.randn(4, config.embed_dim, generator=torch.manual_seed(1))).numpy()
    sounds = CalibrationSet(clips(0), clips(1), LABELS)
    return CExporter(settled(config), sounds, Labels(LABELS, vectors, 14.0), "tiny", **options)  # type: ignore[arg-type]


def compiled(folder: Path, student: Student, *flags: str) -> CompiledC:
    library = folder.parent / f"{folder.name}{len(flags)}.so"
    window = student.config.window_samples
    return CompiledC(folder / "src" / "tinyclap.c", library, window, student.embed_dim, (*FLAGS, *flags))
