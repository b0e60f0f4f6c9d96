"""What commands on many clips say: shards that were written, embeddings that were stored."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyclap.common.numbers import duration, file_size, whole
from tinyclap.data.shards.writing import Written


def shards_object(written: Written) -> str:
    """Written shards as one JSON object."""
    told = {"urls": urls(written.shards), "shards": len(written.shards), "kept": written.kept}
    return json.dumps({**told, "clips": written.clips, "size_bytes": written.size_bytes})


def shards_lines(written: Written) -> str:
    """Written shards, and how a recipe names them."""
    kept = f", of which {whole(written.kept)} were there already" if written.kept else ""
    section = f"data.train={{kind: shards, urls: {json.dumps(urls(written.shards))}}}"
    return (
        f"shards   {whole(len(written.shards))}{kept}: {written.shards[0]} ...\n"
        f"clips    {whole(written.clips)}, {file_size(written.size_bytes)}\n"
        f"next     tinyclap distill RECIPE {shlex.quote(section)}"
    )


def embedded_object(each: Sequence[Mapping[str, Any]]) -> str:
    """Stored embeddings as one JSON object; of several teachers a list, and how many parts are missing of all."""
    if len(each) == 1:
        return json.dumps(each[0])
    return json.dumps({"teachers": each, "missing": sum(one["missing"] for one in each)})


def embedded_lines(each: Sequence[Mapping[str, Any]], words: Sequence[str]) -> str:
    """Stored embeddings of each teacher, and the next command: the training once all are there."""
    lines = [line for one in each for line in _embedded(one, named=len(each) > 1)]
    if any(one["missing"] for one in each):
        return "\n".join(lines)
    return "\n".join([*lines, f"next     tinyclap distill {shlex.join(words)}"])


def _embedded(one: Mapping[str, Any], *, named: bool) -> list[str]:
    rate, there = one["embeddings_per_s"], one["own"] - one["computed"]
    speed = "" if rate is None else f" in {duration(one['seconds'])}, {rate:.3g} embeddings/s"
    lines = [
        *([f"teacher  {one['teacher']}"] if named else []),
        f"store    {one['store']}",
        f"views    {whole(one['views'])} of each of {whole(one['clips'])} clips",
        f"parts    {whole(one['parts'])}; of share {one['share']} {whole(one['computed'])} computed{speed}; "
        f"{whole(there)} there before, or others are at them",
    ]
    if one["missing"]:
        lines.append(f"missing  {whole(one['missing'])} parts, of the other shares or being computed")
    return lines


def urls(shards: list[Path]) -> str:
    """The files as a recipe names them: one pattern, as their names differ in a number."""
    first, last = str(shards[0]), str(shards[-1])
    if len(shards) == 1:
        return first
    begin = next(place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    while begin > 0 and first[begin - 1].isdigit():
        begin -= 1
    ends = [len(name) - len(name[begin:].lstrip("0123456789")) for name in (first, last)]
    return f"{first[:begin]}{{{first[begin : ends[0]]}..{last[begin : ends[1]]}}}{first[ends[0] :]}"
