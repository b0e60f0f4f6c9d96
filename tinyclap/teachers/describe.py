"""Name, licence, size and cost of a teacher, for reports."""

from typing import Any

import torch

from tinyclap.hardware import counting
from tinyclap.teachers.base import AudioTower, Teacher


def describe_teacher(teacher: Teacher) -> dict[str, Any]:
    """Name, licence, size and cost of a teacher, for reports."""
    return {"fingerprint": teacher.fingerprint, **describe_tower(teacher)}


def describe_tower(tower: AudioTower) -> dict[str, Any]:
    """Name, licence, size and cost of an audio tower; MACs are those of one window."""
    spec = tower.frontend.spec
    logmel = torch.zeros(1, 1, spec.n_frames(tower.window), spec.n_mels)
    return {
        "name": tower.name,
        "licence": tower.licence,
        "embed_dim": tower.embed_dim,
        "window_s": tower.window_s,
        "sample_rate": tower.sample_rate,
        "parameters": sum(parameter.numel() for parameter in tower.audio_parameters()),
        "macs": counting.count_macs(tower.cpu(), tower.encode_logmel, logmel),
    }
