"""A bundle of several teachers: each head is its own space with its own words; all else stays as it was."""

import dataclasses
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.sounds import RATE, noise
from tests.support.tiny_bundles import TINY_LABELS, tiny_background, tiny_bundle, tiny_embed, tiny_text
from tinyclap.errors import TinyclapError
from tinyclap.library.identity import identity_of, load
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import Manifest, read_manifest, write_manifest

PROMPTS = ("the sound of {}", "{}")
HEADS = {
    name: {
        "start": start,
        "dim": dim,
        "logit_scale": scale,
        "prompts": list(prompts),
        "teacher": {"name": name, "fingerprint": name * 2, "licence": "mit"},
    }
    for name, start, dim, scale, prompts in (("sounds", 0, 10, 5.0, PROMPTS), ("style", 10, 6, 30.0, ("{}",)))
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny_bundle(tmp_path_factory.mktemp("heads") / "bundle", text=True, background=tiny_background())
    write_manifest(made, dataclasses.replace(read_manifest(made), heads=HEADS))
    return made


def part(vectors: np.ndarray, name: str) -> np.ndarray:
    """What numpy makes of a head's dimensions."""
    start, dim = {"sounds": (0, 10), "style": (10, 6)}[name]
    cut = vectors[:, start : start + dim]
    return cut / np.linalg.norm(cut, axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["sounds", "style"])
def test_sounds_and_words_of_a_head(folder: Path, name: str) -> None:
    whole, bundle = Bundle.load(folder), Bundle.load(folder, head=name)
    sound = noise(1.0)
    expected = part(tiny_embed([sound]), name)
    np.testing.assert_allclose(bundle.embed(sound, sample_rate=RATE), expected, atol=1e-5)
    np.testing.assert_allclose(
        bundle.embed_text(["the sound of dog"]), part(tiny_text(["the sound of dog"]), name), atol=1e-5
    )
    assert (whole.embed_dim, bundle.embed_dim) == (16, HEADS[name]["dim"])
    judge = bundle.judge()
    np.testing.assert_allclose(judge.table.embeddings, part(whole.judge().table.embeddings, name), atol=1e-5)
    assert judge.logit_scale == HEADS[name]["logit_scale"]
    (answer,) = bundle.classify(sound, sample_rate=RATE, top_k=3, threshold=0.1)
    by_label = dict(zip(TINY_LABELS, (judge.table.embeddings @ expected[0]).tolist(), strict=True))
    assert {one.label: one.cosine for one in answer} == pytest.approx(by_label, abs=1e-5)


def test_new_labels_are_said_in_the_heads_own_prompts(folder: Path) -> None:
    found = Bundle.load(folder, head="style").label_table(["siren", "cow"]).embeddings
    np.testing.assert_allclose(found, part(tiny_text(["siren", "cow"]), "style"), atol=1e-5)
    both = Bundle.load(folder).label_table(["siren", "cow"]).embeddings
    assert both.shape == (2, 16)


def test_a_worker_gets_the_same_head(folder: Path) -> None:
    again = pickle.loads(pickle.dumps(Bundle.load(folder, head="style")))
    assert (again.part.head, again.embed_dim) == ("style", 6)


def test_a_library_made_by_a_head_is_opened_with_it(folder: Path) -> None:
    whole, bundle = Bundle.load(folder), Bundle.load(folder, head="style")
    made_by = identity_of(bundle)
    assert made_by["teacher"] == "stylestyle"
    assert made_by != identity_of(whole)
    assert load(Path("lib"), str(folder), made_by).part.head == "style"
    assert load(Path("lib"), str(folder), identity_of(whole)).part.head is None


def test_a_head_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=r"head is speech: bundle .* has no such head; allowed: sounds, style"):
        Bundle.load(folder, head="speech")
    with pytest.raises(TinyclapError, match=r"dim is 4: head style of bundle .* is kept as a whole"):
        Bundle.load(folder, head="style", dim=4)
    plain = tiny_bundle(tmp_path / "plain")
    with pytest.raises(TinyclapError, match=r"head is style: bundle .* has no heads: it is of one teacher, or pruned"):
        Bundle.load(plain, head="style")


def test_a_bundle_of_one_teacher_says_nothing_of_heads(tmp_path: Path) -> None:
    manifest = json.loads((tiny_bundle(tmp_path / "plain") / "bundle.json").read_text())
    assert "heads" not in manifest
    assert "heads" not in json.loads(read_manifest(tmp_path / "plain").graph_metadata())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": 7}, "heads = .* is not allowed; it must be null or an object of heads within the embedding"),
        ({"start": -1}, "heads = .* is not allowed"),
        ({"logit_scale": 0}, "heads = .* is not allowed"),
        ({"prompts": ["no place"]}, "heads = .* is not allowed"),
        ({"prompts": []}, "heads = .* is not allowed"),
        ({"teacher": {"name": "x"}}, "keys of bundle: heads: style: teacher: missing fingerprint, licence"),
        ({"other": 1}, "keys of bundle: heads: style: unknown other"),
    ],
)
def test_damaged_heads_are_refused(folder: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "bundle")
    written = json.loads((copy / "bundle.json").read_text())
    written["heads"]["style"] |= change
    with pytest.raises(TinyclapError, match=message):
        Manifest.from_json(json.dumps(written))
    others: tuple[Any, ...] = ([], "style", {})
    for wrong in others:
        with pytest.raises(TinyclapError, match=r"heads = .* is not allowed"):
            Manifest.from_json(json.dumps(written | {"heads": wrong}))
