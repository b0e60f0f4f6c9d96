"""Name, licence, size and cost of a teacher, for reports."""

from typing import Any

from tinyclap.teachers.encoder import AudioModel, Encoder
from tinyclap.teachers.joint import JointTeacher


def describe_encoder(encoder: AudioModel) -> dict[str, Any]:
    """What an audio encoder is and costs; MACs are those of one window."""
    facts = ("name", "licence", "embed_dim", "window_s", "sample_rate")
    return {name: getattr(encoder, name) for name in facts} | encoder.costs()


def describe_teacher(teacher: Encoder) -> dict[str, Any]:
    """`describe_encoder` with the fingerprint, for a run's summary; of several teachers also each, by its head."""
    described: dict[str, Any] = {"fingerprint": teacher.fingerprint, **describe_encoder(teacher)}
    if isinstance(teacher, JointTeacher):
        pairs = zip(teacher.heads, teacher.teachers, strict=True)
        described["heads"] = {head.name: {"share": head.share, **describe_teacher(each)} for head, each in pairs}
    return described
