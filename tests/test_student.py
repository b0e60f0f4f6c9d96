"""The student: the reference's checkpoint and numbers, embeddings of any clip, folders that load back or refuse."""

import dataclasses
import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import safetensors.torch
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from torch import Tensor, nn

from tinyclap import files
from tinyclap.bundle import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.heads import HEADS, POOLINGS, LinearHead, pool
from tinyclap.phinet import PhiNetConfig
from tinyclap.student import REFERENCE, Student, StudentConfig, load_reference

GOLDEN = Path(__file__).parent / "golden"
MAKER = runpy.run_path(str(GOLDEN / "make_reference_student.py"))
EDGE = StudentConfig(phinet=PhiNetConfig(alpha=0.334, t0=5.0))
SMALL = StudentConfig(
    frontend=FrontendSpec(sample_rate=8_000, n_fft=256, win_length=256, hop_length=160, n_mels=32, f_max=4_000.0),
    phinet=PhiNetConfig(alpha=0.2),
    embed_dim=24,
    features=32,
    window_s=1.0,
)
WINDOW = SMALL.window_samples


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


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


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the reference's format: 156 tensors."""
    path = tmp_path_factory.mktemp("reference") / "student.ckpt"
    torch.save(MAKER["reference_state"](), path)
    return path


class TestReference:
    @pytest.mark.parametrize(
        ("alpha", "beta", "t0", "depth", "millions"),
        [
            (0.75, 0.75, 6, 7, 3.63),
            (1.5, 0.75, 4, 7, 4.20),
            (1.5, 0.75, 6, 7, 4.43),
            (1.5, 0.75, 6, 9, 6.03),
            (3.0, 0.75, 6, 7, 7.04),
        ],
    )
    def test_family_has_the_published_sizes(
        self, alpha: float, beta: float, t0: float, depth: int, millions: float
    ) -> None:
        phinet = PhiNetConfig(alpha, beta, t0, depth, compatibility=True)
        student = Student(dataclasses.replace(REFERENCE, phinet=phinet))
        assert parameters(student) / 1e6 == pytest.approx(millions, abs=0.005)

    def test_a_checkpoint_loads_and_computes_what_the_original_does(self, checkpoint: Path) -> None:
        student = load_reference(checkpoint)
        assert parameters(student) == 4_434_547
        assert len(student.state_dict()) == len(MAKER["reference_shapes"]()) == 156
        assert not student.training
        golden, logmel = np.load(GOLDEN / "reference_student.npz"), MAKER["logmel"]()
        with torch.no_grad():
            feature_map = student.trunk(student.norm(logmel.transpose(1, 3)).transpose(1, 3))
            embedding = student.head(student.features(logmel))
            unit = student.encode(logmel)[0].numpy()
        assert feature_map.shape == (1, 288, 22, 2)
        np.testing.assert_allclose(feature_map.mean((2, 3))[0].numpy(), golden["map_means"], rtol=0, atol=1e-4)
        np.testing.assert_allclose(embedding[0].numpy(), golden["embedding"], rtol=0, atol=1e-4)
        length = np.linalg.norm(golden["embedding"])
        np.testing.assert_allclose(unit, golden["embedding"] / length, rtol=0, atol=1e-6)

    def test_hears_five_seconds_at_the_reference_rate(self) -> None:
        assert REFERENCE.window_samples == 220_500
        assert REFERENCE.frontend.n_frames(220_500) == 690

    def test_its_top_band_is_deaf_and_ours_is_not(self, checkpoint: Path) -> None:
        def heard(student: Student, logmel: Tensor) -> Tensor:
            logmel.requires_grad_()
            student.features(logmel).square().sum().backward()
            assert logmel.grad is not None
            return logmel.grad.abs().sum((0, 1, 2))

        theirs = heard(load_reference(checkpoint), MAKER["logmel"]()[:, :, :96])
        assert float(theirs[63]) == 0.0
        torch.manual_seed(0)
        assert bool((heard(Student(EDGE), noise(2, 1, 96, 64)) > 0).all())

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda state: state.pop("base.bn0.bias"), "1 missing: base.bn0.bias"),
            (lambda state: state.update({"base.fc.weight": torch.zeros(1)}), "1 unknown: base.fc.weight"),
            (
                lambda state: state.update({"projection.layer_norm.bias": torch.zeros(512)}),
                r"1 of another shape: projection.layer_norm.bias \(512,\) instead of \(1024,\)",
            ),
        ],
        ids=["missing", "unknown", "shape"],
    )
    def test_a_checkpoint_that_does_not_fit_is_refused(self, tmp_path: Path, damage: Any, message: str) -> None:
        state = MAKER["reference_state"]()
        damage(state)
        torch.save(state, tmp_path / "student.ckpt")
        with pytest.raises(TinyclapError, match=message):
            load_reference(tmp_path / "student.ckpt")

    def test_other_files_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "student.ckpt"
        with pytest.raises(TinyclapError, match=r"student\.ckpt cannot be read as a PyTorch checkpoint"):
            load_reference(path)
        path.write_bytes(b"not a checkpoint")
        with pytest.raises(TinyclapError, match=r"student\.ckpt cannot be read as a PyTorch checkpoint"):
            load_reference(path)
        torch.save({"epoch": 3}, path)
        with pytest.raises(TinyclapError, match="holds no state dict of tensors"):
            load_reference(path)


