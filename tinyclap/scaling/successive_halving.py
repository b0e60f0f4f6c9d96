"""Short trainings rank the students that fit: successive halving over proposals of Hardware-Aware Scaling.

Optuna keeps the study, so that a killed search goes on: what was finished stays, what was under way is taken up again.
"""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from tinyclap.common.progress import silent
from tinyclap.errors import TinyclapError
from tinyclap.hardware.budget import Budget
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.phinet_config import shaped
from tinyclap.models.student_config import StudentConfig
from tinyclap.scaling.design_space import DesignSpace, FeasibleSet, describe
from tinyclap.scaling.has import propose
from tinyclap.scaling.options import REDUCTION, SearchOptions

Report = Callable[[int, float], bool]
"""Told a trial's value after so many epochs, says whether it should go on."""

Train = Callable[[StudentConfig, Report], float]
"""Trains a student and returns its value, the higher the better; raises `Stopped` when told not to go on."""


class Stopped(Exception):
    """A trial that is not worth its remaining epochs."""


@dataclass(frozen=True)
class Trial:
    """A student that was trained for some epochs.

    Attributes:
        config: its shape.
        value: after the last of them.
        epochs: that it got.
        finished: whether these were all.
        costs: what the budget limits, by name.
    """

    config: StudentConfig
    value: float
    epochs: int
    finished: bool
    costs: dict[str, Any]


def search(
    space: DesignSpace,
    feasible: FeasibleSet,
    budget: Budget,
    train: Train,
    options: SearchOptions,
    storage: Path,
    progress: Callable[[str], None] = silent,
) -> list[Trial]:
    """Train students that fit a budget, most of them briefly, and rank them.

    Every trial chooses front end, depth, squeeze-excite, t0 (or leaves it to the inversion), features and dimensions;
    the first one those that the search begins with. A tree-structured Parzen estimator learns which pay. The HAS
    inversion gives the trunk that then fills the budget.

    Args:
        space: of the choices.
        feasible: its students that fit, for `options.random`.
        budget: to fill.
        train: a trial.
        options: how long.
        storage: file of the study; if it is there, the search goes on.
        progress: called with a line on each step.

    Returns:
        All trials, the finished ones first, each by value.
    """
    study = _open_study(options, storage)
    objective = _Objective(study, space, feasible, budget, train, options, progress)
    objective.remember()
    _take_up_again(study)
    if not study.trials and not options.random:
        study.enqueue_trial(_as_it_is(space))
    if len(objective.known) < options.trials:
        seconds = None if options.minutes is None else 60 * options.minutes
        study.optimize(objective, n_trials=20 * options.trials, timeout=seconds)
    if not objective.known:
        raise TinyclapError("the search ended before its first trial did; give it more --minutes")
    return sorted(objective.known.values(), key=lambda trial: (not trial.finished, -trial.value))


@dataclass(frozen=True)
class _Objective:
    """What Optuna maximises; `known` are the students that were trained."""

    study: optuna.Study
    space: DesignSpace
    feasible: FeasibleSet
    budget: Budget
    train: Train
    options: SearchOptions
    progress: Callable[[str], None]
    known: dict[StudentConfig, Trial] = field(default_factory=dict)

    def __call__(self, trial: optuna.Trial) -> float:
        config = _config(self.space, self.feasible, self.budget, trial, self.options)
        if config is None or config in self.known:
            raise optuna.TrialPruned
        reported: dict[int, float] = {}
        self.progress(f"trial {len(self.known) + 1} of {self.options.trials}: {describe(config)}")

        def report(epochs: int, value: float) -> bool:
            reported[epochs] = value
            trial.report(value, epochs)
            return not trial.should_prune()

        try:
            value = self.train(config, report)
        except Stopped as stopped:
            self._note(config, None, reported)
            self.progress(f"  stopped after {max(reported)} epochs: centred cosine {reported[max(reported)]:.3f}")
            self._stop_if_enough()
            raise optuna.TrialPruned from stopped
        trial.report(value, self.options.epochs)
        self._note(config, value, reported)
        self.progress(f"  centred cosine {value:.3f}")
        self._stop_if_enough()
        return value

    def remember(self) -> None:
        """Note the trials that an earlier part of this search finished or stopped."""
        for trial in self.study.trials:
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and trial.intermediate_values:
                config = _config(self.space, self.feasible, self.budget, trial, self.options)
                if config is not None:
                    value = trial.value if trial.state == TrialState.COMPLETE else None
                    self._note(config, value, trial.intermediate_values)

    def _note(self, config: StudentConfig, value: float | None, reported: dict[int, float]) -> None:
        costs = self.budget.measure(student_costs(config))
        if value is None:
            last = max(reported)
            self.known[config] = Trial(config, reported[last], last, False, costs)
        else:
            self.known[config] = Trial(config, value, self.options.epochs, True, costs)

    def _stop_if_enough(self) -> None:
        if len(self.known) >= self.options.trials:
            self.study.stop()


