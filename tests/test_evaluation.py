"""What can be evaluated, and what is said of data that cannot."""

from pathlib import Path

import pytest

from tinyclap.errors import TinyclapError
from tinyclap.evaluation import labelled_set, other_data


def sounds(root: Path, *names: str) -> str:
    """Files that are listed and not heard; returns their folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return str(root)


def test_a_single_class_is_no_test(tmp_path: Path) -> None:
    root = sounds(tmp_path / "own", "rain/a.wav", "rain/b.wav", "siren/c.wav")
    assert labelled_set(other_data("folder", root, None)).labels == ["rain", "siren"]
    with pytest.raises(TinyclapError, match=r"labels=\['rain'\].* two or more classes, but all 2 clips are of 'rain'"):
        labelled_set(other_data("folder", root, None, ["labels=[rain]"]))


def test_esc50_given_as_a_folder_is_recognised(tmp_path: Path) -> None:
    root = sounds(tmp_path / "ESC-50", "audio/1-1-A-0.wav", "audio/1-1-A-1.wav", "meta/esc50.csv")
    with pytest.raises(TinyclapError, match=r"of 'audio'; .*ESC-50 is ESC-50: give kind esc50 \(--data esc50\)"):
        labelled_set(other_data("folder", root, None))
