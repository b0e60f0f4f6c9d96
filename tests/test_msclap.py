"""Microsoft CLAP 2022: the same embeddings as msclap computes, and every other file refused."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tinyclap.errors import TinyclapError
from tinyclap.onnx_text import write_text_side
from tinyclap.teachers import load_teacher
from tinyclap.teachers.base import Teacher
from tinyclap.teachers.msclap import MSClap2022
from tinyclap.teachers.scratch import train_tokenizer

FOLDER = Path(__file__).parent / "golden"
MAKER = runpy.run_path(str(FOLDER / "make_msclap.py"))
GOLDEN = np.load(FOLDER / "msclap.npz")


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    state: dict[str, Tensor] = MAKER["msclap_state"]()
    return state


def checkpoint(folder: Path, weights: dict[str, Tensor], **others: Any) -> Path:
    """A file as Microsoft's training wrote it, with a tokenizer beside it."""
    train_tokenizer(["a dog barking", "rain falls"], 300).save_pretrained(folder)
    path = folder / "CLAP_weights_2022.pth"
    torch.save({"model": weights, **others}, path)
    return path


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, Tensor]) -> MSClap2022:
    """With what older versions of transformers wrote, and the optimiser's state beside."""
    old = {"caption_encoder.base.embeddings.position_ids": torch.arange(512)[None]}
    path = checkpoint(tmp_path_factory.mktemp("msclap"), weights | old, optimizer={"lr": np.float64(0.1)}, epoch=3)
    loaded = load_teacher("msclap", str(path))
    assert isinstance(loaded, MSClap2022)
    return loaded


def test_audio_is_what_the_original_computes(teacher: MSClap2022) -> None:
    waveform = MAKER["waveform"]()
    np.testing.assert_allclose(teacher.frontend(waveform)[0, 0, ::50], GOLDEN["logmel"], atol=1e-3)
    np.testing.assert_allclose(teacher.embed_audio(waveform), GOLDEN["audio"], atol=1e-5)


def test_text_is_what_the_original_computes(teacher: MSClap2022) -> None:
    tokens = torch.tensor(MAKER["TOKENS"])
    with torch.no_grad():
        embedded = teacher.encode_tokens(tokens, (tokens != 0).long())
    np.testing.assert_allclose(embedded, GOLDEN["text"], atol=1e-5)
    assert teacher.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)
    assert (teacher.sample_rate, teacher.window_s, teacher.embed_dim) == (44_100, 5.0, 1024)


def test_it_keeps_a_teachers_contract(teacher: Teacher) -> None:
    """Unit norm, the same vector again, none changed by its neighbours, short clips repeated, long ones averaged."""
    rng = np.random.default_rng(1)
    clips = torch.from_numpy(rng.uniform(-0.3, 0.3, (2, 250_000)).astype(np.float32))
    lengths = torch.tensor([250_000, 60_000])
    together = teacher.embed_audio(clips, lengths)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(2))
    alone = teacher.embed_audio(clips[1:, :60_000])
    torch.testing.assert_close(together[1:], alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(teacher.embed_audio(clips[1:, :60_000]), alone, atol=0, rtol=0)
    repeated = clips[1:, :60_000].repeat(1, 4)[:, :220_500]
    torch.testing.assert_close(teacher.embed_audio(repeated), alone, atol=1e-6, rtol=0)
    texts = teacher.embed_text(["rain", "a dog barking loudly"])
    torch.testing.assert_close(teacher.embed_text(["rain"]), texts[:1], atol=1e-6, rtol=0)
    with pytest.warns(UserWarning, match="a caption of .* tokens is cut to 100"):
        teacher.embed_text(["rain falls " * 80])


def test_the_checkpoints_own_filterbank_is_heard_through(weights: dict[str, Tensor], tmp_path: Path) -> None:
    name = "audio_encoder.base.logmel_extractor.melW"
    path = checkpoint(tmp_path, {**weights, name: 2 * weights[name]})
    louder, plain = load_teacher("msclap", str(path)), MAKER["waveform"]()
    np.testing.assert_allclose(louder.frontend(plain)[0, 0, ::50], GOLDEN["logmel"] + 10 * np.log10(2), atol=1e-3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"audio_encoder.base.fc1.bias": None}, r"1 missing \(e\.g\. audio\.fc1\.bias"),
        ({"audio_encoder.surprise": torch.zeros(1)}, r"1 unknown \(e\.g\. audio_encoder\.surprise"),
        ({"audio_encoder.base.htsat.norm.weight": torch.zeros(1)}, "is Microsoft CLAP 2023; so far its 2022 version"),
        ({"audio_encoder.base.logmel_extractor.melW": None}, "no checkpoint of Microsoft CLAP 2022: .*melW is missing"),
    ],
)
def test_other_weights_are_refused_by_name(
    weights: dict[str, Tensor], tmp_path: Path, change: dict[str, Tensor | None], told: str
) -> None:
    kept = {name: tensor for name, tensor in weights.items() if name not in change}
    changed = kept | {name: tensor for name, tensor in change.items() if tensor is not None}
    with pytest.raises(TinyclapError, match=told):
        load_teacher("msclap", str(checkpoint(tmp_path, changed)))


def test_the_published_file_is_named_where_the_hub_gives_none() -> None:
    with pytest.raises(TinyclapError, match=r"hf download microsoft/msclap CLAP_weights_2022\.pth"):
        load_teacher("msclap", "2022")


def test_its_text_side_is_exported(teacher: MSClap2022, tmp_path: Path) -> None:
    made = write_text_side(teacher, tmp_path, ["this is the sound of rain"])
    assert made.difference < 1e-5
    assert made.entry["max_tokens"] == 100
