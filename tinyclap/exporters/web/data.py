"""A bundle's contents in the form that the page reads: JSON, and arrays as bare little-endian numbers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tinyclap.common.arrays import read_arrays
from tinyclap.common.files import parse_json, write_bytes, write_text
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import BACKGROUND, TEXT_GRAPH, TOKENIZER
from tinyclap.runtime.wordpiece import OtherKindError, WordPiece

FORMAT, SCHEMA_VERSION = "tinyclap-web", 1
FACTS, LABEL_ROWS, BACKGROUND_ROWS, WORDS = "bundle.json", "labels.f32", "background.i8", "words.json"


def write_data(bundle: Bundle, folder: Path) -> dict[str, Any]:
    """Write what a page needs of a bundle, all but FACTS, and return what that must hold."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest, part = bundle.manifest, bundle.part
    shutil.copyfile(bundle.folder / bundle.graph, folder / bundle.graph)
    if bundle.labels:
        _write(folder / LABEL_ROWS, bundle.label_table().embeddings, "<f4")
    return {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "name": manifest.name,
        "licence": manifest.licence,
        "teacher": dict(part.teacher),
        "tinyclap": manifest.tinyclap,
        "graph": bundle.graph,
        "sample_rate": bundle.sample_rate,
        "window_samples": manifest.window_samples,
        "start": part.start,
        "dim": part.dim,
        "full_dim": part.full_dim,
        "logit_scale": part.logit_scale,
        "prompts": list(part.prompts),
        "labels": list(bundle.labels),
        "background": _background(bundle, folder),
        "text": _text(bundle, folder),
    }


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write FACTS, which is read first."""
    write_text(folder / FACTS, json.dumps(facts, ensure_ascii=False) + "\n")


def _background(bundle: Bundle, folder: Path) -> dict[str, Any] | None:
    if BACKGROUND not in bundle.manifest.files or bundle.background is None:  # read once, so checked
        return None
    stored = read_arrays(bundle.folder / BACKGROUND)
    _write(folder / BACKGROUND_ROWS, np.concatenate([stored["sounds"], stored["classes"]]), "i1")
    return {"sounds": len(stored["sounds"]), "class_of": stored["class_of"].tolist()}


def _text(bundle: Bundle, folder: Path) -> dict[str, Any] | None:
    """Of the words, where the page can read their tokens."""
    words = word_facts(bundle)
    if words is None:
        return None
    shutil.copyfile(bundle.folder / TEXT_GRAPH, folder / TEXT_GRAPH)
    write_text(folder / WORDS, json.dumps(words, ensure_ascii=False) + "\n")
    return {"graph": TEXT_GRAPH}


def word_facts(bundle: Bundle) -> dict[str, Any] | None:
    """What the page's reader of tokens needs; None for a bundle without words, or with another kind of tokenizer."""
    text = bundle.manifest.text
    if text is None:
        return None
    try:
        reader = WordPiece(parse_json((bundle.folder / TOKENIZER).read_bytes()))
    except (OtherKindError, ValueError):
        return None
    return {**reader.facts(), "max_tokens": text["max_tokens"]}


def _write(path: Path, array: np.ndarray, kind: str) -> None:
    write_bytes(path, np.ascontiguousarray(array, dtype=kind).tobytes())
