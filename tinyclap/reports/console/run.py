"""What a command says at its end: the run's numbers in a small table, and the command to run next."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyclap.common.files import read_json
from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import aligned, decimal, duration, file_size, percent, percent_interval, scaled, whole
from tinyclap.reports import tables
from tinyclap.runs.results import SWEEP, evaluations_of, read_evaluations


def as_object(run: Path, evaluated: dict[str, Any] | None = None) -> str:
    """An evaluation, by default that on the run's own test data, and the run's summary as one JSON object."""
    evaluation = _own_evaluation(run) if evaluated is None else evaluated
    sweep = read_json(run / SWEEP, {})
    swept = {"sweep": sweep["rows"]} if sweep else {}
    return json.dumps({"run": str(run), **evaluation, "summary": read_json(run / "summary.json", {}), **swept})


def as_table(run: Path, evaluated: dict[str, Any] | None = None) -> str:
    """The run's numbers as text; with `evaluated`, the answer to `tinyclap evaluate`."""
    summary = read_json(run / "summary.json", {})
    evaluation = _own_evaluation(run) if evaluated is None else evaluated
    models = [name for name in ("teacher", "student") if name in summary]
    rows = [("", *models), *_cost_rows(summary, models), *_accuracy_rows(evaluation, models)]
    lines = aligned(rows)
    if len(models) == 2 and evaluation:
        lines += ["", *_agreement_lines(evaluation)]
        if "pruned" in summary:
            lines.append(f"(cosines in the {summary['pruned']['dim']} dimensions left: higher the fewer there are)")
    lines += _sweep_lines(read_json(run / SWEEP, {}))
    for what, entries in (("training", summary), ("test", evaluation)):
        if entries.get("bad_clips"):
            lines += [
                "",
                f"{len(entries['bad_clips'])} unusable {what} clips were left out; report/report.md names them",
            ]
    if evaluation.get("labels_without_clips"):
        lines += ["", f"classes without a usable test clip: {', '.join(evaluation['labels_without_clips'])}"]
    lines += [line for warning in tables.warnings(evaluation) for line in ("", f"warning: {warning}")]
    entries = [f"run      {run}", f"report   {run / 'report' / 'report.html'}"]
    if evaluated is not None:
        return "\n".join([*lines, "", f"data     {evaluation.get('data')}", *entries])
    entries.append(f"took     {duration(summary.get('wall_s'))}")
    learned = [f"learned  {_learned(summary)}"] if "student" in summary and "data" in summary else []
    return "\n".join([*lines, "", *learned, *entries, f"next     {_next_command(summary, run)}"])


def _own_evaluation(run: Path) -> dict[str, Any]:
    evaluations = evaluations_of(read_evaluations(run))
    return evaluations[0] if evaluations else {}


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
    cells = [
        f"{percent(evaluation[model]['accuracy'])} {percent_interval(evaluation[model]['ci95'])}" for model in models
    ]
    chance = f" (chance {percent(evaluation['chance'])})" if "chance" in evaluation else ""
    return [(f"zero-shot accuracy, {evaluation['n_clips']} clips{chance}", *cells)]


def _agreement_lines(evaluation: dict[str, Any]) -> list[str]:
    return [
        f"retention {percent(evaluation['retention'])}, agreement {percent(evaluation['agreement'])}",
        f"cosine {decimal(evaluation['cosine'])}, centred cosine {decimal(evaluation['centred_cosine'])}, "
        f"10-NN overlap {decimal(evaluation['knn10_overlap'])} (chance {decimal(evaluation['knn10_chance'])})",
    ]


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
    return f"{whole(summary.get('clips'))} clips ({summary['data']}) from {summary['teacher']['name']}{warning}"


def _is_generated(summary: Mapping[str, Any]) -> bool:
    parts = str(summary.get("data")).split("; ")
    return all("kind=procedural" in part for part in parts)


def _next_command(summary: Mapping[str, Any], run: Path) -> str:
    if summary.get("task") == "pretrain":
        kind = "hf" if (run / "teacher" / "model.safetensors").is_file() else "dual"
        return f"tinyclap distill RECIPE teacher.kind={kind} teacher.source={shell_path(run / 'teacher')}"
    if _is_generated(summary):
        return f"tinyclap export --onnx {shell_path(run)}"
    return f"tinyclap evaluate {shell_path(run)} --data folder --root YOUR_SOUNDS"
