"""Live sound from a microphone, through the optional package sounddevice."""

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyclap.errors import MachineError, TinyclapError

BLOCK_S = 0.1
BEHIND_S = 10.0  # of sound that may wait to be worked on
SILENT_S = 10.0  # without a block after which the microphone counts as gone


def microphone(sample_rate: int, device: str | None = None) -> tuple[int, Iterator[np.ndarray]]:
    """The rate at which a microphone records, and its blocks of float32 (n, channels), for ever.

    Many microphones know their own rate only, some are stereo only: such a one is taken as it is.

    Args:
        sample_rate: to record at if the microphone can, Hz.
        device: its number or a part of its name; None for the system's own choice.

    Raises:
        TinyclapError: no PortAudio library, or no such microphone.
        MachineError: while recording: nothing comes any more, or more than can be worked on.
        ModuleNotFoundError: sounddevice is not installed.
    """
    try:
        import sounddevice
    except OSError as error:
        raise TinyclapError(
            f"microphone: {error}; install PortAudio, on Debian and Raspberry Pi OS: sudo apt install libportaudio2"
        ) from error
    chosen = int(device) if device is not None and device.isdigit() else device
    try:
        rate, channels = _settings(sounddevice, chosen, sample_rate)
        blocks: queue.Queue[np.ndarray] = queue.Queue(round(BEHIND_S / BLOCK_S))

        def record(block: np.ndarray, frames: int, time: Any, status: Any) -> None:
            if not blocks.full():  # else `_next` says so
                blocks.put_nowait(block.copy())

        stream = sounddevice.InputStream(
            samplerate=rate,
            blocksize=round(BLOCK_S * rate),
            device=chosen,
            channels=channels,
            dtype="float32",
            callback=record,
        )
    except (sounddevice.PortAudioError, ValueError) as error:  # ValueError: no device, or several, of this name
        raise TinyclapError(
            f"microphone {device or '(default)'}: {error}; name one of these with --microphone:\n"
            f"{sounddevice.query_devices() or 'no devices'}"
        ) from error
    return rate, _recorded(stream, blocks)


def _settings(sounddevice: Any, device: int | str | None, sample_rate: int) -> tuple[int, int]:
    """Sample rate and channels: those asked for, or the microphone's own."""
    try:
        sounddevice.check_input_settings(device=device, channels=1, dtype="float32", samplerate=sample_rate)
    except sounddevice.PortAudioError:
        own = sounddevice.query_devices(device, "input")
        return round(own["default_samplerate"]), min(2, own["max_input_channels"])
    return sample_rate, 1


def _recorded(stream: Any, blocks: queue.Queue[np.ndarray]) -> Iterator[np.ndarray]:
    with stream:
        while True:
            yield _next(blocks)


def _next(blocks: queue.Queue[np.ndarray]) -> np.ndarray:
    if blocks.full():
        raise MachineError(f"this machine is {BEHIND_S:g} s behind the microphone; listen with a longer --hop")
    try:
        return blocks.get(timeout=SILENT_S)
    except queue.Empty as error:
        raise MachineError(f"the microphone has sent nothing for {SILENT_S:g} s; check that it is connected") from error
