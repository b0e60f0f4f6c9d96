"""Recipes of words: what a `text` section may say, with every mistake named, and what it makes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import failure, run
from tinyclap.config.load_recipe import absent_inputs, command_of, dump, load_recipe
from tinyclap.config.schema import DistillRecipe, DistillTextRecipe
from tinyclap.config.text_side import TextTraining
from tinyclap.data.texts.corpus import Corpus
from tinyclap.errors import TinyclapError
from tinyclap.models.text_student_config import TextEncoderConfig
from tinyclap.strict_yaml.load import ProblemsError
from tinyclap.training.options import DistillOptions

WORDS = """\
task: distill_text
name: words
teacher: {kind: hf, source: demo}
text:
  sources:
    - {kind: labels, labels: [Door_knock, thunderstorm, dog, washing machine]}
    - {kind: file, path: mine.txt}
  held_out: 2
"""
WRONG = """\
task: distill_text
name: words
teacher: {kind: hf, source: demo}
text:
  sources:
    - {kind: novels}
    - {kind: grammar, n: 0}
    - {kind: file}
  prompts: ["the sound of", "{}"]
  exclude: [""]
  misspelled: 1.5
  held_out: -1
  students: {}
  student: {kind: transformer, vocabulary: 10, layer: 2}
  training: {epochs: 0, text_weight: 11, loss: cosin}
