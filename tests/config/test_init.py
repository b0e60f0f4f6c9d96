"""Recipes that go on from a trained CLAP: what `init` may say, and the message for everything else."""

from pathlib import Path

import pytest

from tinyclap.config.load_recipe import absent_inputs, dump, load_recipe
from tinyclap.strict_yaml.load import ProblemsError

FINE_TUNED = """\
task: pretrain
name: tuned
init: {kind: laion, source: 630k-best.pt, freeze: [text]}
data: {train: {kind: folder, root: sounds}}
views: {duration_s: 10.0}
"""


def test_a_trained_clap_to_go_on_from(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(FINE_TUNED)
    recipe = load_recipe(tmp_path / "my.yaml", task="pretrain")
    assert recipe.init is not None
    assert (recipe.init.freeze, recipe.init.lora, recipe.kind) == (("text",), None, "hf")
    assert load_recipe(tmp_path / "my.yaml", ["init={kind: msclap, source: 2023}"], task="pretrain").kind == "msclap"
    (tmp_path / "again.yaml").write_text(dump(recipe))
    assert load_recipe(tmp_path / "again.yaml") == recipe
    assert "init.source: ./a.pt" in absent_inputs(load_recipe(tmp_path / "my.yaml", ["init.source=./a.pt"]))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("init=null", "audio: missing, allowed: a section on the audio tower, unless init names a trained CLAP"),
        ("init.kind=onnx", 'init.kind: got "onnx", allowed: '),
        ("init.freeze=[audio, text, head]", "init.freeze: got all three"),
        ("init.lora={towers: [text]}", 'init.freeze: got "text", allowed: no tower of lora.towers'),
        ("init.lora={rank: 0, towers: [audio]}", "init.lora.rank: got 0, allowed: "),
        ("init.lora={towers: []}", "init.lora.towers: got [], allowed: audio, text or both, each once"),
        ("text={kind: scratch}", "text: got a section, allowed: null with init, whose own text tower learns on"),
        ("embed_dim=64", "embed_dim: got 64, allowed: none with init"),
        ("training.text_epochs=3", "training.text_epochs: got 3, allowed: 0 with init"),
    ],
)
def test_an_init_that_cannot_be_meant(override: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(FINE_TUNED)
    with pytest.raises(ProblemsError) as caught:
        load_recipe(tmp_path / "my.yaml", [override])
    assert any(told in problem for problem in caught.value.problems), caught.value.problems
