"""tinyclap's own wheel: of a checkout and of an installed wheel the same, and pip installs it."""

import sys
import venv
import zipfile
from dataclasses import replace
from email import message_from_string
from importlib import metadata
from pathlib import Path

import pytest

from tests.support.commands import run_program
from tinyclap.common.install import extra_line, install_line
from tinyclap.common.requirements import installed
from tinyclap.errors import TinyclapError
from tinyclap.exporters import own_wheel
from tinyclap.exporters.options import ExportOptions
from tinyclap.exporters.own_wheel import WHEEL, write_wheel
from tinyclap.exporters.write_bundle import Exporter
from tinyclap.reports.console.export import as_table
from tinyclap.runtime.bundle_contents import read_manifest
from tinyclap.version import __version__

REPOSITORY = Path(__file__).parents[2]


def fresh_python(folder: Path) -> Path:
    """Of a new environment that borrows this one's packages, after its own."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    return folder / "bin" / "python"


def test_it_holds_the_package_its_recipes_and_what_pip_asks_for(tmp_path: Path) -> None:
    path = write_wheel(tmp_path)
    assert path.name == f"tinyclap-{__version__}-py3-none-any.whl"
    about = f"tinyclap-{__version__}.dist-info"
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        record = archive.read(f"{about}/RECORD").decode()
        said = message_from_string(archive.read(f"{about}/METADATA").decode())
    modules = {
        f"tinyclap/{p.relative_to(REPOSITORY / 'tinyclap').as_posix()}" for p in REPOSITORY.glob("tinyclap/**/*.py")
    }
    recipes = {f"tinyclap/recipes/{p.name}" for p in REPOSITORY.glob("recipes/*")}
    assets = {
        "tinyclap/assets/bundles/everyday/audio_int8.onnx",
        "tinyclap/assets/bundles/everyday/float/audio.onnx",
        "tinyclap/assets/bundles/everyday/text.onnx",
        "tinyclap/reports/templates/report.md.j2",
        "tinyclap/py.typed",
    }
    assert modules | recipes | assets <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert {line.split(",")[0] for line in record.splitlines()} == names
    assert said["Version"] == __version__
    assert said.get_all("Requires-Dist") == installed().requires
    assert {f"{about}/entry_points.txt", f"{about}/WHEEL", f"{about}/licenses/LICENSE"} <= names
    first = path.read_bytes()
    assert write_wheel(tmp_path).read_bytes() == first, "the same files make the same wheel"


def test_what_is_installed_must_be_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_wheel, "__version__", "9.9.9")
    with pytest.raises(
        TinyclapError, match=r"what runs is tinyclap 9\.9\.9, .* install it again, from its folder: pip"
    ):
        write_wheel(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_installation_without_its_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metadata.PathDistribution,
        "read_text",
        lambda self, name: f"Version: {__version__}\n" if name == "METADATA" else None,
    )
    with pytest.raises(TinyclapError, match=r"the installed tinyclap lacks entry_points\.txt; install it again"):
        write_wheel(tmp_path)


def test_a_bundle_brings_it_and_its_readme_installs_it(quick: Exporter, tmp_path: Path) -> None:
    manifest = replace(quick, options=ExportOptions(wheel=True)).write(tmp_path / "with")
    assert f"wheel    {WHEEL}\n" in as_table(tmp_path / "with", manifest)
    assert (tmp_path / "with" / WHEEL).stat().st_size == read_manifest(tmp_path / "with").files[WHEEL]["size_bytes"]
    assert f'\npip install "./{WHEEL}"\n' in (tmp_path / "with" / "README.md").read_text()
    (tmp_path / "with" / WHEEL).unlink()
    assert read_manifest(tmp_path / "with").name == "tiny", "once it is installed, it may be removed"
    replace(quick, options=ExportOptions()).write(tmp_path / "without")
    line = 'pip install "path/to/tinyclap"  # the folder or wheel of tinyclap; no package index has it'
    assert line in (tmp_path / "without" / "README.md").read_text()


@pytest.mark.slow
def test_pip_installs_it_and_what_it_installs_makes_the_same_wheel(tmp_path: Path) -> None:
    pytest.importorskip("pip", reason="python -m ensurepip")
    wheel = write_wheel(tmp_path)
    python = fresh_python(tmp_path / "venv")
    line = install_line("text", wheel=wheel.name).removeprefix("pip install ").strip('"')
    run_program(python, "-m", "pip", "install", "--no-deps", "--ignore-installed", line, cwd=tmp_path)
    assert run_program(tmp_path / "venv/bin/tinyclap", "--version", cwd=tmp_path).split()[-1] == __version__
    place = run_program(python, "-c", "import tinyclap; print(tinyclap.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(tmp_path / "venv")
    assert "quickstart: OK" in run_program(
        tmp_path / "venv/bin/tinyclap", "recipes", "check", "quickstart", cwd=tmp_path
    )
    (tmp_path / "again").mkdir()
    script = (
        "from pathlib import Path; from tinyclap.exporters.own_wheel import write_wheel; write_wheel(Path('again'))"
    )
    run_program(python, "-c", script, cwd=tmp_path)
    assert (tmp_path / "again" / wheel.name).read_bytes() == wheel.read_bytes()
    told = run_program(
        python, "-m", "pip", "install", extra_line("text").removeprefix("pip install ").strip('"'), cwd=tmp_path
    )
    assert "Requirement already satisfied: tinyclap[text]" in told, "an extra is added without an index for tinyclap"
