"""Damaged text students: each works, or is refused in one line that names it, in bounded time and memory."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.mutations import as_json, damaged, odd, refusable, seeds
from tests.support.tiny_texts import placement, text_student
from tinyclap.models.text_student import TextStudent


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzzed") / "words"
    text_student(placed=placement()).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("seed", seeds(60))
def test_a_damaged_text_student_works_or_is_refused(tmp_path: Path, whole: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    folder = shutil.copytree(whole, tmp_path / "words")
    path = folder / ("config.json", "tokenizer.json", "model.safetensors")[seed % 3]
    content = path.read_bytes()
    if path.suffix == ".json" and rng.random() < 0.8:
        path.write_bytes(as_json(odd(json.loads(content), rng)).encode())
    else:
        path.write_bytes(damaged(content, rng))
    with refusable(folder, "the tokenizer of the text student"):
        found = TextStudent.from_pretrained(folder).embed_text(["a dog barking", "zebra", ""])
        assert torch.isfinite(found).all()
