"""A reader of BERT's tokenizers in plain Python: the same ids as the package tokenizers gives, which a device may lack.

Characters are classed as that package classes them, by the tables below: those that Unicode added since 2014 are plain
letters. What an accented or capital letter becomes is Python's to say; it can differ for letters added since 2020.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

# Ranges of code points, hexadecimal.
REMOVED = """
    0-8 b-c e-1f 7f-9f ad 600-605 61c 6dd 70f 180e 200b-200f 202a-202e 2060-2064 2066-206f e000-f8ff feff fff9-fffb fffd
    110bd 1bca0-1bca3 1d173-1d17a e0001 e0020-e007f f0000-ffffd 100000-10fffd
"""
SPACES = "9-d 20 85 a0 1680 2000-200a 2028-2029 202f 205f 3000"
CHINESE = "3400-4dbf 4e00-9fff f900-faff 20000-2a6df 2a700-2b73f 2b740-2b81f 2b920-2ceaf 2f800-2fa1f"
PUNCTUATION = """
    21-2f 3a-40 5b-60 7b-7e a1 a7 ab b6-b7 bb bf 37e 387 55a-55f 589-58a 5be 5c0 5c3 5c6 5f3-5f4 609-60a 60c-60d 61b
    61e-61f 66a-66d 6d4 700-70d 7f7-7f9 830-83e 85e 964-965 970 af0 df4 e4f e5a-e5b f04-f12 f14 f3a-f3d f85 fd0-fd4
    fd9-fda 104a-104f 10fb 1360-1368 1400 166d-166e 169b-169c 16eb-16ed 1735-1736 17d4-17d6 17d8-17da 1800-180a
    1944-1945 1a1e-1a1f 1aa0-1aa6 1aa8-1aad 1b5a-1b60 1bfc-1bff 1c3b-1c3f 1c7e-1c7f 1cc0-1cc7 1cd3 2010-2027 2030-2043
    2045-2051 2053-205e 207d-207e 208d-208e 2308-230b 2329-232a 2768-2775 27c5-27c6 27e6-27ef 2983-2998 29d8-29db
    29fc-29fd 2cf9-2cfc 2cfe-2cff 2d70 2e00-2e2e 2e30-2e42 3001-3003 3008-3011 3014-301f 3030 303d 30a0 30fb a4fe-a4ff
    a60d-a60f a673 a67e a6f2-a6f7 a874-a877 a8ce-a8cf a8f8-a8fa a8fc a92e-a92f a95f a9c1-a9cd a9de-a9df aa5c-aa5f aade-
    aadf aaf0-aaf1 abeb fd3e-fd3f fe10-fe19 fe30-fe52 fe54-fe61 fe63 fe68 fe6a-fe6b ff01-ff03 ff05-ff0a ff0c-ff0f
    ff1a-ff1b ff1f-ff20 ff3b-ff3d ff3f ff5b ff5d ff5f-ff65 10100-10102 1039f 103d0 1056f 10857 1091f 1093f 10a50-10a58
    10a7f 10af0-10af6 10b39-10b3f 10b99-10b9c 11047-1104d 110bb-110bc 110be-110c1 11140-11143 11174-11175 111c5-111c9
    111cd 111db 111dd-111df 11238-1123d 112a9 114c6 115c1-115d7 11641-11643 1173c-1173e 12470-12474 16a6e-16a6f 16af5
    16b37-16b3b 16b44 1bc9f 1da87-1da8b
