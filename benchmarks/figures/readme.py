"""Writes the figures of README.md and of benchmarks/README.md from the result files, so that none is typed in.

python -m benchmarks.figures.readme
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.figures.esc50 import examples, taggers, unknown, words
from benchmarks.figures.libraries import library
from benchmarks.figures.library import retrieval
from benchmarks.figures.microcontrollers import generated_c, microcontrollers
from benchmarks.figures.models import towers, trainings
from benchmarks.figures.overview import overview, scripts
from benchmarks.figures.plan import packed, planned
from benchmarks.figures.plateau import plateau, self_distilled
from benchmarks.figures.scale import scale
from benchmarks.figures.slap import objectives
from benchmarks.figures.students import boards, device, esc10, pruned, quickstart
from benchmarks.figures.suites import suites
from benchmarks.figures.teachers import several_teachers
from benchmarks.figures.understood import understood
from tinyclap.common.files import write_text

HERE = Path(__file__).parents[1]
RESULTS = HERE / "results"
README, TABLES = HERE.parent / "README.md", HERE / "README.md"


def main() -> None:
    for page, parts in pages().items():
        text = page.read_text(encoding="utf-8")
        for name, content in parts.items():
            text = replaced(text, name, content, page)
        write_text(page, text)


def pages() -> dict[Path, dict[str, str]]:
    """The parts of each page that are written here, by the name in their marks."""
    return {README: {"figures": overview(read)}, TABLES: {"scripts": scripts(), "figures": figures()}}


def marks(name: str) -> tuple[str, str]:
    """The comments around a part."""
    return f"<!-- {name}, written by benchmarks/figures/readme.py -->\n", f"<!-- end of {name} -->\n"


def replaced(text: str, name: str, content: str, page: Path) -> str:
    """The text of a page with one part written anew."""
    begin, end = marks(name)
    if (text.count(begin), text.count(end)) != (1, 1) or text.index(begin) > text.index(end):
        raise SystemExit(f"{page}: expected one line {begin.strip()!r} and after it one {end.strip()!r}")
    return text[: text.index(begin) + len(begin)] + content + text[text.index(end) :]


def figures() -> str:
    """All that was measured, as Markdown."""
    sections = {
        "The quickstart": quickstart(read("quickstart")),
        "Real audio": esc10(read("esc10"), read("esc10_fixed"), read("esc10_unseen"), read("esc10_timing")),
        "On real ESC-50": taggers(read("esc50_teacher"), read("esc50_everyday")),
        "Words": words(read("words"), read("words_baselines")),
        "What is understood": understood(read("understanding"), read("hard_negatives")),
        "Sounds found by words": retrieval(read("library_retrieval")),
        "Unknown sounds": unknown(read("unknown")),
        "Labels from examples": examples(read("esc50_adapt")),
        "On the device": device(read("onnx_frontend"), read("int8"), read("base_install")),
        "On a microcontroller": generated_c(read("c_code")) + microcontrollers(read("tflite")),
        "Fewer dimensions, fewer bytes": pruned(read("prune"), read("codes")),
        "A library of sounds": library(
            read("library_growth"), read("library_duplicates"), read_if_there("library_files")
        ),
        "Many at work": scale(read_if_there("scale_embedding"), read_if_there("scale_driver")),
        "In others' suites": suites(read("suites")),
        "A board's budget": boards(read("search"), read("board"), read("costs"), read("latency")),
        "Beside the published models": towers(read("towers_1thread")),
        "Several teachers, other widths": several_teachers(read_if_there("two_teachers"), read_if_there("joint_width")),
        "A loss that does not fall": plateau(read("plateau")),
        "Ways of training": trainings(read("baselines"), read("throughput"), read("growth"))
        + self_distilled(read_if_there("self_distillation"))
        + objectives(read_if_there("slap")),
        "Millions of clips": planned(read_if_there("plan")) + packed(read_if_there("shards")),
    }
    return "\n".join(f"### {title}\n\n{text}" for title, text in sections.items())


def read(name: str) -> dict[str, Any]:
    """A result file by its name."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def read_if_there(name: str) -> dict[str, Any] | None:
    """A result file by its name, or None before it has been measured."""
    return read(name) if (RESULTS / f"{name}.json").is_file() else None


if __name__ == "__main__":
    main()
