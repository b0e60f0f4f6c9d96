"""The students to choose among, and those of them that fit a budget: all are counted, exactly."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.hardware.budget import LIMITS, Budget, format_limit
from tinyclap.hardware.macs_ram_flash import (
    FRONTEND,
    Costs,
    Layer,
    frontend_layer,
    head_layers,
    pooled_layers,
    student_costs,
    trunk_layers,
)
from tinyclap.models.phinet_config import PhiNetConfig, shaped
from tinyclap.models.student_config import StudentConfig

ALPHAS = tuple(round(0.1 * 1.12**step, 3) for step in range(28))  # 0.1 to 2.1
BETAS = (0.5, 0.75, 1.0, 1.25, 1.5)
EXPANSIONS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
DEPTHS = (5, 7, 9)
FEATURES = (128, 256, 512, 1024)
RATES = (8_000, 16_000, 32_000)
HOPS_S = (0.01, 0.02, 0.032)
MELS = (32, 48, 64)
ACTIVATIONS = ("hardswish", "relu6")


@dataclass(frozen=True)
class DesignSpace:
    """The students to choose among: every combination of these.

    Attributes:
        base: everything that does not vary: head, pooling, window, strides, activation.
        frontends: what they hear.
        dims: dimensions of the embedding: the teacher's, or fewer, which pruning by rotation gives.
        alphas, betas, expansions, depths, squeeze_excite, activations, features: as in `PhiNetConfig`, `StudentConfig`.
    """

    base: StudentConfig
    frontends: tuple[FrontendSpec, ...]
    dims: tuple[int, ...]
    alphas: tuple[float, ...] = ALPHAS
    betas: tuple[float, ...] = BETAS
    expansions: tuple[float, ...] = EXPANSIONS
    depths: tuple[int, ...] = DEPTHS
    squeeze_excite: tuple[bool, ...] = (True, False)
    activations: tuple[str, ...] = ACTIVATIONS  # which cost the same
    features: tuple[int, ...] = FEATURES

    def __len__(self) -> int:
        return math.prod(map(len, (*self._trunk_choices, self.frontends, self.dims, self.features)))

    def trunks(self) -> Iterator[PhiNetConfig]:
        """Every trunk."""
        for alpha, beta, t0, depth, gates, activation in itertools.product(*self._trunk_choices):
            chosen = {"alpha": alpha, "beta": beta, "t0": t0, "depth": depth}
            yield shaped(self.base.phinet, **chosen, squeeze_excite=gates, activation=activation)

    @property
    def _trunk_choices(self) -> tuple[tuple[Any, ...], ...]:
        return self.alphas, self.betas, self.expansions, self.depths, self.squeeze_excite, self.activations


def space_around(base: StudentConfig, highest_rate: int, full_dim: int) -> DesignSpace:
    """The space that a search with a teacher of that sample rate and width goes through.

    The reference's variant of the trunk has no gates, and ReLU6.
    """
    phinet = base.phinet
    gates = (False,) if phinet.compatibility else (True, False)
    others = () if phinet.compatibility else ACTIVATIONS
    activations = tuple(dict.fromkeys([str(phinet.activation), *others]))
    return DesignSpace(
        base,
        frontends(base.frontend, highest_rate),
        embedding_dims(full_dim),
        squeeze_excite=gates,
        activations=activations,
    )


def frontends(base: FrontendSpec, highest_rate: int) -> tuple[FrontendSpec, ...]:
    """`base`, and all of RATES up to one, HOPS_S and MELS that can be computed, which are like it otherwise."""
    found = {base: None}
    for rate, hop_s, n_mels in itertools.product(RATES, HOPS_S, MELS):
        n_fft = 1024 * rate // 32_000
        try:
            spec = dataclasses.replace(
                base,
                sample_rate=rate,
                n_fft=n_fft,
                win_length=n_fft,
                hop_length=round(hop_s * rate),
                n_mels=n_mels,
                f_max=min(base.f_max, rate / 2),
            )
        except TinyclapError:  # bands between two bins, or a hop beyond the window
            continue
        if rate <= highest_rate:
            found[spec] = None
    return tuple(found)


def embedding_dims(full_dim: int) -> tuple[int, ...]:
    """The teacher's dimensions and the powers of two below them, down to 32."""
    return (full_dim, *(dim for dim in (512, 256, 128, 64, 32) if dim < full_dim))


FRONTEND_COSTS = ("macs", "weights", "live", "fused", "buffer_bytes")


