"""Models small enough for tests, in the formats of real ones."""

from collections.abc import Sequence
from pathlib import Path

import soundfile
import torch

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student_config import StudentConfig
from tinyclap.teachers import untrained
from tinyclap.teachers.dual.pair import DualTeacher
from tinyclap.teachers.hf import HFTeacher

CAPTIONS = ["a dog barking", "rain falls"]
SOUNDS, STYLE = "sounds", "style"  # heads of two teachers
LABELS = "[church_bell, dog_bark, rain, siren]"


def small_recipe(teacher: Path | str) -> str:
    """A distillation of seconds, runs/small, from generated sounds.

    `amin` lies above float32's rounding of a pure tone, which a student of 48 steps amplifies beyond the parity gate.
    """
    return f"""
task: distill
name: small
teacher: {{kind: hf, source: {teacher}}}
data:
  train: {{kind: procedural, n_clips: 96, duration_s: 1.0, labels: {LABELS}}}
  test: {{kind: procedural, n_clips: 168, duration_s: 1.0, seed: 1, labels: {LABELS}}}
views: {{per_clip: 2, duration_s: 1.0}}
student:
  frontend: {{sample_rate: 8000, n_fft: 256, win_length: 256, hop_length: 160, n_mels: 24, f_max: 4000, amin: 1.0e-6}}
  phinet: {{alpha: 0.2}}
  features: 32
training: {{epochs: 2, batch_size: 4}}
evaluate: {{bootstrap: 200}}
"""


def tiny_clap(captions: Sequence[str], embed_dim: int) -> HFTeacher:
    """An untrained teacher in LAION's format, always the same."""
    torch.manual_seed(0)
    return untrained.new_clap(
        captions,
        embed_dim=embed_dim,
        vocab_size=300,
        text_hidden_size=32,
        text_layers=1,
        text_heads=2,
        depths=(1, 1),
        heads=(1, 2),
        patch_embeds_hidden_size=8,
        logit_scale=14.0,
        name="tiny",
    ).eval()


def write_labelled(root: Path) -> None:
    """Generated sounds of `LABELS` as files, a folder for each class."""
    clips = Procedural(84, seed=5, duration_s=1.0)
    for index in range(84):
        label = str(clips.clips[index].label)
        if label in LABELS:
            (root / label).mkdir(parents=True, exist_ok=True)
            soundfile.write(root / label / f"{index}.flac", clips.load(index, 16_000), 16_000)


def sounds_teacher() -> HFTeacher:
    """16 dimensions, 48 kHz."""
    return tiny_clap(CAPTIONS, embed_dim=16)


def style_teacher() -> DualTeacher:
    """12 dimensions, 16 kHz."""
    torch.manual_seed(3)
    text = untrained.new_text(CAPTIONS, 12, vocab_size=300, hidden_size=32, layers=1, heads=2)
    shape = StudentConfig(
        frontend=FrontendSpec(sample_rate=16_000),
        phinet=PhiNetConfig(alpha=0.2),
        features=32,
        embed_dim=12,
        window_s=1.0,
    )
    made = untrained.new_dual(
        shape, text, embed_dim=12, window_s=1.0, prompts=("hear {}",), logit_scale=10.0, name="style"
    )
    return made.eval()


def save_two(folder: Path) -> None:
    """Both in a folder, by the names of their heads."""
    sounds_teacher().save_pretrained(folder / SOUNDS, "---\nlicense: cc-by-4.0\n---\n# untrained\n")
    style_teacher().save_pretrained(folder / STYLE, "---\nlicense: mit\n---\n# untrained\n")


def two_teachers_recipe(folder: Path, weights: tuple[float, float] = (1.0, 3.0)) -> str:
    """`small_recipe` with both of `save_two` as its teachers."""
    one, other = weights
    listed = f"""teachers:
  - {{head: {SOUNDS}, weight: {one}, teacher: {{kind: hf, source: {folder / SOUNDS}}}}}
  - {{head: {STYLE}, weight: {other}, teacher: {{kind: dual, source: {folder / STYLE}}}}}
"""
    single = f"teacher: {{kind: hf, source: {folder}}}\n"
    return small_recipe(folder).replace(single, listed)
