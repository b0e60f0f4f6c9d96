"""`tinyclap pretrain` with `init`: a trained CLAP learns on, and is a teacher again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.commands import failure, run
from tests.support.tiny import LABELS
from tests.training.test_fine_tuning import small_clap
from tests.training.test_pretrain import make_teacher, make_views
from tinyclap.teachers import load_teacher
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.teachers.dual.pair import DualTeacher
from tinyclap.teachers.dual.towers import TextTower

CARD = "---\nlicense: cc-by-4.0\n---\n# a teacher for tests\n"


@pytest.fixture
def dual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainableTeacher:
    """A pair of small towers, in the folder `before` of a working folder."""
    monkeypatch.chdir(tmp_path)
    teacher = make_teacher(make_views()[1], "cnn14").eval()
    teacher.save_pretrained(tmp_path / "before", CARD)
    return teacher


def recipe(init: str, *more: str, duration_s: float = 1.0) -> str:
    sounds = f"{{kind: procedural, n_clips: 96, duration_s: 1.0, labels: {LABELS}"
    lines = [
        "task: pretrain",
        "name: tuned",
        f"init: {init}",
        f"data: {{train: {sounds}}}, test: {sounds}, seed: 1}}}}",
        f"views: {{duration_s: {duration_s}}}",
        "evaluate: {bootstrap: 200}",
        *more,
    ]
    Path("tuned.yaml").write_text("\n".join(lines))
    return "tuned.yaml"


def embedded(teacher: Any) -> torch.Tensor:
    """Of a sound and a text."""
    torch.manual_seed(1)
    sound = torch.randn(1, teacher.window)
    return torch.cat([teacher.embed_audio(sound), teacher.embed_text(["a siren"])])


def test_a_pair_learns_on_and_keeps_what_is_frozen(dual: TrainableTeacher) -> None:
    written = recipe(
        "{kind: dual, source: before, freeze: [text, head]}",
        "training: {epochs: 2, batch_size: 4, micro_batches: 2, lr: 0.001, head_lr: 0.001}",
    )
    said = run("pretrain", written)
    assert "next     tinyclap distill RECIPE teacher.kind=dual teacher.source=runs/tuned/teacher" in said
    tuned = load_teacher("dual", "runs/tuned/teacher")
    summary = json.loads(Path("runs/tuned/summary.json").read_text())
    assert summary["teacher"]["fingerprint"] == tuned.fingerprint != dual.fingerprint
    assert summary["init"]["fingerprint"] == dual.fingerprint
    assert 0 < summary["init"]["trained_share"] < 1
    assert 0 <= summary["init"]["accuracy"] <= 1
    before, after = embedded(dual), embedded(tuned)
    assert (before[0] - after[0]).abs().max() > 1e-4
    assert torch.equal(before[1], after[1])
    card = Path("runs/tuned/teacher/README.md").read_text()
    assert "fine-tuned from before (dual)" in card
    assert "before the fine-tuning" in card
    assert json.loads(run("evaluate", "--json"))["teacher"]["accuracy"] >= 0


def test_a_clap_model_learns_on_with_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("peft", reason='pip install "tinyclap[lora]"')
    monkeypatch.chdir(tmp_path)
    teacher = small_clap()
    teacher.save_pretrained(tmp_path / "clap", CARD)
    written = recipe(
        f"{{kind: hf, source: {tmp_path / 'clap'}, lora: {{rank: 2}}}}",
        "training: {epochs: 1, batch_size: 4, lr: 0.02, text_lr: 0.02}",
        duration_s=10.0,
    )
    assert "teacher.kind=hf teacher.source=runs/tuned/teacher" in run("pretrain", written)
    tuned = load_teacher("hf", "runs/tuned/teacher")
    assert isinstance(tuned, TrainableTeacher)
    assert list(tuned.state_dict()) == list(teacher.state_dict())
    assert tuned.licence == "cc-by-4.0"
    summary = json.loads(Path("runs/tuned/summary.json").read_text())
    assert summary["teacher"]["fingerprint"] == tuned.fingerprint != summary["init"]["fingerprint"]
    assert ((embedded(teacher) - embedded(tuned)).abs().amax(1) > 1e-4).all()


@pytest.mark.parametrize(
    ("init", "more", "told"),
    [
        ("{kind: dual, source: nowhere}", "", "no teacher in nowhere"),
        ("{kind: hf, source: before}", "", "use teacher.kind=dual"),
        (
            "{kind: dual, source: before}",
            "views: {duration_s: 0.5}",
            "hears windows of 1 s, but views.duration_s is 0.5",
        ),
        (
            "{kind: dual, source: before}",
            "training: {logit_scale_init: 5, logit_scale_max: 10}",
            "has a logit scale of 14",
        ),
    ],
)
def test_what_does_not_fit_is_one_message(dual: TrainableTeacher, init: str, more: str, told: str) -> None:
    written = Path(recipe(init))
    kept = [line for line in written.read_text().splitlines() if not more or line.split(":")[0] != more.split(":")[0]]
    written.write_text("\n".join([*kept, more]))
    message, code = failure("pretrain", str(written))
    assert code == 2
    assert told in message
    assert "\n" not in message
    assert not Path("runs/tuned").exists()


def test_a_sentence_encoder_that_was_frozen_stays_so(dual: TrainableTeacher) -> None:
    assert isinstance(dual, DualTeacher)
    dual.text = TextTower(dual.text.encoder, dual.text.tokenizer, dual.embed_dim, frozen=True)
    dual.save_pretrained(Path("frozen"), CARD)
    written = recipe("{kind: dual, source: frozen, lora: {towers: [text]}}")
    assert "leave text out of init.lora.towers" in failure("pretrain", written)[0]
