"""The page's answers, beside those of `tinyclap.runtime.judge`, on vectors drawn at random."""

import itertools
from typing import Any

import numpy as np
import pytest

from tests.support.pages.node import run_js
from tinyclap.embeddings.similarity import unit
from tinyclap.embeddings.zero_shot import clean_label
from tinyclap.runtime.background import Background
from tinyclap.runtime.judge import Answer, Judge
from tinyclap.runtime.labels import LabelTable

DIM = 12
NAMES = {"topK": "top_k", "silenceDbfs": "silence_dbfs", "multiLabel": "multi_label", "threshold": "threshold"}
ANSWERS = """
    const { Background, Judge } = await lib("tinyclap/judge.js");
    const floats = (rows) => rows.map((row) => Float32Array.from(row));
    const { sounds, classes, classOf } = given.background;
    const known = new Background(floats(sounds), floats(classes), classOf);
    return given.cases.map(({ labels, vectors, settings, background }) => {
        const judge = new Judge({ labels, vectors: floats(vectors) }, 14, background ? known : null, settings);
        return given.heard.map(([embedding, level]) => judge.answer(Float32Array.from(embedding), level));
    });
"""
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"silenceDbfs": -20.0},
    {"threshold": 0.6, "topK": 2},
    {"multiLabel": True, "threshold": 0.5},
    {"threshold": 0.9},
)


def vectors(count: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, DIM)) + 0.5
    return unit(drawn).astype(np.float32)


def test_answers() -> None:
    background = Background(vectors(40, 1), vectors(5, 2), np.arange(40) % 6 - 1)
    heard = [(embedding, float(level)) for embedding, level in zip(vectors(30, 4), range(-60, 0, 2), strict=True)]
    cases, judges = [], []
    for count, settings, known in itertools.product((1, 3, 9), SETTINGS, (background, None)):
        if known is None and "threshold" in settings:
            continue
        table = LabelTable(tuple(f"label {n}" for n in range(count)), vectors(count, 3))
        judges.append(Judge(table, 14.0, known, **{NAMES[key]: value for key, value in settings.items()}))
        case: dict[str, Any] = {"labels": table.labels, "vectors": table.embeddings.tolist()}
        cases.append(case | {"settings": settings, "background": known is not None})
    rows = {"sounds": background.sounds, "classes": background.classes, "classOf": background.class_of}
    given: dict[str, Any] = {"cases": cases, "background": {name: array.tolist() for name, array in rows.items()}}
    given["heard"] = [(embedding.tolist(), level) for embedding, level in heard]
    outcomes = set()
    for judge, answers in zip(judges, run_js(ANSWERS, given), strict=True):
        for (embedding, level), found in zip(heard, answers, strict=True):
            expected = judge(embedding, level)
            outcomes.add(expected.outcome)
            assert_same(found, expected)
    assert outcomes == {"label", "unknown", "silence"}


def assert_same(found: dict[str, Any], expected: Answer) -> None:
    assert found["outcome"] == expected.outcome
    assert found["threshold"] == expected.threshold
    assert [one["label"] for one in found["predictions"]] == [one.label for one in expected]
    for kind in ("cosine", "probability"):
        known = [getattr(one, kind) for one in expected]
        np.testing.assert_allclose([one[kind] for one in found["predictions"]], known, atol=1e-6)
    scores = [None] * len(expected) if expected.scores is None else list(expected.scores)
    assert [one["score"] for one in found["predictions"]] == pytest.approx(scores, abs=1e-9)


def test_settings_that_cannot_be_are_refused() -> None:
    code = """
        const { Background, Judge } = await lib("tinyclap/judge.js");
        const vector = Float32Array.of(1, 0), table = { labels: ["a", "b"], vectors: [vector, Float32Array.of(0, 1)] };
        const background = new Background([vector], table.vectors, [0]);
        const said = (known, threshold) => {
            try { new Judge(table, 14, known, { threshold }); return "fine"; } catch (error) { return error.message; }
        };
        return [said(null, 0.5), said(background, 1), said(background, 0.9), said(background, 0.2)];
    """
    alone, whole, most, fine = run_js(code)
    assert "no background sounds" in alone
    assert "between 0 and 1" in whole
    assert "thresholds go up to 0.25" in most
    assert fine == "fine"


def test_labels_are_cleaned_as_in_python() -> None:
    names = ["dog_bark", "DogBark", "dog-bark", "TVSet", "  A  cat ", "iPhone ringing", "Ärger_ÜBER", "x\u00a0y"]
    code = 'const { cleanLabel } = await lib("tinyclap/labels.js"); return given.map(cleanLabel);'
    assert run_js(code, names) == [clean_label(name) for name in names]
