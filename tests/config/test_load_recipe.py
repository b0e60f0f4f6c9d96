"""Recipes: what a user may write, and the message for everything else."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.config.data import ProceduralData
from tinyclap.config.load_recipe import DistillRecipe, PretrainRecipe, absent_inputs, dump, load_recipe
from tinyclap.config.networks import HtsatTower, ScratchText
from tinyclap.config.teachers import ClapTeacher
from tinyclap.errors import TinyclapError
from tinyclap.strict_yaml.load import ProblemsError

DISTILL = """\
task: distill
name: tiny
teacher:
  kind: hf
  source: demo
data:
  train:
    - {kind: procedural, n_clips: 8}
    - kind: folder
      root: sounds
  test: {kind: procedural, seed: 1}
student:
  phinet: {depth: 5, time_strides: [1, 3], mel_strides: [1, 3]}
training:
  lr: 3e-4
  precision: no
"""
PRETRAIN = """\
task: pretrain
name: teacher
data: {train: {kind: procedural}}
audio: {kind: htsat, depths: [1, 1], num_attention_heads: [2, 4], patch_embeds_hidden_size: 16}
text: {kind: scratch, vocab_size: 300}
templates: ["This is a sound of {}."]
views: {duration_s: 10}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes `my.yaml` into the current folder, so that messages begin with that name."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        Path("my.yaml").write_text(text, encoding="utf-8")
        return Path("my.yaml")

    return write


