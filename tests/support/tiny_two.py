"""Two teachers small enough for tests, which hear at different rates and have prompts of their own."""

from pathlib import Path

import torch

from tests.support.tiny import small_recipe, tiny_clap
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student_config import StudentConfig
from tinyclap.teachers import untrained
from tinyclap.teachers.dual import DualTeacher
from tinyclap.teachers.hf import HFTeacher

CAPTIONS = ["a dog barking", "rain falls"]
SOUNDS, STYLE = "sounds", "style"


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
