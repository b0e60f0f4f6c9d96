"""What Python makes of test inputs, for the page's selftest."""
# ruff: noqa: RUF001 (letters of many scripts look alike)

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.audio.level import level_dbfs
from tinyclap.audio.windows import at_rate, of_stream
from tinyclap.common.arrays import read_arrays
from tinyclap.common.files import write_bytes, write_text
from tinyclap.embeddings.latent_map import enlargement
from tinyclap.errors import TinyclapError
from tinyclap.exporters.web.data import word_facts
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import TEST_VECTORS, TOKENIZER
from tinyclap.runtime.judge import Judge
from tinyclap.runtime.labels import LabelTable, find_table
from tinyclap.runtime.text_encoder import TextEncoder, UnknownWordsError, token_reader

TOLERANCE = 1e-4  # of unit vectors, cosines and probabilities; more in a pruned space, whose entries are larger
RESAMPLED, ROUNDED = 1e-3, 0.03  # of sounds at other rates, by another resampler; of graphs with rounded activations
LEVEL_DB = 0.01  # of sounds at other rates
OTHER_RATES = (44_100, 48_000, 22_050)
BLOCK, STREAM_RATE, HOPS = 4_096, 48_000, 3
TEXTS = (
    "a dog barks, then rain; 24/7 -- isn't it?",
    "Ein größerer Hund bellt am FLUẞ; l'été à Nîmes, piñata Ångström",
    "ΟΔΟΣ οδός İstanbul ıslık ﬁne ǅ ẛ̣",
    "собака лает, ёлка 犬が吠える 강아지 a犬b हिन्दी עִבְרִית عَرَبِيّ",
    "dog🐶 👩‍👩‍👧‍👦 d\u200bog ra\u00adin soft\u00adhyphen nul\0 e\u0301\u0302\u0323",
    "[CLS] dog [SEP] ##s # antidisestablishmentarianism Donaudampfschifffahrtsgesellschaft",
    "barking" * 20,
    "dog " * 200,
    "«dog» “rain” … – · ¿¡ § $ + < = > ^ ` | ~",
)
FREE_LABELS = ("a kettle | boiling water", "Schafe", "somebody typing on a keyboard")


@dataclass(frozen=True)
class Reference:
    """A bundle as the page has it: of its words, INT8 weights are multiplied in float32, as in WebAssembly."""

    bundle: Bundle
    words: TextEncoder | None

    @classmethod
    def of(cls, bundle: Bundle) -> "Reference":
        """With words, where the page has them."""
        text = bundle.manifest.text
        if text is None or word_facts(bundle) is None:
            return cls(bundle, None)
        limits = {name: text[name] for name in ("max_tokens", "pad_id")}
        return cls(bundle, TextEncoder(bundle.folder, **limits, exact=True))

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """As `Bundle.embed_text`, in float32."""
        assert self.words is not None
        return self.bundle.part.of(self.words.embed(texts))

    def table(self, labels: Sequence[str] | None) -> LabelTable:
        """As `Bundle.label_table`, in float32."""
        own = self.bundle.label_table() if self.bundle.labels else None
        return find_table(
            labels,
            None,
            own_prompts=self.bundle.part.prompts,
            table=own,
            text_side=lambda: self.words,
            embed_text=self.embed_text,
            where=str(self.bundle.folder),
        )


