"""Name, licence, size and cost of a teacher, for reports."""

from typing import Any

from tinyclap.teachers.encoder import AudioModel, Encoder


def describe_encoder(encoder: AudioModel) -> dict[str, Any]:
    """What an audio encoder is and costs; MACs are those of one window."""
    facts = ("name", "licence", "embed_dim", "window_s", "sample_rate")
    return {name: getattr(encoder, name) for name in facts} | encoder.costs()


def describe_teacher(teacher: Encoder) -> dict[str, Any]:
    """`describe_encoder` with the fingerprint, for a run's summary."""
    return {"fingerprint": teacher.fingerprint, **describe_encoder(teacher)}
