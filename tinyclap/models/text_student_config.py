"""All that is needed to build a text student."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from tinyclap.common.checks import arguments
from tinyclap.common.settings import Conflicts, Settings

TextKind = Literal["static", "transformer"]


@dataclass(frozen=True)
class TextEncoderConfig(Settings):
    """Shape of a text student, but for what its teacher and its captions decide.

    Attributes:
        kind: "static", a weighted mean of the word pieces' vectors, which knows no order; or "transformer".
        vocabulary: word pieces, at most.
        table_dim: numbers that are kept of each word piece.
        dim: width of the layers.
        layers: of a transformer, or hidden ones behind a static student's mean.
        heads: of attention.
        max_tokens: longer texts are cut.
    """

    place: ClassVar[str] = "text.student"

    kind: TextKind = "transformer"
    vocabulary: Annotated[int, Ge(64), Le(65_536)] = 8000
    table_dim: Annotated[int, Ge(1), Le(4096)] = 128
    dim: Annotated[int, Ge(1), Le(4096)] = 128
    layers: Annotated[int, Ge(0), Le(24)] = 2
    heads: Annotated[int, Ge(1), Le(64)] = 4
    max_tokens: Annotated[int, Ge(4), Le(512)] = 48

    def conflicts(self) -> Conflicts:
        """Heads that do not share the width evenly; a transformer without layers."""
        if self.kind == "transformer" and self.dim % self.heads:
            yield "heads", f"a divisor of dim = {self.dim}"
        if self.kind == "transformer" and not self.layers:
            yield "layers", "at least 1 in a transformer"

    def of_teacher(
        self, vocabulary: int, embed_dim: int, placement: "PlacementConfig | None", teacher: str
    ) -> "TextStudentConfig":
        """The student of so many word pieces and of what a teacher decides, as `TextStudentConfig` says."""
        shape = {entry.name: getattr(self, entry.name) for entry in fields(TextEncoderConfig)}
        shape["vocabulary"] = vocabulary
        return TextStudentConfig(**shape, embed_dim=embed_dim, placement=placement, teacher=teacher)


@dataclass(frozen=True)
class PlacementConfig(Settings):
    """How sentences become texts of a tagger's space (`placement.Placement`).

    Attributes:
        classes: of the tagger, where its space has one dimension a class; None where it is the sentences', centred.
        temperature: of a sentence's similarities to the class names; of no use without classes.
    """

    place: ClassVar[str] = "placement"

    classes: Annotated[int, Ge(2), Le(65_536)] | None = None
    temperature: Annotated[float, Gt(0), Le(100)] = 1.0


@dataclass(frozen=True)
class TextStudentConfig(TextEncoderConfig):
    """A text student's shape; its config.json.

    Attributes:
        vocabulary: word pieces that there are: few where the captions hold few words.
        embed_dim: size of what it learns: of its teacher's text embeddings, or of the sentences that these are made of.
        placement: how these are made of sentences; None where the teacher's text embeddings are learned as they are.
        teacher: the fingerprint of the teacher whose space its texts lie in.
    """

    vocabulary: Annotated[int, Ge(2), Le(65_536)] = 8000
    embed_dim: Annotated[int, Ge(1), Le(65_536)] = 512
    placement: PlacementConfig | None = None
    teacher: str = ""

    @property
    def space_dim(self) -> int:
        """Size D of the teacher's space."""
        return self.placement.classes or self.embed_dim if self.placement else self.embed_dim

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TextStudentConfig":
        """The inverse of `dataclasses.asdict`; unknown and missing keys are a TinyclapError."""
        own = arguments(values, cls, "the text student")
        if own["placement"] is not None:
            own["placement"] = PlacementConfig(**arguments(own["placement"], PlacementConfig, "placement"))
        return cls(**own)


def macs(config: TextStudentConfig, tokens: int) -> int:
    """Multiply-accumulates of a text of so many word pieces, to the teacher's space.

    Matrices and products of matrices are counted, as in `hardware.traced_costs`; looking rows up costs none.
    """
    dim, width = config.dim, config.dim
    if config.kind == "static":
        widths = [config.table_dim, *[dim] * config.layers]
        width, total = widths[-1], sum(a * b for a, b in pairwise(widths))
    else:
        total = 0 if config.table_dim == dim else tokens * config.table_dim * dim
        total += config.layers * (12 * tokens * dim**2 + 2 * tokens**2 * dim)
    placed = config.placement.classes or 0 if config.placement else 0
    return total + width * config.embed_dim + placed * config.embed_dim