def write_expected(bundle: Bundle, folder: Path) -> None:
    """Write the test inputs and what Python makes of them.

    Raises:
        TinyclapError: the bundle has no test vectors.
    """
    if TEST_VECTORS not in bundle.manifest.files:
        raise TinyclapError(f"bundle {bundle.folder} has no {TEST_VECTORS}; export it again")
    vectors = read_arrays(bundle.folder / TEST_VECTORS)
    waveforms = [vectors[f"waveform_{row}"] for row in range(len(vectors["embedding"]))]
    waveforms += [np.zeros(bundle.sample_rate, np.float32), _faded(waveforms[0], bundle.sample_rate)]
    starts = np.cumsum([0, *map(len, waveforms)])
    places = [(int(start), len(waveform)) for start, waveform in zip(starts, waveforms, strict=False)]
    sounds = [(place, waveform, bundle.sample_rate) for place, waveform in zip(places, waveforms, strict=True)]
    sounds += [(*sounds[-1][:2], rate) for rate in OTHER_RATES if rate != bundle.sample_rate]
    longest = int(np.argmax(list(map(len, waveforms))))
    reference = Reference.of(bundle)
    expected = {
        "limits": _limits(bundle),
        "sounds": [_sound(reference, *sound) for sound in sounds],
        "texts": list(_texts(reference, vectors)) if reference.words else [],
        "tables": [_table(reference, labels) for labels in _free_labels(reference)] if reference.words else [],
        "stream": _stream(bundle, places[longest], waveforms[longest]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "expected.json", json.dumps(expected, ensure_ascii=True) + "\n")
    write_bytes(folder / "waveforms.f32", np.concatenate(waveforms).astype("<f4").tobytes())


def _faded(waveform: np.ndarray, rate: int) -> np.ndarray:
    """The same with a soft begin: of a hard one soxr's first two samples differ, for want of a past."""
    soft = waveform.copy()
    length = min(len(soft), rate // 50)
    soft[:length] *= np.linspace(0, 1, length, dtype=np.float32)
    return soft


def _limits(bundle: Bundle) -> dict[str, float]:
    mapped, facts = bundle.manifest.latent_map, bundle.manifest.graphs[bundle.graph]
    larger = enlargement(mapped["full_dim"], bundle.manifest.embed_dim) if mapped else 1.0
    unit = ROUNDED if facts["precision"] == "int8" else TOLERANCE * larger
    resampled = max(unit, RESAMPLED * larger)
    limits = dict.fromkeys(("level", "cosine", "probability", "score"), TOLERANCE)
    limits |= {"embedding": unit, "stream": resampled, "resampled": resampled, "resampled_level": LEVEL_DB}
    return limits | dict.fromkeys(("text", "label"), TOLERANCE * larger)


def _sound(reference: Reference, place: tuple[int, int], waveform: np.ndarray, rate: int) -> dict[str, Any]:
    bundle = reference.bundle
    embedding, level = bundle.embed_with_level(waveform, sample_rate=rate)
    asked = list(_questions(bundle)) if bundle.labels else []
    if reference.words:
        asked += [([*labels], {"topK": 3}) for labels in _free_labels(reference)]
    return {
        "start": place[0],
        "length": place[1],
        "sample_rate": rate,
        "embedding": embedding.tolist(),
        "level_dbfs": level,
        "answers": [_answer(reference, embedding, level, labels, settings) for labels, settings in asked],
    }


def _questions(bundle: Bundle) -> Iterator[tuple[list[str] | None, dict[str, Any]]]:
    """Labels and settings, as the page calls them, of the bundle's own labels."""
    first = [bundle.labels[0]]
    yield None, {}
    yield first, {"silenceDbfs": -100.0}
    if bundle.background is not None:
        most = bundle.background.largest_share
        yield None, {"threshold": most ** len(bundle.labels) / 2, "topK": 2}
        yield None, {"multiLabel": True, "threshold": most / 2}
        yield first, {"threshold": 0.9 * most}


def _answer(
    reference: Reference, embedding: np.ndarray, level: float, labels: list[str] | None, settings: dict[str, Any]
) -> dict[str, Any]:
    names = {"topK": "top_k", "silenceDbfs": "silence_dbfs", "multiLabel": "multi_label", "threshold": "threshold"}
    bundle, asked = reference.bundle, {names[key]: value for key, value in settings.items()}
    judge = Judge(reference.table(labels), bundle.part.logit_scale, bundle.background, **asked)
    answer = judge(embedding, level)
    compared = 1 if judge.multi_label else len(judge.table.labels)
    step = 0.0 if bundle.background is None else compared * (1 - bundle.background.largest_share) * 1.01
    scores: Sequence[float | None] = [None] * len(answer) if answer.scores is None else answer.scores
    return {
        "labels": labels,
        "settings": settings,
        "outcome": answer.outcome,
        "predictions": [
            {"label": one.label, "cosine": one.cosine, "probability": one.probability, "score": score}
            for one, score in zip(answer, scores, strict=True)
        ],
        "score_step": step,
    }


def _free_labels(reference: Reference) -> Iterator[list[str]]:
    """Labels in words, as far as the bundle knows some."""
    known = [label for label in FREE_LABELS if _is_known(reference, label)]
    if known:
        yield known
    own = reference.bundle.labels
    if len(own) > 1:
        yield [f"{own[0]} | {own[1]}"]


def _is_known(reference: Reference, label: str) -> bool:
    try:
        reference.table([label])
    except UnknownWordsError:
        return False
    return True


def _table(reference: Reference, labels: list[str]) -> dict[str, Any]:
    return {"labels": labels, "vectors": reference.table(labels).embeddings.tolist()}


def _texts(reference: Reference, vectors: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    bundle, text = reference.bundle, reference.bundle.manifest.text
    assert text is not None
    read = token_reader(bundle.folder / TOKENIZER, text["max_tokens"])
    known = [str(one) for one in vectors.get("texts", [])]
    for one, tokens, row in zip(known, read(known), reference.embed_text(known), strict=True):
        yield {"text": one, "ids": list(tokens.ids), "embedding": row.tolist()}
    for one, tokens in zip(TEXTS, read(TEXTS), strict=True):
        yield {"text": one, "ids": list(tokens.ids)}


def _stream(bundle: Bundle, place: tuple[int, int], waveform: np.ndarray) -> dict[str, Any]:
    """The windows of a stream of blocks at another rate."""
    hop_s = len(waveform) / STREAM_RATE / HOPS * 1.1
    hop, window = round(hop_s * bundle.sample_rate), bundle.manifest.window_samples
    blocks = [waveform[first : first + BLOCK] for first in range(0, len(waveform), BLOCK)]
    found = of_stream(at_rate(blocks, STREAM_RATE, bundle.sample_rate), window, hop)
    windows = [
        {"position": position, "level_dbfs": level_dbfs(samples), "embedding": bundle.encode(samples[None])[0].tolist()}
        for position, samples in found
    ]
    about = {"start": place[0], "length": place[1], "block": BLOCK, "sample_rate": STREAM_RATE, "hop_s": hop_s}
    return about | {"windows": windows}
