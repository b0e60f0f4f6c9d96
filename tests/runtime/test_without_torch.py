"""The commands of a device where no training package can be imported."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.sounds import PARITY, RATE
from tests.support.tiny_bundles import PROMPTS, TINY_LABELS, tiny_embed, tiny_text
from tinyclap.audio import files
from tinyclap.embeddings.zero_shot import class_matrix

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers", "tokenizers", "safetensors", "onnx"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def without_torch(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BLOCKED + code, *arguments], capture_output=True, text=True)


@pytest.fixture
def speech(clsp_root: Path) -> Path:
    return clsp_root / "00099.wav"


class TestWithoutTorch:
    def test_a_real_file_is_classified_the_same(self, folders: dict[str, Path], speech: Path) -> None:
        code = "from tinyclap.cli.app import main\nmain()"
        done = without_torch(code, "classify", str(speech), "--bundle", str(folders["full"]), "--csv")
        assert (done.returncode, done.stderr) == (0, "")
        cosines = class_matrix(tiny_text, TINY_LABELS, PROMPTS) @ tiny_embed([files.read(speech, RATE)])[0]
        rows = [line.split(",") for line in done.stdout.splitlines()[1:]]
        assert len(rows) == 3
        for file, _, label, cosine, *_ in rows:
            assert file == str(speech)
            assert abs(float(cosine) - cosines[TINY_LABELS.index(label)]) < PARITY

    def test_the_other_commands_work_too(self, folders: dict[str, Path], speech: Path, tmp_path: Path) -> None:
        code = "from tinyclap.cli.app import main\nmain()"
        bundle, out = str(folders["full"]), tmp_path / "emb.npy"
        assert without_torch(code, "embed", str(speech), "--bundle", bundle, "--out", str(out)).returncode == 0
        assert np.abs(np.load(out) - tiny_embed([files.read(speech, RATE)])).max() < PARITY
        for arguments, told in (
            (["selftest", bundle], "text.onnx: not tested; it needs"),
            (["info", bundle], "16 dimensions"),
            (["listen", "--bundle", bundle, "--file", str(speech), "--json"], '"predictions"'),
        ):
            done = without_torch(code, *arguments)
            assert (done.returncode, done.stderr) == (0, "")
            assert told in done.stdout

    def test_scores_and_captions(self, folders: dict[str, Path], speech: Path, tmp_path: Path) -> None:
        code = "from tinyclap.cli.app import main\nmain()"
        (tmp_path / "prompts.csv").write_text(f"file,prompt\n{speech.name},dog\n")
        (tmp_path / "captions.txt").write_text("dog\nrain\n")
        for arguments, told in (
            (["score", str(speech), "--prompts", str(tmp_path / "prompts.csv")], "CLAP score"),
            (["caption", str(speech), "--captions", str(tmp_path / "captions.txt")], "rain"),
        ):
            done = without_torch(code, *arguments, "--bundle", str(folders["bert"]))
            assert (done.returncode, done.stderr) == (0, "")
            assert told in done.stdout

    def test_the_text_side_names_its_extra(self, folders: dict[str, Path], speech: Path) -> None:
        code = "from tinyclap.cli.app import main\nmain()"
        done = without_torch(code, "classify", str(speech), "--bundle", str(folders["full"]), "--labels", "cow, siren")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == 'error: the package tokenizers is not installed; run: pip install "tinyclap[text]"\n'

    def test_a_text_side_of_berts_kind_needs_no_package(self, folders: dict[str, Path], speech: Path) -> None:
        code = "from tinyclap.cli.app import main\nmain()"
        bundle = str(folders["bert"])
        done = without_torch(code, "classify", str(speech), "--bundle", bundle, "--labels", "Cow, siren", "--csv")
        assert (done.returncode, done.stderr) == (0, "")
        cosines = class_matrix(tiny_text, ["cow", "siren"], PROMPTS) @ tiny_embed([files.read(speech, RATE)])[0]
        found = {row.split(",")[2]: float(row.split(",")[3]) for row in done.stdout.splitlines()[1:]}
        assert found == pytest.approx(dict(zip(("Cow", "siren"), cosines, strict=True)), abs=PARITY)
        done = without_torch(code, "selftest", bundle)
        assert (done.returncode, done.stderr) == (0, "")
        assert "text.onnx: passed" in done.stdout
