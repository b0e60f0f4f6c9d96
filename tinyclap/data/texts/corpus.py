"""A corpus of captions from several sources: without doubles, without what a benchmark holds out, and hashed."""

import hashlib
import re
import unicodedata
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tinyclap.data.texts.exclusion import Exclusion
from tinyclap.data.texts.misspellings import misspelled
from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.errors import TinyclapError, listed

MAX_CHARACTERS = 500  # of a caption; text towers read about 77 tokens
MAX_PROMPT_WORDS = 5  # of a name that is given in prompts too
SHOWN = 40  # characters of a text in messages
DIGEST_BYTES = 16
NAMES = ("names", "words")  # the groups of short names
PROMPTS, MISSPELLINGS = "prompts", "misspellings"


@dataclass(frozen=True, slots=True)
class Caption:
    """A text to learn from.

    Attributes:
        text: what the student reads.
        meaning: whose teacher embedding it learns; the text itself but for translations and misspellings.
        group: names, words, captions, definitions, negations, translations; of the corpus: prompts, misspellings.
    """

    text: str
    meaning: str
    group: str


class Source(Protocol):
    """Where captions come from."""

    @property
    def name(self) -> str:
        """For messages and licences."""
        ...

    @property
    def licence(self) -> str:
        """Of its captions."""
        ...

    def captions(self, seed: int) -> Iterable[Caption]:
        """All its captions; the seed decides what is drawn. Raises TinyclapError for what cannot be read."""
        ...


@dataclass(frozen=True)
class Corpus:
    """Captions of several sources.

    Attributes:
        captions: no pair of text and meaning twice.
        licences: by source.
        fingerprint: hex hash of all texts and meanings, in order.
        counts: captions by source, and of `prompts` and `misspellings`.
        excluded: texts of the captions that held an excluded phrase; of no use but for their words.
    """

    captions: list[Caption]
    licences: dict[str, str]
    fingerprint: str
    counts: dict[str, int]
    excluded: tuple[str, ...] = ()

    @property
    def n_excluded(self) -> int:
        """How many captions held an excluded phrase."""
        return len(self.excluded)

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def groups(self) -> dict[str, int]:
        """Captions by group."""
        return dict(Counter(caption.group for caption in self.captions))


def build_corpus(
    sources: Sequence[Source],
    *,
    exclude: Iterable[str] = (),
    prompts: Sequence[str] = (),
    misspelled_share: float = 0.0,
    seed: int = 0,
) -> Corpus:
    """The captions of all sources, in their order, each once.

    Args:
        sources: what to read.
        exclude: words and phrases; captions that hold one are left out (see `Exclusion`).
        prompts: templates with {}. A name is given in all of them too, a word of a dictionary in one.
        misspelled_share: of the names and words that are also given misspelled, from 0 to 1.
        seed: of all that is drawn.

    Raises:
        TinyclapError: nothing is left, a template without {}, and what the sources say.
    """
    if not sources:
        raise TinyclapError("texts: no source is given; name one, e.g. kind: audioset")
    for template in prompts:
        if "{}" not in template:
            raise TinyclapError(f"prompts: template {template!r} has no {{}}, the place of the name; add it")
    collected = _Collected(Exclusion(exclude))
    for source in sources:
        collected.read(source, seed)
    names = [caption for caption in collected.captions if caption.group in NAMES]
    for caption in names:
        collected.add_prompts(caption, prompts, seed)
    collected.add_misspellings(names, misspelled_share, seed)
    if not collected.captions:
        held = f"; {len(collected.excluded):,} hold an excluded phrase" if collected.excluded else ""
        raise TinyclapError(f"texts: no caption is left of {listed([source.name for source in sources])}{held}")
    return Corpus(
        collected.captions,
        {source.name: source.licence for source in sources},
        _fingerprint(collected.captions),
        dict(collected.counts),
        tuple(collected.excluded),
    )


class _Collected:
    """What was read so far."""

    def __init__(self, exclusion: Exclusion) -> None:
        self.captions: list[Caption] = []
        self.counts: Counter[str] = Counter()
        self.excluded: list[str] = []
        self._exclusion = exclusion
        self._seen: set[tuple[str, str]] = set()

    def read(self, source: Source, seed: int) -> None:
        """Take over a source's captions; those that are too long are left out with a warning."""
        self.counts[source.name] += 0
        long: list[str] = []
        for caption in source.captions(seed):
            text, meaning = tidy(caption.text), tidy(caption.meaning)
            if max(len(text), len(meaning)) > MAX_CHARACTERS:
                long.append(f"{text[:SHOWN]!r}...")
            elif text and meaning:
                self.add(Caption(text, meaning, caption.group), source.name)
        if long:
            warnings.warn(
                f"texts: {len(long):,} captions of {source.name} are longer than {MAX_CHARACTERS} characters and left "
                f"out: {listed(long)}",
                stacklevel=3,
            )

    def add(self, caption: Caption, source: str) -> None:
        """Take a caption over unless it is there already or excluded."""
        key = caption.text, caption.meaning
        if key in self._seen:
            return
        if self._exclusion(caption.text) or (caption.meaning != caption.text and self._exclusion(caption.meaning)):
            self.excluded.append(caption.text)
            return
        self._seen.add(key)
        self.captions.append(caption)
        self.counts[source] += 1

    def add_prompts(self, caption: Caption, prompts: Sequence[str], seed: int) -> None:
        """A short name in all prompts, a word in one that is drawn; in lower case, as the labels of data sets are."""
        if not prompts or caption.meaning != caption.text or len(caption.text.split()) > MAX_PROMPT_WORDS:
            return
        if caption.group == "words":
            prompts = [prompts[int(_rng(seed, caption.text).integers(len(prompts)))]]
        for template in prompts:
            text = template.replace("{}", clean_label(caption.text))
            self.add(Caption(text, text, PROMPTS), PROMPTS)

    def add_misspellings(self, names: Sequence[Caption], share: float, seed: int) -> None:
        """Misspelled names; none that reads as another word of the corpus."""
        if not share:
            return
        words = {word for caption in self.captions for word in re.findall(r"\w+", caption.text.casefold())}
        for caption in names:
            rng = _rng(seed, caption.text)
            if rng.random() >= share:
                continue
            slip = misspelled(caption.text, rng)
            if slip and all(word in caption.text.split() or word.casefold() not in words for word in slip.split()):
                self.add(Caption(slip, caption.meaning, MISSPELLINGS), MISSPELLINGS)


def tidy(text: str) -> str:
    """A text with single spaces, composed characters, and none that cannot be written as UTF-8."""
    return unicodedata.normalize("NFC", " ".join(text.split())).encode("utf-8", "ignore").decode("utf-8")


def _rng(seed: int, text: str) -> np.random.Generator:
    """What is drawn for a text, whatever else the corpus holds."""
    return np.random.default_rng([seed, zlib.crc32(text.encode())])


def _fingerprint(captions: Iterable[Caption]) -> str:
    total = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for caption in captions:
        for part in (caption.text.encode(), caption.meaning.encode()):
            total.update(len(part).to_bytes(4, "big") + part)
    return total.hexdigest()
