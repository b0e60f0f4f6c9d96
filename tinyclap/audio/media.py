"""Sound of any container, m4a, mp4, webm, wma, amr and so on, by PyAV or ffmpeg as a file that libsndfile reads.

Both run as processes of their own, since damaged files crash some of FFmpeg's readers; what is damaged is passed over
with a warning.
"""

import contextlib
import functools
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from tinyclap.audio.checks import AudioError
from tinyclap.audio.formats import HOW_TO_DECODE, SNDFILE_SUFFIXES, media_decoder

PATIENCE_S = 3600.0
NO_FORMAT = ("recogni", "nimplemented", "nsupported")
NO_KIND = ("Unspecified", "flac decoder", "'fmt '")
"""By which libsndfile's message tells that it does not know a format; or perhaps a kind of it, such as Speex in Ogg."""
SPARE_S = 0.5


def decode_media(path: Path, target: Path) -> None:
    """Write the sound of a file as WAV: float32 at its own rate, all channels.

    Raises:
        AudioError: neither PyAV nor ffmpeg is there, or it finds no sound in the file.
    """
    decoder = media_decoder()
    if decoder is None:
        suffix = path.suffix.lower()
        if suffix in SNDFILE_SUFFIXES:  # whose content another decoder would hardly know either
            raise AudioError(str(path), f"is no {suffix} file, nor of another format that libsndfile knows")
        raise AudioError(str(path), f"libsndfile does not know its format; {HOW_TO_DECODE}")
    (_by_av if decoder == "av" else _by_ffmpeg)(path, target)


def media_or(reason: str) -> Callable[[Path, Path], None] | None:
    """`decode_media` for a file that libsndfile refuses for this reason, told where nothing else reads it either.

    None where only libsndfile could, being alone here.
    """
    if any(part in reason for part in NO_FORMAT):
        return decode_media
    if media_decoder() or any(part in reason for part in NO_KIND):
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
    idle = _idle.setdefault(os.getpid(), [])  # a fork has processes of its own
    try:
        decoder = idle.pop()
    except IndexError:
        decoder = _AvProcess()
    if decoder.ended():  # by another program, while it waited
        decoder = _AvProcess()
    try:
        said = decoder.decode(path, target)
    except BaseException:
        decoder.end()
        raise
    idle.append(decoder)
    if "reason" in said:
        raise AudioError(str(path), said["reason"])
    heard_s, stated_s, damaged = said["heard_s"], said["stated_s"], said["damaged"]
    if stated_s is not None and heard_s < stated_s - SPARE_S:
        _warn(path, f"{heard_s:.1f} s of the {stated_s:.1f} s that its header states can be decoded")
    elif damaged:
        _warn(path, f"{damaged} packets of it are damaged")


class _AvProcess:
    """`av_process` as a process that decodes one file after another; it ends with this one."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("av_process.py")
        # Without its own folder, and with the packages of this process, wherever it found them.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        pipes |= {"text": True, "encoding": "utf-8", "errors": "replace"}
        self._process = subprocess.Popen([sys.executable, "-P", str(program)], env=environment, **pipes)
        # At the end of workers of multiprocessing too, and never of a fork.
        self.end = Finalize(self, _end, (self._process,), exitpriority=0)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def decode(self, path: Path, target: Path) -> dict[str, Any]:
        """What it says of the file. Raises AudioError if it crashes or does not come to an end."""
        last, timer = "", threading.Timer(PATIENCE_S, self._process.kill)
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended; said below
                print(json.dumps([str(path.absolute()), str(target)]), file=self._process.stdin, flush=True)
            for line in self._process.stdout or ():
                if line.startswith("{"):
                    said: dict[str, Any] = json.loads(line)
                    return said
                last = line.strip() or last
        finally:
            timer.cancel()
        raise AudioError(str(path), f"cannot be decoded: {_why(self._process.wait(), last)}")


_idle: dict[int, list[_AvProcess]] = {}  # by the process that they work for


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    with contextlib.suppress(OSError), process:  # of what could not be written
        pass


def _by_ffmpeg(path: Path, target: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", f"file:{path}", "-map", "0:a:0"]
    command += ["-c:a", "pcm_f32le", "-rf64", "auto", "-f", "wav", str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AudioError(str(path), f"ffmpeg: {error}") from error
    said = done.stderr.strip().splitlines()
    if done.returncode:
        raise AudioError(str(path), f"cannot be decoded: ffmpeg: {_why(done.returncode, said[-1] if said else '')}")
    if len(said) > 2:  # of the first or last packet alone, as a broadcast is cut, it says two lines
        _warn(path, f"ffmpeg says: {said[0]}")


def _why(code: int, last: str) -> str:
    """Why a decoder ended, by the signal or its last line."""
    return f"it crashes the decoder (signal {-code})" if code < 0 else last or "the decoder gives no reason"


def _warn(path: Path, what: str) -> None:
    warnings.warn(f"{path}: truncated or damaged: {what}; the rest is heard", stacklevel=3)
