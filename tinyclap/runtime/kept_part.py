"""Which of a bundle's dimensions are kept: all, the first ones of a pruned bundle, or the head of one teacher."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyclap.common.checks import is_count
from tinyclap.embeddings.similarity import unit
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle_contents import Manifest


@dataclass(frozen=True)
class KeptPart:
    """Dimensions that are kept, and what goes with them.

    Attributes:
        start, dim: the first and how many.
        full_dim: of the bundle.
        head: whose they are; None for the space of all teachers, or of the one there is.
        logit_scale: the factor between cosine similarity and logits.
        prompts: templates with `{}`.
        teacher: its `name`, `fingerprint` and `licence`.
    """

    start: int
    dim: int
    full_dim: int
    head: str | None
    logit_scale: float
    prompts: tuple[str, ...]
    teacher: Mapping[str, str]

    def of(self, embeddings: np.ndarray) -> np.ndarray:
        """The dimensions that are kept, unit-norm again: (N, full_dim) to (N, dim)."""
        if self.dim == self.full_dim:
            return embeddings
        return unit(embeddings[:, self.start : self.start + self.dim])


def kept_part(folder: Path, manifest: Manifest, dim: int | None, head: str | None) -> KeptPart:
    """What is kept of so many dimensions, None for all, and of a head, None for all teachers together.

    Raises:
        TinyclapError: that is not possible.
    """
    if head is None:
        kept, scale = _kept_dims(folder, manifest, dim), manifest.logit_scale
        return KeptPart(0, kept, manifest.embed_dim, None, scale, manifest.prompts, manifest.teacher)
    if not manifest.heads:
        raise TinyclapError(
            f"head is {head}: bundle {folder} has no heads: it is of one teacher, or pruned; leave it out"
        )
    if head not in manifest.heads:
        raise TinyclapError(f"head is {head}: bundle {folder} has no such head; allowed: {', '.join(manifest.heads)}")
    facts = manifest.heads[head]
    if dim not in (None, facts["dim"]):
        raise TinyclapError(f"dim is {dim}: head {head} of bundle {folder} is kept as a whole; leave one of both out")
    said = (facts["logit_scale"], tuple(facts["prompts"]), facts["teacher"])
    return KeptPart(facts["start"], facts["dim"], manifest.embed_dim, head, *said)


def _kept_dims(folder: Path, manifest: Manifest, dim: int | None) -> int:
    """How many dimensions are kept of those asked for, None for all; raises a TinyclapError if that is not possible."""
    full = manifest.embed_dim
    if dim is None or dim == full:
        return full
    if not is_count(dim) or dim > full:
        raise TinyclapError(f"dim is {dim}: bundle {folder} has {full} dimensions; allowed: 1 to {full}")
    if not (manifest.latent_map and manifest.latent_map["nested"]):
        raise TinyclapError(
            f"dim is {dim}: the first dimensions of bundle {folder} are no better than others; export a run that was "
            "pruned by rotation (`tinyclap prune --dim`)"
        )
    return dim
