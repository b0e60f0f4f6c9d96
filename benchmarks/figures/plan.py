"""Millions of clips: a plan before it is paid for, and shards beside a folder, as Markdown."""

from typing import Any

from tinyclap.common.numbers import file_size, scaled, three_digits

STAGES = ("decoding", "teacher", "spectrograms", "training")
KEPT = ("decoded sound", "embeddings", "spectrograms")


def planned(plan: dict[str, Any] | None) -> str:
    """The two plans side by side; nothing before they were made."""
    if plan is None:
        return ""
    columns = list(plan["plans"].values())
    rows = [(name, [_hours(one, name) for one in columns]) for name in STAGES]
    rows += [("all hours", [_between(one["estimate"]["hours"]) for one in columns])]
    rows += [(f"disk: {name}", [_bytes(one, name) for one in columns]) for name in KEPT]
    rows += [
        (f"cost, {name}", [_between(one["estimate"]["cost"][name]) for one in columns])
        for name in ("at work", "all hours")
    ]
    table = [f"| {name} | {' | '.join(figures)} |" for name, figures in rows]
    fitted = columns[1]
    longest, stages = fitted["estimate"]["longest"], fitted["estimate"]["stages"]
    share = fitted["rates"]["teacher"]["source"].removeprefix("assumed: ")
    decoding = fitted["rates"]["decode"]["source"]
    alone = _between(plan["one_gpu"]["estimate"]["hours"])
    return "\n".join(
        [
            f"**A plan of {scaled(plan['clips'])} clips** of {plan['seconds']:g} s, AudioSet's size, distilled from "
            "LAION's larger CLAP (HTSAT base, random",
            f"weights here) on {columns[0]['device']} at {plan['price']:g} an hour each, by `tinyclap plan` "
            f"(`training/plan`): recipe `{plan['recipe']}`",
            f"as it stands, and with `{' '.join(fitted['settings'])}`. Hours, low to high:",
            "",
            f"| | {' | '.join(plan['plans'])} |",
            f"| --- |{' --- |' * len(columns)}",
            *table,
            "",
            "Measured on this machine: decoding, rendering of views, spectrograms, putting together batches.",
            f"Assumed for the teacher: {share}.",
            f"Decoding: {decoding}. Each process has a core as fast as one here. In the second plan",
            f"the longest is {longest}: {stages[longest]['bound']}. With one accelerator and "
            f"{plan['cores'] // plan['gpus']} cores it would be {alone} hours.",
            "",
            "",
        ]
    )


def packed(shards: dict[str, Any] | None) -> str:
    """Shards beside a folder; nothing before it was measured."""
    if shards is None:
        return ""
    equal = all(shards[f"{what}_equal"] for what in ("order", "losses", "weights"))
    rates = shards["decoded_clips_per_s"]
    return "\n".join(
        [
            f"**Shards beside their folder**: order, losses and weights of a training of {shards['epochs']} epochs on "
            f"{shards['clips']} clips are {'equal, bit for bit' if equal else 'NOT equal'}; listing",
            f"and decoding go at {rates['shards']:.0f} clips/s from shards and {rates['folder']:.0f} from files, "
            f"{shards['ratio']:.2f} times as fast (`training/shards`).",
            "",
        ]
    )


def _hours(plan: dict[str, Any], name: str) -> str:
    stage = plan["estimate"]["stages"].get(name)
    return "" if stage is None else f"{_between(stage['hours'])}, by {stage['workers']}"


def _bytes(plan: dict[str, Any], name: str) -> str:
    return file_size(plan["estimate"]["storage"][name]["high"])


def _between(part: dict[str, Any]) -> str:
    low, high = three_digits(part["low"]), three_digits(part["high"])
    return low if low == high else f"{low} to {high}"
