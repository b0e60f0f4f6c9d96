"""WebDataset tars as others write them."""

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile


def sound(hz: float = 440.0, seconds: float = 0.5, sample_rate: int = 16_000, format: str = "FLAC") -> bytes:
    """A tone as a file's bytes."""
    content = io.BytesIO()
    tone = 0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate)
    soundfile.write(content, tone, sample_rate, format=format)
    return content.getvalue()


def tar_bytes(members: Iterable[tuple[str, object]]) -> bytes:
    """A tar of named contents: bytes as they are, text as UTF-8, anything else as JSON."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, value in members:
            text = value if isinstance(value, str | bytes) else json.dumps(value)
            content = text.encode() if isinstance(text, str) else text
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return out.getvalue()


def write_shard(path: Path, members: Iterable[tuple[str, object]]) -> Path:
    """`tar_bytes` as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tar_bytes(members))
    return path
