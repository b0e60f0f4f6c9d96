"""How to prune, and what is refused before anything heavy is loaded."""

import dataclasses
from pathlib import Path

from tinyclap.common.files import read_json, refuse_odd_name
from tinyclap.embeddings.latent_map import METHODS
from tinyclap.errors import TinyclapError
from tinyclap.pipelines.distilled_run import finished_recipe
from tinyclap.runs.folder import RUNS


@dataclasses.dataclass(frozen=True)
class PruneOptions:
    """How to prune.

    Attributes:
        dim: dimensions to keep.
        method: one of `latent_map.METHODS`.
        finetune: epochs of training the head alone afterwards, over every stored view; 0 for none.
        sweep: dimensions to measure every method at, besides.
        calibrate: folder of audio to choose the dimensions by; None for the run's own training clips.
    """

    dim: int
    method: str = METHODS[0]
    finetune: int = 0
    sweep: tuple[int, ...] = ()
    calibrate: str | None = None


def new_run(run: Path, options: PruneOptions, out: Path | None = None) -> Path:
    """The folder of the pruned run, by default runs/<name>-<method>-<dim>.

    Raises:
        TinyclapError: no finished distillation, dimensions that are not below the student's, other options that are
            not allowed, or a folder that is there already.
    """
    target = out or RUNS / f"{run.resolve().name}-{options.method}-{options.dim}"
    refuse_odd_name(target)
    if options.method not in METHODS:
        raise TinyclapError(f"--method {options.method}: allowed: {', '.join(METHODS)}")
    if options.finetune < 0:
        raise TinyclapError(f"--finetune {options.finetune}: allowed: 0 or more epochs")
    finished_recipe(run, "prune")
    width = read_json(run / "student" / "config.json", {}).get("embed_dim")
    if isinstance(width, int):  # else loading the student says what is wrong with it
        if not 1 <= options.dim < width:
            raise TinyclapError(f"--dim {options.dim}: the student has {width} dimensions; allowed: 1 to {width - 1}")
        wrong = [dim for dim in options.sweep if not 1 <= dim <= width]
        if wrong:
            raise TinyclapError(f"--sweep {wrong[0]}: the student has {width} dimensions; allowed: 1 to {width}")
    if target.exists():
        raise TinyclapError(f"{target} exists already and is left as it is; choose another run folder with --out DIR")
    return target