data: {train: {kind: procedural}, test: {kind: clotho, root: x}}
"""
SMALLEST_TEXT = "text={sources: [{kind: grammar}]}"

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


# ---- what is read


def test_the_smallest_recipe_has_defaults_for_the_rest(write: Write) -> None:
    recipe = load_recipe(write(WORDS), task="distill_text")
    assert isinstance(recipe, DistillTextRecipe)
    assert recipe.text.student == TextEncoderConfig()
    assert recipe.text.training == TextTraining()
    assert isinstance(recipe.text.training, DistillOptions)
    assert recipe.text.training.epochs < DistillOptions().epochs
    assert (recipe.text.prompts, recipe.text.exclude, recipe.text.misspelled) == (None, (), 0.1)
    assert recipe.data.test is None
    assert recipe.text.described() == "labels labels=Door_knock,thunderstorm,dog,washing machine; file path=mine.txt"


@pytest.mark.parametrize(
    "text",
    [WORDS, f"{WORDS}  student: {{kind: static, layers: 0}}\n  training: {{epochs: 3}}\n  prompts: ['a {{}}']\n"],
)
def test_a_dumped_recipe_loads_as_an_equal_one(write: Write, text: str) -> None:
    recipe = load_recipe(write(text))
    written = dump(recipe)
    assert load_recipe(write(written)) == recipe
    assert written.startswith("task: distill_text\nname: words\n")


def test_a_recipe_of_sounds_may_have_words_too() -> None:
    plain = load_recipe("quickstart", task="distill")
    assert plain.text is None
    recipe = load_recipe("quickstart", [SMALLEST_TEXT, "text.student.dim=64"], task="distill")
    assert isinstance(recipe, DistillRecipe)
    assert recipe.text is not None
    assert recipe.text.student.dim == 64
    bf16 = ["training.precision=bf16", "text.training.precision=bf16"]
    assert load_recipe("quickstart", [SMALLEST_TEXT, *bf16], task="distill").training.precision == "bf16"
    for override in bf16:
        assert 'allowed: "' in problems("quickstart", SMALLEST_TEXT, override)[0]
        assert "text.training.precision: got " in problems("quickstart", SMALLEST_TEXT, override)[0]
    (problem,) = problems("demo_teacher", "text.sources=[{kind: grammar}]")
    assert "text.sources: unknown key" in problem


def test_the_shipped_recipe_is_checked_without_what_it_fetches() -> None:
    assert run("recipes", "check", "everyday_words") == "everyday_words: OK (distill_text)\n"
    assert run("recipes", "check", "everyday_words", "text.student.kind=static").endswith(": OK (distill_text)\n")


def test_files_that_are_not_there_yet_are_told_by_key(write: Write) -> None:
    path = write(WORDS.replace("source: demo", "source: ./clap"))
    assert absent_inputs(load_recipe(path, ["data.test={kind: folder, root: sounds}"])) == [
        "data.test.root: sounds",
        "teacher.source: ./clap",
        "text.sources.1.path: mine.txt",
    ]
    assert absent_inputs(load_recipe("quickstart", ["text={sources: [{kind: file, path: mine.txt}]}"])) == [
        "text.sources.0.path: mine.txt"
    ]


# ---- what is refused


def test_every_mistake_is_named_with_its_line(write: Write) -> None:
    found = problems(write(WRONG))
    beginnings = (
        'my.yaml:6: text.sources.0.kind: got "novels", allowed: "audioset", "captions", "data", "file", "grammar", ',
        "my.yaml:7: text.sources.1.n: got 0, allowed: a whole number >= 1",
        "my.yaml:8: text.sources.2.path: missing, allowed: text",
        'my.yaml:9: text.prompts.0: got "the sound of", allowed: a text with {} once, where the class name goes',
        'my.yaml:10: text.exclude.0: got "", allowed: text',
        "my.yaml:11: text.misspelled: got 1.5, allowed: a number >= 0 and <= 1",
        "my.yaml:12: text.held_out: got -1, allowed: a whole number >= 0 and <= 1000000",
        "my.yaml:13: text.students: unknown key (did you mean 'student'?), allowed here: sources, prompts, exclude, ",
        "my.yaml:14: text.student.vocabulary: got 10, allowed: a whole number >= 64 and <= 65536",
        "my.yaml:14: text.student.layer: unknown key (did you mean 'layers'?), allowed here: kind, vocabulary, table",
        "my.yaml:15: text.training.epochs: got 0, allowed: a whole number >= 1",
        'my.yaml:15: text.training.loss: got "cosin", allowed: "cosine" or "centred_cosine" (did you mean \'cosine',
        "my.yaml:15: text.training.text_weight: got 11, allowed: a number >= 0 and <= 10",
        "my.yaml:16: data.train: unknown key, allowed here: test, max_bad_share, max_clip_s",
    )
    assert len(found) == len(beginnings)
    for problem, beginning in zip(found, beginnings, strict=True):
        assert problem.startswith(beginning)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "  student: {dim: 100, heads: 3}\n",
            "my.yaml:9: text.student.heads: got 3, allowed: a divisor of dim = 100",
        ),
        ("  student:\n    layers: 0\n", "my.yaml:10: text.student.layers: got 0, allowed: at least 1 in a transformer"),
        (
            "  training: {batch_size: 10, micro_batches: 3}\n",
            "my.yaml:9: text.training.micro_batches: got 3, allowed: a divisor of batch_size = 10",
        ),
        ("  held_out: 3\n", "my.yaml:9: text.held_out: given twice, first on line 8"),
        (
            "data: {test: {kind: clotho, root: x}}\n",
            "my.yaml:9: data.test: got clotho, whose clips have captions and no labels",
        ),
        (
            "views: {duration_s: 5}\n",
            "my.yaml:9: views: unknown key, allowed here: task, name, seed, teacher, teachers, text, ",
        ),
    ],
)
def test_rules_between_values_are_named_too(write: Write, lines: str, expected: str) -> None:
    (problem,) = problems(write(WORDS + lines))
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("text.sources=[]", "text.sources: got "),
        ("text.sources=null", "text.sources: got null"),
        ("text.sources.0.weight=2", "text.sources.0.weight: unknown key, allowed here: kind, labels"),
        (
            "text.sources=[{kind: data, data: {kind: folder, root: x}, n: 2}]",
            "text.sources.0.n: unknown key, allowed here: kind, data, licence",
        ),
        (
            "text.sources=[{kind: data, data: {kind: folder, root: x, n: 2}}]",
            "text.sources.0.data.n: unknown key, allowed here: kind, labels, exclude_labels, weight, root",
        ),
        (
            "text.sources=[{kind: data, data: {kind: folder, root: x, weight: 2.0}}]",
            "text.sources.0.data.weight: got a weight, allowed: none; every caption is there once",
        ),
        ("text.sources.2.path=a.txt", "text.sources is a list of 2 with entries counted from 0, and has no '2'"),
        ("text.student.kind=lstm", 'text.student.kind: got "lstm", allowed: "static" or "transformer"'),
        ("text=null", "text: got null"),
        ("text.sources.0.labels=dog", 'text.sources.0.labels: got "dog", allowed: a list'),
    ],
)
def test_an_override_that_is_wrong_is_named(write: Write, override: str, expected: str) -> None:
    (problem,) = problems(write(WORDS), override)
    assert problem.startswith(f"override '{override}': {expected}")


def test_each_task_has_its_command(write: Write) -> None:
    assert [command_of(task) for task in ("distill", "distill_text", "pretrain")] == [
        "distill",
        "distill-text",
        "pretrain",
    ]
    path = str(write(WORDS))
    told, code = failure("distill", path)
    expected = 'my.yaml:1: task: got "distill_text", allowed: "distill"; run: tinyclap distill-text my.yaml'
    assert (expected in told, code) == (True, 2)
    told, code = failure("distill-text", "quickstart")
    assert told.endswith('task: got "distill", allowed: "distill_text"; run: tinyclap distill quickstart')
    assert code == 2
    told, _ = failure("pretrain", path)
    assert told.endswith("run: tinyclap distill-text my.yaml")


# ---- what is made


def made(path: Path, *overrides: str, prompts: tuple[str, ...] = ("the sound of {}",), seed: int = 0) -> Corpus:
    return load_recipe(path, overrides, task="distill_text").text.corpus(prompts, seed)


def test_a_section_makes_its_corpus(write: Write) -> None:
    path = write(WORDS)
    Path("mine.txt").write_text("rain falls on a roof at night\n")
    corpus = made(path)
    texts = {caption.text for caption in corpus.captions}
    assert {"Door_knock", "door knock", "the sound of door knock", "rain falls on a roof at night"} <= texts
    own = made(path, "text.prompts=['a {}']")
    assert "a door knock" in {caption.text for caption in own.captions}
    assert "the sound of door knock" not in {caption.text for caption in own.captions}
    without = made(path, "text.exclude=[door knock, roof]")
    assert without.n_excluded >= 2
    assert not [caption for caption in without.captions if "knock" in caption.text or "roof" in caption.text]
    slips = made(path, "text.misspelled=1.0")
    assert slips.groups["misspellings"] >= 3
    assert "misspellings" not in made(path, "text.misspelled=0").groups
    assert made(path, "text.misspelled=1.0", seed=1).fingerprint != slips.fingerprint


def test_a_list_that_is_not_there_is_told_when_it_is_read(write: Write) -> None:
    with pytest.raises(TinyclapError, match=r"mine\.txt"):
        made(write(WORDS))
