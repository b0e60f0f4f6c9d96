"""A pair whose audio tower is a tiny transformer, and sounds of several lengths for it."""

import json
from dataclasses import asdict, replace

import torch
from torch import Tensor

from tests.training.test_pretrain import TEMPLATES
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.data.captions import Captions
from tinyclap.data.dataset import Clip
from tinyclap.data.decoded import decode
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.data.windows import Windows
from tinyclap.models.vit.config import VitConfig
from tinyclap.teachers import untrained
from tinyclap.teachers.dual.pair import DualTeacher
from tinyclap.teachers.dual.towers import Head
from tinyclap.teachers.dual.vit import VitTower
from tinyclap.training.contrastive.objectives import Heard
from tinyclap.training.options import CaptioningOptions, MaskedOptions, PretrainOptions

SPEC = FrontendSpec(sample_rate=8000, n_fft=256, win_length=256, hop_length=100, n_mels=16, f_max=4000)
VIT = VitConfig(patch_frames=8, patch_mels=8, width=16, layers=2, heads=2, hidden=24, span=4, global_every=2)
MASKED = MaskedOptions(prototypes=16, ema=0.9)
CAPTIONING = CaptioningOptions(layers=1, heads=2, width=16)
ALL = PretrainOptions(epochs=4, batch_size=8, lr=0.003, text_lr=0.003, ema=0.9, masked=MASKED, captioning=CAPTIONING)
SECONDS = (0.31, 0.9, 1.4, 0.05)
LABELS = ("church_bell", "dog_bark", "rain", "siren")


def vit_views(n_clips: int = 16, silent: int = 0) -> tuple[Views, Captions]:
    """Views as long as their clips, of several lengths."""
    sounds = Procedural(n_clips, duration_s=1.5, labels=list(LABELS))
    decoded = decode(sounds, 8000)
    # Decoded clips are one after the other in a file: shorter ones are beginnings.
    shorter = [
        replace(window, duration_s=SECONDS[number % 4], length=round(SECONDS[number % 4] * 8000))
        for number, window in enumerate(decoded.windows)
    ]
    path = decoded.folder / "shorter.jsonl"
    path.write_text("".join(json.dumps(asdict(window)) + "\n" for window in shorter))
    decoded.windows = Windows(path)
    clips = [
        Clip(clip.name, label=None if silent and number % silent == 1 else clip.label)
        for number, clip in enumerate(sounds.clips)
    ]
    captions = Captions(clips, TEMPLATES, some=bool(silent))
    return Views(decoded, ViewSpec(per_clip=1, duration_s=1.5, repeat=False, mix=0.3)), captions


def vit_teacher(dropout: float = 0.1) -> DualTeacher:
    """A pair of tiny transformers, always the same."""
    torch.manual_seed(0)
    texts = [template.format(label.replace("_", " ")) for label in LABELS for template in TEMPLATES]
    text = untrained.new_text(texts, 16, vocab_size=300, hidden_size=16, layers=1, heads=2, pooling="attention")
    shape = (SPEC, replace(VIT, dropout=dropout), Head())
    return untrained.new_dual(
        shape, text, embed_dim=16, window_s=1.5, prompts=TEMPLATES[:1], logit_scale=14.0, name="vit"
    )


def tower_of(teacher: DualTeacher) -> VitTower:
    assert isinstance(teacher.audio, VitTower)
    return teacher.audio


def clips() -> list[Tensor]:
    torch.manual_seed(3)
    return [0.1 * torch.randn(round(seconds * 8000)) for seconds in SECONDS]


def heard(teacher: DualTeacher) -> Heard:
    return Heard([0, 1, 2, 3], clips(), ["church bell", "a dog bark", "rain", "This is a sound of siren."], 0)
