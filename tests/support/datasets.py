"""Small data sets in every layout."""

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from tests.support.dataset_contract import write_tone


def write_folder(root: Path) -> Path:
    """Two classes, one of them with a deeper folder, and a clip without a class."""
    for number, name in enumerate(["dog/a.wav", "dog/b.flac", "rain/c.ogg", "rain/roof/d.wav", "loose.wav"]):
        write_tone(root / name, 300 + 100 * number)
    return root


def write_esc50(root: Path, suffix: str = ".wav") -> Path:
    """The official layout in small: 2 classes in 3 folds, the even ones marked as ESC-10."""
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for number in range(6):
        name = f"{number % 3 + 1}-{100 + number}-A-{number % 2}"
        category = ("dog", "door_knock")[number % 2]
        lines.append(f"{name}.wav,{number % 3 + 1},{number % 2},{category},{number % 2 == 0},{100 + number},A")
        write_tone(root / "audio" / (name + suffix), 300 + 50 * number)
    (root / "meta").mkdir(parents=True)
    (root / "meta/esc50.csv").write_text("\n".join(lines) + "\n")
    return root


def write_manifest(root: Path, rows: str, name: str = "list.csv") -> Path:
    write_folder(root)
    (root / name).write_text(rows)
    return root / name


CSV_ROWS = """path,label,caption,fold,split,source,licence
dog/a.wav,dog,"a dog, far away",1,train,r1,CC0
dog/b.flac,dog,,2.0,test,r1,CC0
loose.wav,,,,,,
"""


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
