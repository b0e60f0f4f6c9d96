"""Microsoft CLAP 2022 and 2023: the same embeddings as msclap computes, and every other file refused."""

import hashlib
import runpy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from tests.support.teacher_contract import TeacherContract
from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.text import write_text_side
from tinyclap.models.checkpoints import located
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.teachers.msclap import MSClap, load_msclap
from tinyclap.teachers.untrained import train_tokenizer

FOLDER = Path(__file__).parents[1] / "golden"
MAKER = runpy.run_path(str(FOLDER / "make_msclap.py"))
GOLDEN = np.load(FOLDER / "msclap.npz")
OLD = {
    "2022": {"caption_encoder.base.embeddings.position_ids": torch.arange(512)[None]},
    "2023": {
        "caption_encoder.base.h.0.attn.bias": torch.ones(1, 1, 1024, 1024, dtype=torch.bool),
        "caption_encoder.base.h.0.attn.masked_bias": torch.tensor(-1e4),
        "audio_encoder.base.htsat.layers.0.blocks.0.attn.relative_position_index": torch.zeros(64, 64),
    },
}
"""What older versions of transformers and float checkpoints hold besides."""


def state(version: str) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = MAKER["msclap_state"](version)
    return weights


def tokenizer(version: str) -> PreTrainedTokenizerFast:
    """A small one; with GPT-2's '!' at 0."""
    if version == "2022":
        return train_tokenizer(["a dog barking", "rain falls"], 300)
    words = ["!", "rain", "a", "dog", "barking", "loudly", "falls", "?", "<|endoftext|>"]
    core = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="?"))
    core.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="?", eos_token="<|endoftext|>")


def checkpoint(folder: Path, version: str, weights: dict[str, Tensor], **others: Any) -> Path:
    """A file as Microsoft's training wrote it, with a tokenizer beside it."""
    tokenizer(version).save_pretrained(folder)
    path = folder / f"CLAP_weights_{version}.pth"
    torch.save({"model": weights, **others}, path)
    return path


@pytest.fixture(scope="module", params=["2022", "2023"])
def teacher(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MSClap:
    folder, version = tmp_path_factory.mktemp("msclap"), request.param
    record = {"optimizer": {"lr": np.float64(0.1)}, "epoch": 3}
    loaded = load_msclap(str(checkpoint(folder, version, state(version) | OLD[version], **record)))
    assert isinstance(loaded, MSClap)
    assert loaded.version == version
    return loaded


def test_audio_is_what_the_original_computes(teacher: MSClap) -> None:
    waveform = MAKER["waveform"](teacher.version)
    assert waveform.shape[1] == teacher.window
    np.testing.assert_allclose(teacher.frontend(waveform)[0, 0, ::50], GOLDEN[f"logmel_{teacher.version}"], atol=1e-3)
    np.testing.assert_allclose(teacher.embed_audio(waveform), GOLDEN[f"audio_{teacher.version}"], atol=1e-5)


def test_text_is_what_the_original_computes(teacher: MSClap) -> None:
    tokens = torch.tensor(MAKER["TOKENS"])
    with torch.no_grad():
        embedded = teacher.encode_tokens(tokens, (tokens != 0).long())
    np.testing.assert_allclose(embedded, GOLDEN[f"text_{teacher.version}"], atol=1e-5)
    assert teacher.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)
    assert (teacher.sample_rate, teacher.embed_dim, teacher.licence) == (44_100, 1024, "ms-pl")


class OfMicrosoft(TeacherContract):
    kind, version = "msclap", ""

    @classmethod
    def make(cls) -> TrainableTeacher:
        with tempfile.TemporaryDirectory() as folder:
            return load_msclap(str(checkpoint(Path(folder), cls.version, state(cls.version))))


class TestContract2022(OfMicrosoft):
    version = "2022"


class TestContract2023(OfMicrosoft):
    version = "2023"


def test_short_clips_are_repeated_and_long_captions_cut(teacher: MSClap) -> None:
    short = torch.from_numpy(np.random.default_rng(1).uniform(-0.3, 0.3, (1, 60_000)).astype(np.float32))
    repeated = short.repeat(1, 6)[:, : teacher.window]
    torch.testing.assert_close(teacher.embed_audio(repeated), teacher.embed_audio(short), atol=1e-6, rtol=0)
    with pytest.warns(UserWarning, match=f"a caption of .* tokens is cut to {teacher.settings.max_tokens}"):
        teacher.embed_text(["rain falls " * 80])


