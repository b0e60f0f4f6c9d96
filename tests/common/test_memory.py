"""What a process says of its own memory."""

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from tinyclap.common import machine

TOLD = "import numpy; {before}; from tinyclap.common.machine import peak_rss_bytes; print(peak_rss_bytes())"


def peak(before: str) -> int:
    """Of a process of its own that did this before."""
    return int(
        subprocess.run([sys.executable, "-c", TOLD.format(before=before)], capture_output=True, check=True).stdout
    )


def test_the_peak_is_its_own_and_outlives_what_was_held() -> None:
    much = np.ones(400_000_000, np.uint8)
    least, most = peak("pass"), peak("numpy.ones(200_000_000, numpy.uint8)")
    assert much.all()
    assert 5_000_000 < least < 200_000_000 < most < 400_000_000


@pytest.mark.parametrize(("platform", "expected"), [("linux", 5 * 1024), ("darwin", 5)])
def test_without_proc(monkeypatch: pytest.MonkeyPatch, platform: str, expected: int) -> None:
    told = ModuleType("resource")
    told.RUSAGE_SELF, told.getrusage = 0, lambda _: SimpleNamespace(ru_maxrss=5)  # type: ignore[attr-defined]
    monkeypatch.setattr(machine, "Path", lambda _: SimpleNamespace(is_file=lambda: False))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setitem(sys.modules, "resource", told)
    assert machine.peak_rss_bytes() == expected
    monkeypatch.setitem(sys.modules, "resource", None)
    assert machine.peak_rss_bytes() is None