@dataclass(frozen=True)
class FeasibleSet:
    """The students of a space that fit a budget.

    Attributes:
        space: that was counted.
        counted: how many were looked at.
        trunks: the trunks that fit with some front end and head.
        rows: of each student: place of its trunk in `trunks`, of its front end, features and dims in the space.
        costs: by the name of the cost, one number for each row.
        nearest: the student that exceeds the budget least, and by which ratio; None where some fit.
    """

    space: DesignSpace = field(repr=False)
    counted: int
    trunks: list[PhiNetConfig]
    rows: np.ndarray
    costs: Mapping[str, np.ndarray]
    nearest: tuple[StudentConfig, float] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def config(self, row: int) -> StudentConfig:
        """The student of a row."""
        trunk, frontend, features, dim = self.rows[row]
        return _student(self.space, self.trunks[trunk], int(frontend), int(features), int(dim))


def enumerate_space(space: DesignSpace, budget: Budget) -> FeasibleSet:
    """Count every student of a space, exactly, and keep those that fit."""
    grid = np.indices((len(space.frontends), len(space.features), len(space.dims))).reshape(3, -1)
    features, dims = np.array(space.features)[grid[1]], np.array(space.dims)[grid[2]]
    seconds, specs = space.base.window_s, space.frontends
    frames = np.array([spec.n_frames(round(seconds * spec.sample_rate)) for spec in specs])[grid[0]]
    mels = np.array([spec.n_mels for spec in specs])[grid[0]]
    fronts = [frontend_layer(spec, spec.n_frames(round(seconds * spec.sample_rate))) for spec in specs]
    columns = {name: np.array([getattr(layer, name) for layer in fronts])[grid[0]] for name in FRONTEND_COSTS}
    front = Layer(FRONTEND, **columns)
    trunks: list[PhiNetConfig] = []
    rows: list[np.ndarray] = []
    costs: dict[str, list[np.ndarray]] = {}
    nearest: tuple[float, PhiNetConfig, np.ndarray] | None = None
    for trunk in space.trunks():
        layers, height, width = trunk_layers(trunk, frames, mels)
        last, pooled = pooled_layers(trunk, features, space.base.pooling, height, width)
        head = head_layers(space.base.head, pooled, dims, dims)
        measured = budget.measure(Costs((front, *layers, *last, *head)))
        measured = {name: np.broadcast_to(value, frames.shape) for name, value in measured.items()}
        excess = np.max([measured[name] / limit for name, limit in budget.limits.items()] or [0 * frames], axis=0)
        fits = np.flatnonzero(excess <= 1)
        if fits.size:
            rows.append(np.stack([np.full(fits.size, len(trunks)), *grid[:, fits]], axis=1))
            trunks.append(trunk)
            for name, values in measured.items():
                costs.setdefault(name, []).append(values[fits])
        elif not trunks and (nearest is None or excess.min() < nearest[0]):
            nearest = float(excess.min()), trunk, grid[:, excess.argmin()]
    if not trunks and nearest is not None:
        ratio, trunk, place = nearest
        config = _student(space, trunk, *(int(index) for index in place))
        return FeasibleSet(space, len(space), [], np.empty((0, 4), int), {}, (config, ratio))
    joined = {name: np.concatenate(values) for name, values in costs.items()}
    return FeasibleSet(space, len(space), trunks, np.concatenate(rows), joined)


def refuse_empty(feasible: FeasibleSet, budget: Budget) -> None:
    """Raise a TinyclapError where nothing fits: the nearest student, and the limit that binds."""
    if feasible.nearest is None:
        return
    config, _ = feasible.nearest
    measured = budget.measure(student_costs(config))
    binding = max(budget.limits, key=lambda name: measured[name] / budget.limits[name])
    raise TinyclapError(
        f"none of {feasible.counted:,} students fits; the nearest, {describe(config)}, takes "
        f"{format_limit(binding, measured[binding])} of {LIMITS[binding]} where "
        f"{format_limit(binding, budget.limits[binding])} are allowed; raise that limit"
    )


def describe(config: StudentConfig) -> str:
    """A student in one line."""
    phinet, spec = config.phinet, config.frontend
    gates = "with" if phinet.squeeze_excite else "no"
    return (
        f"alpha {phinet.alpha:g}, beta {phinet.beta:g}, t0 {phinet.t0:g}, depth {phinet.depth}, {gates} gates, "
        f"{phinet.activation}, "
        f"{config.features} features, {config.embed_dim} dimensions, {spec.n_mels} mels every "
        f"{1000 * spec.hop_length / spec.sample_rate:g} ms at {spec.sample_rate / 1000:g} kHz"
    )


def _student(space: DesignSpace, trunk: PhiNetConfig, frontend: int, features: int, dim: int) -> StudentConfig:
    return dataclasses.replace(
        space.base,
        phinet=trunk,
        frontend=space.frontends[frontend],
        features=space.features[features],
        embed_dim=space.dims[dim],
    )
