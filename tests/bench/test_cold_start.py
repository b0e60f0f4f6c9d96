"""Fresh processes: whose memory and whose package they measure, and why one failed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tinyclap.bench import cold_start
from tinyclap.bench.cold_start import measure_cold_start
from tinyclap.bench.sources import find_models
from tinyclap.errors import MachineError


def test_a_fresh_process_does_not_count_its_parents_memory(made: Path) -> None:
    (model,) = find_models([made], int8=True)
    much = np.ones(400_000_000, np.uint8)
    fresh = measure_cold_start(model, provider=None, threads=1, batch=2)
    assert much.all()
    assert len(fresh) == 3
    assert all(0 < one.start_s < 60 for one in fresh)
    assert all(10_000_000 < (one.peak_rss_bytes or 0) < 300_000_000 for one in fresh)


@pytest.mark.usefixtures("one_start")
def test_a_fresh_process_is_of_this_tinyclap(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tinyclap").mkdir()
    (tmp_path / "tinyclap" / "__init__.py").write_text("raise ImportError('another tinyclap')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (model,) = find_models([made], int8=True)
    assert measure_cold_start(model, provider=None, threads=1, batch=1)[0].start_s > 0


@pytest.mark.usefixtures("one_start")
def test_the_peak_of_a_fast_process_is_not_lost(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "START", "import sys; sys.stdout.write('embedded\\n12345\\n')")
    (model,) = find_models([made], int8=True)
    assert measure_cold_start(model, provider=None, threads=1, batch=1)[0].peak_rss_bytes == 12345


def test_a_fresh_process_that_fails_says_why(made: Path, tmp_path: Path) -> None:
    gone = shutil.copytree(made, tmp_path / "bundle")
    (model,) = find_models([gone], int8=True)
    shutil.rmtree(gone)
    with pytest.raises(MachineError, match=r"a fresh process could not embed with it \(.*is not a bundle"):
        measure_cold_start(model, provider=None, threads=1, batch=1)
