"""How long to search, and which search a folder holds: what is checked before anything heavy is loaded."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyclap.common.files import read_json
from tinyclap.errors import TinyclapError
from tinyclap.hardware.budget import Budget

FIRST_RUNG, REDUCTION = 8, 2  # a share of the epochs, and how many of the trials each rung lets through
ASKED, RESULT, STUDY, TRIALS = "asked.json", "search.json", "study.db", "trials"
CHOSEN, FRONT = "chosen.yaml", "front.png"


@dataclass(frozen=True)
class SearchOptions:
    """How long to search.

    Attributes:
        trials: students to train.
        epochs: of a trial that is not stopped early.
        minutes: after which no further trial begins; None: as many as it takes.
        seed: of the proposals.
        random: draw students at random among all that fit instead, to compare with.
    """

    trials: int = 24
    epochs: int = 32
    minutes: float | None = None
    seed: int = 0
    random: bool = False

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which trials are compared."""
        first = max(1, self.epochs // FIRST_RUNG)
        return tuple(
            sorted({first * REDUCTION**rung for rung in range(FIRST_RUNG) if first * REDUCTION**rung < self.epochs})
        )


def asked(recipe: str, budget: Budget, options: SearchOptions, views: int) -> dict[str, Any]:
    """What makes two searches of a recipe, as YAML, the same; only their numbers of trials and minutes may differ."""
    what = {"recipe": recipe, "views": views, **dataclasses.asdict(options)}
    record = {**dataclasses.asdict(budget), **{name: value for name, value in what.items() if name not in LENGTHS}}
    plain: dict[str, Any] = json.loads(json.dumps(record))
    return plain


LENGTHS = ("trials", "minutes")


def refuse_other(recipe: str, budget: Budget, options: SearchOptions, views: int, folder: Path) -> None:
    """Raise a TinyclapError where a folder holds another search, naming what differs, or something else."""
    written = folder / ASKED
    if not written.is_file():
        if folder.exists() and any(folder.iterdir()):
            raise TinyclapError(
                f"{folder} is not empty and no search, so it is left alone; choose another with --out DIR"
            )
        return
    before, now = read_json(written, {}), asked(recipe, budget, options, views)
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        record = ", ".join(
            name if name == "recipe" else f"{name} {before.get(name)}, now {now[name]}" for name in sorted(changed)
        )
        raise TinyclapError(f"{folder} holds another search ({record}); remove it, or choose another with --out DIR")
