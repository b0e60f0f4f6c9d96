"""Files decoded for the suites where torchcodec cannot be loaded: it needs FFmpeg's shared libraries.

torchaudio from 2.9 and datasets from 4 decode with torchcodec alone. Without it datasets raises, and X-ARES, which only
warns of clips that it cannot read, ends in an empty loader. Where it cannot be loaded, their functions, which could do
nothing but raise, are replaced for this process by ones that read as the rest of tinyclap does.
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tinyclap.audio import files
from tinyclap.runtime.sounds import Sound, as_file


def torchcodec_works() -> bool:
    """Whether torchcodec is there, and finds FFmpeg."""
    try:
        import torchcodec.decoders  # noqa: F401
    except (ImportError, OSError, RuntimeError):  # not installed; no FFmpeg, in the words of its several versions
        return False
    return True


def decoded(source: Sound, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """A file, its content or an open one as mono float32 (T,), and its rate: `sample_rate`, or its own for None.

    Raises:
        AudioError: it cannot be decoded.
    """
    with as_file(source) as path:
        rate = sample_rate or files.info(path).sample_rate
        return files.read(path, rate), rate


def let_torchaudio_read() -> None:
    """Make `torchaudio.load` read files, if it cannot."""
    import torchaudio

    if torchaudio.load is not _load and not torchcodec_works():
        torchaudio.load = _load


def let_datasets_read() -> None:
    """Make the audio columns of `datasets` decode and encode, if they cannot."""
    from datasets import Audio

    if Audio.decode_example is not _decode_example and not torchcodec_works():
        Audio.decode_example, Audio.encode_example = _decode_example, _encode_example


def _load(uri: Any, frame_offset: int = 0, num_frames: int = -1, *_: Any, **__: Any) -> tuple[Any, int]:
    """As `torchaudio.load`, of one channel: float32 (1, T) and the rate."""
    import torch

    samples, rate = decoded(uri)
    end = None if num_frames < 0 else frame_offset + num_frames
    return torch.from_numpy(samples[frame_offset:end])[None], rate


def _decode_example(self: Any, value: Any, token_per_repo_id: Any = None) -> Any:
    """As `datasets.Audio.decode_example`, to a dictionary with `array`, `sampling_rate` and `path`."""
    if not isinstance(value, Mapping) or "array" in value:
        return value  # decoded before
    content = value.get("bytes")
    array, rate = decoded(value["path"] if content is None else content, self.sampling_rate)
    return {"array": array, "sampling_rate": rate, "path": value.get("path")}


def _encode_example(self: Any, value: Any) -> dict[str, Any]:
    """As `datasets.Audio.encode_example`; arrays, (T,) or (channels, T), become WAV of 32-bit floats."""
    if isinstance(value, str | os.PathLike):
        return {"bytes": None, "path": str(Path(value).absolute()) if isinstance(value, os.PathLike) else value}
    if isinstance(value, bytes | bytearray):
        return {"bytes": bytes(value), "path": None}
    if "array" in value:
        written = io.BytesIO()
        samples = np.asarray(value["array"], np.float32)
        soundfile.write(written, samples.T, value["sampling_rate"], format="WAV", subtype="FLOAT")
        return {"bytes": written.getvalue(), "path": None}
    return {"bytes": value.get("bytes"), "path": value.get("path")}
