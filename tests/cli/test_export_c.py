"""`tinyclap export --c` and `--tflite`: which options go with it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tinyclap.cli.app import app


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--hop", "1"], "--hop belongs to --c OUT"),
        (["--static-for", "st"], "--static-for belongs to --static SECONDS"),
        (["--device", "esp32s3"], "--device belongs to --c OUT or --tflite OUT"),
        (["--tflite-input", "int16"], "--tflite-input belongs to --tflite OUT"),
        (["--tflite", "a.tflite", "--hop", "1"], "--hop belongs to --c OUT"),
        (["--tflite", "a.tflite", "--static", "5"], "--static is an option of bundles, not of --tflite"),
        (["--tflite", "a.tflite", "--c", "out"], "--c and --tflite are two forms"),
        (["--c", "out", "--text"], "--text is an option of bundles, not of --c"),
        (["--c", "out", "--out", "other"], "--out is an option of bundles, not of --c"),
    ],
)
def test_options_of_the_other_form_are_refused(options: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(tmp_path), *options])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())


def test_an_unknown_device_is_named_before_anything_is_loaded(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(tmp_path), "--c", "out", "--device", "nosuch"])
    assert str(done.exception).startswith("no device is called 'nosuch'; known: ")
