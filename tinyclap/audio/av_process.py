"""A program of its own that decodes files by PyAV, since damaged files crash some of FFmpeg's readers.

For each line on stdin, a JSON list of a file and a target, it writes the sound as WAV and prints a line of JSON: what
`Decoded` holds, or a `reason`. It imports nothing of tinyclap.
"""

import itertools
import json
import signal
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

TARGET = {"format": "RF64", "subtype": "FLOAT"}  # a WAV of any length
STATED = ("mp4", "matroska", "asf", "flv", "tta", "wv", "ape", "avi")  # formats that say how long they are


class Decoded(NamedTuple):
    """How much was decoded.

    Attributes:
        heard_s: seconds.
        stated_s: seconds by the header; None where that is a guess.
        damaged: packets between others that cannot be decoded; the first and last may be cut, as of a broadcast.
    """

    heard_s: float
    stated_s: float | None
    damaged: int


class NoSoundError(Exception):
    """With the reason."""


def decode(path: str, target: str) -> Decoded:
    """Write the sound of a file as WAV: float32 at its own rate, all channels. Raises NoSoundError."""
    import av
    import soundfile

    try:
        with av.open(path) as container:
            if not container.streams.audio:
                raise NoSoundError("holds no sound")
            stream, damage = container.streams.audio[0], _Damage()
            frames = damage.passed_over(container, stream)
            first = next(frames, None)
            if first is None:
                raise NoSoundError(f"cannot be decoded: {damage.reason}" if damage.reason else "holds no sound")
            resampler = av.AudioResampler(format="flt", layout=first.layout, rate=first.sample_rate)
            channels = len(first.layout.channels)
            with soundfile.SoundFile(target, "w", first.sample_rate, channels, **TARGET) as written:
                for frame in itertools.chain([first], frames, [None]):
                    for piece in resampler.resample(frame):
                        written.write(piece.to_ndarray().reshape(-1, channels))
                heard_s = written.frames / first.sample_rate
            return Decoded(heard_s, _stated_s(container, stream), damage.packets)
    except (av.FFmpegError, soundfile.LibsndfileError, ValueError, MemoryError) as error:
        raise NoSoundError(f"cannot be decoded: {getattr(error, 'strerror', None) or error}") from error


class _Damage:
    """What cannot be decoded of a stream, and why not."""

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


def main() -> None:
    """Answer what is asked, line by line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks, which ends this one
    for line in sys.stdin:
        try:
            said: dict[str, object] = decode(*json.loads(line))._asdict()
        except NoSoundError as error:
            said = {"reason": str(error)}
        print("\n" + json.dumps(said), flush=True)  # behind whatever FFmpeg says


if __name__ == "__main__":
    main()
