"""The examples of CLSP's README: figures as its own lines compute them. With generated weights they mean nothing."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.speech import style
from tests.teachers.test_clsp import made
from tinyclap.common.files import read_json
from tinyclap.errors import TinyclapError


def test_figures_are_those_of_the_readme() -> None:
    """Its lines, in torch: ranks from an argsort, 1 / rank within ten."""
    rng = np.random.default_rng(0)
    audio, texts = (rng.standard_normal((14, 4)).astype(np.float32) for _ in range(2))
    audio, texts = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (audio, texts))
    logits = torch.from_numpy(audio @ texts.T)
    found = style.retrieval(audio, texts)
    for way, logit in (("audio_to_text", logits), ("text_to_audio", logits.t())):
        ranking = torch.argsort(logit, dim=1, descending=True)
        ranks = torch.empty_like(ranking)
        ranks.scatter_(1, ranking, torch.arange(14).unsqueeze(0).expand(14, -1))
        own = ranks[torch.arange(14), torch.arange(14)]
        assert found[way]["ranks"] == (own + 1).tolist()
        for count in (1, 5, 10):
            assert found[way][f"R@{count}"] == pytest.approx((own < count).float().mean().item())
        wanted = torch.where(own < 10, 1 / (own.float() + 1), torch.zeros(14)).mean().item()
        assert found[way]["mAP@10"] == pytest.approx(wanted)


def test_the_examples_run_on_clips_of_their_names(tmp_path: Path) -> None:
    examples, rng = read_json(style.EXAMPLES, {}), np.random.default_rng(0)
    assert [len(texts) for texts in examples["captions"].values()] == [10, 10]
    with pytest.raises(TinyclapError, match=r"ex04-ex02_laughing_004_channel1_segment_146\.92_151\.77\.wav"):
        style.measured(made(), tmp_path)
    for name in (*examples["clips"], examples["one_clip"]):
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(int(rng.integers(20_000, 60_000))), 48_000)
    with pytest.warns(UserWarning, match="is cut to 64"):  # the small model has fewer positions than RoBERTa
        found = style.measured(made(), tmp_path)
    assert set(found["retrieval"]) == {"global", "fine"}
    assert {name: answer in examples["prompts"][name] for name, answer in found["answers"].items()} == dict.fromkeys(
        ("emotion", "gender", "age"), True
    )
    alone = style.embedded(made(), [tmp_path / examples["one_clip"]])[0]
    wanted = style.words(made(), examples["styles"][:1])[0] @ alone
    assert found["styles"][examples["styles"][0]] == pytest.approx(float(wanted), abs=1e-5)
