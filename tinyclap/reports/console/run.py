"""What a command says at its end: the run's numbers in a small table, and the command to run next."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import aligned, decimal, duration, file_size, percent, percent_interval, scaled, whole
from tinyclap.reports import tables
from tinyclap.reports.console.words import accuracy_lines, words_lines
from tinyclap.reports.retrieval import retrieval_lines
from tinyclap.reports.robustness import robustness_lines
from tinyclap.reports.words import export_command, zero_shots
from tinyclap.runs.results import MODELS, RETRIEVAL, ROBUSTNESS, Run, as_mapping, read_run, task_of


def as_object(run: Path, evaluated: dict[str, Any] | None = None) -> str:
    """An evaluation, by default that on the run's own test data, and the run's summary as one JSON object."""
    found = read_run(run)
    evaluation = _own_evaluation(found) if evaluated is None else evaluated
    swept = {"sweep": found.sweep.get("rows", [])} if found.sweep else {}
    learned = {"words": found.text} if found.text else {}
    return json.dumps({"run": str(run), **evaluation, "summary": found.summary, **learned, **swept})


def as_table(run: Path, evaluated: dict[str, Any] | None = None) -> str:
    """The run's numbers as text; with `evaluated`, the answer to `tinyclap evaluate`."""
    written = read_run(run)
    if evaluated is not None and task_of(evaluated) == RETRIEVAL:
        return _retrieval_table(written, evaluated)
    if not written.has_ears:
        return _words_table(written, evaluated)
    summary, pruned = written.summary, as_mapping(written.summary.get("pruned"))
    evaluation = _own_evaluation(written) if evaluated is None else evaluated
    if task_of(evaluation) == ROBUSTNESS:
        data = evaluation.get("data")
        ends = ["", f"data     {data}", f"run      {run}", f"report   {run / 'report' / 'report.html'}"]
        return "\n".join([*robustness_lines(evaluation), *ends])
    models = [name for name in MODELS if as_mapping(summary.get(name))]
    rows = [("", *models), *_cost_rows(summary, models), *_accuracy_rows(evaluation, models)]
    lines = aligned(rows)
    if len(models) == 2 and evaluation:
        lines += ["", *_agreement_lines(evaluation)]
        if pruned:
            lines.append(f"(cosines in the {whole(pruned.get('dim'))} dimensions left: higher the fewer there are)")
    lines += [] if evaluated else _head_lines(written)
    lines += _sweep_lines(written.sweep)
    lines += _words_lines(written, evaluated)
    for what, told in (("training", summary), ("test", evaluation)):
        if told.get("bad_clips"):
            lines += [
                "",
                f"{len(told['bad_clips'])} unusable {what} clips were left out; report/report.md names them",
            ]
    if evaluation.get("labels_without_clips"):
        lines += ["", f"classes without a usable test clip: {', '.join(evaluation['labels_without_clips'])}"]
    lines += [line for warning in tables.warnings(evaluation) for line in ("", f"warning: {warning}")]
    entries = [f"run      {run}", f"report   {run / 'report' / 'report.html'}"]
    if evaluated is not None:
        return "\n".join([*lines, "", f"data     {evaluation.get('data')}", *entries])
    entries.append(f"took     {duration(summary.get('wall_s'))}")
    learned = [f"learned  {_learned(summary)}"] if "student" in models and summary.get("data") else []
    return "\n".join([*lines, "", *learned, *entries, f"next     {_next_command(written)}"])


def _words_table(run: Run, evaluated: dict[str, Any] | None) -> str:
    """The numbers of a run of words alone."""
    lines = words_lines(run.text, evaluated)
    summary, where = run.summary, run.folder
    ends = [f"data     {evaluated.get('data')}"] if evaluated else []
    teacher = as_mapping(run.text.get("teacher")).get("name") or "a teacher"
    if summary.get("data"):
        ends.append(f"learned  {whole(summary.get('captions'))} captions ({summary['data']}) from {teacher}")
    ends += [f"run      {where}", f"report   {where / 'report' / 'report.html'}"]
    ends += [] if evaluated else [f"took     {duration(summary.get('wall_s'))}"]
    return "\n".join([*lines, "", *ends, f"next     {_next_command(run)}"])


def _retrieval_table(run: Run, evaluated: dict[str, Any]) -> str:
    """What captions find."""
    lines, where = retrieval_lines(evaluated), run.folder
    if evaluated.get("bad_clips"):
        lines += ["", f"{len(evaluated['bad_clips'])} unusable test clips were left out; report/report.html names them"]
    ends = [f"data     {evaluated.get('data')}", f"run      {where}", f"report   {where / 'report' / 'report.html'}"]
    return "\n".join([*lines, "", *ends])


