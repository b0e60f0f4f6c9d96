"""Sound of any container, m4a, mp4, webm, wma, amr and so on, by PyAV or ffmpeg as a file that libsndfile reads."""

import itertools
import subprocess
from pathlib import Path

import soundfile

from tinyclap.audio.checks import AudioError
from tinyclap.audio.formats import HOW_TO_DECODE, SNDFILE_SUFFIXES, media_decoder

TARGET = {"format": "RF64", "subtype": "FLOAT"}  # a WAV of any length
PATIENCE_S = 3600.0


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


def _by_av(path: Path, target: Path) -> None:
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError(str(path), "holds no sound")
            stream = container.streams.audio[0]
            frames = container.decode(stream)
            first = next(frames, None)
            if first is None:
                raise AudioError(str(path), "holds no sound")
            resampler = av.AudioResampler(format="flt", layout=first.layout, rate=first.sample_rate)
            channels = len(first.layout.channels)
            with soundfile.SoundFile(str(target), "w", first.sample_rate, channels, **TARGET) as written:
                for frame in itertools.chain([first], frames, [None]):
                    for piece in resampler.resample(frame):
                        written.write(piece.to_ndarray().reshape(-1, channels))
    except (av.FFmpegError, ValueError) as error:
        raise AudioError(str(path), f"cannot be decoded: {getattr(error, 'strerror', None) or error}") from error


def _by_ffmpeg(path: Path, target: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", f"file:{path}", "-map", "0:a:0"]
    command += ["-c:a", "pcm_f32le", "-rf64", "auto", "-f", "wav", str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AudioError(str(path), f"ffmpeg: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it gives no reason"])[-1]
        raise AudioError(str(path), f"cannot be decoded: ffmpeg: {last}")
