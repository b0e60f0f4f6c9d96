"""A pair whose audio tower is a transformer over patches."""

from pathlib import Path

import pytest
import torch

from tests.support.teacher_contract import CAPTIONS, TeacherContract
from tests.teachers.test_teachers import SPEC, TEXT, make_dual
from tinyclap.exporters.onnx.tower import export_tower
from tinyclap.models.vit.config import VitConfig
from tinyclap.teachers import untrained
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.teachers.dual.towers import Head


class TestDualVit(TeacherContract):
    """A tower that hears clips at their own length, and attention over the words."""

    kind = "dual"

    @classmethod
    def make(cls) -> TrainableTeacher:
        torch.manual_seed(0)
        shape = VitConfig(patch_frames=8, patch_mels=8, width=32, layers=2, heads=2, hidden=48, span=4, global_every=2)
        return make_dual(
            (SPEC, shape, Head("projection")), untrained.new_text(CAPTIONS, 24, **TEXT, pooling="attention")
        )

    def test_a_short_clip_is_not_repeated(self, teacher: TrainableTeacher) -> None:
        clip = self.clip(teacher, 0.7)
        twice = torch.cat([clip, clip], dim=1)
        assert (teacher.embed_audio(clip) - teacher.embed_audio(twice)).abs().max() > 1e-4
        together = teacher.encode_clips([clip[0], twice[0]])
        alone = torch.cat([teacher.embed_audio(clip), teacher.embed_audio(twice)])
        torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)

    @pytest.mark.slow
    def test_its_tower_is_a_graph_of_any_length(self, teacher: TrainableTeacher, tmp_path: Path) -> None:
        """Compared with torch at several lengths, or nothing is written."""
        assert export_tower(teacher, tmp_path / "tower.onnx")["max_abs"] < 1e-5
