"""What can be evaluated, and what is said of data that cannot."""

from pathlib import Path
from typing import Any

import pytest

from tinyclap.config.evaluation_data import OtherData, other_data
from tinyclap.errors import TinyclapError
from tinyclap.pipelines.scoring import labelled_dataset
from tinyclap.reports.console.run import as_table
from tinyclap.runs.results import write_evaluation


def sounds(root: Path, *names: str) -> str:
    """Files that are listed and not heard; returns their folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return str(root)


def test_a_single_class_is_no_test(tmp_path: Path) -> None:
    root = sounds(tmp_path / "own", "rain/a.wav", "rain/b.wav", "siren/c.wav")
    assert labelled_dataset(other_data("folder", root).spec).labels == ["rain", "siren"]
    with pytest.raises(TinyclapError, match=r"labels=\['rain'\].* two or more classes, but all 2 clips are of 'rain'"):
        labelled_dataset(other_data("folder", root, settings=["labels=[rain]"]).spec)


def test_esc50_given_as_a_folder_is_recognised(tmp_path: Path) -> None:
    root = sounds(tmp_path / "ESC-50", "audio/1-1-A-0.wav", "audio/1-1-A-1.wav", "meta/esc50.csv")
    with pytest.raises(TinyclapError, match=r"of 'audio'; .*ESC-50 is ESC-50: give kind esc50 \(--data esc50\)"):
        labelled_dataset(other_data("folder", root).spec)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "esc51"}, r"^--data esc51: kind: got \"esc51\", allowed: .*\(did you mean 'esc50'\?\)$"),
        ({"kind": "esc50", "folds": "9"}, r"^--folds 9: folds\.0: got 9, allowed: a whole number >= 1 and <= 5$"),
        ({"kind": "esc50", "folds": ""}, r"^--folds : folds: got \[\], allowed: a list of one or more"),
        ({"kind": "manifest"}, "^--data manifest: path: missing, allowed: text; give it with --root FILE$"),
        ({"kind": "folder"}, "^--data folder: root: missing, allowed: text; give it with --root FOLDER$"),
        ({"kind": "folder", "root": "x", "settings": ["clips=9"]}, "^--set clips=9: clips: unknown key, allowed here"),
        ({"kind": "folder", "root": "x", "settings": ["labels=[unclosed"]}, r"^--set labels=\[unclosed: not YAML"),
        (
            {"kind": "folder", "root": "x", "settings": ["labels"]},
            "^--set labels: expected KEY=VALUE",
        ),
        ({"kind": "folder", "root": "x", "settings": ["max_bad_share=2"]}, "^--set max_bad_share=2: .*got 2, allowed"),
        ({"root": "x"}, r"say of which kind with --data KIND \(without it, --set takes max_bad_share and max_clip_s\)"),
    ],
)
def test_other_data_is_checked_as_a_recipe_is(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TinyclapError, match=message):
        other_data(**given)


def test_settings_are_read_as_in_recipes_and_may_be_limits() -> None:
    asked = other_data("manifest", "a.csv", "1,2", ["labels=[no, rain]", "max_bad_share=0.9"])
    assert (asked.spec.path, asked.spec.folds, asked.spec.labels) == ("a.csv", (1, 2), ("no", "rain"))
    assert asked.limits == {"max_bad_share": 0.9}
    assert other_data(settings=["max_clip_s=5"]) == OtherData(None, {"max_clip_s": 5.0})


def test_a_damaged_evaluation_is_named(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text("[1]")
    with pytest.raises(TinyclapError, match=r"evaluation\.json is damaged \(expected a list of objects\)"):
        write_evaluation(tmp_path, {"data": "x"}, None)
    with pytest.warns(UserWarning, match=r"evaluation\.json cannot be read \(0 is 1, expected an object\)"):
        as_table(tmp_path)
