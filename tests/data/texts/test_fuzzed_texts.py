"""Damaged files of texts: each gives captions, or one message that names it, in bounded time and memory."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.texts.test_captioned import AUDIOCAPS, CLOTHO, WAVCAPS
from tests.data.texts.test_wordnet import write
from tests.support.mutations import as_json, damaged, odd, refusable, seeds
from tests.support.published import macs_annotations
from tinyclap.data.texts.audioset import AudioSet
from tinyclap.data.texts.captioned import CaptionFile
from tinyclap.data.texts.corpus import MAX_CHARACTERS, Source, build_corpus
from tinyclap.data.texts.files import TextFile
from tinyclap.data.texts.wordnet import WordNetWords
from tinyclap.data.texts.wordnet_dict import FILES

ONTOLOGY = [{"name": "Dog, hound", "description": "A dog.", "child_ids": []}, {"name": "Cat", "description": "Cats."}]
ROWS = [{"caption": "a dog barks", "translation": "ein Hund bellt"}, {"caption": ["rain", "wind"]}]
SOURCES: list[tuple[str, str, Callable[[str], Source]]] = [
    ("ontology.json", json.dumps(ONTOLOGY), AudioSet),
    ("captions.json", json.dumps(WAVCAPS), CaptionFile),
    ("MACS.yaml", macs_annotations("a.wav", "b.wav"), CaptionFile),
    ("train.csv", AUDIOCAPS, CaptionFile),
    ("dev.csv", CLOTHO, CaptionFile),
    ("mine.csv", 'caption,translation\n"a, b",c\nd\n', TextFile),
    ("mine.tsv", "label\ttranslation\ndog\tHund\n", TextFile),
    ("mine.txt", "dog\nrain falls on the roof\n", TextFile),
    ("mine.jsonl", "\n".join(map(json.dumps, ROWS)), TextFile),
]


@pytest.mark.filterwarnings("ignore:texts")
@pytest.mark.parametrize("seed", seeds(180))
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    name, content, source = SOURCES[seed % len(SOURCES)]
    path = tmp_path / name
    if name.endswith(".json") and rng.random() < 0.6:
        path.write_bytes(as_json(odd(json.loads(content), rng)).encode(errors="surrogatepass"))
    else:
        path.write_bytes(damaged(content.encode(), rng))
    with refusable(path, "texts: no caption is left"):
        corpus = build_corpus([source(str(path))], misspelled_share=0.5, prompts=["hear {}"])
        assert all(0 < len(one.text) <= MAX_CHARACTERS + len("hear ") for one in corpus.captions)


@pytest.mark.filterwarnings("ignore:texts")
@pytest.mark.parametrize("seed", seeds(60))
def test_a_damaged_dictionary_is_read_or_refused(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    write(tmp_path)
    path = tmp_path / FILES[seed % len(FILES)]
    path.write_bytes(damaged(path.read_bytes(), rng))
    with refusable(path, "texts: no caption is left"):
        build_corpus([WordNetWords(str(tmp_path), kinds=("all",), glosses=("all",))])
