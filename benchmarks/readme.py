"""Writes the README's figures from the result files, so that none is typed in.

python benchmarks/readme.py
"""

import json
from pathlib import Path
from typing import Any

from figures_models import towers, trainings
from figures_students import boards, device, esc10, pruned, quickstart

from tinyclap.files import write_text

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
        quickstart(_read("quickstart")),
        esc10(_read("esc10"), _read("esc10_fixed"), _read("esc10_unseen"), _read("esc10_timing")),
        device(_read("onnx_frontend"), _read("int8"), _read("base_install")),
        pruned(_read("prune"), _read("codes")),
        boards(_read("search"), _read("board"), _read("costs"), _read("latency")),
        towers(_read("towers_1thread")),
        trainings(_read("baselines"), _read("throughput"), _read("growth")),
    )
    return "\n".join(parts)


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