"""
MARKS = """
    300-36f 483-487 591-5bd 5bf 5c1-5c2 5c4-5c5 5c7 610-61a 64b-65f 670 6d6-6dc 6df-6e4 6e7-6e8 6ea-6ed 711 730-74a
    7a6-7b0 7eb-7f3 816-819 81b-823 825-827 829-82d 859-85b 8e3-902 93a 93c 941-948 94d 951-957 962-963 981 9bc 9c1-9c4
    9cd 9e2-9e3 a01-a02 a3c a41-a42 a47-a48 a4b-a4d a51 a70-a71 a75 a81-a82 abc ac1-ac5 ac7-ac8 acd ae2-ae3 b01 b3c b3f
    b41-b44 b4d b56 b62-b63 b82 bc0 bcd c00 c3e-c40 c46-c48 c4a-c4d c55-c56 c62-c63 c81 cbc cbf cc6 ccc-ccd ce2-ce3 d01
    d41-d44 d4d d62-d63 dca dd2-dd4 dd6 e31 e34-e3a e47-e4e eb1 eb4-eb9 ebb-ebc ec8-ecd f18-f19 f35 f37 f39 f71-f7e
    f80-f84 f86-f87 f8d-f97 f99-fbc fc6 102d-1030 1032-1037 1039-103a 103d-103e 1058-1059 105e-1060 1071-1074 1082
    1085-1086 108d 109d 135d-135f 1712-1714 1732-1734 1752-1753 1772-1773 17b4-17b5 17b7-17bd 17c6 17c9-17d3 17dd
    180b-180d 18a9 1920-1922 1927-1928 1932 1939-193b 1a17-1a18 1a1b 1a56 1a58-1a5e 1a60 1a62 1a65-1a6c 1a73-1a7c 1a7f
    1ab0-1abd 1b00-1b03 1b34 1b36-1b3a 1b3c 1b42 1b6b-1b73 1b80-1b81 1ba2-1ba5 1ba8-1ba9 1bab-1bad 1be6 1be8-1be9 1bed
    1bef-1bf1 1c2c-1c33 1c36-1c37 1cd0-1cd2 1cd4-1ce0 1ce2-1ce8 1ced 1cf4 1cf8-1cf9 1dc0-1df5 1dfc-1dff 20d0-20dc 20e1
    20e5-20f0 2cef-2cf1 2d7f 2de0-2dff 302a-302d 3099-309a a66f a674-a67d a69e-a69f a6f0-a6f1 a802 a806 a80b a825-a826
    a8c4 a8e0-a8f1 a926-a92d a947-a951 a980-a982 a9b3 a9b6-a9b9 a9bc a9e5 aa29-aa2e aa31-aa32 aa35-aa36 aa43 aa4c aa7c
    aab0 aab2-aab4 aab7-aab8 aabe-aabf aac1 aaec-aaed aaf6 abe5 abe8 abed fb1e fe00-fe0f fe20-fe2f 101fd 102e0
    10376-1037a 10a01-10a03 10a05-10a06 10a0c-10a0f 10a38-10a3a 10a3f 10ae5-10ae6 11001 11038-11046 1107f-11081
    110b3-110b6 110b9-110ba 11100-11102 11127-1112b 1112d-11134 11173 11180-11181 111b6-111be 111ca-111cc 1122f-11231
    11234 11236-11237 112df 112e3-112ea 11300-11301 1133c 11340 11366-1136c 11370-11374 114b3-114b8 114ba 114bf-114c0
    114c2-114c3 115b2-115b5 115bc-115bd 115bf-115c0 115dc-115dd 11633-1163a 1163d 1163f-11640 116ab 116ad 116b0-116b5
    116b7 1171d-1171f 11722-11725 11727-1172b 16af0-16af4 16b30-16b36 16f8f-16f92 1bc9d-1bc9e 1d167-1d169 1d17b-1d182
    1d185-1d18b 1d1aa-1d1ad 1d242-1d244 1da00-1da36 1da3b-1da6c 1da75 1da84 1da9b-1da9f 1daa1-1daaf 1e8d0-1e8d6
    e0100-e01ef
"""

MODEL = {"vocab": dict, "unk_token": str, "continuing_subword_prefix": str, "max_input_chars_per_word": int}
NORMALIZER = {"clean_text": bool, "handle_chinese_chars": bool, "lowercase": bool}
FLAGS = ("single_word", "lstrip", "rstrip", "normalized")
ADDED = {"id": int, "content": str, "special": bool, **dict.fromkeys(FLAGS, bool)}


class OtherKindError(ValueError):
    """A tokenizer.json that is of another kind than BERT's, or damaged."""


