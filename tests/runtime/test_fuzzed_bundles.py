"""Damaged bundles: each works, or is refused in one line that names it, in bounded time and memory."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.mutations import as_json, damaged, odd, refusable, seeds
from tests.support.sounds import noise
from tests.support.tiny_bundles import tiny_background, tiny_bundle
from tinyclap.common.files import sha256_of
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.selftest import selftest

SOUND = noise(1.2)


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A bundle whose tokenizer tinyclap reads itself, and one whose tokenizer it does not."""
    root, sounds = tmp_path_factory.mktemp("fuzzed"), tiny_background()
    return [tiny_bundle(root / f"{bert}", text=True, bert=bert, int8=True, background=sounds) for bert in (True, False)]


def sealed(folder: Path, name: str, content: bytes) -> None:
    """Put a file into a bundle as if it had been exported with it."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    manifest["files"][name] = {"sha256": sha256_of(folder / name), "size_bytes": len(content)}
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")


def damage(folder: Path, rng: np.random.Generator) -> None:
    """Damage one file of a bundle: the manifest's values, another JSON file's, or the bytes of any."""
    names = sorted(path.name for path in folder.iterdir())
    name = "bundle.json" if rng.random() < 0.4 else names[rng.integers(len(names))]
    content = (folder / name).read_bytes()
    if name.endswith(".json") and rng.random() < 0.8:
        content = as_json(odd(json.loads(content), rng)).encode()
    else:
        content = damaged(content, rng)
    if name == "bundle.json" or rng.random() < 0.1:
        (folder / name).write_bytes(content)
    else:
        sealed(folder, name, content)


def use(folder: Path, graph: Any) -> None:
    """All that a bundle is loaded for."""
    bundle = Bundle.load(folder, graph=graph)
    embedded = [bundle.embed(SOUND, sample_rate=16_000), bundle.embed_text(["rain", "the dog"])]
    for embeddings in embedded:
        assert embeddings.shape[1] == bundle.manifest.embed_dim
        assert np.isfinite(embeddings).all()
    for labels in (None, ["rain", "siren"]):
        (predictions,) = bundle.classify(SOUND, labels, sample_rate=16_000)
        assert all(np.isfinite([one.cosine, one.probability]).all() for one in predictions)
    (answer,) = bundle.classify(SOUND, sample_rate=16_000, threshold=0.5)
    assert answer.scores is not None
    assert all(0 <= score < 1 for score in answer.scores)


@pytest.mark.parametrize("seed", seeds(150))
def test_a_damaged_bundle_works_or_is_refused(
    tmp_path: Path, wholes: list[Path], seed: int, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(seed)
    folder = shutil.copytree(wholes[seed // 2 % 2], tmp_path / "bundle")
    damage(folder, rng)
    with refusable(folder):
        use(folder, ("float", "int8")[seed % 2])
    with refusable(folder):
        selftest(folder)
    assert capfd.readouterr() == ("", ""), "a library wrote to the terminal"


def test_a_whole_bundle_works(wholes: list[Path]) -> None:
    for whole in wholes:
        use(whole, "float")
        assert all(test.passed for test in selftest(whole))
