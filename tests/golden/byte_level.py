"""GPT-2's files, vocab.json and merges.txt, of a vocabulary in tiktoken's form: pieces of bytes in order of rank."""

import json
from itertools import pairwise
from pathlib import Path

from tokenizers.pre_tokenizers import ByteLevel


def letters() -> dict[int, str]:
    """What stands for each byte in GPT-2's files: itself where it is printed, else a sign from 256 on."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    named = {byte: chr(byte) for byte in printed} | {byte: chr(256 + place) for place, byte in enumerate(others)}
    assert sorted(named.values()) == sorted(ByteLevel.alphabet())
    return named


def write_files(folder: Path, pieces: list[bytes], special: str) -> None:
    """The two files; `special` comes last in the vocabulary, as GPT-2's end of a text does."""
    named, ranks = letters(), {piece: rank for rank, piece in enumerate(pieces)}
    texts = {piece: "".join(named[byte] for byte in piece) for piece in pieces}
    lines = [" ".join(texts[half] for half in halves(piece, ranks)) for piece in pieces if len(piece) > 1]
    vocabulary = {texts[piece]: rank for piece, rank in ranks.items()} | {special: len(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")


def halves(piece: bytes, ranks: dict[bytes, int]) -> list[bytes]:
    """The two pieces that were joined last, by joining those of the lowest rank first."""
    parts = [bytes([byte]) for byte in piece]
    while len(parts) > 2:
        joined = [ranks.get(first + second, len(ranks)) for first, second in pairwise(parts)]
        place = joined.index(min(joined))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts
