"""Live sound from a microphone, through the optional package sounddevice. No torch."""

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyclap.errors import TinyclapError

BLOCK_S = 0.1
BEHIND_S = 10.0  # of sound that may wait to be worked on
SILENT_S = 10.0  # without a block after which the microphone counts as gone


def microphone(sample_rate: int, device: str | None = None) -> Iterator[np.ndarray]:
    """Blocks of float32 (n, 1) as a microphone records them, for ever.

    Args:
        sample_rate: to record at, Hz.
        device: its number or a part of its name; None for the system's own choice.

    Raises:
        TinyclapError: no PortAudio library, no such microphone, or blocks are worked on more slowly than they come.
        ModuleNotFoundError: sounddevice is not installed.
    """
    try:
        import sounddevice
    except OSError as error:
        raise TinyclapError(
            f"microphone: {error}; install PortAudio, on Debian and Raspberry Pi OS: sudo apt install libportaudio2"
        ) from error
    blocks: queue.Queue[np.ndarray] = queue.Queue(round(BEHIND_S / BLOCK_S))

    def record(block: np.ndarray, frames: int, time: Any, status: Any) -> None:
        if not blocks.full():  # else `_waiting` says so
            blocks.put_nowait(block.copy())

    chosen = int(device) if device is not None and device.isdigit() else device
    try:
        with sounddevice.InputStream(
            samplerate=sample_rate,
            blocksize=round(BLOCK_S * sample_rate),
            device=chosen,
            channels=1,
            dtype="float32",
            callback=record,
        ):
            while True:
                yield _next(blocks)
    except (sounddevice.PortAudioError, ValueError) as error:  # ValueError: no device, or several, of this name
        raise TinyclapError(
            f"microphone {device or '(default)'}: {error}; there are:\n{_devices(sounddevice)}"
        ) from error


def _next(blocks: queue.Queue[np.ndarray]) -> np.ndarray:
    if blocks.full():
        raise TinyclapError(f"this machine is {BEHIND_S:g} s behind the microphone; listen with a longer --hop")
    try:
        return blocks.get(timeout=SILENT_S)
    except queue.Empty as error:
        raise TinyclapError(
            f"the microphone has sent nothing for {SILENT_S:g} s; check that it is connected"
        ) from error


def _devices(sounddevice: Any) -> str:
    return str(sounddevice.query_devices()) or "no devices"