class WordPiece:
    """The tokenizer in a tokenizer.json of BERT's kind, but for its truncation and padding.

    That is one of BertNormalizer, BertPreTokenizer and WordPiece, with nothing or a fixed frame of tokens around every
    text, and with added tokens that are in the vocabulary and found in a text as they are.

    Args:
        tokenizer: the file as parsed.

    Attributes:
        wordless: ids that stand for no word: of special tokens and of what is unknown.

    Raises:
        OtherKindError: it is of another kind, or damaged.
    """

    def __init__(self, tokenizer: Any) -> None:
        tokenizer = _checked(tokenizer, {"added_tokens": list})
        model = _checked(tokenizer.get("model"), MODEL, "WordPiece")
        normalizer = _checked(tokenizer.get("normalizer"), NORMALIZER, "BertNormalizer")
        _checked(tokenizer.get("pre_tokenizer"), {}, "BertPreTokenizer")
        added = [_checked(token, ADDED) for token in tokenizer["added_tokens"]]
        of_added = {token["content"]: token["id"] for token in added}
        self._ids: dict[str, int] = model["vocab"]
        self._prefix, self._longest_word = model["continuing_subword_prefix"], model["max_input_chars_per_word"]
        self._before, self._after = _around(tokenizer.get("post_processor"))
        self._clean, self._chinese = normalizer["clean_text"], normalizer["handle_chinese_chars"]
        self._lowercase, asked = normalizer["lowercase"], normalizer.get("strip_accents")
        self._strip_accents = self._lowercase if asked is None else asked
        numbers = [*self._ids.values(), *self._before, *self._after]
        if not (
            all(type(number) is int and 0 <= number < 2**32 for number in numbers)
            and all(self._ids.get(content) == number for content, number in of_added.items())
            and not any(token["content"] == "" or token[flag] for token in added for flag in FLAGS)
            and model["unk_token"] in self._ids
            and type(self._strip_accents) is bool
        ):
            raise OtherKindError("its tokens are of another kind")
        self._unknown = self._ids[model["unk_token"]]
        self.wordless = frozenset({self._unknown, *(token["id"] for token in added if token["special"])})
        self._added_tokens = sorted(of_added, key=len, reverse=True)
        self._added = re.compile(f"({'|'.join(map(re.escape, self._added_tokens)) or '(?!)'})")
        self._longest_piece = max(map(len, self._ids))

    def facts(self) -> dict[str, Any]:
        """All that a reader in another language needs, which encodes as this one does, as plain JSON."""
        tables = {"removed": REMOVED, "spaces": SPACES, "chinese": CHINESE, "punctuation": PUNCTUATION, "marks": MARKS}
        return {
            "vocabulary": self._ids,
            "added": self._added_tokens,
            "prefix": self._prefix,
            "longest_word": self._longest_word,
            "before": self._before,
            "after": self._after,
            "unknown": self._unknown,
            "wordless": sorted(self.wordless),
            "clean": self._clean,
            "split_chinese": self._chinese,
            "strip_accents": self._strip_accents,
            "lowercase": self._lowercase,
            **{name: " ".join(re.sub(r"-\s+", "-", table).split()) for name, table in tables.items()},
        }

    def encode(self, text: str, max_tokens: int | None = None) -> list[int]:
        """The ids of a text with those around it, cut to `max_tokens`.

        Raises:
            UnicodeEncodeError: half of a surrogate pair is no text.
        """
        return self.framed(self.ids(text), max_tokens)

    def framed(self, ids: Sequence[int], max_tokens: int | None = None) -> list[int]:
        """The ids of a text, cut, with those around it; nothing is cut where not even those would fit."""
        room = len(ids) if max_tokens is None else max_tokens - len(self._before) - len(self._after)
        return [*self._before, *(ids if room < 0 else ids[:room]), *self._after]

    def ids(self, text: str) -> list[int]:
        """The ids of a text alone; raises as `encode`."""
        text.encode()
        found = []
        for place, part in enumerate(self._added.split(text)):
            if place % 2:  # an added token, at which the text was split
                found.append(self._ids[part])
            else:
                for word in _words(part.isascii()).findall(self._normalised(part)):
                    found += self._pieces(word)
        return found

    def _normalised(self, text: str) -> str:
        if self._clean:
            text = _one_of(REMOVED).sub("", text)
        if self._chinese and not text.isascii():
            text = _one_of(CHINESE).sub(r" \g<0> ", text)
        if self._strip_accents and not text.isascii():
            text = _one_of(MARKS).sub("", unicodedata.normalize("NFD", text))
        # Python alone writes a sigma otherwise where it ends a word.
        return text.replace("\u03a3", "\u03c3").lower() if self._lowercase else text

    def _pieces(self, word: str) -> list[int]:
        """The ids of the longest token that a word begins with, of the longest that goes on from there, and so on."""
        found: list[int] = []
        start = 0
        while start < len(word) <= self._longest_word:
            prefix = self._prefix if start else ""
            for end in range(min(len(word), start + self._longest_piece), start, -1):
                if prefix + word[start:end] in self._ids:
                    break
            else:
                return [self._unknown]
            found.append(self._ids[prefix + word[start:end]])
            start = end
        return found or [self._unknown]


def _checked(part: Any, types: Mapping[str, type], kind: str | None = None) -> dict[str, Any]:
    """A part of a tokenizer.json that is of this kind, with values of these types; else OtherKindError."""
    fits = isinstance(part, dict) and (kind is None or part.get("type") == kind)
    if not (fits and all(type(part.get(name)) is wanted for name, wanted in types.items())):
        raise OtherKindError(f"it has no {kind or 'part'} as BERT's tokenizers have")
    return part


def _around(processor: Any) -> tuple[list[int], list[int]]:
    """The ids before and after every text, as a post-processor says them."""
    if processor is None:
        return [], []
    try:
        if processor["type"] == "BertProcessing":
            return [processor["cls"][1]], [processor["sep"][1]]
        pieces, special = processor["single"], processor["special_tokens"]  # of TemplateProcessing
        (place,) = [at for at, piece in enumerate(pieces) if piece.get("Sequence", {}).get("id") == "A"]
        names = [[piece["SpecialToken"]["id"] for piece in side] for side in (pieces[:place], pieces[place + 1 :])]
        before, after = ([number for name in side for number in special[name]["ids"]] for side in names)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise OtherKindError("its post-processor is of another kind") from error
    return before, after


def _ranges(table: str) -> str:
    """A table as the inside of a regular expression's brackets."""
    ends = [span.partition("-") for span in table.split()]
    return "".join(f"\\U{int(first, 16):08x}-\\U{int(last or first, 16):08x}" for first, _, last in ends)


@cache
def _one_of(table: str) -> re.Pattern[str]:
    return re.compile(f"[{_ranges(table)}]")


@cache
def _words(is_ascii: bool) -> re.Pattern[str]:
    """Runs of what is neither space nor punctuation, and single marks of punctuation."""
    marks = _ranges("21-2f 3a-40 5b-60 7b-7e" if is_ascii else PUNCTUATION)
    return re.compile(f"[^{marks}{_ranges(SPACES)}]+|[{marks}]")