def problems(path: Path | str, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(ProblemsError) as caught:
        load_recipe(path, overrides)
    assert caught.value.exit_code == 2
    return caught.value.problems


def test_a_distillation_recipe_loads_with_its_defaults(write: Write) -> None:
    recipe = load_recipe(write(DISTILL), task="distill")
    assert isinstance(recipe, DistillRecipe)
    assert isinstance(recipe.teacher, ClapTeacher)
    assert recipe.teacher.source == "demo"
    assert isinstance(recipe.data.train, tuple)
    assert [spec.kind for spec in recipe.data.train] == ["procedural", "folder"]
    assert isinstance(recipe.data.test, ProceduralData)
    assert recipe.data.test.n_clips == 400
    assert recipe.student.frontend == FrontendSpec()
    assert recipe.training.lr == 3e-4
    assert recipe.training.precision == "no"
    assert (recipe.training.loss, recipe.training.epochs, recipe.evaluate.bootstrap) == ("centred_cosine", 60, 2000)


def test_a_pretraining_recipe_loads_with_its_defaults(write: Write) -> None:
    recipe = load_recipe(write(PRETRAIN), task="pretrain")
    assert isinstance(recipe, PretrainRecipe)
    assert isinstance(recipe.audio, HtsatTower)
    assert isinstance(recipe.text, ScratchText)
    assert (recipe.text.vocab_size, recipe.text.hidden_size, recipe.embed_dim) == (300, 64, 512)
    assert recipe.training.logit_scale_max == 100


@pytest.mark.parametrize("text", [DISTILL, PRETRAIN])
def test_a_dumped_recipe_loads_as_an_equal_one(write: Write, text: str) -> None:
    recipe = load_recipe(write(text), ["data.train={kind: manifest, path: '1e3', splits: ['no', '010', '1:30']}"])
    written = dump(recipe)
    assert load_recipe(write(written)) == recipe
    assert written.startswith(f"task: {recipe.task}\nname: ")
    assert yaml.safe_load(written)["data"]["train"]["splits"] == ["no", "010", "1:30"]  # YAML 1.1 readers agree


def test_whole_numbers_are_floats_where_floats_are_meant(write: Write) -> None:
    recipe = load_recipe(write(DISTILL), ["views.duration_s=2", "student.frontend={f_min: 60}"], task="distill")
    assert isinstance(recipe.views.duration_s, float)
    assert isinstance(recipe.student.frontend.f_min, float)


def test_all_errors_are_reported_at_once_in_the_order_of_the_file(write: Write) -> None:
    path = write(
        "task: distill\nname: x\nname: y\nteacher: {kind: clap}\ndata:\n  train: {kind: procedural, n_clip: 3}\n"
        "student:\n  frontend: {f_max: 9000}\ntraining:\n  epochs: 0\n  loss: cosin\n"
    )
    found = problems(path, "views.mix=2")
    assert found[3].startswith("my.yaml:8: student.frontend.f_max: got 9000, allowed: ")
    assert found[:3] + found[4:] == (
        "my.yaml:3: name: given twice, first on line 2",
        'my.yaml:4: teacher.kind: got "clap", allowed: "clsp", "dual", "hf", "laion", "msclap", "naflexclap", '
        '"onnx" or "tagger" (did you mean \'msclap\'?)',
        "my.yaml:6: data.train.n_clip: unknown key (did you mean 'n_clips'?), allowed here: "
        "kind, labels, exclude_labels, weight, n_clips, duration_s, seed",
        "my.yaml:10: training.epochs: got 0, allowed: a whole number >= 1 and <= 100000",
        'my.yaml:11: training.loss: got "cosin", allowed: "cosine" or "centred_cosine" (did you mean \'cosine\'?)',
        "override 'views.mix=2': views.mix: got 2, allowed: a number >= 0 and <= 1",
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=-1", "seed: got -1, allowed: a whole number >= 0 and <= 4294967295"),
        ("seed=1.0", "seed: got 1.0, allowed: a whole number"),
        ("seed=true", "seed: got true, allowed: a whole number"),
        ("name=a/b", 'name: got "a/b", allowed: letters, digits'),
        ("name=", "name: got null, allowed: text"),
        ("teacher.source=''", 'teacher.source: got "", allowed: text'),
        ("teacher={kind: tagger, audio: mn99}", 'teacher.audio: got "mn99", allowed: a .pt file, a .onnx file'),
        ("teacher={kind: tagger, classes: a.csv}", 'teacher.classes: got "a.csv", allowed: null unless audio is an'),
        ("training.lr=fast", 'training.lr: got "fast", allowed: a number > 0 and <= 1'),
        ("training.lr=.nan", "training.lr: got NaN, allowed: a number > 0"),
        ("training.lr=.inf", "training.lr: got Infinity, allowed: a number > 0"),
        ("training.ema=1", "training.ema: got 1, allowed: a number >= 0 and < 1"),
        ("training.warmup_share=1", "training.warmup_share: got 1, allowed: a number >= 0 and < 1"),
        ("training.micro_batches=3", "training.micro_batches: got 3, allowed: a divisor of batch_size = 32"),
        ("training.learning_rate=1", "training.learning_rate: unknown key, allowed here: epochs, batch_size"),
        ("views.crop=yes", 'views.crop: got "yes", allowed: true or false'),
        ("views.crop=1", "views.crop: got 1, allowed: true or false"),
        ("views.noise_snr_db=99", "views.noise_snr_db: got 99, allowed: a number >= -20 and <= 30 or null"),
        ("views.time_mask_s=5", "views.time_mask_s: got 5, allowed: less than duration_s = 5"),
        ("views.duration_s=31", "views.duration_s: got 31, allowed: at most data.max_clip_s = 30"),
        ("views=fast", 'views: got "fast", allowed: a section'),
        ("evaluate.prompts=[]", "evaluate.prompts: got [], allowed: a list of one or more"),
        ("evaluate.prompts=[a sound]", 'evaluate.prompts.0: got "a sound", allowed: a text with {} once'),
        ("evaluate.prompts=['{} {x}']", 'evaluate.prompts.0: got "{} {x}", allowed: a text with {} once'),
        ("student.frontend.sample_rate=0", "student.frontend.sample_rate: got 0, allowed: "),
        ("student.frontend.mels=8", "student.frontend.mels: unknown key (did you mean 'n_mels'?)"),
        ("student.phinet.stem_stride=[2, 3]", "student.phinet.stem_stride.1: got 3, allowed: 1, 2 or 4"),
        ("student.phinet.stem_stride=[2]", "student.phinet.stem_stride.1: missing, allowed: 1, 2 or 4"),
        ("student.phinet.depth=2", "student.phinet.depth: got 2, allowed: a whole number >= 3 and <= 30"),
        ("student.phinet.time_strides=[6]", "student.phinet.time_strides: got block 6, allowed: 0 to depth = 5"),
        (
            "student.phinet={compatibility: true, activation: relu}",
            'student.phinet.activation: got "relu", allowed: "relu6" or null with compatibility: true',
        ),
        ("data.train=[]", "data.train: got [], allowed: a list of one or more, each a section with kind: "),
        ("data.train=fsd50k", 'data.train: got "fsd50k", allowed: a section with kind: "audiocaps"'),
        ("data.train=null", "data.train: got null, allowed: a section with kind: "),
        ("data.train.1.kind=foldr", 'data.train.1.kind: got "foldr", allowed: "audiocaps", "clotho", "esc50",'),
        ("data.test={n_clips: 3}", 'data.test.kind: missing, allowed: "audiocaps", "clotho", "esc50", "folder", '),
        ("data.test={kind: esc50, folds: [6]}", "data.test.folds.0: got 6, allowed: a whole number >= 1 and <= 5"),
        (
            "data.test={kind: folder, root: x, labels: [dog], exclude_labels: [cat, dog]}",
            "data.test.exclude_labels: dog also stands in labels",
        ),
    ],
)  # fmt: skip
def test_an_unusable_value_is_named_with_what_is_allowed(write: Write, override: str, expected: str) -> None:
    (problem,) = problems(write(DISTILL), override)
    assert problem.startswith(f"override '{override}': {expected}")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("text.heads=3", "text.heads: got 3, allowed: a divisor of hidden_size = 64"),
        ("text.vocab_size=100", "text.vocab_size: got 100, allowed: a whole number >= 261"),
        ("audio.num_attention_heads=[2]", "audio.num_attention_heads: got 1 stages, allowed: as many as depths has, 2"),
        ("audio.num_attention_heads=[2, 5]", "audio.num_attention_heads.1: got 5, allowed: a divisor of the stage's"),
        ("training.logit_scale_init=200", "training.logit_scale_init: got 200, allowed: at most logit_scale_max = 100"),
        ("templates=[sound of]", 'templates.0: got "sound of", allowed: a text with {} once'),
        (
            "text={kind: transformers, source: bert}",
            'text.kind: got "transformers", allowed: "scratch" with audio.kind',
        ),
        (
            "teacher={kind: hf, source: demo}",
            "teacher: unknown key, allowed here: task, name, seed, licence, weights, data, views, init, audio",
        ),
    ],
)
def test_an_unusable_value_of_a_pretraining_recipe_is_named(write: Write, override: str, expected: str) -> None:
    (problem,) = problems(write(PRETRAIN), override)
    assert problem.startswith(f"override '{override}': {expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "my.yaml: the recipe is empty"),
        ("# only a comment\n", "my.yaml: the recipe is empty"),
        ("- task\n", "my.yaml:1: a recipe is a mapping of keys to values"),
        ("task: distil\n", 'my.yaml:1: task: got "distil", allowed: "distill", "distill_text" or "pretrain" ('),
        ("name: x\n", 'my.yaml:1: task: missing, allowed: "distill", "distill_text" or "pretrain"'),
        ("task: distill\n\tname: x\n", "my.yaml:2:1: not YAML: a tab; indent with spaces"),
        ("task: distill\nname: [x\nseed: 0\n", "my.yaml:3:5: not YAML: while parsing a flow sequence"),
        ("task: distill\n  name: x\n", "my.yaml:2:7: not YAML: mapping values are not allowed here"),
        ("task: *x\n", "my.yaml:1:7: not YAML: anchors (&) and aliases (*) are not allowed"),
        ("a: &x [1]\nb: 2\n", "my.yaml:1:4: not YAML: anchors (&) and aliases (*) are not allowed"),
        ("task: !!python/object/apply:os.getcwd []\n", "my.yaml:1:7: not YAML: tag tag:yaml.org,2002:python/object"),
        ("task: !!int x\n", "my.yaml:1:7: not YAML: "),
        ("task: distill\n---\ntask: distill\n", "my.yaml:2:1: not YAML: expected a single document"),
        ("task: \x07\n", "my.yaml:1: not YAML: "),
        ("[" * 5000, "my.yaml:1: nested too deeply"),
        ("? [a]\n: b\n", "my.yaml:1: the recipe: a key must be plain text"),
    ],
)  # fmt: skip
def test_text_that_is_no_recipe_is_reported_with_its_line(write: Write, text: str, expected: str) -> None:
    assert problems(write(text))[0].startswith(expected)


