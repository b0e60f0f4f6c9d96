"""The README's ten rows, and the list of what measures what."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tinyclap.common.numbers import duration, file_size, percent, percent_interval, points, scaled

HERE = Path(__file__).parents[1]
Read = Callable[[str], dict[str, Any]]
Row = tuple[str, str, str]  # what, the figures, the script that measures them


def overview(read: Read) -> str:
    """At most ten rows: what a student keeps, costs and takes; `read` gives a result file by its name."""
    rows = [*_kept_and_spent(read("esc10"), read("towers_1thread")), *_smaller(read), *_first_steps(read)]
    lines = [f"| {what} | {figures} | [{name}](benchmarks/{name}.py) |" for what, figures, name in rows]
    return "\n".join(["| what | measured | by |", "| --- | --- | --- |", *lines, ""])


def _kept_and_spent(esc10: dict[str, Any], towers: dict[str, Any]) -> Iterator[Row]:
    real, models = esc10["summary"]["views"], towers["models"]
    ours, small, laion = models["ours"], models["ours-int8"], models["laion-htsat-tiny"]
    yield (
        f"zero-shot accuracy on real audio, ESC-10, {real['n_clips']} clips",
        f"student {_accuracy(real, 'student')}, its teacher {_accuracy(real, 'teacher')}",
        "esc10/study",
    )
    yield (
        "size of the student's file",
        f"{file_size(ours['file_bytes'])} ({scaled(ours['parameters'])} parameters), as INT8 "
        f"{file_size(small['file_bytes'])}; LAION's HTSAT tiny {file_size(laion['file_bytes'])}",
        "models/run",
    )
    yield (
        "5 s of sound to its embedding, one CPU thread",
        f"{ours['clip_ms']:.1f} ms ({scaled(ours['clip_macs'])} MACs); LAION's HTSAT tiny "
        f"{laion['clip_ms']:.1f} ms ({scaled(laion['clip_macs'])} MACs)",
        "models/run",
    )


def _smaller(read: Read) -> Iterator[Row]:
    everyday = read("esc50_everyday")
    ears, words = everyday["rows"]["int8"], everyday["rows"]["own words"]
    theirs = read("words_baselines")["rows"][0]["size_bytes"]
    yield (
        f"`tinyclap get everyday`: ears and words for any label in {file_size(everyday['bundle_bytes'])}, zero-shot on "
        f"{everyday['n_clips']:,} clips of ESC-50",
        f"{percent(words['accuracy'])} {percent_interval(words['ci95'])}; {percent(ears['accuracy'])} with its "
        f"teacher's words, {file_size(theirs)}",
        "esc50/everyday",
    )


def _first_steps(read: Read) -> Iterator[Row]:
    first, environment = read("quickstart")["first"], read("quickstart")["environment"]
    base, paper = read("base_install"), read("baselines")["ours_minus"]["paper"]
    yield (
        "recipe `esc10` instead of tinyCLAP's settings, same trunk",
        f"accuracy {points(paper['accuracy'], paper['accuracy_ci95'])}",
        "esc10/train_baselines",
    )
    yield (
        f"`tinyclap distill quickstart`, {environment['threads']} CPU threads",
        f"{duration(first['wall_s'])}, {percent(first['retention'])} of the teacher's accuracy kept",
        "training/quickstart",
    )
    yield (
        "install on a device, without torch",
        f"{base['installed_bytes'] / 1e6:.0f} MB; first answer after {base['first_classify_s']:.2f} s",
        "device/base_install",
    )


def scripts() -> str:
    """What each benchmark measures and the command that makes it, from the scripts' own docstrings."""
    lines = []
    for script in sorted(HERE.rglob("*.py")):
        name = script.relative_to(HERE).with_suffix("")
        docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
        module = ".".join(("benchmarks", *name.parts))
        if command := re.search(rf"^ +(python -m {module}\b.*)$", docstring, re.MULTILINE):
            what = " ".join(docstring.split("\n\n")[0].split())
            lines.append(f"| [{name.as_posix()}]({name.as_posix()}.py) | {what} | `{command[1]}` |")
    return "\n".join(["| script | what it measures | command |", "| --- | --- | --- |", *lines, ""])


def _accuracy(result: dict[str, Any], model: str) -> str:
    return f"{percent(result[f'{model}_accuracy'])} {percent_interval(result[f'{model}_ci95'])}"