class TestEmbedding:
    @pytest.mark.parametrize("pooling", POOLINGS)
    @pytest.mark.parametrize("head", HEADS)
    @pytest.mark.parametrize("features", [0, 16])
    @pytest.mark.parametrize("compatibility", [False, True])
    def test_every_variant_trains_all_its_weights(
        self, head: str, pooling: str, features: int, compatibility: bool
    ) -> None:
        torch.manual_seed(0)
        phinet = PhiNetConfig(alpha=0.2, compatibility=compatibility)
        config = dataclasses.replace(SMALL, head=head, pooling=pooling, features=features, phinet=phinet)
        student = Student(config)
        waveforms = noise(4, WINDOW)
        pooled = student.features(student.frontend(waveforms))
        assert pooled.shape == (4, config.pooled_features)
        embeddings = student(waveforms)
        assert embeddings.shape == (4, 24)
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))
        (embeddings * noise(4, 24)).sum().backward()
        dead = [name for name, p in student.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]
        assert dead == []

    def test_pooling_by_hand(self) -> None:
        feature_map = torch.arange(24.0).reshape(1, 2, 3, 4)
        assert torch.equal(pool(feature_map, "mean"), torch.tensor([[5.5, 17.5]]))
        assert torch.equal(pool(feature_map, "mean_max"), torch.tensor([[5.5 + 9.5, 17.5 + 21.5]]))
        assert torch.equal(pool(feature_map, "mels"), torch.tensor([[4.0, 5, 6, 7, 16, 17, 18, 19]]))

    def test_head_parameters_are_the_heads(self, student: Student) -> None:
        assert [tuple(p.shape) for p in student.head_parameters()] == [(24, 32), (24,)]

    def test_a_rotation_folds_into_the_linear_head(self) -> None:
        torch.manual_seed(0)
        head, x = LinearHead(16, 8).eval(), noise(5, 16)
        rotation = torch.linalg.qr(noise(8, 8))[0]
        folded = LinearHead(16, 8)
        with torch.no_grad():
            folded.weight.copy_(rotation @ head.weight)
            folded.bias.copy_(rotation @ head.bias)
            torch.testing.assert_close(folded(x), head(x) @ rotation.T)

    def test_autocast_gives_nearly_the_same_in_float32(self, student: Student) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            embeddings = student(noise(2, WINDOW))
        assert embeddings.dtype == torch.float32
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))
        assert float((embeddings * student(noise(2, WINDOW))).sum(1).min().detach()) > 0.99

    def test_a_silent_clip_has_an_embedding(self, student: Student) -> None:
        embedding = student.embed_audio(torch.zeros(1, WINDOW))
        assert float(embedding.norm()) == pytest.approx(1.0, abs=1e-6)

    def test_encode_can_be_exported_for_any_batch(self, student: Student) -> None:
        class Encoder(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.student = student

            def forward(self, logmel: Tensor) -> Tensor:
                return self.student.encode(logmel)

        batch = torch.export.Dim("batch", min=1, max=64)
        logmel = student.frontend(noise(2, WINDOW))
        program = torch.export.export(Encoder().eval(), (logmel,), dynamic_shapes=({0: batch},))
        others = student.frontend(noise(5, WINDOW, seed=1))
        torch.testing.assert_close(program.module()(others), student.encode(others), rtol=0, atol=1e-6)


class TestClips:
    def test_a_clip_does_not_depend_on_its_neighbours(self, student: Student) -> None:
        waveforms = noise(5, 3 * WINDOW)
        lengths = torch.tensor([3 * WINDOW, 1, WINDOW // 3, 2 * WINDOW + 7, WINDOW])
        together = student.embed_audio(waveforms, lengths)
        for index, length in enumerate(lengths.tolist()):
            alone = student.embed_audio(waveforms[index : index + 1, :length])
            torch.testing.assert_close(together[index : index + 1], alone, rtol=0, atol=1e-6)

    def test_long_clips_are_averaged_windows(self, student: Student) -> None:
        clip = noise(1, 2 * WINDOW + 100)
        pieces = torch.cat([clip[:, :WINDOW], clip[:, WINDOW : 2 * WINDOW], clip[:, -WINDOW:]])
        expected = nn.functional.normalize(student(pieces).mean(0, keepdim=True)).detach()
        torch.testing.assert_close(student.embed_audio(clip), expected, rtol=0, atol=1e-6)

    def test_short_clips_are_repeated(self, student: Student) -> None:
        clip = noise(1, 3_000)
        expected = student(clip.repeat(1, 3)[:, :WINDOW]).detach()
        torch.testing.assert_close(student.embed_audio(clip), expected, rtol=0, atol=1e-6)

    def test_what_lies_beyond_the_length_is_not_heard(self, student: Student) -> None:
        clip = noise(1, WINDOW)
        dirty = torch.cat([clip, torch.full((1, 500), float("nan"))], 1)
        assert torch.equal(student.embed_audio(dirty, torch.tensor([WINDOW])), student.embed_audio(clip))

    def test_the_same_clip_gives_the_same_bits(self, student: Student) -> None:
        clip = noise(1, 2 * WINDOW)
        assert torch.equal(student.embed_audio(clip), student.embed_audio(clip))

    def test_refuses_to_embed_while_training(self, student: Student) -> None:
        with pytest.raises(TinyclapError, match=r"call student\.eval\(\) first"):
            student.train().embed_audio(noise(1, WINDOW))

    @pytest.mark.parametrize("lengths", [[0], [WINDOW + 1], [WINDOW, WINDOW]])
    def test_refuses_lengths_that_do_not_fit(self, student: Student, lengths: list[int]) -> None:
        with pytest.raises(TinyclapError, match="length"):
            student.embed_audio(noise(1, WINDOW), torch.tensor(lengths))


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

    def test_the_reference_comes_back_too(self, checkpoint: Path, tmp_path: Path) -> None:
        load_reference(checkpoint).save_pretrained(tmp_path / "student")
        loaded = Student.from_pretrained(str(tmp_path / "student"))
        assert loaded.config == REFERENCE

    def test_without_a_card_there_is_a_minimal_one(self, student: Student, tmp_path: Path) -> None:
        student.save_pretrained(tmp_path / "student")
        card = (tmp_path / "student" / "README.md").read_text()
        assert f"{parameters(student):,} parameters" in card
        assert "Student.from_pretrained" in card

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
            (lambda c: c.update(head="mlp"), "student: head = 'mlp' is not allowed; it must be one of linear, "),
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
            (lambda w: w.update({"head.bias": torch.zeros(3)}), r"head\.bias \(3,\) instead of \(24,\)"),
            (lambda w: [w.pop(name) for name in list(w) if name.startswith("head.")], "2 missing: head"),
        ],
    )
    def test_weights_that_do_not_fit(self, folder: Path, change: Any, message: str) -> None:
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        change(weights)
        safetensors.torch.save_file(weights, folder / "model.safetensors")
        with pytest.raises(TinyclapError, match=f"do not fit this model .*{message}"):
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

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"head": "mlp"}, "head"),
            ({"pooling": "max"}, "pooling"),
            ({"embed_dim": 0}, "embed_dim"),
            ({"features": -1}, "features"),
            ({"dropout": 1.0}, "dropout"),
            ({"window_s": 0.01}, "window_s"),
            ({"window_s": "long"}, "window_s"),
        ],
    )
    def test_a_bad_shape(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(TinyclapError, match=f"student: {field} = .* is not allowed; it must be "):
            StudentConfig(**changes)


class TestHub:
    def test_loads_a_repository(self, student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        student.save_pretrained(tmp_path / "snapshot")
        asked: list[str] = []

        def snapshot(repo_id: str, allow_patterns: list[str]) -> str:
            asked.extend([repo_id, *sorted(allow_patterns)])
            return str(tmp_path / "snapshot")

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
        loaded = Student.from_pretrained("someone/student")
        assert asked == ["someone/student", "README.md", "config.json", "model.safetensors"]
        assert torch.equal(loaded(noise(1, WINDOW)), student(noise(1, WINDOW)))

    def test_no_network_is_one_message(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def offline(repo_id: str, allow_patterns: list[str]) -> str:
            raise LocalEntryNotFoundError("Cannot find the requested files.\nStack of details")

        monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
        with pytest.raises(
            TinyclapError, match=r"gives no such model \(Cannot find the requested files\.\).*local folder"
        ):
            Student.from_pretrained("someone/student")

    def test_an_impossible_id_is_one_message(self) -> None:
        with pytest.raises(TinyclapError, match="gives no such model"):
            Student.from_pretrained("runs/esc50-1/student")

    @pytest.mark.parametrize("source", ["./nowhere", "/no/where", "~/no/where", Path("nowhere")])
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
        Student.from_pretrained(tmp_path / "me/student")

    def test_a_refused_upload_is_one_message(self, student: Student, monkeypatch: pytest.MonkeyPatch) -> None:
        class Hub:
            def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
                raise ConnectionError("no route to the Hub")

        monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
        with pytest.raises(TinyclapError, match="cannot upload to me/student: no route to the Hub; log in with"):
            student.push_to_hub("me/student")
