"""Slips of the pen and of the keyboard."""

import numpy as np

SHORTEST = 4  # letters of a word that may be misspelled
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
NEIGHBOURS = {
    letter: "".join(
        near
        for other, keys in enumerate(_ROWS)
        for place, near in enumerate(keys)
        if near != letter and abs(other - row) <= 1 and abs(place - column) <= 1
    )
    for row, letters in enumerate(_ROWS)
    for column, letter in enumerate(letters)
}
"""The keys around each letter."""


def misspelled(text: str, rng: np.random.Generator) -> str | None:
    """The text with a slip in one of its words, or None where it has no word to make one in.

    Two letters change places, one is missing, doubled, or the key beside it. The first letter of a word stays; only
    words of four or more ASCII letters are touched.
    """
    words = text.split(" ")
    long = [place for place, word in enumerate(words) if len(word) >= SHORTEST and word.isascii() and word.isalpha()]
    if not long:
        return None
    place = long[int(rng.integers(len(long)))]
    words[place] = _slip(words[place], rng)
    return " ".join(words)


def _slip(word: str, rng: np.random.Generator) -> str:
    """The word with one slip; never the word itself."""
    swaps = [at for at in range(1, len(word) - 1) if word[at] != word[at + 1]]
    kind = rng.choice(["swap", "drop", "double", "neighbour"])
    at = int(rng.integers(1, len(word)))
    match kind:
        case "swap" if swaps:
            at = swaps[int(rng.integers(len(swaps)))]
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case "drop":
            return word[:at] + word[at + 1 :]
        case "double":
            return word[:at] + word[at] + word[at:]
    near = NEIGHBOURS[word[at].lower()]
    letter = near[int(rng.integers(len(near)))]
    return word[:at] + (letter.upper() if word[at].isupper() else letter) + word[at + 1 :]
