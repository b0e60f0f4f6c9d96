"""A recipe whose teacher is embedded in parts, in a cache of a name, and what its store holds."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import run
from tests.support.tiny import small_recipe, style_teacher
from tinyclap.common.files import cache_root

MANY = ("data.train.n_clips=252", "views.per_clip=46")  # 24 clips: 3 parts, the last of them not full


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Switches to an empty cache of a name."""
    return lambda name: monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / "caches" / name))


@pytest.fixture
def quick(recipe: Path, tmp_path: Path) -> Path:
    """The recipe with a teacher that takes less time."""
    style_teacher().save_pretrained(tmp_path / "style", "---\nlicense: mit\n---\n# untrained\n")
    recipe.write_text(small_recipe("style").replace("kind: hf", "kind: dual"))
    return recipe


def store_hash() -> str:
    """Of the one store of embeddings of views in the cache, all of its files."""
    (folder,) = [path.parent for path in (cache_root() / "embeddings").glob("*/blocks.npy")]
    files = sorted(folder.rglob("*"))
    assert [path.name for path in files] == ["blocks.npy", "rows.npy"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def embed(recipe: Path, *options: str, many: tuple[str, ...] = MANY) -> dict[str, Any]:
    """What `tinyclap embed-teacher` says that it did."""
    told: dict[str, Any] = json.loads(run("embed-teacher", str(recipe), *many, *options, "--json"))
    return told
