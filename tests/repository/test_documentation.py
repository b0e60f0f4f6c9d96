"""What the pages of the repository say is so: commands and examples run, links lead somewhere, tables match."""

import ast
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import typer

from benchmarks.figures import overview, readme
from tests.support.commands import invoke
from tests.support.tiny import small_recipe, tiny_clap
from tests.support.tiny_bundles import tiny_background, tiny_bundle
from tinyclap.cli.app import app
from tinyclap.config import reference
from tinyclap.config.key_meanings import MEANINGS
from tinyclap.config.load_recipe import load_recipe
from tinyclap.config.schema import RECIPE
from tinyclap.exporters.bundle_readme import FILES as GRAPHS
from tinyclap.runtime import bundle_contents

REPOSITORY = Path(__file__).parents[2]
TOP_LEVEL = ("tinyclap", "recipes", "export", "benchmarks", "tests")
_MODEL_CARDS = {"assets", "golden"}  # folders that hold models, whose pages are not about this repository
_PATHS = (path for folder in TOP_LEVEL for path in (REPOSITORY / folder).rglob("README.md"))
_BELOW = [path for path in _PATHS if _MODEL_CARDS.isdisjoint(path.parts)]
PAGES = [str(path.relative_to(REPOSITORY)) for path in sorted([*REPOSITORY.glob("*.md"), *_BELOW])]

Command = tuple[str, ...]

