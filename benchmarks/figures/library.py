"""What the README tables say of sounds found by words."""

from typing import Any

from tinyclap.common.numbers import decimal, percent

PAIR = ("bundle", "teacher")


def retrieval(found: dict[str, Any]) -> str:
    """Class prompts and sentences that look for clips of ESC-50."""
    rows = found["rows"]
    classes = {name: rows[name]["classes"] for name in PAIR}
    scores = "\n".join(
        f"| {name} | {decimal(row['map'])} {_interval(row['map_ci95'])} | "
        f"{decimal(row['p_10'])} {_interval(row['p_10_ci95'])} |"
        for name, row in classes.items()
    )
    by_text = {name: {query["text"]: query for query in rows[name]["queries"]} for name in PAIR}
    sentences = "\n".join(
        f"| {text} | {', '.join(query['right']).replace('_', ' ')} | {_scores(query)} | "
        f"{_scores(by_text[PAIR[1]][text])} |"
        for text, query in by_text[PAIR[0]].items()
    )
    chance = percent(classes[PAIR[0]]["p_10_chance"])
    return f"""Prompts of its 50 classes look for their clips among {found["n_clips"]:,} of ESC-50 (folds 1, 2, 3, 5;
`library/esc50_retrieval`), with the everyday bundle alone and with its teacher in torch. P@10 is {chance} by
chance; intervals draw classes:

| | mAP | P@10 |
| --- | --- | --- |
{scores}

Ten sentences that name no class, with what was judged right for each before; mAP and P@10:

| sentence | right | bundle | teacher |
| --- | --- | --- | --- |
{sentences}
| all ten | | {_all(rows[PAIR[0]])} | {_all(rows[PAIR[1]])} |
"""


def _interval(pair: list[float]) -> str:
    return f"[{pair[0]:.3f}, {pair[1]:.3f}]"


def _scores(query: dict[str, Any]) -> str:
    return f"{query['average_precision']:.2f}, {query['p_10']:.1f}"


def _all(row: dict[str, Any]) -> str:
    return f"{row['queries_map']:.2f}, {row['queries_p_10']:.2f}"
