"""`tinyclap pretrain` by SLAP's method: from files of many lengths to a teacher that a student learns from."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.commands import failure, run
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.teachers import load_teacher
from tinyclap.teachers.base import TrainableTeacher

LABELS = ["church_bell", "dog_bark", "rain", "siren"]
SECONDS = (0.3, 0.8, 1.5)
FRONTEND = "{sample_rate: 8000, n_fft: 256, win_length: 256, hop_length: 100, n_mels: 16, f_max: 4000}"
RECIPE = f"""
task: pretrain
name: own_length
data: {{train: {{kind: folder, root: sounds}}, test: null}}
views: {{duration_s: 2.0, repeat: false, mix: 0.0}}
audio:
  kind: vit
  frontend: {FRONTEND}
  vit: {{patch_frames: 8, patch_mels: 8, width: 16, layers: 2, heads: 2, hidden: 24, span: 4, global_every: 2}}
text: {{kind: scratch, vocab_size: 300, hidden_size: 16, layers: 1, heads: 2, pooling: attention}}
embed_dim: 16
training:
  epochs: 2
  batch_size: 4
  text_epochs: 2
  masked: {{prototypes: 8}}
  captioning: {{layers: 1, heads: 2, width: 16}}
"""
STUDENT = f"""
task: distill
name: small
teacher: {{kind: dual, source: runs/own_length/teacher}}
data: {{train: {{kind: folder, root: sounds}}, test: null}}
views: {{per_clip: 1, duration_s: 1.0}}
student: {{frontend: {FRONTEND}, phinet: {{alpha: 0.2}}, features: 16}}
training: {{epochs: 1, batch_size: 4}}
"""


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve labelled clips of three lengths, four without a label, and a click of 50 ms."""
    monkeypatch.chdir(tmp_path)
    made = Procedural(17, duration_s=1.5, labels=LABELS, seed=2)
    for number in range(17):
        label = str(made.clips[number].label) if number < 12 else ""
        seconds = SECONDS[number % 3] if number < 16 else 0.05
        path = tmp_path / "sounds" / label / f"{number}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, made.load(number, 8000)[: round(8000 * seconds)], 8000)
    return tmp_path / "sounds"


@pytest.mark.filterwarnings("ignore:epoch .* sits at ln")
def test_clips_of_all_lengths_make_a_teacher_that_students_learn_from(sounds: Path) -> None:
    Path("own.yaml").write_text(RECIPE)
    with pytest.warns(UserWarning, match=r"1 of 17 clips are shorter than one patch of 0\.1 s, e\.g\. 16\.flac"):
        said = run("pretrain", "own.yaml")
    assert "teacher.kind=dual teacher.source=runs/own_length/teacher" in said
    rows = [json.loads(row) for row in Path("runs/own_length/metrics.jsonl").read_text().splitlines()]
    for row in rows:
        terms = [row[name] for name in ("contrastive", "masked", "captioning")]
        assert np.dot(terms, [1.0, 1.0, 0.5]) == pytest.approx(row["loss"], abs=1e-5)
    page = Path("runs/own_length/report/report.html").read_text()
    assert all(name in page for name in ("contrastive", "masked", "captioning"))
    teacher = load_teacher("dual", "runs/own_length/teacher")
    assert isinstance(teacher, TrainableTeacher)
    assert teacher.any_length
    Path("student.yaml").write_text(STUDENT)
    run("distill", "student.yaml")
    learned = json.loads(Path("runs/small/summary.json").read_text())
    assert learned["teacher"]["fingerprint"] == teacher.fingerprint


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  masked: {prototypes: 8}", "  masked: null", "5 have neither, e.g."),
        ("kind: vit\n", "kind: cnn14\n", "views.repeat"),
        ("patch_mels: 8", "patch_mels: 5", "allowed: a divisor of n_mels = 16"),
        ("heads: 2, hidden", "heads: 3, hidden", "a multiple of 4 * heads = 12"),
        ("  epochs: 2", "  epochs: 2\n  contrastive_weight: 0\n  hard_negatives: 1\n  loss: sigmoid", "hard_negatives"),
    ],
    ids=["no words", "windows", "bands", "heads", "hard negatives"],
)
def test_what_does_not_fit_is_told_before_anything_is_made(sounds: Path, old: str, new: str, told: str) -> None:
    assert old in RECIPE
    changed = RECIPE.replace(old, new)
    if "cnn14" in new:
        changed = "\n".join(line for line in changed.splitlines() if not line.startswith("  vit:"))
    Path("own.yaml").write_text(changed)
    message, code = failure("pretrain", "own.yaml")
    assert code == 2
    assert told in message
    assert not Path("runs/own_length").exists()
