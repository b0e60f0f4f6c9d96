"""Trainings with SLAP's objectives: killed they go on, each term falls, batches are of about one length."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.learned import learned
from tests.training.test_pretrain import TEMPLATES, make_teacher, make_views
from tests.training.tiny_vit import ALL, SECONDS, vit_teacher, vit_views
from tinyclap.data.captions import Captions
from tinyclap.data.dataset import Clip
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.teachers.dual.pair import DualTeacher
from tinyclap.teachers.dual.vit import VitTower
from tinyclap.training.options import PretrainOptions
from tinyclap.training.pretrain import pretrain

pytestmark = pytest.mark.filterwarnings("ignore:epoch .* sits at ln")  # trainings of seconds may not have begun to fall


def trained(views: Views, captions: Captions, options: PretrainOptions, run: Path) -> DualTeacher:
    run.mkdir(exist_ok=True)
    teacher = pretrain(vit_teacher(), views, captions, options, run, seed=3)
    assert isinstance(teacher, DualTeacher)
    return teacher


@pytest.mark.parametrize(
    ("options", "silent"),
    [
        (ALL, 0),
        (replace(ALL, loss="sigmoid", micro_batches=2, text_epochs=1), 3),
        (replace(ALL, masked=None, captioning=None), 0),
    ],
    ids=["all", "sigmoid, in parts, some without words", "contrast alone"],
)
def test_interrupted_it_ends_the_same(options: PretrainOptions, silent: int, tmp_path: Path) -> None:
    """Bit for bit: towers, and the metrics of every term."""
    views, captions = vit_views(silent=silent)
    expected = trained(views, captions, options, tmp_path / "whole")

    class Interrupted(Views):
        def waveform(self, index: int, k: int) -> np.ndarray:
            if k == 2:  # the third epoch
                raise KeyboardInterrupt
            return super().waveform(index, k)

    with pytest.raises(KeyboardInterrupt):
        trained(Interrupted(views.decoded, views.spec), captions, options, tmp_path / "broken")
    resumed = trained(views, captions, options, tmp_path / "broken")
    for mine, theirs in zip(resumed.state_dict().values(), expected.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    whole, broken = (learned(tmp_path / run) for run in ("whole", "broken"))
    assert whole == broken
    last = (torch.load(tmp_path / run / "checkpoints" / "last.pt", weights_only=True) for run in ("whole", "broken"))
    one, other = (state["objectives"] for state in last)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    terms = {name for name in ("contrastive", "masked", "captioning") if name in whole[0]}
    wanted = {"contrastive", *(["masked", "captioning"] if options.dense else [])}
    assert terms == wanted


def test_each_term_falls_where_it_alone_is_learned(tmp_path: Path) -> None:
    views, captions = vit_views(n_clips=32)
    brief = replace(ALL, epochs=12, ema=0.0)
    for name, options in {
        "contrastive": replace(brief, masked=None, captioning=None, text_epochs=20, lock_text=True),
        "masked": replace(brief, contrastive_weight=0.0, captioning=None),
        "captioning": replace(brief, contrastive_weight=0.0, masked=None),
    }.items():
        trained(views, captions, options, tmp_path / name)
        first, *_, last = learned(tmp_path / name)
        assert last[name] < first[name] - 0.1, name
        assert {"contrastive", "masked", "captioning"} & first.keys() == {name}


def test_clips_of_a_batch_are_of_about_the_same_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views, captions = vit_views(n_clips=32)
    seen: list[list[int]] = []
    usual = VitTower.patches

    def patches(tower: VitTower, clips: Sequence[Tensor]) -> object:
        seen.append([len(clip) for clip in clips])
        return usual(tower, clips)

    monkeypatch.setattr(VitTower, "patches", patches)
    trained(views, captions, replace(ALL, epochs=1), tmp_path)
    assert sorted(length for batch in seen for length in batch) == sorted([round(s * 8000) for s in SECONDS] * 8)
    assert all(len(set(batch)) == 1 for batch in seen)  # eight of each of four lengths


def test_what_a_tower_cannot_do_is_told(tmp_path: Path) -> None:
    views, captions = make_views(mix=0.0, n_clips=8)
    teacher = make_teacher(captions, "phinet")
    with pytest.raises(
        TinyclapError, match=r"training\.masked learns from the patches .* teacher phinet does not have"
    ):
        pretrain(teacher, views, captions, ALL, tmp_path)
    own_length = Views(views.decoded, replace(views.spec, repeat=False))
    with pytest.raises(TinyclapError, match=r"views\.repeat is false, but the audio tower of teacher phinet hears"):
        pretrain(teacher, own_length, captions, PretrainOptions(batch_size=8), tmp_path)


def test_clips_without_words_need_an_objective_without_words() -> None:
    silent = [Clip("a"), Clip("b", label="rain")]
    with pytest.raises(TinyclapError, match=r"1 have neither, e\.g\. a; .* with training\.masked"):
        Captions(silent, TEMPLATES)
    captions = Captions(silent, TEMPLATES, some=True)
    assert captions.known.tolist() == [False, True]
    assert captions.draw(0, 0, 0) == ""
    with pytest.raises(TinyclapError, match="none of the 1 clips has a label or a caption"):
        Captions(silent[:1], TEMPLATES, some=True)
