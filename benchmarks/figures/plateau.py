"""Why a CLAP from scratch sits at ln(batch), and whether distillation loses anything: Markdown and a picture."""

from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.numbers import percent, percent_interval
from tinyclap.reports.plots.lines import Line, write_line_plots

MAIN = {
    "notebook": ("as the document's notebook trains", "student"),
    "ours": ("as `tinyclap pretrain` does", "teacher"),
}


def plateau(found: dict[str, Any]) -> str:
    """The table of switches, from both sides."""
    arms = found["arms"]
    rows = "\n".join(
        f"| {name.replace(': ', ', ')} | {_scale(arm)} | {_lowest(arm)} | {_end(arm)} | {len(arm['curves'])} |"
        for name, arm in arms.items()
    )
    unfinished = "" if found["complete"] else " Not all settings and seeds have been trained yet."
    return f"""A CLAP from scratch whose loss stays at ln(batch): the first founding document's notebook, and
`tinyclap pretrain` as in recipe `demo_teacher`, where captions part before sounds join them. Small networks of the
document's shape, {found["clips"]} real clips of ESC-50, folds {_folds(found)} (`training/plateau`).{unfinished}
The loss of the last epoch as a share of ln(batch), the loss of guessing; and the lowest share that any towers reach
with the scale that training begins with (`training.losses.lowest_info_nce`):

| setting | scale, first and last | lowest possible | loss, share of ln(batch) | seeds |
| --- | --- | --- | --- | --- |
{rows}

![Loss as a share of ln(batch), by epoch](results/plateau.png)
"""


def _folds(found: dict[str, Any]) -> str:
    return " and ".join(str(fold) for fold in found["folds"])


def _scale(arm: dict[str, Any]) -> str:
    last = np.mean([rows[-1]["logit_scale"] for rows in arm["curves"].values()])
    return f"{arm['setting']['scale']:.3g}, {last:.3g}"


def _lowest(arm: dict[str, Any]) -> str:
    lowest = arm["lowest_with_first_scale"]
    return "" if lowest is None else percent(lowest / arm["chance"])


def _end(arm: dict[str, Any]) -> str:
    spread = arm["share_of_chance_sd"]
    return percent(arm["share_of_chance"]) + ("" if spread is None else f" ± {100 * spread:.1f}")


def draw(found: dict[str, Any], file: Path) -> None:
    """Two panels of curves, loss / ln(batch) over epochs: both settings with each seed's range; single switches."""
    arms = found["arms"]
    both = [_line(arms[key], name, colour) for key, (name, colour) in MAIN.items() if key in arms]
    turned = [
        _line(arms[key], key.replace(": ", ", "), colour, dashes)
        for key, colour, dashes in (
            ("notebook: the other's scale, and learned", "line-1", "-"),
            ("notebook: the other's audio gradient", "line-2", "-"),
            ("ours: the other's scale, and learned", "line-1", (0, (4, 2))),
            ("ours: the other's audio gradient", "line-2", (0, (4, 2))),
        )
        if key in arms
    ]
    write_line_plots(
        file, {"Loss / ln(batch)": both, "One switch turned": turned} if turned else {"Loss / ln(batch)": both}, "epoch"
    )


def _line(arm: dict[str, Any], name: str, colour: str, dashes: Any = "-") -> Line:
    shares = np.array([[row["loss"] / arm["chance"] for row in rows] for rows in arm["curves"].values()])
    epochs = range(1, shares.shape[1] + 1)
    points = list(zip(epochs, shares.mean(0).tolist(), strict=True))
    band = list(zip(shares.min(0).tolist(), shares.max(0).tolist(), strict=True)) if len(shares) > 1 else []
    return Line(name, points, colour, dashes, band)


def self_distilled(found: dict[str, Any] | None) -> str:
    """Whether a student of its teacher's own shape keeps the bar; nothing before it has been measured."""
    if found is None:
        return ""
    told = found["summary"]
    teacher, student, kept = (percent(told[key]) for key in ("teacher_accuracy", "student_accuracy", "retention"))
    interval, kept_interval = (percent_interval(told[f"{key}_ci95"]) for key in ("student", "retention"))
    agreement, overlap = percent(told["agreement"]), percent(told["knn10_overlap"])
    return f"""
**A student of its teacher's own shape** (ESC-10, {told["n_clips"]} clips from {told["n_recordings"]}
recordings, runs: {told["n_runs"]}; `esc10/self_distillation`, recipe `self_distillation`): {student} {interval}
where its teacher has {teacher}, so {kept} {kept_interval} are kept; the bar is {percent(told["bar"])}. Centred cosine
{told["centred_cosine"]:.3f}, 10-NN overlap {overlap}, the same answer for {agreement} of the clips.
"""
