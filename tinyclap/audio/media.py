"""Sound of any container, m4a, mp4, webm, wma, amr and so on, by PyAV or ffmpeg as a file that libsndfile reads.

What of it is damaged is passed over with a warning, by both alike.
"""

import functools
import itertools
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import soundfile

from tinyclap.audio.checks import AudioError
from tinyclap.audio.formats import HOW_TO_DECODE, SNDFILE_SUFFIXES, media_decoder

TARGET = {"format": "RF64", "subtype": "FLOAT"}  # a WAV of any length
PATIENCE_S = 3600.0
NO_FORMAT = ("recogni", "nimplemented", "nsupported")
NO_KIND = ("Unspecified", "flac decoder", "'fmt '")
"""By which libsndfile's message tells that it does not know a format; or perhaps a kind of it, such as Speex in Ogg."""
STATED = ("mp4", "matroska", "asf", "flv", "tta", "wv", "ape", "avi")  # formats that say how long they are
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
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError(str(path), "holds no sound")
            stream, damage = container.streams.audio[0], _Damage()
            frames = damage.passed_over(container, stream)
            first = next(frames, None)
            if first is None:
                reason = f"cannot be decoded: {damage.reason}" if damage.reason else "holds no sound"
                raise AudioError(str(path), reason)
            resampler = av.AudioResampler(format="flt", layout=first.layout, rate=first.sample_rate)
            channels = len(first.layout.channels)
            with soundfile.SoundFile(str(target), "w", first.sample_rate, channels, **TARGET) as written:
                for frame in itertools.chain([first], frames, [None]):
                    for piece in resampler.resample(frame):
                        written.write(piece.to_ndarray().reshape(-1, channels))
                heard_s = written.frames / first.sample_rate
            stated_s = _stated_s(container, stream)
    except (av.FFmpegError, ValueError) as error:
        raise AudioError(str(path), f"cannot be decoded: {getattr(error, 'strerror', None) or error}") from error
    if stated_s is not None and heard_s < stated_s - SPARE_S:
        _warn(path, f"{heard_s:.1f} s of the {stated_s:.1f} s that its header states can be decoded")
    elif damage.packets:
        _warn(path, f"{damage.packets} packets of it are damaged")


class _Damage:
    """What cannot be decoded of a stream.

    Attributes:
        packets: how many between others that can: the first and last may be cut, as of a broadcast.
        reason: why not, of the last one.
    """

    packets = 0
    reason = ""

    def passed_over(self, container: Any, stream: Any) -> Iterator[Any]:
        """The frames that can be decoded."""
        import av

        packets, begun, since = container.demux(stream), False, 0
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                for frame in packet.decode():
                    self.packets, begun, since = self.packets + since, True, 0
                    yield frame
            except av.FFmpegError as error:
                since, self.reason = since + begun, str(error.strerror or error)


def _stated_s(container: Any, stream: Any) -> float | None:
    """How long a sound is as its header says, seconds; None where that is a guess of the decoder."""
    if not any(name in container.format.name.split(",") for name in STATED):
        return None
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    alone = len(container.streams) == 1 and container.duration is not None
    return container.duration / 1e6 if alone else None


def _by_ffmpeg(path: Path, target: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", f"file:{path}", "-map", "0:a:0"]
    command += ["-c:a", "pcm_f32le", "-rf64", "auto", "-f", "wav", str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AudioError(str(path), f"ffmpeg: {error}") from error
    said = done.stderr.strip().splitlines()
    if done.returncode:
        raise AudioError(str(path), f"cannot be decoded: ffmpeg: {said[-1] if said else 'it gives no reason'}")
    if len(said) > 1:
        _warn(path, f"ffmpeg says: {said[0]}")


def _warn(path: Path, what: str) -> None:
    warnings.warn(f"{path}: truncated or damaged: {what}; the rest is heard", stacklevel=3)
