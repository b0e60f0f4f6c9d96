"""Cortex-M boards that QEMU emulates: how many instructions does generated C take there?

With `-icount shift=0` an instruction is a nanosecond of the emulated clock, which the board's SysTick reads. The count
is the same on every machine. Instructions are not cycles.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinyclap.errors import MachineError

GCC, SIZE, QEMU = "arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"
PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"  # Debian's
LIMIT_S = 300
SELFTEST = ("src/tinyclap.c", "test/selftest.c")
COUNTED = re.compile(r": (\d+) instructions, (\d+) bytes of stack")


@dataclass(frozen=True)
class Board:
    """An emulated board.

    Attributes:
        core: of its processor.
        machine: QEMU's name of it.
        script: of the linker, in the folder of generated C.
        flags: of the compiler.
        tick: instructions of one tick of its SysTick.
    """

    core: str
    machine: str
    script: str
    flags: tuple[str, ...]
    tick: int


BOARDS = (
    Board("Cortex-M7", "mps2-an500", "qemu/an500.ld", ("-mcpu=cortex-m7", "-mfpu=fpv5-d16"), 40),
    Board("Cortex-M55", "mps3-an547", "qemu/an547.ld", ("-mcpu=cortex-m55",), 31),
)


@dataclass(frozen=True)
class Emulated:
    """What a program took on an emulated board.

    Attributes:
        core, machine: of the board.
        instructions: of its first sound, a window.
        stack_bytes: the most that were used.
        code_bytes: of code and constants.
        said: what it printed.
    """

    core: str
    machine: str
    instructions: int
    stack_bytes: int
    code_bytes: int
    said: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without what was printed."""
        return {key: value for key, value in asdict(self).items() if key != "said"}


def lacking() -> list[str]:
    """The programs for it that this machine does not have."""
    return [name for name in (GCC, SIZE, QEMU) if shutil.which(name) is None]


def emulated(folder: Path, board: Board, *, sources: Sequence[str] = SELFTEST, out: Path | None = None) -> Emulated:
    """Compile a program of generated C for a board, and run it there.

    Args:
        folder: of the C code.
        board: to run it on.
        sources: of the program, in the folder; it prints instructions and stack as the selftest does.
        out: file of the program; by default program.elf in the folder.

    Raises:
        MachineError: no compiler or emulator here, or a program that does not compile or fails there.
    """
    if absent := lacking():
        raise MachineError(f"no {', '.join(absent)} here (Debian: apt install {PACKAGES})")
    program = folder / "program.elf" if out is None else out
    flags = ("-std=gnu99", "-O3", *board.flags, "-mfloat-abi=hard", f"-DTINYCLAP_TICKS={board.tick}")
    link = ("qemu/start.c", "-T", board.script, "--specs=rdimon.specs", "-nostartfiles", "-lm", "-o")
    _run([GCC, *flags, "-Isrc", "-Itest", *sources, *link, str(program.resolve())], folder)
    options = ("-nographic", "-icount", "shift=0", "-semihosting-config", "enable=on,target=native")
    said = _run([QEMU, "-M", board.machine, *options, "-kernel", str(program.resolve())], folder)
    counts = COUNTED.findall(said)
    if not counts:
        raise MachineError(f"{QEMU} -M {board.machine}: {said.strip()[-300:] or 'nothing was printed'}")
    code = int(_run([SIZE, str(program.resolve())], folder).splitlines()[1].split()[0])
    return Emulated(board.core, board.machine, int(counts[0][0]), int(counts[-1][1]), code, said)


def _run(command: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"{command[0]} did not end within {LIMIT_S} s") from error
    if done.returncode:
        raise MachineError(f"{command[0]} failed in {folder} ({(done.stderr or done.stdout).strip()[-500:]})")
    return done.stdout
