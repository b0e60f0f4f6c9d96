"""What the README tables say of a bundle in others' suites."""

from collections.abc import Sequence
from typing import Any

from tinyclap.common.numbers import decimal, percent


def suites(found: dict[str, Any]) -> str:
    """MTEB's and X-ARES's scores of ESC-50, and what a timestamp should hear."""
    mteb, xares, versions = found["mteb"], found["xares"], found["versions"]
    rows = "\n".join(f"| {row['window_s']:g} s | {decimal(row['map'])} |" for row in found["moments"])
    used = f"mteb {versions['mteb']}, xares {versions['xares']}"
    return f"""The bundle `{found["bundle"]}` by others' own programs ({used}; `suites/run`) on
{found["n_clips"]:,} clips of ESC-50 at 16 kHz, {_folds(found["folds"])}.
{mteb["mock_passed"]} of MTEB's {mteb["mock_tasks"]} mock tasks of sounds pass.

| suite | task | score |
| --- | --- | --- |
| MTEB | `ESC50_Zeroshot`, "This is a sound of sea_waves" | {percent(mteb["zero_shot"])} |
| X-ARES | ESC-50, a linear layer on frozen embeddings | {_seeds(xares["mlp"])} |
| X-ARES | ESC-50, ten nearest neighbours | {percent(xares["knn"])} |

What HEAR's timestamps should hear: when each of six sounds of half a second is heard in rain, wind, sea or engine, as
a linear classifier on embeddings every 50 ms tells it; mean average precision by the length of the window:

| window | mAP |
| --- | --- |
{rows}
"""


def _folds(there: Sequence[int]) -> str:
    if len(there) == 5:
        return "all five folds"
    listed = ", ".join(map(str, there))
    return f"folds {listed}; figures published for all five are near but not the same"


def _seeds(scores: Sequence[float]) -> str:
    return f"{percent(sum(scores) / len(scores))} ({percent(min(scores))} to {percent(max(scores))} by the seed)"