def _open_study(options: SearchOptions, storage: Path) -> optuna.Study:
    """The study in a file, made if need be."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=options.seed)
    if not options.random:
        sampler = optuna.samplers.TPESampler(seed=options.seed, multivariate=True, n_startup_trials=8)
    first = options.rungs[0] if options.rungs else 1
    return optuna.create_study(
        study_name="search",
        storage=f"sqlite:///{storage}",
        direction="maximize",
        sampler=sampler,
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=REDUCTION),
        load_if_exists=True,
    )


def _config(
    space: DesignSpace, feasible: FeasibleSet, budget: Budget, trial: Any, options: SearchOptions
) -> StudentConfig | None:
    """The student of a trial, new or stored; None for choices that no trunk fits."""
    stored = isinstance(trial, optuna.trial.FrozenTrial)

    def choice(name: str, n: int) -> int:
        if n == 1:
            return 0
        return int(trial.params[name]) if stored else trial.suggest_categorical(name, list(range(n)))

    if options.random:
        row = int(trial.params["row"]) if stored else trial.suggest_int("row", 0, len(feasible) - 1)
        return feasible.config(row)
    base = space.base
    wanted = dataclasses.replace(
        base,
        phinet=shaped(
            base.phinet,
            depth=space.depths[choice("depth", len(space.depths))],
            squeeze_excite=space.squeeze_excite[choice("squeeze_excite", len(space.squeeze_excite))],
            activation=space.activations[choice("activation", len(space.activations))],
        ),
        frontend=space.frontends[choice("frontend", len(space.frontends))],
        features=space.features[choice("features", len(space.features))],
        embed_dim=space.dims[choice("dim", len(space.dims))],
    )
    t0s = (None, *space.expansions)
    return propose(wanted, budget, t0s[choice("t0", len(t0s))])


def _as_it_is(space: DesignSpace) -> dict[str, int]:
    """The choices of the student that the search begins with: its own, or the nearest there are."""
    base = space.base
    depth = min(range(len(space.depths)), key=lambda place: abs(space.depths[place] - base.phinet.depth))
    features = min(range(len(space.features)), key=lambda place: abs(space.features[place] - base.features))
    return {
        "depth": depth,
        "squeeze_excite": space.squeeze_excite.index(bool(base.phinet.squeeze_excite)),
        "activation": space.activations.index(str(base.phinet.activation)),
        "frontend": space.frontends.index(base.frontend),
        "features": features,
        "dim": space.dims.index(base.embed_dim),
        "t0": 0,
    }


def _take_up_again(study: optuna.Study) -> None:
    """Trials that a kill or Ctrl-C ended are tried again, first of all."""
    trials = study.trials
    for trial in trials:
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
    later = [_choices(trial) for trial in trials if trial.state not in (TrialState.RUNNING, TrialState.FAIL)]
    for trial in trials:
        if trial.state in (TrialState.RUNNING, TrialState.FAIL) and trial.params and trial.params not in later:
            study.enqueue_trial(trial.params)
            later.append(trial.params)


def _choices(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """What a trial chose, or is going to."""
    waiting: dict[str, Any] = trial.system_attrs.get("fixed_params", {})
    return trial.params or waiting
