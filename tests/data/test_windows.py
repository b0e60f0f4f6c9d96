"""What is known of decoded windows."""

import json
import tracemalloc
from dataclasses import asdict
from pathlib import Path

import pytest

from tinyclap.data.windows import Window, Windows


def test_of_many_windows_little_is_held(tmp_path: Path) -> None:
    """Names are read when they are asked for; a number is found in any order."""
    windows = [Window(f"clip \u00e4 {n}.wav", n // 3, 0.1 * n, 0.2, 0.9, 7 * n, 7, 1e-5) for n in range(5000)]
    path = tmp_path / "windows.jsonl"
    path.write_text("".join(json.dumps(asdict(window)) + "\n" for window in windows))
    tracemalloc.start()
    found = Windows(path)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 90 * len(windows)  # arrays grow by an eighth at a time
    assert list(found) == windows
    assert [found[at] for at in (4999, 0, -1, 17)] == [windows[at] for at in (4999, 0, -1, 17)]
    assert (len(found), found.n_samples, [*found.clips][:4]) == (5000, 35_000, [0, 0, 0, 1])
    assert [*found.durations_s] == [window.duration_s for window in windows]
    with pytest.raises(IndexError):
        found[5000]
