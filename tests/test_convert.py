"""Published checkpoints become folders that load like our own, and compute what the originals do."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import failure, run

from tinyclap.student import Student
from tinyclap.teachers import load_teacher
from tinyclap.teachers.scratch import train_tokenizer

FOLDER = Path(__file__).parent / "golden"
LAION = runpy.run_path(str(FOLDER / "make_laion.py"))
STUDENT = runpy.run_path(str(FOLDER / "make_reference_student.py"))
NAME = "phinet_alpha_1.50_beta_0.75_t0_6_N_7.ckpt"


def test_laions_checkpoint_becomes_a_teacher(tmp_path: Path) -> None:
    train_tokenizer(["a dog barking", "rain falls"], 300).save_pretrained(tmp_path)
    torch.save({"state_dict": LAION["laion_state"]()}, tmp_path / "small.pt")
    told = run("convert", str(tmp_path / "small.pt"), str(tmp_path / "clap"))
    assert f"teacher.kind=hf teacher.source={tmp_path / 'clap'}" in told
    teacher = load_teacher("hf", str(tmp_path / "clap"))
    embedded = teacher.embed_audio(LAION["waveform"]())
    np.testing.assert_allclose(embedded, np.load(FOLDER / "laion.npz")["audio"], atol=1e-5)
    assert teacher.licence == "cc0-1.0"
    assert (
        "exists already and is left as it is"
        in failure("convert", str(tmp_path / "small.pt"), str(tmp_path / "clap"))[0]
    )


def test_the_published_student_becomes_a_student(tmp_path: Path) -> None:
    torch.save(STUDENT["reference_state"](), tmp_path / NAME)
    told = run("convert", str(tmp_path / NAME), str(tmp_path / "student"))
    assert "4,434,547 parameters, 1024 dimensions" in told
    student = Student.from_pretrained(tmp_path / "student")
    golden = np.load(FOLDER / "reference_student.npz")["embedding"]
    with torch.no_grad():
        embedding = student.encode(STUDENT["logmel"]())[0].numpy()
    np.testing.assert_allclose(embedding, golden / np.linalg.norm(golden), atol=1e-5)


def test_other_sources_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = str(tmp_path / "out")
    assert "whose name tells its shape" in failure("convert", "model.bin", out)[0]
    assert "there is no such file" in failure("convert", f"nowhere/{NAME}", out)[0]
    told = failure("convert", NAME, out)[0]
    assert f"hf download fpaissan/tinyCLAP {NAME}" in told
    other = NAME.replace("N_7", "N_9")
    torch.save(STUDENT["reference_state"](), tmp_path / other)
    assert "do not fit this model" in failure("convert", str(tmp_path / other), out)[0]
    assert not Path(out).exists()
