"""What each of SLAP's objectives brings, as Markdown."""

from typing import Any

import numpy as np

from tinyclap.common.numbers import percent, percent_interval, points


def objectives(found: dict[str, Any] | None) -> str:
    """The table of arms; nothing before it has been measured."""
    if found is None:
        return ""
    rows = "\n".join(_row(name, arm) for name, arm in found["arms"].items())
    folds = ", ".join(map(str, found["folds"]))
    seeds = max((len(arm["seeds"]) for arm in found["arms"].values()), default=0)
    unfinished = "" if found["complete"] else " Not all arms and seeds have been trained yet."
    clips = f"{found['clips']} real clips of {found['shortest_s']:.1f} to {found['longest_s']:.1f} s"
    return f"""
**SLAP's objectives** (a small transformer of its shape and a small BERT from scratch, {clips}:
ESC-50's folds {folds}, and {found["pool_clips"]} of the pool; {found["epochs"]} epochs, seeds: {seeds};
`training/slap`).{unfinished} Zero-shot accuracy on fold {found["test_fold"]}, {found["test_clips"]} clips from
{found["recordings"]} recordings. Each arm takes the same steps, not the same time:

| | zero-shot accuracy | minus | difference | by seed | minutes |
| --- | --- | --- | --- | --- | --- |
{rows}
"""


def _row(name: str, arm: dict[str, Any]) -> str:
    accuracy = f"{percent(arm['accuracy'])} {percent_interval(arm['ci95'])}"
    minutes = f"{arm['cpu_s'] / 60:.1f}"
    if arm["beside"] is None:
        return f"| {name} | {accuracy} | | | ± {100 * float(np.std(arm['by_seed'])):.1f} | {minutes} |"
    by_seed = ", ".join(f"{100 * one:+.1f}" for one in arm["difference_by_seed"])
    difference = points(arm["difference"], arm["difference_ci95"])
    return f"| {name} | {accuracy} | {arm['beside']} | {difference} | {by_seed} | {minutes} |"
