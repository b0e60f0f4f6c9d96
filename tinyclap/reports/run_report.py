"""A run's report: one self-contained HTML file and its Markdown twin.

Numbers come only from the run folder's result files. What is missing is named with the command that makes it.
"""

import re
import shlex
from pathlib import Path
from typing import Any

from tinyclap.common.install import install_line
from tinyclap.reports import costs, pareto, probe, run_charts, tables, words
from tinyclap.reports.evaluation import evaluation_tables
from tinyclap.reports.export import graph_rows, sentences
from tinyclap.reports.pages import display_path, write_pages
from tinyclap.reports.retrieval import retrieval_tables
from tinyclap.reports.robustness import robustness_tables
from tinyclap.runs.folder import command_of
from tinyclap.runs.results import Run, as_mapping, as_mappings, read_run

KINDS = {"distill": "distillation", "distill_text": "words", "pretrain": "pretraining"}
LISTED_CLIPS = 50  # bad clips named in the Markdown; the HTML names all of them


def write_report(run: Path) -> Path:
    """Write `report/report.html` and `report/report.md` into the run folder and return the HTML's path.

    Raises TinyclapError when `run` is no run folder. Files that are missing or damaged leave a note in the report.
    """
    found = read_run(Path(run))
    return write_pages(found.folder, "report", _context(found))


def _context(run: Run) -> dict[str, Any]:
    where = shlex.quote(display_path(run.folder))
    command = command_of(run.task)
    recipe = shlex.quote(f"{display_path(run.folder)}/recipe.yaml") if run.recipe else "RECIPE"
    resume = f"tinyclap {command} {recipe} --run {where} --resume"
    if run.summary.get("pruned") or run.summary.get("converted_from"):
        resume = str(run.environment.get("command") or f"tinyclap report {where}")
    first, own = run.evaluations[0] if run.evaluations else {}, words.own_words_tile(run.text)
    export, bench = f"tinyclap export --onnx --int8 {where}", f"tinyclap bench {where}"
    columns, epochs = tables.epoch_table(run.epochs)
    return {
        "run": run,
        "name": run.folder.resolve().name,
        "task": run.task,
        "kind": KINDS[run.task],
        "has_ears": run.has_ears,
        "words": _words(run),
        "where": where,
        "train_command": _again(run, command, recipe),
        "resume_command": resume,
        "install_command": install_line("train", version=_version(run)),
        "report_command": f"tinyclap report {where}",
        "verdict": tables.verdict(first, run.summary) if run.has_ears else words.verdict(run.text),
        "tiles": [*tables.tiles(first, run.summary), *own] if run.has_ears else words.tiles(run.text),
        **_scoring(run, where, resume),
        "evaluations": [evaluation_tables(entry, number) for number, entry in enumerate(run.evaluations, 1)],
        "robustness": [robustness_tables(entry) for entry in run.robustness],
        "probe": probe.probe_tables(run.probe),
        "retrieval": [entry for entry in map(retrieval_tables, run.retrieval) if entry["pairs"]],
        **_costs(run),
        "bench_command": bench if run.bundle else f"{export} && {bench}",
        "export_command": f"{export} --text" if run.has_words else export,
        "exportable": run.task != "pretrain",
        "graphs": graph_rows(run.bundle),
        "graph_sentences": sentences(run.bundle),
        "charts": run_charts.charts(run.epochs),
        "sweep": tables.sweep_tables(run.sweep) if run.sweep else [],
        "sweep_charts": run_charts.sweep_charts(run.sweep),
        "pruned": as_mapping(run.summary.get("pruned")),
        "epoch_columns": columns,
        "epochs": epochs,
        "time_spent": tables.time_spent(run.epochs),
        "data": as_mapping(run.settings.get("data")),
        "bad_clips": as_mappings(run.summary.get("bad_clips")),
        "listed_clips": LISTED_CLIPS,
    }


def _scoring(run: Run, where: str, resume: str) -> dict[str, Any]:
    """The command that scores a run next, and what it is for."""
    scored = run.evaluations if run.has_ears else words.zero_shots(run.text)
    own = bool(as_mapping(run.settings.get("data")).get("test")) and not scored
    evaluate = f"tinyclap evaluate {where}" + ("" if own else " --data folder --root PATH")
    what = "its words" if not run.has_ears else "it" if scored else "this run"
    return {
        "evaluate_command": evaluate if run.summary else resume,
        "evaluate_title": f"Score {what}" if own else f"Score {what} on your own labelled sounds",
    }


def _words(run: Run) -> dict[str, Any] | None:
    """What a page shows of a run's text student; None for a run without one."""
    if not run.has_words:
        return None
    columns, epochs = tables.epoch_table(run.text_epochs)
    where = shlex.quote(display_path(run.folder))
    return {
        **words.words_tables(run.text),
        "charts": run_charts.charts(run.text_epochs, " of the words" if run.has_ears else ""),
        "epoch_columns": columns,
        "epochs": epochs,
        "time_spent": tables.time_spent(run.text_epochs),
        "export_command": words.export_command(where, has_ears=run.has_ears),
    }


def _costs(run: Run) -> dict[str, Any]:
    """The cost table, and the pictures of what accuracy costs."""
    shape = costs.shape_of(run)
    models = costs.models(run, shape)
    found = pareto.candidates(run, models, shape)
    return {
        "cost_models": models,
        "costs": costs.cost_rows(models),
        "compares": {"teacher", "student"} <= {model.kind for model in models},
        "timed_on": costs.timed_on(run),
        "pictures": pareto.pictures(found),
        "swept": any(one.kind == "swept" for one in found),
        "picture_rows": pareto.picture_rows(found),
    }


def _again(run: Run, command: str, recipe: str) -> str:
    """The command that makes such a run anew."""
    folder = shlex.quote(display_path(run.folder) + "-again")
    pruned = as_mapping(run.summary.get("pruned"))
    if not pruned:
        return f"tinyclap {command} {recipe} --run {folder}"
    options = {"--method": pruned.get("method"), "--finetune": pruned.get("finetune_epochs")}
    if pruned.get("calibration_folder"):
        options["--calibrate"] = shlex.quote(str(pruned["calibration_folder"]))
    given = " ".join(f"{name} {value}" for name, value in options.items() if value)
    return f"tinyclap prune {shlex.quote(str(pruned.get('from')))} --dim {pruned.get('dim')} {given} --out {folder}"


def _version(run: Run) -> str:
    """Of the tinyclap that made the run, if its files say one."""
    said = str(run.environment.get("tinyclap", ""))
    return said if re.fullmatch(r"[\w.+]+", said) else ""
