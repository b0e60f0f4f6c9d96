"""`tinyclap evaluate` on captioned sounds: runs of ears, of words and of both, and every kind of data with captions."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import published
from tests.support.commands import failure, run
from tests.support.report_runs import html_tables
from tests.support.tiny import small_recipe, tiny_clap, write_labelled
from tests.support.tiny_texts import TEXTS

WORDS = """
text:
  sources: [{kind: file, path: mine.txt}]
  held_out: 20
  student: {kind: static, vocabulary: 100, table_dim: 16, dim: 16, layers: 0}
  training: {epochs: 1, batch_size: 16}
"""
BOTH = ["teacher_text_encoder", "student_text_encoder"]
OWN = ("--data", "manifest", "--root", "sounds/list.jsonl")


def write_captioned(root: Path) -> None:
    """Eight sounds with a label and two captions each, listed in `list.jsonl`, two of each recording."""
    write_labelled(root)
    rows = []
    for number, path in enumerate(sorted(root.rglob("*.flac"))):
        label = path.parent.name
        said = [f"the sound of a {label.replace('_', ' ')}", f"{label} number {number}"]
        row = {"path": path.relative_to(root).as_posix(), "label": label, "caption": said, "source": str(number // 2)}
        rows.append(json.dumps(row) + "\n")
    (root / "list.jsonl").write_text("".join(rows))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with captioned sounds and the runs small (ears), both, pruned and words."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        tiny_clap(["a dog barking", "rain falls"], embed_dim=16).save_pretrained(home / "clap", "# untrained\n")
        Path("mine.txt").write_text("\n".join(TEXTS[::6]) + "\n")
        Path("both.yaml").write_text(small_recipe("clap").replace("small", "both") + WORDS)
        Path("words.yaml").write_text(f"task: distill_text\nname: words\nteacher: {{kind: hf, source: clap}}\n{WORDS}")
        write_captioned(Path("sounds"))
        run("distill", "both.yaml")
        run("distill-text", "words.yaml")
        run("prune", "runs/both", "--dim", "8", "--out", "runs/pruned")
        shutil.copytree("runs/both", "runs/small")
        shutil.rmtree("runs/small/text")
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same with runs of its own."""
    shutil.copytree(made, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def evaluations(name: str) -> list[dict]:
    return json.loads(Path(f"runs/{name}/evaluation.json").read_text())


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("small", {"teacher": ["teacher_text_encoder"], "student": ["teacher_text_encoder"]}),
        ("both", {"teacher": BOTH, "student": BOTH}),
        ("pruned", {"teacher": BOTH, "student": BOTH}),
        ("words", {"teacher": BOTH}),
    ],
)
def test_captions_find_clips_with_all_that_a_run_made(home: Path, name: str, pairs: dict[str, list[str]]) -> None:
    before = evaluations(name) if name != "words" else []
    told = run("evaluate", f"runs/{name}", *OWN, "--task", "retrieval")
    (found,) = [entry for entry in evaluations(name) if entry["task"] == "retrieval"]
    assert {model: list(found[model]) for model in ("teacher", "student") if model in found} == pairs
    assert (found["n_clips"], found["n_captions"], found["n_texts"], found["n_recordings"]) == (8, 16, 12, 4)
    assert [entry for entry in evaluations(name) if entry != found] == before, "what was measured before stays"
    written = found["teacher"]["teacher_text_encoder"]["text_to_audio"]["recall_5"]["value"]
    (line,) = re.findall(r"^R@5 +(.*?) %", told.split("audio to text")[0], re.MULTILINE)
    assert line == f"{100 * written:.1f}"
    assert re.search(r"^data +kind=manifest path=sounds/list.jsonl$", told, re.MULTILINE)
    assert ("student's text encoder" in told) == (name != "small")
    page = Path(f"runs/{name}/report/report.html").read_text()
    rows = html_tables(page)["Text to audio, 16 captions among 8 clips, with 95 % intervals"]
    assert [row[0] for row in rows] == ["", "R@1", "R@5", "R@10", "mAP@10", "Median rank"]
    assert rows[2][1].startswith(f"{line} % [")
    assert len(rows[0]) == 2 + sum(map(len, pairs.values()))
    assert 'href="#retrieval"' in page
    assert "Audio to text, 8 clips among 12 texts" in Path(f"runs/{name}/report/report.md").read_text()
    again = json.loads(run("evaluate", f"runs/{name}", *OWN, "--task", "retrieval", "--json"))
    assert again["teacher"] == found["teacher"]
    assert len(evaluations(name)) == len(before) + 1, "the same sounds twice are one measurement"


def test_labels_are_named_and_captions_found_unless_asked_otherwise(home: Path) -> None:
    assert json.loads(run("evaluate", "runs/small", *OWN, "--json"))["task"] == "zero-shot classification"
    unlabelled = Path("sounds/list.jsonl").read_text().replace('"label"', '"was"')
    Path("sounds/list.jsonl").write_text(unlabelled)
    found = json.loads(run("evaluate", "runs/small", *OWN, "--json"))
    assert (found["task"], found["heard_in_training"]) == ("retrieval", 0)
    message, code = failure("evaluate", "runs/small", *OWN, "--task", "zero-shot")
    assert code == 2
    assert "needs a label for every clip; 8 of 8 have none" in message
    message, code = failure("evaluate", "runs/small", *OWN, "--degrade", "snr=20")
    assert (code, "--degrade is for zero-shot classification" in message) == (2, True)


def test_what_has_no_captions_is_told_so(home: Path) -> None:
    asked = ("evaluate", "runs/both", "--task", "retrieval")
    message, code = failure(*asked, "--data", "folder", "--root", "sounds")
    assert code == 2
    assert "retrieval needs a caption for every clip; 8 of 8 have none, e.g. church_bell/" in message
    Path("sounds/list.jsonl").write_text(Path("sounds/list.jsonl").read_text().split("\n")[0])
    message, _ = failure(*asked, *OWN)
    assert "retrieval needs two clips or more" in message


@pytest.mark.parametrize(
    ("kind", "write", "settings", "counts"),
    [
        ("audiocaps", published.write_audiocaps, ("splits=[train]",), (3, 3, 3)),
        ("clotho", published.write_clotho, ("splits=[development, validation]",), (4, 20, 10)),
        ("macs", published.write_macs, (), (3, 6, 2)),
        ("fsd50k", published.write_fsd50k, ("splits=[train, val, eval]",), (4, 4, 4)),
        ("gigaspeech", published.write_gigaspeech, (), (4, 4, 3)),
    ],
)
def test_published_sets_with_captions(
    home: Path, kind: str, write: Callable[[Path], Path], settings: tuple[str, ...], counts: tuple[int, int, int]
) -> None:
    write(home / "set")
    given = [part for setting in settings for part in ("--set", setting)]
    found = json.loads(run("evaluate", "runs/small", "--data", kind, "--root", "set", *given, "--json"))
    assert found["task"] == "retrieval"
    assert (found["n_clips"], found["n_captions"], found["n_texts"]) == counts
    assert {entry["task"] for entry in evaluations("small")} == {"retrieval", "zero-shot classification"}
