"""All that is needed to build a student, and the published one's shape. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.checks import arguments, is_count, is_number, require
from tinyclap.models.phinet_config import PhiNetConfig, map_size

MAPPED = "mapped_projection"
HEADS = ("linear", "projection", MAPPED)
POOLINGS = ("mean", "mean_max", "mels")


@dataclass(frozen=True)
class StudentConfig:
    """A student's shape; its config.json.

    Attributes:
        frontend: of the log-mel spectrogram.
        phinet: shape of the trunk.
        head: "linear", a matrix and a bias; "projection", the paper's two layers; or "mapped_projection", a pruned one
            (see `heads`).
        embed_dim: size of the embedding: the teacher's, or fewer dimensions once it is pruned.
        features: width of the 1x1 convolution between trunk and pooling; 0 for none.
        pooling: "mean", "mean_max" or "mels", see `heads.pool`.
        dropout: in the head, while training.
        window_s: longer audio is embedded in windows of this length, shorter audio is repeated up to it.

    Raises:
        TinyclapError: naming the first bad field, its value and what is allowed.
    """

    frontend: FrontendSpec = field(default_factory=FrontendSpec)
    phinet: PhiNetConfig = field(default_factory=PhiNetConfig)
    head: str = "linear"
    embed_dim: int = 512
    features: int = 512
    pooling: str = "mean"
    dropout: float = 0.0
    window_s: float = 5.0

    def __post_init__(self) -> None:
        require(self, "student", "head", self.head in HEADS, f"one of {', '.join(HEADS)}")
        require(self, "student", "pooling", self.pooling in POOLINGS, f"one of {', '.join(POOLINGS)}")
        require(self, "student", "embed_dim", is_count(self.embed_dim), "a whole number above 0")
        require(self, "student", "features", is_count(self.features, 0), "a whole number; 0 for none")
        share = is_number(self.dropout) and 0 <= self.dropout < 1
        require(self, "student", "dropout", share, "at least 0 and below 1")
        shortest = self.frontend.shortest_s
        lasting = is_number(self.window_s) and self.window_s >= shortest
        require(self, "student", "window_s", lasting, f"at least {shortest:g} seconds")

    @property
    def window_samples(self) -> int:
        """Samples in one window of `window_s`."""
        return round(self.window_s * self.frontend.sample_rate)

    @property
    def pooled_features(self) -> int:
        """Width of the pooled vector that the head reads."""
        width = self.features or self.phinet.out_channels
        if self.pooling != "mels":
            return width
        rows = map_size(self.phinet, 2, self.frontend.n_mels)[1]
        strided = self.phinet.compatibility and self.features > 0
        return width * ((rows + 1) // 2 if strided else rows)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "StudentConfig":
        """The inverse of `dataclasses.asdict`; unknown and missing keys are a TinyclapError."""
        nested = {"frontend": FrontendSpec, "phinet": PhiNetConfig}
        own = arguments(values, cls, "the student")
        parts = {name: kind(**arguments(own[name], kind, name)) for name, kind in nested.items()}
        return cls(**{**own, **parts})


REFERENCE = StudentConfig(
    frontend=FrontendSpec(sample_rate=44_100, n_fft=1024, win_length=1024, f_max=14_000.0),
    phinet=PhiNetConfig(alpha=1.5, beta=0.75, t0=6.0, depth=7, compatibility=True),
    head="projection",
    embed_dim=1024,
    features=2048,
    dropout=0.5,
)
"""The published tinyCLAP student (arXiv 2311.14517): 4,434,547 parameters."""
