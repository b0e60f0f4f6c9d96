"""From sections of a recipe to the objects they describe, and what these cost."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.config.networks import Cnn14Tower, HtsatTower, ScratchText, VitTower
from tinyclap.config.schema import DistillRecipe, PretrainRecipe
from tinyclap.config.teachers import AnyTeacher, ClapTeacher, SeveralTeachers, TaggerTeacher
from tinyclap.data import Dataset
from tinyclap.data.captions import Captions
from tinyclap.embeddings.zero_shot import prompts_for
from tinyclap.errors import TinyclapError
from tinyclap.hardware import traced_costs
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig
from tinyclap.models.vit.config import VitConfig
from tinyclap.strict_yaml.load import read_text
from tinyclap.teachers import load_onnx_teacher, load_tagger_teacher, load_teacher, untrained
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.teachers.class_names import AUDIOSET_CLASSES
from tinyclap.teachers.dual.towers import Head
from tinyclap.teachers.encoder import Encoder, Teacher
from tinyclap.teachers.joint import JointTeacher
from tinyclap.teachers.stored_embeddings import teacher_texts
from tinyclap.training.distillation_set import DistillationSet, distillation_set
from tinyclap.training.options import DistillOptions


def build_teacher(section: AnyTeacher | SeveralTeachers) -> Teacher:
    """The frozen teacher that a recipe names, or several as one; raises as the loader of its kind does."""
    if isinstance(section, tuple):
        each = [build_teacher(one.teacher) for one in section]
        return JointTeacher([one.head for one in section], each, [one.weight for one in section])
    if isinstance(section, ClapTeacher):
        return load_teacher(section.kind, section.source, original=section.parity == "original")
    return load_tagger_teacher(section) if isinstance(section, TaggerTeacher) else load_onnx_teacher(section)


def build_distillation_set(
    recipe: DistillRecipe, train: Dataset, teacher: Encoder, student: Student, device: str | torch.device = "cpu"
) -> DistillationSet:
    """Targets and inputs of a recipe's views; raises as `distillation_set` does.

    Args:
        recipe: says which views, and whether the student's inputs are kept.
        train: its training set.
        teacher, student: made by it.
        device: to run the teacher on.
    """
    keep, limits = recipe.training.keep_logmels, recipe.data.limits
    return distillation_set(train, teacher, student, recipe.views, keep_logmels=keep, device=device, **limits)


def anchor_texts(training: DistillOptions, teacher: Teacher) -> np.ndarray | None:
    """The teacher's embeddings of `training.texts` in its first prompt, float32 (N, D), or None where none are needed.

    Raises as `anchor_names` does.
    """
    if not training.text_weight:
        return None
    names = anchor_names(training)
    return teacher_texts(teacher, [text for texts in prompts_for(names, teacher.prompts[:1]) for text in texts])


def anchor_names(training: DistillOptions, key: str = "training.texts") -> tuple[str, ...]:
    """The texts of `training.texts`, which a recipe calls `key`.

    Raises:
        TinyclapError: there is no such file, or it holds fewer than two texts.
    """
    names = AUDIOSET_CLASSES
    if training.texts != "audioset":
        path = Path(training.texts).expanduser()
        if not path.is_file():
            raise TinyclapError(f"{key}: there is no file {path}; give audioset, or a file with a text a line")
        names = tuple(dict.fromkeys(line.strip() for line in read_text(path).splitlines() if line.strip()))
        if len(names) < 2:
            raise TinyclapError(f"{key}: {path} must hold two texts or more, a line each")
    return names


def new_teacher(recipe: PretrainRecipe, captions: Captions) -> TrainableTeacher:
    """The untrained teacher that a recipe describes."""
    texts = sorted({text for choices in captions.choices for text in choices})
    audio, text = recipe.audio, recipe.text
    assert audio is not None
    assert text is not None
    common: dict[str, Any] = {
        "embed_dim": recipe.embed_dim,
        "logit_scale": recipe.training.logit_scale_init,
        "name": recipe.name,
    }
    if isinstance(audio, HtsatTower):
        assert isinstance(text, ScratchText)
        return untrained.new_clap(
            texts,
            vocab_size=text.vocab_size,
            text_hidden_size=text.hidden_size,
            text_layers=text.layers,
            text_heads=text.heads,
            depths=audio.depths,
            heads=audio.num_attention_heads,
            patch_embeds_hidden_size=audio.patch_embeds_hidden_size,
            patch_size=audio.patch_size,
            dropout=audio.dropout,
            **common,
        )
    head = Head(text.head, text.head_dropout)
    if isinstance(text, ScratchText):
        sizes = text.model_dump(exclude={"kind", "head", "head_dropout"})
        tower = untrained.new_text(texts, recipe.embed_dim, **sizes, head=head)
    else:
        tower = untrained.pretrained_text(
            text.source,
            recipe.embed_dim,
            frozen=text.freeze,
            head=head,
            max_tokens=text.max_tokens,
            pooling=text.pooling,
        )
    window_s = recipe.views.longest_s
    encoder: StudentConfig | tuple[FrontendSpec, float | VitConfig, Head]
    if isinstance(audio, VitTower):
        encoder = (audio.frontend, audio.vit, Head(audio.head, audio.head_dropout))
    elif isinstance(audio, Cnn14Tower):
        encoder = (audio.frontend, audio.width, Head(audio.head, audio.head_dropout))
    else:
        encoder = audio.with_embedding(recipe.embed_dim, window_s)
    return untrained.new_dual(encoder, tower, window_s=window_s, prompts=recipe.templates[:1], **common)


def describe_student(student: Student) -> dict[str, Any]:
    """Size and cost of a student, for reports; MACs are those of one window."""
    config = student.config
    frames = config.frontend.n_frames(config.window_samples)
    parameters = traced_costs.n_parameters(student)
    return {
        "embed_dim": student.embed_dim,
        "window_s": config.window_s,
        "sample_rate": student.sample_rate,
        "parameters": parameters,
        "trunk_parameters": traced_costs.n_parameters(student.trunk),
        "size_bytes": 4 * sum(tensor.numel() for tensor in student.state_dict().values()),
        "macs": traced_costs.count_macs(student, student.encode, torch.zeros(1, 1, frames, config.frontend.n_mels)),
    }
