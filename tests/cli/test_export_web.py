"""`tinyclap export --web`: which options go with it, what it takes, and what it says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.tiny_bundles import tiny_bundle
from tinyclap.cli.app import app
from tinyclap.exporters.web.report import WebReport
from tinyclap.reports.console.targets.export_web import as_object, as_table

REPORT = WebReport(
    "tiny",
    "audio.onnx",
    3,
    True,
    False,
    "1.2.3",
    6_700_000,
    5_000_000,
    {"passed": True, "embedding": 3e-7, "resampled": 0.0, "text": 4e-7, "label": 0.0},
)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ort-web", "folder"], "--ort-web belongs to --web OUT"),
        (["--web", "out", "--text"], "--text is an option of bundles, not of --web"),
        (["--web", "out", "--labels", "dog, rain"], "--labels is an option of bundles, not of --web"),
        (["--web", "out", "--c", "other"], "--c and --web are two forms"),
        (["--web", "out", "--hop", "1"], "--hop belongs to --c OUT"),
    ],
)
def test_options_of_the_other_form_are_refused(options: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(tmp_path), *options])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())


def test_a_folder_that_is_no_source(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(tmp_path), "--web", str(tmp_path / "page")])
    assert "is neither a bundle" in str(done.exception)


def test_a_folder_that_is_no_runtime(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "bundle", input_kind="waveform")
    command = ["export", str(folder), "--web", str(tmp_path / "page"), "--ort-web", str(tmp_path)]
    assert "holds no package.json" in str(CliRunner().invoke(app, command).exception)
    assert not (tmp_path / "page").exists()


def test_what_it_says(tmp_path: Path) -> None:
    said = as_table(tmp_path / "my page", REPORT)
    assert "5.00 MB before the first answer and 6.70 MB in all" in said
    assert "at most 3.0e-07 on sounds, 4.0e-07 on texts" in said
    assert f"python3 -m http.server 8000 --directory '{tmp_path}/my page'" in said
    assert json.loads(as_object(tmp_path, REPORT))["transfer_bytes"] == 6_700_000
