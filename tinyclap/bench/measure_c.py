"""`tinyclap bench` of a folder that `tinyclap export --c` wrote: time here, instructions on emulated boards.

The result is one JSON object: `environment`, the machine at the start; `c`, what the folder says of itself; `native`,
the times of a window here, from sound to embedding, by the clock (`samples_ms`: of every call); and `emulated`, a row
for each board, none where the tools for it are missing.
"""

import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.bench.compiled_c import FAST, FLAGS, HEADER, CompiledC
from tinyclap.bench.emulator import BOARDS, emulated, lacking
from tinyclap.bench.timing import lasting_ms
from tinyclap.common.machine import environment
from tinyclap.common.progress import Progress, counted
from tinyclap.errors import MachineError, TinyclapError

SIZES = {
    "window_samples": "TINYCLAP_WINDOW",
    "sample_rate": "TINYCLAP_SAMPLE_RATE",
    "embed_dim": "TINYCLAP_EMBED_DIM",
    "labels": "TINYCLAP_LABELS",
    "arena_bytes": "TINYCLAP_ARENA_BYTES",
    "int8": "TINYCLAP_INT8",
}


@dataclass(frozen=True)
class CFolder:
    """What generated C says of itself: of a window, the embedding and the memory; `int8` is 0 or 1."""

    path: str
    window_samples: int
    sample_rate: int
    embed_dim: int
    labels: int
    arena_bytes: int
    int8: int

    @property
    def precision(self) -> str:
        """Of its network."""
        return "int8" if self.int8 else "float32"


def is_c_folder(folder: Path) -> bool:
    """Whether it holds generated C."""
    return (folder / HEADER).is_file()


def read_c_folder(folder: Path) -> CFolder:
    """What the header says.

    Raises:
        TinyclapError: it is not as it was written.
    """
    text = (folder / HEADER).read_text("utf-8", errors="replace")
    found = {key: re.search(rf"^#define {name} (\d+)\b", text, re.MULTILINE) for key, name in SIZES.items()}
    if absent := [SIZES[key] for key, one in found.items() if one is None]:
        raise TinyclapError(f"{folder / HEADER} defines no {', '.join(absent)}; export it again with --overwrite")
    return CFolder(str(folder), **{key: int(one[1]) for key, one in found.items() if one is not None})


def bench_c(folder: Path, seconds: float) -> dict[str, Any]:
    """Time a window of generated C here, and count its instructions on the boards that can be emulated.

    Args:
        folder: of the C code.
        seconds: of timing; 20 calls at least.

    Raises:
        TinyclapError: no such folder, or not as it was written.
        MachineError: no compiler here, code that does not compile, or that fails its selftest on a board.
    """
    about = read_c_folder(folder)
    before = {**environment(), "seconds": seconds, "host": None}
    sound = np.random.default_rng(0).normal(0, 0.1, about.window_samples).astype(np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        code, flags = _compiled(folder, about, Path(temporary) / "code.so")
        with Progress(f"timing {folder}", None, "round") as progress:
            (taken,) = lasting_ms({"c": lambda: code.embed(sound)}, seconds, tick=progress.update).values()
        boards = () if lacking() else BOARDS
        rows = [
            emulated(folder, board, out=Path(temporary) / "program.elf")
            for board in counted(boards, "emulating", len(boards), "board")
        ]
    p50, p90 = (float(ms) for ms in np.quantile(taken, (0.5, 0.9)))
    native = {"flags": " ".join(flags), "repeats": len(taken), "p50_ms": p50, "p90_ms": p90, "samples_ms": taken}
    return {
        "environment": before,
        "c": {**asdict(about), "precision": about.precision},
        "native": native,
        "emulated": [row.as_dict() for row in rows],
    }


def _compiled(folder: Path, about: CFolder, library: Path) -> tuple[CompiledC, tuple[str, ...]]:
    """The code for this processor, or where the compiler does not know it for any."""
    source, sizes = folder / "src" / "tinyclap.c", (about.window_samples, about.embed_dim)
    try:
        return CompiledC(source, library, *sizes, FAST), FAST
    except MachineError:
        return CompiledC(source, library, *sizes, FLAGS), FLAGS
