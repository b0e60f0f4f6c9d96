"""Saved models: what comes back, what is refused and with which words, the Hub."""

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import safetensors.torch
import torch
import yaml
from huggingface_hub.errors import LocalEntryNotFoundError
from torch import Tensor

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common import files
from tinyclap.errors import TinyclapError
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig

FRONTEND = FrontendSpec(sample_rate=8_000, n_fft=256, win_length=256, hop_length=160, n_mels=32, f_max=4_000.0)
SMALL = StudentConfig(FRONTEND, PhiNetConfig(alpha=0.2), embed_dim=24, features=32, window_s=1.0)
WINDOW = SMALL.window_samples


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.fixture
def student() -> Student:
    """A small student in evaluation mode whose running statistics have seen sound."""
    torch.manual_seed(0)
    student = Student(SMALL)
    with torch.no_grad():
        for seed in range(3):
            student(noise(8, WINDOW, seed=seed) * 10.0**seed)
    return student.eval()


class TestFolder:
    def test_comes_back_bit_for_bit(self, student: Student, tmp_path: Path) -> None:
        student.save_pretrained(tmp_path / "student", card="# My card\n")
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["student"]
        assert (tmp_path / "student" / "README.md").read_text() == "# My card\n"
        loaded = Student.from_pretrained(tmp_path / "student")
        assert not loaded.training
        assert loaded.config == student.config
        state = loaded.state_dict()
        assert state.keys() == student.state_dict().keys()
        assert all(torch.equal(value, state[name]) for name, value in student.state_dict().items())
        waveforms = noise(2, WINDOW)
        assert torch.equal(loaded(waveforms), student(waveforms))

    def test_without_a_card_there_is_a_minimal_one(self, student: Student, tmp_path: Path) -> None:
        student.save_pretrained(tmp_path / "student")
        card = (tmp_path / "student" / "README.md").read_text()
        assert f"{sum(p.numel() for p in student.parameters()):,} parameters" in card
        assert "Student.from_pretrained" in card
        assert yaml.safe_load(card.split("---\n")[1]) == {
            "library_name": "tinyclap",
            "pipeline_tag": "feature-extraction",
            "tags": ["audio", "clap"],
        }

    def test_overwrites_only_when_told(self, student: Student, tmp_path: Path) -> None:
        student.save_pretrained(tmp_path, card="first")
        with pytest.raises(TinyclapError, match="is not empty; name another folder, or pass overwrite=True"):
            student.save_pretrained(tmp_path, card="second")
        assert (tmp_path / "README.md").read_text() == "first"
        student.save_pretrained(tmp_path, card="second", overwrite=True)
        assert (tmp_path / "README.md").read_text() == "second"

    def test_never_replaces_a_folder_with_other_files(self, student: Student, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("years of work")
        with pytest.raises(TinyclapError, match=r"other files than a saved model's \(thesis.tex\)"):
            student.save_pretrained(tmp_path, overwrite=True)
        assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_full_disk_leaves_what_was_there(
        self, student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "student"
        student.save_pretrained(folder, card="first")

        def no_space(path: Path, content: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", no_space)
        with pytest.raises(TinyclapError, match=r"cannot save a model to .*: No space left on device"):
            student.save_pretrained(folder, card="second", overwrite=True)
        assert [entry.name for entry in tmp_path.iterdir()] == ["student"]
        assert (folder / "README.md").read_text() == "first"
        Student.from_pretrained(folder)

    def test_a_file_in_the_way(self, student: Student, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("")
        with pytest.raises(TinyclapError, match="it is a file; name a folder"):
            student.save_pretrained(tmp_path / "taken")
        with pytest.raises(TinyclapError, match="cannot save a model to"):
            student.save_pretrained(tmp_path / "taken" / "student")


class TestRefusals:
    @pytest.fixture
    def folder(self, student: Student, tmp_path: Path) -> Path:
        student.save_pretrained(tmp_path / "student")
        return tmp_path / "student"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda c: c.pop("format"), "holds no student: format is None"),
            (lambda c: c.update(format_version=2), "format_version is 2, this tinyclap reads 1; update tinyclap"),
            (lambda c: c.update(colour="red"), "keys of the student: unknown colour"),
            (lambda c: c.pop("pooling"), "keys of the student: missing pooling"),
            (lambda c: c["phinet"].update(gamma=1), "keys of phinet: unknown gamma"),
            (lambda c: c["frontend"].pop("f_max"), "keys of frontend: missing f_max"),
            (lambda c: c.update(frontend=16_000), "frontend is 16000, expected an object with the keys amin,"),
            (
                lambda c: c.update(head="mlp"),
                'student: head = \'mlp\' is not allowed; it must be "linear", "projection" or "mapped_projection"',
            ),
            (lambda c: c["phinet"].update(alpha=-1), "phinet: alpha = -1 is not allowed"),
        ],
    )
    def test_a_config_it_does_not_understand(self, folder: Path, change: Any, message: str) -> None:
        config = json.loads((folder / "config.json").read_text())
        change(config)
        files.write_json(folder / "config.json", config)
        with pytest.raises(TinyclapError, match=message) as caught:
            Student.from_pretrained(folder)
        assert str(folder) in str(caught.value)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda w: w.pop("head.bias"), "1 missing: head.bias"),
            (lambda w: w.update(extra=torch.zeros(1)), "1 unknown: extra"),
            (
                lambda w: w.update({"head.bias": torch.zeros(3)}),
                r"head\.bias: 24 expected, 3 found\); its configuration and its weights are of two",
            ),
            (lambda w: [w.pop(name) for name in list(w) if name.startswith("head.")], "2 missing: head"),
        ],
    )
    def test_weights_that_do_not_fit(self, folder: Path, change: Any, message: str) -> None:
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        change(weights)
        safetensors.torch.save_file(weights, folder / "model.safetensors")
        with pytest.raises(TinyclapError, match=f"do not fit this model .*{message}"):
            Student.from_pretrained(folder)

    @pytest.mark.parametrize("value", [float("nan"), float("-inf")])
    def test_weights_that_are_no_numbers(self, folder: Path, value: float) -> None:
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        weights["head.bias"][3] = value
        safetensors.torch.save_file(weights, folder / "model.safetensors")
        with pytest.raises(TinyclapError, match=r"1 of the weights in .* hold NaN or infinite numbers: head\.bias"):
            Student.from_pretrained(folder)

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
    def test_damaged_and_missing_files(self, folder: Path, name: str) -> None:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(TinyclapError, match=f"{name} is damaged .*; save or download the model again"):
            Student.from_pretrained(folder)
        (folder / name).unlink()
        with pytest.raises(TinyclapError, match=f"holds no saved model: {name} missing"):
            Student.from_pretrained(folder)

    def test_a_config_that_is_no_object(self, folder: Path) -> None:
        (folder / "config.json").write_text("[]")
        with pytest.raises(TinyclapError, match="is damaged"):
            Student.from_pretrained(folder)


