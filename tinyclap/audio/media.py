"""Sound of any container, m4a, mp4, webm, wma, amr and so on, by PyAV or ffmpeg as a file that libsndfile reads.

Both run as processes of their own, since damaged files crash some of FFmpeg's readers; what is damaged is passed over
with a warning.
"""

import functools
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinyclap.audio.checks import AudioError
from tinyclap.audio.formats import HOW_TO_DECODE, media_decoder

PATIENCE_S = 3600.0
NOT_KNOWN = ("recogni", "nimplemented", "nsupported", "Unspecified", "flac decoder", "'fmt '")
"""By which libsndfile's message tells that it does not know a format, or a kind of it such as Speex in Ogg."""
SPARE_S = 0.5


def decode_media(path: Path, target: Path) -> None:
    """Write the sound of a file as WAV: float32 at its own rate, all channels.

    Raises:
        AudioError: neither PyAV nor ffmpeg is there, or it finds no sound in the file.
    """
    decoder = media_decoder()
    if decoder is None:
        raise AudioError(str(path), f"libsndfile does not know its format; {HOW_TO_DECODE}")
    (_by_av if decoder == "av" else _by_ffmpeg)(path, target)


def media_or(reason: str) -> Callable[[Path, Path], None] | None:
    """`decode_media` for a file that libsndfile refuses for this reason, told where nothing else reads it either.

    None where only libsndfile could, being alone here.
    """
    if any(part in reason for part in NOT_KNOWN[:3]):
        return decode_media
    if media_decoder() or any(part in reason for part in NOT_KNOWN):
        return functools.partial(_decode_refused, in_words(reason))
    return None


def in_words(reason: str) -> str:
    """What libsndfile says, so that it can be understood."""
    # It says so of an mp3 without any frame, though the file lies there.
    return (
        "libsndfile finds no audio in it"
        if "File does not exist" in reason
        else reason.removeprefix("Error : ").rstrip(".")
    )


def _decode_refused(reason: str, path: Path, target: Path) -> None:
    try:
        decode_media(path, target)
    except AudioError as error:
        remedy = "" if media_decoder() else f"; {HOW_TO_DECODE}"
        raise AudioError(str(path), f"cannot be decoded: {reason}{remedy}") from error


def _by_av(path: Path, target: Path) -> None:
    program = Path(__file__).with_name("av_process.py")
    # Without its own folder, and with the packages of this process, wherever it found them.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    done = _run(path, [sys.executable, "-P", str(program), str(path.absolute()), str(target)], environment)
    try:
        said = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise AudioError(str(path), f"cannot be decoded: {_end(done)}") from error
    if "reason" in said:
        raise AudioError(str(path), said["reason"])
    heard_s, stated_s, damaged = said["heard_s"], said["stated_s"], said["damaged"]
    if stated_s is not None and heard_s < stated_s - SPARE_S:
        _warn(path, f"{heard_s:.1f} s of the {stated_s:.1f} s that its header states can be decoded")
    elif damaged:
        _warn(path, f"{damaged} packets of it are damaged")


def _by_ffmpeg(path: Path, target: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", f"file:{path}", "-map", "0:a:0"]
    command += ["-c:a", "pcm_f32le", "-rf64", "auto", "-f", "wav", str(target)]
    done = _run(path, command, None)
    said = done.stderr.strip().splitlines()
    if done.returncode:
        raise AudioError(str(path), f"cannot be decoded: ffmpeg: {_end(done)}")
    if len(said) > 2:  # of the first or last packet alone, as a broadcast is cut, it says two lines
        _warn(path, f"ffmpeg says: {said[0]}")


def _run(path: Path, command: list[str], environment: dict[str, str] | None) -> "subprocess.CompletedProcess[str]":
    """A decoder as a process of its own, which damaged files may crash."""
    how: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace"}
    try:
        return subprocess.run(command, env=environment, timeout=PATIENCE_S, check=False, **how)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AudioError(str(path), f"{Path(command[0]).name}: {error}") from error


def _end(done: "subprocess.CompletedProcess[str]") -> str:
    """Why a decoder failed, by its last line or the signal that ended it."""
    if done.returncode < 0:
        return f"it crashes the decoder (signal {-done.returncode})"
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else "the decoder gives no reason"


def _warn(path: Path, what: str) -> None:
    warnings.warn(f"{path}: truncated or damaged: {what}; the rest is heard", stacklevel=3)
