"""The student: the reference's checkpoint and numbers, embeddings of any clip, folders that load back or refuse."""

import dataclasses
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.models.heads import HEADS, LinearHead, pool
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student import Student
from tinyclap.models.student_config import REFERENCE, Head, Pooling, StudentConfig
from tinyclap.pipelines.convert import load_reference

GOLDEN = Path(__file__).parents[1] / "golden"
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

    def test_the_reference_comes_back_too(self, checkpoint: Path, tmp_path: Path) -> None:
        load_reference(checkpoint).save_pretrained(tmp_path / "student")
        loaded = Student.from_pretrained(str(tmp_path / "student"))
        assert loaded.config == REFERENCE

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
                "1 of another shape: projection.layer_norm.bias: 1024 expected, 512 found",
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
        with pytest.raises(TinyclapError, match=r"student\.ckpt cannot be read"):
            load_reference(path)
        for content in (b"not a checkpoint", b"hi\n", b"", bytes(range(256))):
            path.write_bytes(content)
            with pytest.raises(
                TinyclapError, match=r"student\.ckpt (is no checkpoint of plain weights|cannot be read)"
            ):
                load_reference(path)
        torch.save({"epoch": 3}, path)
        with pytest.raises(TinyclapError, match="holds no state dict of tensors"):
            load_reference(path)


class TestEmbedding:
    @pytest.mark.parametrize("pooling", get_args(Pooling))
    @pytest.mark.parametrize("head", HEADS)
    @pytest.mark.parametrize("features", [0, 16])
    @pytest.mark.parametrize("compatibility", [False, True])
    def test_every_variant_trains_all_its_weights(
        self, head: Head, pooling: Pooling, features: int, compatibility: bool
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


class TestConfig:
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

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda clip: clip.index_fill(1, torch.tensor([70]), float("nan")), "waveform 0: NaN .* at sample 70"),
            (lambda clip: clip.index_fill(1, torch.tensor([70]), 3e37), r"waveform 0: a peak of 3e\+37"),
            (lambda clip: clip * 32767, "a peak of .*: divide int16 by 32768"),
            (lambda clip: (clip * 32767).short(), "waveforms of int16; expected floats .*: divide by 32768"),
            (lambda clip: (clip * 2**30).int(), "waveforms of int32; expected floats .*: divide by 2147483648"),
        ],
    )
    def test_what_is_no_sound_is_refused(
        self, student: Student, change: Callable[[Tensor], Tensor], message: str
    ) -> None:
        with pytest.raises(TinyclapError, match=message):
            student.embed_audio(change(noise(1, WINDOW)))

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
