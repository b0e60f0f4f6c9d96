"""Which students fit a budget? Hardware-Aware Scaling (PhiNets, Paissan et al., arXiv 2110.00337). No torch.

RAM sets alpha·t0, operations set alpha²·t0, and flash then sets beta: `propose` solves for the student that fills a
budget, on the exact costs. `enumerate_space` counts every student of a grid and keeps those that fit.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyclap.costs import (
    FRONTEND,
    Costs,
    Layer,
    frontend_layer,
    head_layers,
    pooled_layers,
    student_costs,
    trunk_layers,
)
from tinyclap.devices import Device
from tinyclap.errors import TinyclapError
from tinyclap.formatting import binary_size, scaled
from tinyclap.frontend_spec import FrontendSpec
from tinyclap.latency_model import LatencyFit
from tinyclap.phinet_config import PhiNetConfig
from tinyclap.student_config import StudentConfig

ALPHAS = tuple(round(0.1 * 1.12**step, 3) for step in range(28))  # 0.1 to 2.1
BETAS = (0.5, 0.75, 1.0, 1.25, 1.5)
EXPANSIONS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
DEPTHS = (5, 7, 9)
FEATURES = (128, 256, 512, 1024)
RATES = (8_000, 16_000, 32_000)
HOPS_S = (0.01, 0.02, 0.032)
MELS = (32, 48, 64)
SMALLEST, LARGEST = 0.05, 4.0  # alpha
T0_RANGE = (2.0, 8.0)


@dataclass(frozen=True)
class Budget:
    """What a student may cost at most; None: as much as it likes.

    Attributes:
        macs: of the network, for one window.
        parameters: as torch counts them.
        ram_bytes: of activations, layer by layer (see `costs`).
        flash_bytes: of weights and tables.
        latency_ms: from waveform to embedding, as `latency` predicts it.
        precision: "float32" or "int8", in which RAM and flash are counted.
        fused: whether blocks are fused on the device, which takes less RAM.
        latency: fitted on the device.

    Raises:
        TinyclapError: a limit of 0, or one on the latency of a device where none was measured.
    """

    macs: int | None = None
    parameters: int | None = None
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    latency_ms: float | None = None
    precision: str = "int8"
    fused: bool = False
    latency: LatencyFit | None = None

    def __post_init__(self) -> None:
        for name, limit in self.limits.items():
            if limit <= 0:
                raise TinyclapError(f"a limit of {told(name, limit)} on {LIMITS[name]} leaves nothing; give more")
        if self.latency_ms is not None and self.latency is None:
            raise TinyclapError(
                "latency can be limited once it was measured on the device: `tinyclap latency --make FOLDER` here, "
                "`tinyclap latency FOLDER` there, and --latency FOLDER/latency.yaml (or that section in a device file)"
            )

    @classmethod
    def of_device(cls, device: Device, **others: Any) -> "Budget":
        """What a device leaves, with further or tighter limits."""
        free = {"ram_bytes": device.ram.free, "flash_bytes": device.flash.free}
        for name, value in free.items():
            if others.get(name) is not None and others[name] > value:
                raise TinyclapError(
                    f"{LIMITS[name]} of {told(name, others[name])} is more than the device has free, "
                    f"{told(name, value)}; give less, or a device file of your own"
                )
            others[name] = value if others.get(name) is None else others[name]
        measured = {"latency": device.latency.fit} if device.latency and others.get("latency") is None else {}
        return cls(**{"precision": device.precision, **others, **measured})

    @property
    def limits(self) -> dict[str, float]:
        """The limits there are, by the name of the cost."""
        return {name: getattr(self, name) for name in LIMITS if getattr(self, name) is not None}

    def measure(self, costs: Costs) -> dict[str, Any]:
        """The costs that limits are on, in this precision."""
        return {
            "macs": costs.macs,
            "parameters": costs.parameters,
            "ram_bytes": costs.ram_bytes(self.precision, fused=self.fused),
            "flash_bytes": costs.flash_bytes(self.precision),
            **({"latency_ms": self.latency.predict(costs)} if self.latency else {}),
        }

    def excess(self, costs: Costs) -> float:
        """How far the worst cost is above its limit, as a ratio: up to 1 the student fits."""
        measured = self.measure(costs)
        return max((measured[name] / limit for name, limit in self.limits.items()), default=0.0)


LIMITS = {
    **{"macs": "operations", "parameters": "parameters", "ram_bytes": "RAM", "flash_bytes": "flash"},
    "latency_ms": "latency",
}


def told(name: str, value: float) -> str:
    """A cost as people read it."""
    if name == "latency_ms":
        return f"{value:.3g} ms"
    return binary_size(value) if name.endswith("_bytes") else scaled(value)


@dataclass(frozen=True)
class Space:
    """The students to choose among: every combination of these.

    Attributes:
        base: everything that does not vary: head, pooling, window, strides, activation.
        frontends: what they hear.
        dims: dimensions of the embedding: the teacher's, or fewer, which pruning by rotation gives.
        alphas, betas, expansions, depths, squeeze_excite, features: see `PhiNetConfig` and `StudentConfig`.
    """

    base: StudentConfig
    frontends: tuple[FrontendSpec, ...]
    dims: tuple[int, ...]
    alphas: tuple[float, ...] = ALPHAS
    betas: tuple[float, ...] = BETAS
    expansions: tuple[float, ...] = EXPANSIONS
    depths: tuple[int, ...] = DEPTHS
    squeeze_excite: tuple[bool, ...] = (True, False)
    features: tuple[int, ...] = FEATURES

    def __len__(self) -> int:
        trunks = len(self.alphas) * len(self.betas) * len(self.expansions) * len(self.depths) * len(self.squeeze_excite)
        return trunks * len(self.frontends) * len(self.dims) * len(self.features)

    def trunks(self) -> Iterator[PhiNetConfig]:
        """Every trunk."""
        for alpha, beta, t0, depth, gates in itertools.product(
            self.alphas, self.betas, self.expansions, self.depths, self.squeeze_excite
        ):
            yield shaped(self.base.phinet, alpha=alpha, beta=beta, t0=t0, depth=depth, squeeze_excite=gates)


def shaped(base: PhiNetConfig, **changes: Any) -> PhiNetConfig:
    """A trunk with other values; strides of blocks that it does not have are left out."""
    depth = changes.get("depth", base.depth)
    changes["time_strides"] = tuple(block for block in base.time_strides if block <= depth)
    changes["mel_strides"] = tuple(block for block in base.mel_strides if block <= depth)
    return dataclasses.replace(base, **changes)


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


FRONTEND_COSTS = ("macs", "weights", "live", "fused", "buffer_bytes")


@dataclass(frozen=True)
class Feasible:
    """The students of a space that fit a budget.

    Attributes:
        counted: how many were looked at.
        trunks: the trunks that fit with some front end and head.
        rows: of each student: place of its trunk in `trunks`, of its front end, features and dims in the space.
        costs: by the name of the cost, one number for each row.
        nearest: the student that exceeds the budget least, and by which ratio; None where some fit.
    """

    counted: int
    trunks: list[PhiNetConfig]
    rows: np.ndarray
    costs: Mapping[str, np.ndarray]
    nearest: tuple[StudentConfig, float] | None = None
    space: Space = field(repr=False, default=None)  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.rows)

    def config(self, row: int) -> StudentConfig:
        """The student of a row."""
        trunk, frontend, features, dim = self.rows[row]
        return _student(self.space, self.trunks[trunk], int(frontend), int(features), int(dim))


def enumerate_space(space: Space, budget: Budget) -> Feasible:
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
        return Feasible(len(space), [], np.empty((0, 4), int), {}, (config, ratio), space)
    joined = {name: np.concatenate(values) for name, values in costs.items()}
    return Feasible(len(space), trunks, np.concatenate(rows), joined, None, space)


def refuse_empty(feasible: Feasible, budget: Budget) -> None:
    """Raise a TinyclapError where nothing fits: the nearest student, and the limit that binds."""
    if feasible.nearest is None:
        return
    config, _ = feasible.nearest
    measured = budget.measure(student_costs(config))
    binding = max(budget.limits, key=lambda name: measured[name] / budget.limits[name])
    raise TinyclapError(
        f"none of {feasible.counted:,} students fits; the nearest, {describe(config)}, takes "
        f"{told(binding, measured[binding])} of {LIMITS[binding]} where {told(binding, budget.limits[binding])} are "
        "allowed; raise that limit"
    )


def describe(config: StudentConfig) -> str:
    """A student in one line."""
    phinet, spec = config.phinet, config.frontend
    gates = "with" if phinet.squeeze_excite else "no"
    return (
        f"alpha {phinet.alpha:g}, beta {phinet.beta:g}, t0 {phinet.t0:g}, depth {phinet.depth}, {gates} gates, "
        f"{config.features} features, {config.embed_dim} dimensions, {spec.n_mels} mels every "
        f"{1000 * spec.hop_length / spec.sample_rate:g} ms at {spec.sample_rate / 1000:g} kHz"
    )


def propose(base: StudentConfig, budget: Budget, t0: float | None = None) -> StudentConfig | None:
    """The student that fills a budget, by the HAS inversion; `base` gives what is not solved for.

    RAM grows with alpha·t0 and operations with alpha²·t0: t0, from 2 to 8, is where both allow the same alpha (without
    both limits it stays as it is; it can also be given). beta is then the largest up to 1.5, and alpha the largest of
    all, with which every limit holds. All of it by bisection on the exact costs.

    Returns:
        The student; None where even the narrowest does not fit.
    """

    def student(alpha: float, beta: float, t0: float) -> StudentConfig:
        return dataclasses.replace(base, phinet=shaped(base.phinet, alpha=alpha, beta=beta, t0=t0))

    def widest(within: Budget, beta: float, t0: float) -> float:
        return _largest(lambda alpha: within.excess(student_costs(student(alpha, beta, t0))) <= 1, SMALLEST, LARGEST)

    beta = BETAS[0]
    if t0 is None and {"macs", "ram_bytes"} <= set(budget.limits):
        ram, work = dataclasses.replace(budget, macs=None), dataclasses.replace(budget, ram_bytes=None)
        t0 = _largest(lambda factor: widest(ram, beta, factor) >= widest(work, beta, factor), *T0_RANGE)
    t0 = base.phinet.t0 if t0 is None else t0
    alpha = widest(budget, beta, t0)
    if budget.excess(student_costs(student(alpha, beta, t0))) > 1:
        return None
    beta = _largest(lambda shape: budget.excess(student_costs(student(0.97 * alpha, shape, t0))) <= 1, beta, BETAS[-1])
    return student(widest(budget, beta, t0), beta, t0)


def _largest(fits: Callable[[float], bool], low: float, high: float) -> float:
    """The largest value of three digits between two that fits; `low` where none does."""
    if fits(high):
        return high
    while high - low > 0.0015:
        middle = round((low + high) / 2, 3)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _student(space: Space, trunk: PhiNetConfig, frontend: int, features: int, dim: int) -> StudentConfig:
    return dataclasses.replace(
        space.base,
        phinet=trunk,
        frontend=space.frontends[frontend],
        features=space.features[features],
        embed_dim=space.dims[dim],
    )


def embedding_dims(full_dim: int) -> tuple[int, ...]:
    """The teacher's dimensions and the powers of two below them, down to 32."""
    return (full_dim, *(dim for dim in (512, 256, 128, 64, 32) if dim < full_dim))


def pareto(costs: Mapping[str, Sequence[float]], values: Sequence[float]) -> list[int]:
    """Places that no other beats: none costs no more in every respect and is better, in order of the first cost."""
    table = np.array([*costs.values(), [-value for value in values]]).T
    kept = [
        place
        for place, row in enumerate(table)
        if not any((other <= row).all() and (other < row).any() for other in table)
    ]
    return sorted(kept, key=lambda place: table[place][0])