def test_a_file_that_is_not_utf8_is_named(write: Write) -> None:
    path = write("")
    path.write_bytes("name: größe".encode("latin-1"))
    assert problems(path) == ("my.yaml: not UTF-8 text (byte 8); save it as UTF-8",)


def test_a_missing_file_lists_the_shipped_recipes(write: Write) -> None:
    (problem,) = problems("nowhere.yaml")
    assert problem.startswith("nowhere.yaml: there is no such file; give a recipe file or a shipped recipe: ")
    assert "quickstart" in problem
    assert problems(Path())[0].startswith(".: it is a folder; give a recipe file")


def test_a_recipe_of_the_other_task_names_the_command_to_run(write: Write) -> None:
    with pytest.raises(ProblemsError) as caught:
        load_recipe(write(PRETRAIN), task="distill")
    expected = 'my.yaml:1: task: got "pretrain", allowed: "distill"; run: tinyclap pretrain my.yaml'
    assert caught.value.problems == (expected,)


def test_overrides_set_values_sections_and_list_entries(write: Write) -> None:
    overrides = [
        "data.train.0.n_clips=10",
        "data.train.0.n_clips=12",
        "data.test=null",
        "evaluate.prompts=['{} sound']",
        "student.phinet={alpha: 1}",
        "student.phinet.beta=0.5",
        "training.precision=bf16",
    ]
    recipe = load_recipe(write(DISTILL), overrides, task="distill")
    assert isinstance(recipe.data.train, tuple)
    assert isinstance(recipe.data.train[0], ProceduralData)
    assert recipe.data.train[0].n_clips == 12
    assert recipe.data.test is None
    assert recipe.evaluate.prompts == ("{} sound",)
    assert (recipe.student.phinet.alpha, recipe.student.phinet.beta, recipe.student.phinet.depth) == (1.0, 0.5, 7)
    assert recipe.training.precision == "bf16"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("epochs", "not an override; write key.sub=value"),
        ("=3", "not an override; write key.sub=value"),
        ("a..b=3", "not an override; write key.sub=value"),
        ("data.train.2.n_clips=1", "data.train is a list of 2 with entries counted from 0, and has no '2'"),
        ("data.train.kind=folder", "data.train is a list of 2 with entries counted from 0, and has no 'kind'"),
        ("training.lr.x=1", "training.lr is a single value and has no 'x'"),
        ("name=[", "not YAML: while parsing a flow node"),
        ("teacher={kind: hf, kind: dual, source: x}", "kind: given twice, first on line 1"),
    ],
)
def test_an_override_that_cannot_be_applied_is_named(write: Write, override: str, expected: str) -> None:
    (problem,) = problems(write(DISTILL), override)
    assert problem.startswith(f"override '{override}': {expected}")


