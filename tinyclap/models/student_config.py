"""All that is needed to build a student, and the published one's shape."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.checks import arguments
from tinyclap.common.settings import Conflicts, Settings
from tinyclap.models.phinet_config import PhiNetConfig, map_size

MAPPED: Literal["mapped_projection"] = "mapped_projection"
Head = Literal["linear", "projection"]
AnyHead = Literal[Head, "mapped_projection"]
Pooling = Literal["mean", "mean_max", "mels"]


@dataclass(frozen=True)
class EncoderConfig(Settings):
    """Shape of an audio encoder, but for the size of its embedding.

    Attributes:
        frontend: of the log-mel spectrogram.
        phinet: shape of the trunk.
        head: "linear", a matrix and a bias; or "projection", the paper's two layers (see `heads`).
        features: width of the 1x1 convolution between trunk and pooling; 0 for none.
        pooling: "mean", "mean_max" or "mels", see `heads.pool`.
        dropout: in the head, while training.
    """

    place: ClassVar[str] = "student"

    frontend: FrontendSpec = field(default_factory=FrontendSpec)
    phinet: PhiNetConfig = field(default_factory=PhiNetConfig)
    head: Head = "linear"
    features: Annotated[int, Ge(0), Le(8192)] = 512
    pooling: Pooling = "mean"
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0

    def with_embedding(self, embed_dim: int, window_s: float) -> "StudentConfig":
        """The encoder with an embedding of `embed_dim` and windows of `window_s` seconds."""
        shape = {entry.name: getattr(self, entry.name) for entry in fields(EncoderConfig)}
        return StudentConfig(**shape, embed_dim=embed_dim, window_s=window_s)


@dataclass(frozen=True)
class StudentConfig(EncoderConfig):
    """A student's shape; its config.json.

    Attributes:
        head: also "mapped_projection", a pruned one.
        embed_dim: size of the embedding: the teacher's, or fewer dimensions once it is pruned.
        window_s: longer audio is embedded in windows of this length, shorter audio is repeated up to it.

    Raises:
        NotAllowedError: naming the first bad field, its value and what is allowed.
    """

    head: AnyHead = "linear"  # type: ignore[assignment]
    embed_dim: Annotated[int, Ge(1), Le(65_536)] = 512
    window_s: Annotated[float, Gt(0), Le(3600)] = 5.0

    def conflicts(self) -> Conflicts:
        """A window that the front end cannot transform."""
        if self.window_s < self.frontend.shortest_s:
            yield "window_s", f"at least {self.frontend.shortest_s:g} seconds"

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

    def key(self) -> dict[str, Any]:
        """What tells it from other students, JSON-ready."""
        return asdict(self) | {"frontend": self.frontend.key()}

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
