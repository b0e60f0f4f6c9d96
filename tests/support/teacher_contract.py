"""What every teacher promises, and what those that can be trained and saved promise besides."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tinyclap.teachers import load_teacher
from tinyclap.teachers.base import TrainableTeacher

CAPTIONS = ["a dog barking", "rain on a roof", "a siren in the distance", "someone knocks on a door"]
CARD = "---\nlicense: cc-by-4.0\n---\n# a teacher for tests\n"


class FrozenTeacherContract:
    """Inherited by each kind's tests, which say how to make one."""

    @classmethod
    def make(cls) -> Any:
        raise AssertionError("each kind makes its own")

    @pytest.fixture(scope="class")
    @classmethod
    def teacher(cls) -> Any:
        return cls.make()

    def clip(self, teacher: Any, seconds: float, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return 0.3 * torch.randn(1, round(seconds * teacher.sample_rate), generator=generator)

    def test_embeddings_are_unit_vectors_of_one_space(self, teacher: Any) -> None:
        audio, text = teacher.embed_audio(self.clip(teacher, 1.0)), teacher.embed_text(CAPTIONS)
        assert audio.shape == (1, teacher.embed_dim)
        assert text.shape == (len(CAPTIONS), teacher.embed_dim)
        torch.testing.assert_close(torch.cat([audio, text]).norm(dim=-1), torch.ones(5), atol=1e-5, rtol=0)

    def test_same_clip_same_vector_bit_for_bit(self, teacher: Any) -> None:
        long = self.clip(teacher, 2.5 * teacher.window_s)  # where others take a random crop
        torch.manual_seed(1)
        first = teacher.embed_audio(long)
        torch.manual_seed(2)
        assert torch.equal(first, teacher.embed_audio(long))

    def test_independent_of_batch_and_neighbours(self, teacher: Any) -> None:
        seconds = (0.4, teacher.window_s, 1.7 * teacher.window_s)
        clips = [self.clip(teacher, length, seed)[0] for seed, length in enumerate(seconds)]
        batch = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True, padding_value=9.9)
        together = teacher.embed_audio(batch, torch.tensor([len(clip) for clip in clips]))
        alone = torch.cat([teacher.embed_audio(clip[None]) for clip in clips])
        torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)

    def test_long_clip_is_the_average_of_its_windows(self, teacher: Any) -> None:
        clip = self.clip(teacher, 3.5 * teacher.window_s)
        size = teacher.window
        starts = [0, size, 2 * size, clip.shape[1] - size]
        windows = torch.cat([clip[:, start : start + size] for start in starts])
        levels = windows.std(1, correction=0, keepdim=True)
        expected = torch.nn.functional.normalize((levels * teacher.embed_audio(windows)).sum(0, keepdim=True), dim=-1)
        torch.testing.assert_close(teacher.embed_audio(clip), expected, atol=1e-6, rtol=0)

    def test_ten_minutes_are_heard_a_few_windows_at_a_time(self, teacher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a clip costs in memory beyond itself does not grow with its length."""
        sizes = []

        def listen(windows: torch.Tensor) -> torch.Tensor:
            sizes.append(tuple(windows.shape))
            return torch.nn.functional.normalize(windows[:, : teacher.embed_dim], dim=-1)

        monkeypatch.setattr(teacher, "encode_audio", listen)
        embedded = teacher.embed_audio(self.clip(teacher, 600.0))
        assert embedded.shape == (1, teacher.embed_dim)
        assert sum(count for count, _ in sizes) == math.ceil(600.0 / teacher.window_s)
        assert max(count for count, _ in sizes) <= 8
        assert {length for _, length in sizes} == {teacher.window}

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here to compare with")
    def test_a_gpu_agrees(self) -> None:
        teacher = self.make()
        clip = self.clip(teacher, 1.5 * teacher.window_s)
        audio, text = teacher.embed_audio(clip), teacher.embed_text(CAPTIONS)
        teacher.to("cuda")
        torch.testing.assert_close(teacher.embed_audio(clip.cuda()).cpu(), audio, atol=1e-3, rtol=0)
        torch.testing.assert_close(teacher.embed_text(CAPTIONS).cpu(), text, atol=1e-3, rtol=0)

    def test_what_a_text_student_learns_of_it_leads_to_its_texts(self, teacher: Any) -> None:
        target = teacher.text_target()
        learned = target.embed(CAPTIONS)
        assert learned.shape == (len(CAPTIONS), target.embed_dim)
        torch.testing.assert_close(learned.norm(dim=-1), torch.ones(len(CAPTIONS)), atol=1e-5, rtol=0)
        placed = learned if target.placement is None else target.placement(learned)
        torch.testing.assert_close(placed, teacher.embed_text(CAPTIONS), atol=1e-6, rtol=0)
        assert target.fingerprint == teacher.text_target().fingerprint

    def test_the_table_it_shows_is_that_of_its_tokens(self, teacher: Any) -> None:
        """With other rows for a text's tokens, that text alone becomes another one."""
        if teacher.text_target().table is None:
            return
        changed, texts = self.make().text_target(), ["dog", "zip"]
        backend = getattr(changed.tokenizer, "backend_tokenizer", changed.tokenizer)
        ids = [set(backend.encode(text, add_special_tokens=False).ids) for text in texts]
        assert max(max(own) for own in ids) < len(changed.table)
        assert not changed.table.requires_grad
        rows = sorted(ids[0] - ids[1])
        changed.table[rows] += torch.randn(len(rows), changed.table.shape[1])
        moved = (changed.embed(texts) - teacher.text_target().embed(texts)).abs().amax(dim=-1)
        assert moved[0] > 1e-4
        assert moved[1] < 1e-6

    def test_text_is_independent_of_its_neighbours(self, teacher: Any) -> None:
        alone = torch.cat([teacher.embed_text([caption]) for caption in CAPTIONS])
        torch.testing.assert_close(teacher.embed_text(CAPTIONS), alone, atol=1e-6, rtol=0)


class TeacherContract(FrozenTeacherContract):
    """Of teachers that can be trained and saved; their tests say under which kind one is loaded again too."""

    kind: str

    def test_fingerprint_follows_weights_and_nothing_else(self) -> None:
        teacher, other = self.make(), self.make()
        assert teacher.fingerprint == other.fingerprint
        with torch.no_grad():
            other.audio_parameters()[0].view(-1)[0] += 1e-3
        other._fingerprint = None
        assert teacher.fingerprint != other.fingerprint

    def test_saved_and_loaded_it_is_the_same(self, tmp_path: Path) -> None:
        teacher = self.make()
        with torch.no_grad():
            teacher.log_scale.add_(0.5)
        teacher.weights_changed()
        before = teacher.fingerprint
        teacher.save_pretrained(tmp_path / "saved", CARD)
        loaded = load_teacher(self.kind, str(tmp_path / "saved"))
        clip = self.clip(teacher, 1.3 * teacher.window_s)
        assert torch.equal(loaded.embed_audio(clip), teacher.embed_audio(clip))
        assert torch.equal(loaded.embed_text(CAPTIONS), teacher.embed_text(CAPTIONS))
        assert loaded.fingerprint == teacher.fingerprint == before
        assert loaded.logit_scale == pytest.approx(teacher.logit_scale)
        assert isinstance(loaded, TrainableTeacher)
        assert not any(parameter.requires_grad for parameter in loaded.parameters())