def test_an_error_in_a_replaced_section_names_the_override(write: Write) -> None:
    path = write(DISTILL.replace("n_clips: 8", "n_clips: 0"))
    assert problems(path)[0].startswith("my.yaml:8: data.train.0.n_clips: got 0")
    (problem,) = problems(path, "data.train={kind: procedural, n_clips: -1}")
    assert problem.startswith("override 'data.train={kind: procedural, n_clips: -1}': data.train.n_clips: got -1")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ('teacher={kind: msclap, source: "2024"}', 'got "2024", allowed: "2022", "2023" or a .pth file'),
        ("teacher={kind: laion, source: clap.bin}", "allowed: a .pt file, or its name on the hub"),
        ("data.test={kind: clotho, root: data}", "got clotho, whose clips have captions and no labels"),
    ],
)
def test_teachers_and_test_data_of_the_wrong_sort_are_named(override: str, told: str) -> None:
    with pytest.raises(TinyclapError, match=re.escape(told)):
        load_recipe("quickstart", [override], task="distill")


def test_a_year_may_stand_without_quotes() -> None:
    recipe = load_recipe("quickstart", ["teacher={kind: msclap, source: 2023}"], task="distill")
    assert isinstance(recipe.teacher, ClapTeacher)
    assert recipe.teacher.source == "2023"


@pytest.mark.parametrize(
    ("source", "absent"),
    [("here/630k.pt", True), ("./630k.pt", True), ("630k-best.pt", False), ("~/clap.pt", True)],
)
def test_a_teachers_file_that_is_not_there_is_told(source: str, absent: bool) -> None:
    recipe = load_recipe("quickstart", [f"teacher={{kind: laion, source: {source}}}"], task="distill")
    assert (f"teacher.source: {source}" in absent_inputs(recipe)) == absent