class TestHub:
    def test_loads_a_repository(self, student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        student.save_pretrained(tmp_path / "snapshot")
        asked: list[str] = []

        def snapshot(repo_id: str, allow_patterns: list[str]) -> str:
            asked.extend([repo_id, *sorted(allow_patterns)])
            return str(tmp_path / "snapshot")

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
        loaded = Student.from_pretrained("someone/student")
        names = ["README.md", "config.json", "latent_map.safetensors", "model.safetensors", "tokenizer.json"]
        assert asked == ["someone/student", *names]
        assert torch.equal(loaded(noise(1, WINDOW)), student(noise(1, WINDOW)))

    def test_no_network_is_one_message(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def offline(repo_id: str, allow_patterns: list[str]) -> str:
            raise LocalEntryNotFoundError("Cannot find the requested files.\nStack of details")

        monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
        with pytest.raises(
            TinyclapError, match=r"gives no such model \(Cannot find the requested files\.\).*local folder"
        ):
            Student.from_pretrained("someone/student")

    @pytest.mark.parametrize(
        "source", ["./nowhere", "/no/where", "~/no/where", Path("nowhere"), "runs/esc50-1/student", "some where"]
    )
    def test_a_missing_folder_is_not_looked_up(self, source: str | Path) -> None:
        with pytest.raises(TinyclapError, match=r"no folder .*; give the folder of a saved model"):
            Student.from_pretrained(source)

    def test_uploads_what_it_would_save(
        self, student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Hub:
            def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
                assert (private, exist_ok) == (True, True)
                return f"https://hub/{repo_id}"

            def upload_folder(self, *, repo_id: str, folder_path: Path) -> None:
                shutil.copytree(folder_path, tmp_path / repo_id)

        monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
        assert student.push_to_hub("me/student", card="mine", private=True) == "https://hub/me/student"
        assert (tmp_path / "me/student/README.md").read_text() == "mine"
        loaded = Student.from_pretrained(tmp_path / "me/student")
        loaded.push_to_hub("you/student", private=True)
        assert (tmp_path / "you/student/README.md").read_text() == "mine", "a card goes with its model"

    def test_a_refused_upload_is_one_message(self, student: Student, monkeypatch: pytest.MonkeyPatch) -> None:
        class Hub:
            def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
                raise ConnectionError("no route to the Hub")

        monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
        with pytest.raises(TinyclapError, match="cannot upload to me/student: no route to the Hub; log in with"):
            student.push_to_hub("me/student")