def test_its_text_side_is_exported(teacher: MSClap, tmp_path: Path) -> None:
    """With the ending of its captions: the runtime's tokens are the teacher's."""
    made = write_text_side(teacher, tmp_path, ["this is the sound of rain", "rain falls"])
    assert made.difference < 1e-5
    assert made.entry["max_tokens"] == teacher.settings.max_tokens
    ours = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode("a dog barking").ids
    theirs = teacher.tokenizer([f"a dog barking{teacher.settings.ending}"])["input_ids"][0]
    assert ours == theirs


def test_the_checkpoints_own_filterbank_is_heard_through(tmp_path: Path) -> None:
    name, weights = "audio_encoder.base.logmel_extractor.melW", state("2022")
    path = checkpoint(tmp_path, "2022", {**weights, name: 2 * weights[name]})
    louder, plain = load_msclap(str(path)), MAKER["waveform"]("2022")
    np.testing.assert_allclose(louder.frontend(plain)[0, 0, ::50], GOLDEN["logmel_2022"] + 10 * np.log10(2), atol=1e-3)


@pytest.mark.parametrize(
    ("version", "change", "told"),
    [
        ("2022", {"audio_encoder.base.fc1.bias": None}, r"2022: 1 missing \(e\.g\. audio\.fc1\.bias"),
        ("2022", {"audio_encoder.surprise": torch.zeros(1)}, r"2022: 1 unknown \(e\.g\. audio_encoder\.surprise"),
        ("2023", {"caption_encoder.base.ln_f.bias": None}, r"2023: 1 missing \(e\.g\. text\.ln_f\.bias"),
        ("2023", {"audio_encoder.base.htsat.bn0.bias": None}, r"2023: 1 missing \(e\.g\. audio\.batch_norm\.bias"),
        ("2022", {"audio_encoder.base.logmel_extractor.melW": None}, "CLAP 2022: .*melW is missing"),
    ],
)
def test_other_weights_are_refused_by_name(
    tmp_path: Path, version: str, change: dict[str, Tensor | None], told: str
) -> None:
    kept = {name: tensor for name, tensor in state(version).items() if name not in change}
    changed = kept | {name: tensor for name, tensor in change.items() if tensor is not None}
    with pytest.raises(TinyclapError, match=told):
        load_msclap(str(checkpoint(tmp_path, version, changed)))


def test_a_tokenizer_that_is_not_gpt2s_is_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, "2023", state("2023"))
    tokenizer("2022").save_pretrained(tmp_path)
    with pytest.raises(TinyclapError, match="is not GPT-2's, whose '!' is 0"):
        load_msclap(str(path))


def test_a_download_that_is_not_the_published_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, when it arrives; from the cache it is taken as it lies there."""
    file = tmp_path / "CLAP_weights_2022.pth"
    file.write_bytes(b"something else")
    place = "tinyclap.models.checkpoints"
    monkeypatch.setattr(f"{place}.hf_hub_download", lambda *_: str(file))
    monkeypatch.setattr(f"{place}.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(TinyclapError, match="14 bytes instead of 2,333,972,488"):
        load_msclap("2022")
    digest = hashlib.sha256(b"something else").hexdigest()
    assert located("CLAP_weights_2022.pth", "microsoft/msclap", ".pth", size=14, sha256=digest[:8]) == file
    with pytest.raises(TinyclapError, match=r"sha256 .* instead of 00000000\.\.\.\); remove it"):
        located("CLAP_weights_2022.pth", "microsoft/msclap", ".pth", size=14, sha256="00000000")
    monkeypatch.setattr(f"{place}.try_to_load_from_cache", lambda *_: str(file))
    assert located("CLAP_weights_2022.pth", "microsoft/msclap", ".pth", size=15) == file


@pytest.mark.parametrize("version", ["2022", "2023"])
def test_the_published_file_is_named_where_the_hub_gives_none(version: str) -> None:
    with pytest.raises(TinyclapError, match=rf"hf download microsoft/msclap CLAP_weights_{version}\.pth"):
        load_msclap(version)
