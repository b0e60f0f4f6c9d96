"""LAION's original checkpoints: the same embeddings as laion_clap computes, and every other file refused."""

import pickle
import runpy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.support.teacher_contract import TeacherContract
from tinyclap.errors import TinyclapError
from tinyclap.teachers import load_teacher
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.teachers.hf import HFTeacher
from tinyclap.teachers.laion import load_laion, read_checkpoint
from tinyclap.teachers.untrained import train_tokenizer

FOLDER = Path(__file__).parents[1] / "golden"
MAKER = runpy.run_path(str(FOLDER / "make_laion.py"))
GOLDEN = np.load(FOLDER / "laion.npz")


def checkpoint(folder: Path, weights: dict[str, Tensor], **others: Any) -> Path:
    """A file as LAION's training wrote it, with a tokenizer beside it."""
    train_tokenizer(["a dog barking", "rain falls"], 300).save_pretrained(folder)
    path = folder / "small.pt"
    named = {f"module.{name}": tensor for name, tensor in weights.items()}
    torch.save({"epoch": 3, "name": "small", "state_dict": named, **others}, path)
    return path


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> HFTeacher:
    """With what else old files hold: index tensors, the front end, the record of the training."""
    extra = {
        "text_branch.embeddings.position_ids": torch.arange(82)[None],
        "audio_branch.layers.0.blocks.0.attn.relative_position_index": torch.zeros(64, 64, dtype=torch.int64),
        "audio_branch.layers.0.blocks.1.attn_mask": torch.zeros(1, 64, 64),
        "audio_branch.logmel_extractor.melW": torch.zeros(513, 64),
        "audio_transform.sequential.0.weight": torch.zeros(32, 32),
    }
    record = {"optimizer": {"loss": np.float64(0.5)}, "scaler": {"scale": torch.ones(())}}
    path = checkpoint(tmp_path_factory.mktemp("laion"), MAKER["laion_state"]() | extra, **record)
    loaded = load_laion(str(path))
    assert isinstance(loaded, HFTeacher)
    return loaded


class TestContract(TeacherContract):
    """Kept by a converted checkpoint as by every other teacher; saved, it is one of kind `hf`."""

    kind = "hf"

    @classmethod
    def make(cls) -> TrainableTeacher:
        with tempfile.TemporaryDirectory() as folder:
            return load_laion(str(checkpoint(Path(folder), MAKER["laion_state"]())))


def test_audio_is_what_the_original_computes(teacher: HFTeacher) -> None:
    waveform = MAKER["waveform"]()
    logmel = teacher.frontend(waveform)[0, 0, ::50]
    np.testing.assert_allclose(logmel, GOLDEN["logmel"], atol=1e-3)
    embedded = teacher.embed_audio(waveform)
    np.testing.assert_allclose(embedded, GOLDEN["audio"], atol=1e-5)


def test_text_is_what_the_original_computes(teacher: HFTeacher) -> None:
    tokens = torch.tensor(MAKER["TOKENS"])
    features: Any = teacher.model.get_text_features(input_ids=tokens, attention_mask=(tokens != 1).long())
    np.testing.assert_allclose(F.normalize(features.pooler_output, dim=-1), GOLDEN["text"], atol=1e-5)
    assert teacher.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)


def test_a_converted_checkpoint_is_a_teacher_in_hugging_face_format(teacher: HFTeacher, tmp_path: Path) -> None:
    teacher.save_pretrained(tmp_path / "clap", "---\nlicense: cc0-1.0\n---\n")
    again = load_teacher("hf", str(tmp_path / "clap"))
    waveform = MAKER["waveform"]()
    torch.testing.assert_close(again.embed_audio(waveform), teacher.embed_audio(waveform), atol=1e-6, rtol=0)
    torch.testing.assert_close(again.embed_text(["rain"]), teacher.embed_text(["rain"]), atol=1e-6, rtol=0)
    assert again.licence == "cc0-1.0"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"audio_branch.layers.1.blocks.1.norm1.weight": None}, r"1 missing \(e.g. audio_model.*layernorm_before"),
        ({"audio_branch.surprise": torch.zeros(1)}, r"1 unknown \(e.g. audio_model.audio_encoder.surprise"),
        (
            {"audio_branch.bn0.weight": torch.zeros(3)},
            r"1 of another shape \(e.g. audio_model.audio_encoder.batch_norm",
        ),
        ({"audio_branch.patch_embed.mel_conv2d.weight": torch.zeros(1)}, "is a fused model; use an unfused one"),
        ({"audio_branch.patch_embed.proj.weight": None}, "only models of HTSAT and RoBERTa can be read"),
    ],
)
def test_other_weights_are_refused_by_name(tmp_path: Path, change: dict[str, Tensor | None], told: str) -> None:
    weights = {name: tensor for name, tensor in MAKER["laion_state"]().items() if name not in change}
    weights |= {name: tensor for name, tensor in change.items() if tensor is not None}
    with pytest.raises(TinyclapError, match=told):
        load_laion(str(checkpoint(tmp_path, weights)))


def test_other_files_are_refused_with_what_they_are(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path, MAKER["laion_state"]())
    cut = tmp_path / "cut.pt"
    cut.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(TinyclapError, match=r"cut\.pt cannot be read .*; download it again"):
        read_checkpoint(cut)
    code = tmp_path / "code.pt"
    code.write_bytes(pickle.dumps({"state_dict": Path("anything")}, protocol=2))
    with pytest.raises(TinyclapError, match="no checkpoint of plain weights, or holds code, which is not run"):
        read_checkpoint(code)
    torch.save({"base.bn0.weight": torch.zeros(3)}, tmp_path / "student.pt")
    with pytest.raises(
        TinyclapError, match=r"expected weights of audio_branch\.\* and text_branch\.\*, found base\.bn0"
    ):
        read_checkpoint(tmp_path / "student.pt")
    with pytest.raises(
        TinyclapError, match=r"there is no such file; give a \.pt file, or a name in lukewys/laion_clap"
    ):
        load_laion(str(tmp_path / "nowhere.pt"))
    with pytest.raises(
        TinyclapError, match=r"630k-best\.pt: neither a file nor in the Hugging Face cache.*hf download"
    ):
        load_laion("630k-best.pt")
