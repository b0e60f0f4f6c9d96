"""Saved text students: what comes back, and what is refused with which words."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import safetensors.torch
import torch
import yaml
from torch import Tensor

from tests.support.tiny_texts import CLASSES, TEXTS, placement, text_student
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common import files
from tinyclap.common.files import LFS_POINTER
from tinyclap.errors import TinyclapError
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.placement import Placement
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig
from tinyclap.models.text_student import TextStudent
from tinyclap.models.text_student_config import TextKind
from tinyclap.training.vocabulary import reduced_vocabulary

PLACEMENTS: dict[str, Placement | None] = {"none": None, "tags": placement(CLASSES), "names": placement(None)}


@pytest.mark.parametrize("placed", PLACEMENTS)
@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_it_comes_back_bit_for_bit(kind: TextKind, placed: str, tmp_path: Path) -> None:
    student = text_student(kind, PLACEMENTS[placed])
    student.save_pretrained(tmp_path / "words", card="# My card\n")
    held = sorted(path.name for path in (tmp_path / "words").iterdir())
    assert held == ["README.md", "config.json", "model.safetensors", "tokenizer.json"]
    loaded = TextStudent.from_pretrained(tmp_path / "words")
    assert not loaded.training
    assert loaded.config == student.config
    assert loaded.tokenizer.to_str() == student.tokenizer.to_str()
    assert loaded.card == "# My card\n"
    state = loaded.state_dict()
    assert state.keys() == student.state_dict().keys()
    assert ("placement.mean" in state, "placement.names" in state) == (placed != "none", placed == "tags")
    assert all(torch.equal(value, state[name]) for name, value in student.state_dict().items())
    assert torch.equal(loaded.embed_text(TEXTS[:9]), student.embed_text(TEXTS[:9]))
    loaded.save_pretrained(tmp_path / "again")
    for name in held:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "words" / name).read_bytes()


def test_without_a_card_there_is_a_minimal_one(tmp_path: Path) -> None:
    student = text_student(placed=placement())
    student.save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert f"{sum(p.numel() for p in student.parameters()):,} parameters" in card
    assert f"{student.config.vocabulary} word pieces" in card
    assert f"float32 (1, {CLASSES}), unit norm" in card
    assert "TextStudent.from_pretrained" in card
    assert yaml.safe_load(card.split("---\n")[1])["tags"] == ["text", "clap"]


def test_it_overwrites_only_when_told(tmp_path: Path) -> None:
    student = text_student()
    student.save_pretrained(tmp_path, card="first")
    with pytest.raises(TinyclapError, match="is not empty; name another folder, or pass overwrite=True"):
        student.save_pretrained(tmp_path, card="second")
    student.save_pretrained(tmp_path, card="second", overwrite=True)
    assert TextStudent.from_pretrained(tmp_path).card == "second"


def test_the_hub_is_given_and_asked_for_the_tokenizer_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = text_student()

    class Hub:
        def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
            return f"https://hub/{repo_id}"

        def upload_folder(self, *, repo_id: str, folder_path: Path) -> None:
            shutil.copytree(folder_path, tmp_path / repo_id)

    def snapshot(repo_id: str, allow_patterns: list[str]) -> str:
        (tmp_path / "fetched").mkdir()
        for name in set(allow_patterns) & {path.name for path in (tmp_path / repo_id).iterdir()}:
            shutil.copy(tmp_path / repo_id / name, tmp_path / "fetched")
        return str(tmp_path / "fetched")

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert student.push_to_hub("me/words") == "https://hub/me/words"
    loaded = TextStudent.from_pretrained("me/words")
    assert torch.equal(loaded.embed_text(TEXTS[:3]), student.embed_text(TEXTS[:3]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text_student(placed=placement()).save_pretrained(tmp_path / "words")
    return tmp_path / "words"


def refusal(folder: Path) -> str:
    with pytest.raises(TinyclapError) as caught:
        TextStudent.from_pretrained(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    assert message.count(str(folder)) == 1
    return message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("format"), "holds no text student: format is None in config.json, expected 'tinyclap-text-st"),
        (lambda c: c.update(format_version=2), "format_version is 2, this tinyclap reads 1; update tinyclap, or save"),
        (lambda c: c.update(colour="red"), "keys of the text student: unknown colour"),
        (lambda c: c.pop("heads"), "keys of the text student: missing heads"),
        (lambda c: c.update(heads=5), "text.student: heads = 5 is not allowed; it must be a divisor of dim = 16"),
        (lambda c: c.update(placement=[]), "placement is [], expected an object with the keys classes, temperature"),
        (lambda c: c["placement"].update(temperature=0), "placement: temperature = 0 is not allowed"),
        (lambda c: c.update(vocabulary=3000), " word pieces for a text student of 3000"),
        (lambda c: c.update(embed_dim=12), "head.weight: 12 x 16 expected, 10 x 16 found"),
        (lambda c: c["placement"].update(classes=9), "placement.names: 9 x 10 expected, 5 x 10 found"),
        (lambda c: c.update(placement=None), "2 unknown: placement.mean, placement.names"),
        (lambda c: c.update(kind="static"), "missing: trunk.log_weight.weight"),
    ],
)
def test_a_config_that_does_not_fit(folder: Path, change: Callable[[dict], Any], message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    files.write_json(folder / "config.json", config)
    assert message in refusal(folder)


def with_number(name: str, value: float) -> Callable[[dict[str, Tensor]], Any]:
    return lambda weights: weights[name].view(-1)[3:4].fill_(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("head.bias"), "1 missing: head.bias); its configuration and its weights are of two models"),
        (lambda w: w.update(extra=torch.zeros(1)), "1 unknown: extra"),
        (with_number("table.weight", torch.nan), "1 of the weights in "),
        (with_number("placement.names", torch.inf), "hold NaN or infinite numbers: placement.names"),
    ],
)
def test_weights_that_do_not_fit(folder: Path, change: Callable[[dict], Any], message: str) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    change(weights)
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    assert message in refusal(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "tokenizer.json is missing; copy the whole folder again"),
        (b"", "is no tokenizer.json ("),
        (b'{"version": "1.0"', "is no tokenizer.json ("),
        (b"[]", "is no tokenizer.json ("),
        (b"\xff\xfe\x00", "is no tokenizer.json ("),
        (LFS_POINTER + b"v1\noid sha256:0\nsize 12345\n", "git lfs pull"),
    ],
)
def test_a_damaged_tokenizer(folder: Path, content: bytes | None, message: str) -> None:
    path = folder / "tokenizer.json"
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert message in refusal(folder)
    path.write_bytes(whole[: len(whole) // 2])
    assert "is no tokenizer.json (" in refusal(folder)


def test_a_tokenizer_of_another_size(folder: Path) -> None:
    other = reduced_vocabulary(["only a few words"] * 5, 64)
    (folder / "tokenizer.json").write_text(other.to_str())
    pieces = json.loads((folder / "config.json").read_text())["vocabulary"]
    expected = f"a tokenizer of {other.get_vocab_size()} word pieces for a text student of {pieces}"
    assert expected in refusal(folder)


def test_a_tokenizer_with_numbers_that_no_row_has(folder: Path) -> None:
    described = json.loads((folder / "tokenizer.json").read_text())
    described["model"]["vocab"]["dog"] = 9999
    (folder / "tokenizer.json").write_text(json.dumps(described))
    assert " word pieces for a text student of " in refusal(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_damaged_and_missing_files(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    assert f"{name} is damaged" in refusal(folder)
    (folder / name).unlink()
    assert f"holds no saved model: {name} missing" in refusal(folder)


def test_sounds_and_texts_are_told_apart(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match="words holds no student: format is 'tinyclap-text-student'"):
        Student.from_pretrained(folder)
    frontend = FrontendSpec(sample_rate=8_000, n_fft=256, win_length=256, hop_length=160, n_mels=32, f_max=4_000.0)
    config = StudentConfig(frontend, PhiNetConfig(alpha=0.2), embed_dim=8, features=16, window_s=1.0)
    Student(config).eval().save_pretrained(tmp_path / "ears")
    with pytest.raises(TinyclapError, match="ears holds no text student: format is 'tinyclap-student'"):
        TextStudent.from_pretrained(tmp_path / "ears")


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(TinyclapError, match=r"no folder \./nowhere; give the folder of a saved model"):
        TextStudent.from_pretrained("./nowhere")
