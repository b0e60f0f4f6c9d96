"""What models understand beyond names, as Markdown."""

from typing import Any

from tinyclap.common.numbers import percent, percent_interval, points


def understood(found: dict[str, Any], mined: dict[str, Any]) -> str:
    """The ready-made bundle by probe, and what confusable captions teach."""
    sounds = [row for row in found["probes"] if row["kind"] == "sounds"]
    heard = "\n".join(f"| {row['probe']} | {_heard(row)} | {_chance(row)} |" for row in sounds)
    texts = "\n".join(
        f"| {row['probe']} | {_read(row)} | {_chance(row)} |" for row in found["probes"] if row not in sounds
    )
    arms = [key for key in mined["probes"][0] if key not in ("probe", "chance")]
    taught = "\n".join(
        f"| {row['probe']} | {' | '.join(_taught(row[arm]) for arm in arms)} |" for row in mined["probes"]
    )
    closeness = ", ".join(
        f"{arm}: {sum(own) / len(own):.3f}"
        for arm in arms[1:]
        for own in [[row["centred_cosine"] for row in mined["students"] if row["arm"] == arm]]
    )
    return f"""The ready-made bundle, asked {found["n"]} puzzles of each probe (`words/understanding`, as
`tinyclap probe` does): {found["recordings"]:,} generated recordings, which text belongs to which, with the bundle's
own words and with those of the sentence encoder that they were learned from.

| with sounds | right text | right recording | right text, the encoder's words | chance |
| --- | --- | --- | --- | --- |
{heard}

| texts alone | the bundle's words | the encoder's words | chance |
| --- | --- | --- | --- |
{texts}

Do confusable captions teach more? Small text students learn {mined["n"]:,} sentences of the grammar in
{mined["epochs"]} epochs, the mean of {len(mined["seeds"])} seeds (`words/hard_negatives`): by the recipe's loss;
comparing the captions of each batch; and comparing them where confusable captions stand side by side. Right among
texts alone, and the difference to the first, where the embeddings of the sentence encoder lie (the bundle places
them among classes, which costs it numbers):

| texts alone | {" | ".join(arms)} |
| --- |{" --- |" * len(arms)}
{taught}

Centred cosine to the encoder on captions held out: {closeness}.
"""


def _with(score: dict[str, Any]) -> str:
    return f"{percent(score['accuracy'])} {percent_interval(score['ci95'])}"


def _heard(row: dict[str, Any]) -> str:
    own, encoder = row["by"]
    return " | ".join(_with(score) for score in (own["right_text"], own["right_sound"], encoder["right_text"]))


def _read(row: dict[str, Any]) -> str:
    return " | ".join(_with(by["right_text"]) for by in row["by"])


def _chance(row: dict[str, Any]) -> str:
    return percent(row["chance"]) + (f", one of two: {percent(row['by_one'])}" if "by_one" in row else "")


def _taught(score: dict[str, Any]) -> str:
    told = _with(score)
    return f"{told} ({points(score['difference'], score['difference_ci95'])})" if "difference" in score else told
