"""Run folders with realistic results, and what a reader sees of their reports."""

import html
import json
import math
import re
from pathlib import Path

import numpy as np

from tinyclap.evaluation import scores
from tinyclap.reports import run_report

ESC10 = (
    *("chainsaw", "clock_tick", "crackling_fire", "crying_baby", "dog"),
    *("helicopter", "rain", "rooster", "sea_waves", "sneezing"),
)
HOSTILE_NAME = "<script>alert(1)</script>|`rm`](http://evil.example)\n# heading"
RECIPE = """\
# tinyclap distill esc10
task: distill
name: esc10
seed: 0
teacher: {kind: dual, source: runs/esc10_teacher-1}
data:
  train: {kind: esc50, root: data/esc10, folds: [1, 2, 3], esc10: true}
  test: {kind: esc50, root: data/esc10, folds: [5], esc10: true}
views: {per_clip: 16, duration_s: 5.0, roll: true, gain_db: 6.0, mix: 0.5}
training: {loss: centred_cosine, plain_weight: 0.2, epochs: 60, precision: "no"}
"""


def fake_evaluation(n_clips: int = 320, labels: tuple[str, ...] = ESC10, noise: float = 1.15) -> dict:
    generator = np.random.default_rng(5)
    targets = np.arange(n_clips) % len(labels)
    classes = generator.normal(size=(len(labels), 32))
    teacher = classes[targets] + 2.3 * generator.normal(size=(n_clips, 32))
    student = teacher + noise * generator.normal(size=teacher.shape)
    return scores.compare(
        teacher,
        student,
        classes,
        targets,
        labels,
        folds=[int(fold) for fold in 1 + (np.arange(n_clips) // len(labels)) % 4],
        sources=[f"{index // 30}-{index % len(labels)}" for index in range(n_clips)],
        templates=["this is the sound of {}", "a recording of {}"],
        n_bootstrap=500,
    )


def fake_epochs(epochs: int = 60, head_epochs: int = 0) -> list[dict]:
    rows = []
    for epoch in range(1, epochs + head_epochs + 1):
        progress = 1 - math.exp(-epoch / 12)
        rows.append(
            {
                "epoch": epoch,
                "stage": "all" if epoch <= epochs else "head",
                "loss": 0.93 - 0.71 * progress + 0.01 * math.sin(2.1 * epoch),
                "cosine": 0.6 + 0.36 * progress,
                "centred_cosine": 0.02 + 0.81 * progress,
                "lr": 0.003 * 0.5 * (1 + math.cos(math.pi * epoch / (epochs + head_epochs))),
                "seconds": 7.5 + 0.1 * math.cos(epoch),
                "data_seconds": 0.21,
            }
        )
    return rows


def fake_summary() -> dict:
    return {
        "teacher": {
            "name": "esc10_teacher-1",
            "licence": "Apache-2.0",
            "parameters": 1_534_208,
            "macs": 402_112_000,
            "window_s": 5.0,
            "size_bytes": 6_140_112,
        },
        "student": {
            "parameters": 299_904,
            "trunk_parameters": 68_214,
            "macs": 21_304_320,
            "window_s": 5.0,
            "size_bytes": 1_213_440,
            "embed_dim": 384,
        },
        "views": 16,
        "clips": 237,
        "bad_clips": [
            {"name": "audio/1-100032-A-0.ogg", "reason": "silent"},
            {"name": "audio/3-180977-A-39.ogg", "reason": "NaN or infinite samples"},
            {"name": "audio/2-1.ogg", "reason": "file is corrupt"},
        ],
        "wall_s": 512.4,
    }


def fake_environment() -> dict:
    return {
        "started": "2025-11-20T10:57:03+0000",
        "seed": 0,
        "python": "3.12.4",
        "tinyclap": "0.1.0",
        "torch": "2.11.0",
        "platform": "Linux-6.8.0-x86_64-with-glibc2.39",
        "cpu": "AMD EPYC 7B13, 2 cores",
        "threads": 2,
        "gpu": None,
        "commit": "1a2b3c4",
    }


def fake_run(folder: Path, **replaced: object) -> Path:
    """A run folder with realistic results; `replaced` files by stem, None leaves one out."""
    contents = {
        "recipe": RECIPE,
        "env": fake_environment(),
        "metrics": fake_epochs(),
        "evaluation": fake_evaluation(),
        "summary": fake_summary(),
    } | replaced
    (folder / "student").mkdir(parents=True)
    (folder / "student" / "config.json").write_text('{"head": "linear"}')
    suffixes = {"recipe": ".yaml", "metrics": ".jsonl"}
    for stem, content in contents.items():
        if content is None:
            continue
        if stem == "metrics" and isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{stem}{suffixes.get(stem, '.json')}").write_text(text, encoding="utf-8")
    return folder


def pages(folder: Path) -> tuple[str, str]:
    """The HTML and Markdown texts of a run's report."""
    path = run_report.write_report(folder)
    assert path == folder / "report" / "report.html"
    return path.read_text(encoding="utf-8"), (folder / "report" / "report.md").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader of the HTML sees, on one line."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def table(rows: list[list[str]]) -> list[list[str]]:
    return [[" ".join(cell.split()) for cell in row] for row in rows]


def html_tables(page: str) -> dict[str, list[list[str]]]:
    """Cells by caption, without the explanations in small print."""
    found = {}
    for body in re.findall(r"<table.*?</table>", re.sub(r"<small>.*?</small>", "", page), flags=re.DOTALL):
        caption = re.search(r"<caption>(.*?)</caption>", body)
        rows = re.findall(r"<tr>(.*?)</tr>", body, flags=re.DOTALL)
        cells = [[text_of(c) for c in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)] for row in rows]
        found[caption[1] if caption else ""] = table(cells)
    return found


def markdown_table(page: str, heading: str) -> list[list[str]]:
    """The first table after a heading, without its rule."""
    lines = page.split(f"## {heading}\n", 1)[1].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    count = next(number for number, line in enumerate([*lines[first:], ""]) if not line.startswith("|"))
    rows = [line.strip("|").split("|") for line in lines[first : first + count]]
    return table(rows[:1] + rows[2:])


WORDS_RECIPE = """\
# tinyclap distill-text everyday_words
task: distill_text
name: everyday_words
teacher: {kind: tagger, audio: mn04_as, text: sentence-transformers/all-MiniLM-L6-v2}
text:
  sources: [{kind: audioset}, {kind: grammar, n: 2000}]
data: {test: {kind: esc50, root: data/esc50, folds: [1]}}
"""


def fake_ears(teacher: float, student: float) -> dict:
    """Accuracy with the teacher's words and with the student's."""
    return {
        "teacher_words": {"accuracy": teacher, "ci95": [teacher - 0.04, teacher + 0.04]},
        "student_words": {"accuracy": student, "ci95": [student - 0.05, student + 0.05]},
        "difference": student - teacher,
        "difference_ci95": [student - teacher - 0.03, student - teacher + 0.03],
    }


def fake_text(**replaced: object) -> dict:
    """The content of a text.json."""
    groups = {
        "captions": (1800, 409, 0.52),
        "names": (1872, 320, 0.61),
        "negations": (197, 29, 0.31),
        "odd": (40, 0, 0),
    }
    rows = [("all", 758, 0.55), *((name, n, centred) for name, (_, n, centred) in groups.items() if n)]
    return {
        "sources": "audioset; grammar n=2000",
        "licences": {"audioset": "CC BY-SA 4.0", "grammar": "Apache-2.0 (tinyclap)"},
        "captions": 3151,
        "groups": {name: total for name, (total, _, _) in groups.items()},
        "student": {
            **{"kind": "transformer", "vocabulary": 3662, "table_dim": 128, "dim": 128, "layers": 2, "max_tokens": 48},
            **{"space_dim": 527, "parameters": 1_124_224, "size_bytes": 4_496_896, "int8_bytes": 1_124_224},
            **{"macs": 3_430_016, "macs_tokens": 8},
        },
        "teacher": {
            **{"name": "mn04_as + sentence-transformers/all-MiniLM-L6-v2", "fingerprint": "25"},
            **{"text": "sentence-transformers/all-MiniLM-L6-v2", "licence": "apache-2.0", "parameters": 22_713_216},
        },
        "agreement": {
            "groups": [{"group": name, "n": n, "cosine": c + 0.1, "centred_cosine": c} for name, n, c in rows],
            **{"found_1": 0.267, "found_10": 0.841, "neighbours": 0.2972},
        },
        "zero_shot": {
            **{"data": "kind=esc50 folds=[1]", "n_clips": 400, "n_classes": 50, "prompts": ["the sound of {}"]},
            **{"class_cosine": 0.465, "ears": {"teacher": fake_ears(0.81, 0.675)}},
        },
        "zero_shot_elsewhere": [],
    } | replaced


def fake_words(folder: Path, text: dict | None = None, recipe: str = WORDS_RECIPE) -> Path:
    """A finished run of words alone; `text` is its text.json."""
    written = fake_text() if text is None else text
    summary = {
        **{"task": "distill_text", "name": "everyday_words", "data": written.get("sources"), "wall_s": 61.5},
        **{"teacher": {"name": "mn04_as + MiniLM", "parameters": 983_599, "macs": 56_061_184, "licence": "mit"}},
        **{"text": written.get("student"), "captions": written.get("captions")},
    }
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    (folder / "env.json").write_text(json.dumps(fake_environment()), encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return add_text(folder, written)


def add_text(folder: Path, text: dict) -> Path:
    """Give a run a text student's results."""
    (folder / "text" / "student").mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in fake_epochs(5))
    (folder / "text" / "metrics.jsonl").write_text(lines, encoding="utf-8")
    (folder / "text.json").write_text(json.dumps(text), encoding="utf-8")
    return folder