RUN = {"recipes", "devices", "costs", "evaluate", "report", "prune", "info", "selftest", "classify", "embed", "listen"}
RUN |= {"bench", "models", "index", "find", "duplicates", "tag", "export-index", "adapt"}
# What takes hours, with the task of the recipes it takes: these are checked.
RECIPES = {name: "distill" for name in ("distill", "search", "embed-teacher")}
RECIPES |= {"distill-text": "distill_text", "pretrain": "pretrain"}
# Long, or serving.
PARSED = {"convert", "export", "latency", "get", "cache", "browse", "score", "caption", "probe", "shard", "plan"}
EXTRA = {"listen": ("--file", "rain.wav", "--threshold", "0.01"), "bench": ("--seconds", "0.1")}
ELSEWHERE = {"--host", "urbansound8k", "clotho"}  # what only another machine or a download has


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """What stands between the fences of one language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)
    return [block for named, block in fenced if named == language]


def lines(page: str) -> list[str]:
    """The shell lines of a page, continued ones joined, without comments."""
    joined = "\n".join(blocks(page, "bash")).replace("\\\n", "")
    return [line for line in joined.splitlines() if not line.startswith("#")]


def commands(page: str) -> list[Command]:
    """Arguments of every `tinyclap` on the shell lines of a page."""
    found = []
    for line in lines(page):
        parser = shlex.shlex(line, posix=True, punctuation_chars="&|")
        parser.whitespace_split = True
        words = list(parser)
        while words:
            stop = next((at for at, word in enumerate(words) if word in ("&&", "|")), len(words))
            if Path(words[0]).name == "tinyclap":
                found.append(tuple(words[1:stop]))
            words = words[stop + 1 :]
    return found


COMMANDS = [(page, command) for page in PAGES for command in commands(page)]
MENTIONED = sorted({span for page in PAGES for span in re.findall(r"`tinyclap ([^`\n]+)`", text_of(page))})


def leaf(arguments: list[str]) -> tuple[typer.core.TyperCommand, list[str]]:
    """The command that arguments name, and the arguments that are left for it."""
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and arguments and not arguments[0].startswith("-"):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    return command, arguments  # type: ignore[return-value]


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda told: told if isinstance(told, str) else told[0])
def test_a_command_is_taken_as_it_is_written(page: str, command: Command) -> None:
    found, arguments = leaf(list(command))
    found.make_context(command[0], arguments)


@pytest.mark.parametrize("mentioned", MENTIONED)
def test_a_command_in_a_sentence_has_the_options_it_names(mentioned: str) -> None:
    found, words = leaf(shlex.split(mentioned.replace("COMMAND", "info")))
    known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= {*known, "--help"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A reader's folder: sounds, a bundle, and a finished run under the quickstart's name."""
    folder = tmp_path_factory.mktemp("home")
    tiny_bundle(folder / "bundle", text=True, background=tiny_background())
    other = onnx.load(folder / "bundle" / "audio.onnx")
    told = bundle_contents.read_manifest(folder / "bundle").graph_metadata()
    onnx.helper.set_model_props(other, {bundle_contents.METADATA_KEY: told})
    onnx.save(other, folder / "other.onnx")
    rng = np.random.default_rng(0)
    for name in ("rain.wav", "sound.wav", "three_hours.flac", "my_sounds/rain/a.wav", "my_sounds/siren/b.wav"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.normal(0, 0.1, 24_000), 16_000)
    shutil.copytree(folder / "my_sounds", folder / "my_test")
    shutil.copy(REPOSITORY / "export" / "python" / "classify.py", folder)
    tiny_clap(["a dog barking", "rain falls"], embed_dim=512).save_pretrained(
        folder / "clap", "---\nlicense: mit\n---\n"
    )
    (folder / "small.yaml").write_text(small_recipe(folder / "clap"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        invoke("distill", "small.yaml", "--run", "runs/quickstart")
        shutil.copytree("bundle", "runs/quickstart/bundle")
        yield folder


@pytest.mark.filterwarnings("ignore:.* too few to tell which ones matter")
@pytest.mark.parametrize("page", [page for page in PAGES if {command[0] for command in commands(page)} - PARSED])
def test_the_commands_of_a_page_run_in_their_order(page: str, home: Path, tmp_path: Path) -> None:
    """Each page on its own copy of the folder; runs that it makes are there for the commands after it."""
    shutil.copytree(home, tmp_path / "home")
    ran = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "home")
        for command in commands(page):
            if command[0] in RECIPES:
                load_recipe(command[1], [word for word in command[2:] if "=" in word], task=RECIPES[command[0]])  # type: ignore[call-overload]
                ran += 1
            if command[0] not in RUN or ELSEWHERE & set(command):
                continue
            out, _ = invoke(*command, *EXTRA.get(command[0], ()))
            assert out.strip()
            ran += 1
    assert ran


def test_the_python_of_a_page_runs(home: Path, tmp_path: Path) -> None:
    ran = []
    shutil.copytree(home, tmp_path / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "home")
        invoke("embed", "my_sounds", "--bundle", "bundle", "--out", "emb8.npy", "--dtype", "int8")
        for page in PAGES:
            for block in blocks(page, "python"):
                if "class Test" not in block and "tinyclap.suites" not in block:  # those tests/suites runs
                    exec(compile(block, page, "exec"), {"__name__": "__example__"})
                    ran.append(page)
    assert ran == ["README.md", *["export/README.md"] * 3, "recipes/README.md", "tinyclap/library/README.md"]


def test_a_contract_is_inherited_as_the_page_shows(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("tinyclap/README.md", "python") if "class Test" in block]
    (tmp_path / "test_example.py").write_text(block)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_example.py")]
    done = subprocess.run([*command, "--rootdir", str(REPOSITORY)], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 5


def test_the_recipes_of_a_page_are_valid(tmp_path: Path) -> None:
    for block, name in zip(blocks("recipes/README.md", "yaml"), ("smallest", "both", "my_words"), strict=True):
        (tmp_path / "shown.yaml").write_text(block)
        assert load_recipe(tmp_path / "shown.yaml").name == name


def test_other_programs_that_pages_start_are_there() -> None:
    """Extras of pip install lines, modules of python -m, scripts of benchmarks with the options they are given."""
    extras = set(tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"])
    everything = "\n".join(map(text_of, PAGES))
    asked = {name for names in re.findall(r"(?:tinyclap|\.)\[([\w,]+)\]", everything) for name in names.split(",")}
    assert (
        {"train", "test", "mic", "text", "bench", "formats", "suites", "lora", "cloud", "datasets", "ray", "tflite"}
        == asked & extras
        == asked
    )
    modules = set(re.findall(r"python -m ([\w.]+)", everything)) - {"venv"}
    assert {"tinyclap.config.reference", "pytest"} <= modules
    assert all(importlib.util.find_spec(module) for module in modules)
    shared = "".join(text_of(f"benchmarks/{name}.py") for name in ("esc10/runs", "esc50/runs", "words/measured"))
    for module, arguments in re.findall(r"python -m (benchmarks[\w.]+)([^`\n]*)", everything):
        known = set(re.findall(r'"(--[\w-]+)"', text_of(f"{module.replace('.', '/')}.py") + shared))
        assert set(re.findall(r"--[\w-]+", arguments)) <= known, module


def slugs(page: str) -> set[str]:
    without_code = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    return {reference.anchor(title) for title in re.findall(r"^#+ (.*)$", without_code, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_a_file_and_to_a_heading(page: str) -> None:
    places = re.findall(r"\]\(([^)\s]+)\)", text_of(page))
    for place in places:
        if re.match(r"\w+:", place):
            continue
        path, _, heading = place.partition("#")
        target = ((REPOSITORY / page).parent / path) if path else REPOSITORY / page
        assert target.exists(), place
        if heading:
            assert heading in slugs(str(target.resolve().relative_to(REPOSITORY.resolve()))), place


def test_every_page_can_be_reached_from_the_first() -> None:
    seen, waiting = set(), [REPOSITORY / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8"))
        for place in links:
            target = (page.parent / place).resolve()
            target = target / "README.md" if target.is_dir() else target
            if target.suffix == ".md" and target.exists():
                waiting.append(REPOSITORY / target.relative_to(REPOSITORY.resolve()))
    assert {REPOSITORY / page for page in PAGES} <= seen


def test_the_first_page_is_short_and_keeps_the_test_command() -> None:
    text = text_of("README.md")
    assert len(text.splitlines()) <= 130
    assert re.search(r"^<!-- test command -->\n```bash\n.*python -m pytest\n```$", text, re.MULTILINE)
    begin, end = readme.marks("figures")
    rows = text[text.index(begin) + len(begin) : text.index(end)].strip().splitlines()[2:]
    assert 5 <= len(rows) <= 10


@pytest.mark.parametrize("page", readme.pages())
def test_what_is_written_by_the_benchmarks_is_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name, content in readme.pages()[page].items():
        assert readme.replaced(text, name, content, page) == text, "run: python -m benchmarks.figures.readme"


def test_every_benchmark_is_in_the_list() -> None:
    """Those that write a result file; without a command in their docstring they would be missing."""
    folder = REPOSITORY / "benchmarks"
    listed = {folder / f"{name}.py" for name in re.findall(r"^\| \[([\w/]+)\]", overview.scripts(), re.MULTILINE)}
    written = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}
    writing = {path for path, text in written.items() if re.search(r"write_json\(|Rows\(", text) and "__main__" in text}
    assert len(writing) > 10
    assert writing <= listed


def test_the_keys_of_a_recipe_are_up_to_date(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "recipes" / "README.md", tmp_path)
    reference.write_page(tmp_path / "README.md")
    fresh = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert fresh == text_of("recipes/README.md"), f"run: {reference.COMMAND}"


def test_every_key_of_a_recipe_says_what_it_means() -> None:
    told = dict(reference.keys(RECIPE.json_schema()))
    assert [key for key, meaning in told.items() if not meaning] == []
    assert set(MEANINGS) <= set(told), "meanings of keys that do not exist"


def rooms() -> list[str]:
    """Rows of the table of rooms: floors from the import contract, questions from the rooms' docstrings."""
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    rows = []
    for floor, layer in zip(range(len(layers), 0, -1), layers, strict=True):
        for room in layer.split(" | "):
            place = room if (REPOSITORY / "tinyclap" / room).is_dir() else f"{room}.py"
            source = REPOSITORY / "tinyclap" / (f"{place}/__init__.py" if place == room else place)
            told = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
            assert told, source
            rows.append(f"| {floor} | [`{room}`]({place}) | {told.splitlines()[0]} |")
    return rows


def test_the_table_of_rooms_is_what_the_rooms_say() -> None:
    shown = re.findall(r"^\| \d+ \|.*\|$", text_of("tinyclap/README.md"), re.MULTILINE)
    assert shown == rooms(), "the table should be:\n" + "\n".join(rooms())


def test_the_map_of_folders_is_complete() -> None:
    (tree,) = [block for block in blocks("README.md", "") if block.startswith("tinyclap/")]
    outer = set(re.findall(r"^(\w+)/ ", tree, re.MULTILINE))
    inner = set(re.findall(r"^  (\w+)/ ", tree, re.MULTILINE))
    assert outer == set(TOP_LEVEL)
    folders = {path.parent.name for path in (REPOSITORY / "tinyclap").glob("*/__init__.py")}
    assert inner == folders


def test_the_files_of_a_bundle_are_those_that_are_written() -> None:
    contents = bundle_contents
    named = {contents.MANIFEST, contents.README, contents.LABELS, contents.LABEL_EMBEDDINGS, contents.BACKGROUND}
    named |= {*GRAPHS, contents.TEXT_GRAPH, contents.TOKENIZER, contents.TEST_VECTORS}
    section = text_of("export/README.md").split("## The bundle, file by file", 1)[1]
    assert set(re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE)) == named


def test_every_command_is_run_or_said_not_to_be() -> None:
    group = typer.main.get_command(app)
    assert RUN | set(RECIPES) | PARSED == set(group.commands)  # type: ignore[attr-defined]
