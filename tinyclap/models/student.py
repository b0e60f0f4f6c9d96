"""The student: log-mel front end, PhiNet trunk, pooling and head make a unit-norm embedding in the teacher's space."""

import dataclasses
import functools
from pathlib import Path

import torch
from huggingface_hub import ModelCardData
from torch import Tensor, nn

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.embeddings.latent_map import LatentMap
from tinyclap.errors import TinyclapError
from tinyclap.models import hub
from tinyclap.models.heads import HEADS, MappedProjection, pool, unit_norm
from tinyclap.models.long_audio import embed_long, repeat_pad
from tinyclap.models.phinet import ACTIVATIONS, PhiNet
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student_config import MAPPED, StudentConfig

FORMAT, FORMAT_VERSION = "tinyclap-student", 1


class Student(nn.Module):
    """A small audio encoder: waveforms (B, T) in [-1, 1] at `sample_rate` to unit-norm embeddings (B, embed_dim).

    Args:
        config: its shape.
        latent_map: from the teacher's space to the student's, once it is pruned; None while they are the same.
    """

    def __init__(self, config: StudentConfig, latent_map: LatentMap | None = None) -> None:
        super().__init__()
        if latent_map is not None and latent_map.dim != config.embed_dim:
            raise TinyclapError(f"a latent map to {latent_map.dim} dimensions for a student of {config.embed_dim}")
        self.config = config
        self.latent_map = latent_map
        self.card: str | None = None
        self.embed_dim = config.embed_dim
        self.sample_rate = config.frontend.sample_rate
        self.frontend = LogMel(config.frontend)
        self.norm = nn.BatchNorm2d(config.frontend.n_mels)  # of every mel band over batch and time
        self.trunk = PhiNet(config.phinet)
        self.last_conv = _last_conv(config.phinet, config.features) if config.features else nn.Identity()
        self.head = _head(config, latent_map)
        # A quarter less CPU time per training step.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, logmel: Tensor) -> Tensor:
        """What the head reads: decibels (B, 1, frames, n_mels) to (B, config.pooled_features)."""
        normed = self.norm(logmel.transpose(1, 3)).transpose(1, 3)
        return pool(self.last_conv(self.trunk(normed)), self.config.pooling)

    def encode(self, logmel: Tensor) -> Tensor:
        """Decibels (B, 1, frames, n_mels) to unit-norm (B, embed_dim), float32."""
        return unit_norm(self.head(self.features(logmel)).float())

    def forward(self, waveforms: Tensor) -> Tensor:
        """Waveforms (B, T) to unit-norm (B, embed_dim), float32."""
        return self.encode(self.frontend(waveforms))

    @torch.no_grad()
    def embed_audio(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed clips of any length, as a teacher does (see `long_audio.embed_long`).

        Args:
            waveforms: float32 (B, T) in [-1, 1]; beyond `lengths` anything.
            lengths: int (B,), samples of each clip; None means T for all.

        Returns:
            Unit-norm (B, embed_dim).

        Raises:
            TinyclapError: in training mode, or shapes and lengths that do not fit.
        """
        if self.training:
            raise TinyclapError("Student.embed_audio works in evaluation mode only; call student.eval() first")
        window = self.config.window_samples
        pad = functools.partial(repeat_pad, length=window)
        waveforms = waveforms.to(self.frontend.window.device)
        return embed_long(waveforms, lengths, self, window=window, pad=pad)

    def save_pretrained(self, folder: str | Path, card: str | None = None, *, overwrite: bool = False) -> None:
        """Write config.json, model.safetensors and README.md, whole or not at all.

        Args:
            folder: new or empty; with `overwrite` it may hold a saved model.
            card: the model card; None writes the one it was loaded with, or else a minimal one.
            overwrite: replace the model in the folder.

        Raises:
            TinyclapError: the folder is taken or cannot be written.
        """
        config = {"format": FORMAT, "format_version": FORMAT_VERSION, **dataclasses.asdict(self.config)}
        text = card or self.card or _minimal_card(self)
        hub.save(Path(folder), config, self.state_dict(), text, self.latent_map, overwrite=overwrite)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> "Student":
        """Load a saved student in evaluation mode.

        Args:
            source: a local folder or the id of a Hugging Face repository.

        Raises:
            TinyclapError: nothing there, an unknown format or version, or weights that do not fit.
        """
        saved = hub.load(source)
        config, place = saved.configured(FORMAT, FORMAT_VERSION, "student"), saved.place
        try:
            student = cls(StudentConfig.from_dict(config), saved.latent_map)
        except TinyclapError as error:
            raise TinyclapError(f"{place}/config.json: {error}") from error
        hub.load_exact(student, saved.weights, place)
        student.card = saved.card
        return student.eval()

    def push_to_hub(self, repo_id: str, card: str | None = None, *, private: bool = False) -> str:
        """Upload to the Hugging Face Hub (created if need be) and return the address. Raises TinyclapError."""
        return hub.push(lambda folder: self.save_pretrained(folder, card), repo_id, private=private)


def _head(config: StudentConfig, latent_map: LatentMap | None) -> nn.Module:
    if config.head != MAPPED:
        return HEADS[config.head](config.pooled_features, config.embed_dim, config.dropout)
    if latent_map is None:
        raise TinyclapError(f"student: head = {MAPPED!r} needs a latent map, which is not there")
    return MappedProjection(config.pooled_features, latent_map.full_dim, config.embed_dim, config.dropout)


def _last_conv(config: PhiNetConfig, width: int) -> nn.Module:
    if config.compatibility:  # strided, with a bias, neither normalised nor activated
        return nn.Conv2d(config.out_channels, width, 1, stride=2)
    activation = ACTIVATIONS[str(config.activation)]()
    return nn.Sequential(nn.Conv2d(config.out_channels, width, 1, bias=False), nn.BatchNorm2d(width), activation)


def _minimal_card(student: Student) -> str:
    total = sum(parameter.numel() for parameter in student.parameters())
    matter = ModelCardData(library_name="tinyclap", pipeline_tag="feature-extraction", tags=["audio", "clap"])
    return f"""---
{matter.to_yaml()}
---
# A tinyclap student

An audio encoder of {total:,} parameters: {student.sample_rate} Hz mono audio to {student.embed_dim} dimensions.

```python
from tinyclap import Student

student = Student.from_pretrained("path/or/hub-id")
embeddings = student.embed_audio(waveforms)  # float32 (batch, samples) -> (batch, {student.embed_dim}), unit norm
```
"""