def _words_lines(run: Run, evaluated: dict[str, Any] | None) -> list[str]:
    """What a run with ears says of its words; after an evaluation, what they name on the same sounds."""
    if evaluated is None:
        lines = words_lines(run.text)
    else:
        same = [entry for entry in zero_shots(run.text) if entry.get("data") == evaluated.get("data")]
        lines = [line for entry in same for line in accuracy_lines(entry)]
    return ["", *lines] if lines else []


def _own_evaluation(run: Run) -> dict[str, Any]:
    return run.evaluations[0] if run.evaluations else {}


def _cost_rows(summary: dict[str, Any], models: Sequence[str]) -> list[tuple[str, ...]]:
    shown = {"parameters": scaled, "macs": scaled, "size_bytes": file_size}
    names = {"parameters": "audio parameters", "macs": "MACs per window", "size_bytes": "size (float32)"}
    return [
        (names[key], *(write(summary[model].get(key)) for model in models))
        for key, write in shown.items()
        if any(key in summary[model] for model in models)
    ]


def _accuracy_rows(evaluation: dict[str, Any], models: Sequence[str]) -> list[tuple[str, ...]]:
    if not evaluation:
        return []
    scores = [as_mapping(evaluation.get(model)) for model in models]
    cells = [f"{percent(score.get('accuracy'))} {percent_interval(score.get('ci95'))}".strip() for score in scores]
    chance = f" (chance {percent(evaluation['chance'])})" if "chance" in evaluation else ""
    rows: list[tuple[str, ...]] = [(f"zero-shot accuracy, {whole(evaluation.get('n_clips'))} clips{chance}", *cells)]
    if tables.is_uneven(evaluation):
        rows.append(("mean over the classes (UAR)", *(percent(score.get("uar")) for score in scores)))
    return rows


def _agreement_lines(evaluation: dict[str, Any]) -> list[str]:
    told = evaluation.get
    return [
        f"retention {percent(told('retention'))}, agreement {percent(told('agreement'))}",
        f"cosine {decimal(told('cosine'))}, centred cosine {decimal(told('centred_cosine'))}, "
        f"10-NN overlap {decimal(told('knn10_overlap'))} (chance {decimal(told('knn10_chance'))})",
    ]


def _head_lines(run: Run) -> list[str]:
    """Each of several teachers' heads beside its own teacher, on the run's own test data."""
    own = _own_evaluation(run).get("data")
    heads = [
        entry for entry in run.evaluations if entry.get("head") and entry["data"] == f"{own}, head {entry['head']}"
    ]
    if not heads:
        return []
    rows: list[tuple[str, ...]] = [("by one teacher alone", *MODELS, "centred cosine")]
    for entry in heads:
        scores = [as_mapping(entry.get(model)) for model in MODELS]
        cells = [f"{percent(score.get('accuracy'))} {percent_interval(score.get('ci95'))}".strip() for score in scores]
        rows.append((f"--head {entry['head']}", *cells, decimal(entry.get("centred_cosine"))))
    return ["", *aligned(rows)]


def _sweep_lines(sweep: dict[str, Any]) -> list[str]:
    """A pruning sweep's accuracies, methods by dimensions."""
    if not sweep:
        return []
    accuracy = tables.sweep_tables(sweep)[0]
    rows = [("accuracy by dimensions", *map(str, accuracy["dims"]))]
    rows += [(row["name"], *(cell.split(" [")[0] for cell in row["cells"])) for row in accuracy["rows"]]
    width = max(len(row[0]) for row in rows)
    return ["", *(f"{row[0]:<{width}}  " + "  ".join(f"{cell:>7}" for cell in row[1:]) for row in rows)]


def _learned(summary: Mapping[str, Any]) -> str:
    """What a student was taught, in one line."""
    warning = ": generated sounds, so do not expect it to know recordings" if _is_generated(summary) else ""
    teacher = as_mapping(summary.get("teacher")).get("name") or "a teacher"
    return f"{whole(summary.get('clips'))} clips ({summary['data']}) from {teacher}{warning}"


def _is_generated(summary: Mapping[str, Any]) -> bool:
    parts = str(summary.get("data")).split("; ")
    return all("kind=procedural" in part for part in parts)


def _next_command(written: Run) -> str:
    summary, run = written.summary, written.folder
    if not written.has_ears and zero_shots(written.text):
        return export_command(shell_path(run), has_ears=False)
    if summary.get("task") == "pretrain":
        written_as = {"model.safetensors": "hf", "config.json": "dual"}
        kind = next((each for name, each in written_as.items() if (run / "teacher" / name).is_file()), "msclap")
        return f"tinyclap distill RECIPE teacher.kind={kind} teacher.source={shell_path(run / 'teacher')}"
    if written.has_ears and _is_generated(summary):
        return f"tinyclap export --onnx{' --text' if written.text else ''} {shell_path(run)}"
    return f"tinyclap evaluate {shell_path(run)} --data folder --root YOUR_SOUNDS"
