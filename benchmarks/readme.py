"""Writes the README's figures from the result files, so that none is typed in.

python benchmarks/readme.py
"""

import json
from pathlib import Path
from typing import Any

from figures_models import towers, trainings
from figures_students import boards, device, esc10, pruned, quickstart

from tinyclap.common.files import write_text

README = Path(__file__).parents[1] / "README.md"
RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- figures, written by benchmarks/readme.py -->\n", "<!-- end of figures -->\n"


def main() -> None:
    text = README.read_text(encoding="utf-8")
    if (text.count(BEGIN), text.count(END)) != (1, 1) or text.index(BEGIN) > text.index(END):
        raise SystemExit(f"{README.name}: expected one line {BEGIN.strip()!r} and after it one {END.strip()!r}")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    write_text(README, before + BEGIN + figures() + after)


def figures() -> str:
    """The README's section on what was measured, as Markdown."""
    parts = (
        quickstart(read("quickstart")),
        esc10(read("esc10"), read("esc10_fixed"), read("esc10_unseen"), read("esc10_timing")),
        device(read("onnx_frontend"), read("int8"), read("base_install")),
        pruned(read("prune"), read("codes")),
        boards(read("search"), read("board"), read("costs"), read("latency")),
        towers(read("towers_1thread")),
        trainings(read("baselines"), read("throughput"), read("growth")),
    )
    return "\n".join(parts)


def read(name: str) -> dict[str, Any]:
    """A result file by its name."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
