"""Writes the README's figures from the result files, so that none is typed in.

python benchmarks/readme.py
"""

import json
from pathlib import Path
from typing import Any

from tinyclap.files import write_text
from tinyclap.formatting import decimal, duration, percent, percent_interval, scaled

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
    return f"{quickstart(_read('quickstart'))}\n{esc10(_read('esc10'), _read('esc10_fixed'), _read('esc10_unseen'))}"


def quickstart(result: dict[str, Any]) -> str:
    """What the first command takes and reaches."""
    first, second = result["first"], result["second_with_the_same_teacher_and_data"]
    environment = result["environment"]
    return f"""**The quickstart** ({environment["cpu"]}, {environment["threads"]} threads; `{result["command"]}`): \
{duration(first["wall_s"])}, {result["peak_rss_bytes"] / 1e9:.1f} GB of memory. A second distillation with the same
teacher and data, {duration(second["wall_s"])}, ran {second["teacher_forwards"]} teacher passes.

| {first["n_clips"]} generated clips that nobody trained on | demo teacher | student |
| --- | --- | --- |
| zero-shot accuracy | {_with_interval(first, "teacher")} | {_with_interval(first, "student")} |
| kept | | {percent(first["retention"])} |
| parameters of the audio encoder | {scaled(first["teacher_parameters"])} | {scaled(first["student_parameters"])} |
| MACs per second of audio | {_macs(first, "teacher")} | {_macs(first, "student")} |
"""


def esc10(views: dict[str, Any], fixed: dict[str, Any], unseen: dict[str, Any]) -> str:
    """Teacher and students on real audio, in cross-validation."""
    ours, plain = views["summary"]["views"], fixed["summary"]["fixed"]
    row = views["runs"][0]
    tracked = unseen["unseen_classes"]
    strangers = tracked["test_fold"]
    return f"""**Real audio** (ESC-10, {ours["n_clips"]} clips from {ours["n_recordings"]} recordings; every fold of \
{", ".join(map(str, views["folds"]))} is tested by
a teacher pretrained and students distilled on the others; {len(views["seeds"])} seeds with views, \
{len(fixed["seeds"])} with fixed clips; intervals draw whole
recordings; `benchmarks/esc10.py`):

| | parameters (trunk) | zero-shot accuracy | kept | centred cosine | 10-NN overlap |
| --- | --- | --- | --- | --- | --- |
| teacher | {scaled(row["teacher_parameters"])} | {percent(ours["teacher_accuracy"])} \
{percent_interval(ours["teacher_ci95"])} | | | |
{_student_row("student, views", row, ours)}
{_student_row("student, fixed clips", row, plain)}

The overlap is that of a fold's {row["n_clips"]} clips, where chance finds {percent(row["knn10_chance"])}.

Two classes left out of the student's training, heard again in the test fold: centred cosine \
{decimal(strangers["centred_cosine"])}, and {percent(strangers["knn10_overlap"])} of
their teacher's ten nearest among all {tracked["gallery"]} clips found again \
(chance {percent(tracked["knn10_chance"])}). The teacher had heard {strangers["teacher_heard"]}.
"""


def _student_row(name: str, row: dict[str, Any], arm: dict[str, Any]) -> str:
    accuracy = f"{percent(arm['student_accuracy'])} {percent_interval(arm['student_ci95'])}"
    kept = f"{percent(arm['retention'])} {percent_interval(arm['retention_ci95'])}"
    close = f"{decimal(arm['centred_cosine'])} | {percent(arm['knn10_overlap'])}"
    size = f"{scaled(row['student_parameters'])} ({scaled(row['trunk_parameters'])})"
    return f"| {name} | {size} | {accuracy} | {kept} | {close} |"


def _with_interval(result: dict[str, Any], model: str) -> str:
    return f"{percent(result[f'{model}_accuracy'])} {percent_interval(result[f'{model}_ci95'])}"


def _macs(result: dict[str, Any], model: str) -> str:
    return scaled(result[f"{model}_macs"] / result[f"{model}_window_s"])


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
