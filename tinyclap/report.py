"""A run's report (one self-contained HTML file and its Markdown twin) and a student's model card.

Numbers come only from the run folder's result files. What is missing is named with the command that makes it.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from tinyclap import charts, report_costs, report_export, report_pareto, scatter, tables
from tinyclap.common import numbers
from tinyclap.common.files import write_text
from tinyclap.runs.results import Run, evaluations_of, objects, part, read_run

# Licence names the Hugging Face Hub knows; any other is declared there as "other" with its name.
HUB_LICENCES = (
    "apache-2.0",
    "mit",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
)
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
LISTED_CLIPS = 50  # bad clips named in the Markdown; the HTML names all of them


def write_report(run: Path) -> Path:
    """Write `report/report.html` and `report/report.md` into the run folder and return the HTML's path.

    Raises TinyclapError when `run` is no run folder. Files that are missing or damaged leave a note in the report.
    """
    found = read_run(Path(run))
    return write_pages(found.folder, "report", _context(found))


def write_pages(folder: Path, template: str, context: Mapping[str, Any]) -> Path:
    """Write a page of a folder and its Markdown twin from the templates of this name; return the HTML's path."""
    environment, target = _environment(), folder / "report"
    for suffix in ("md", "html"):
        page = environment.get_template(f"{template}.{suffix}.j2").render(context)
        write_text(target / f"report.{suffix}", page)
    return target / "report.html"


def model_card(
    summary: Mapping[str, Any], evaluation: Mapping[str, Any] | None, *, teacher_is_local: bool = False
) -> str:
    """The student's README.md with Hugging Face front matter, from the contents of summary.json and evaluation.json.

    A teacher is named as a Hub repository only if it does not come from a local folder.
    """
    teacher = part(summary.get("teacher"))
    licence = str(teacher.get("licence") or "unknown")
    name = str(teacher.get("name") or "")
    evaluations = [_evaluation(entry) for entry in evaluations_of(evaluation)] if evaluation else []
    context = {
        "summary": summary,
        "teacher": name,
        "base_model": name if HUB_ID.fullmatch(name) and not teacher_is_local else "",
        "licence": licence,
        "hub_licence": licence.lower() if licence.lower() in HUB_LICENCES else "other",
        "evaluations": evaluations,
        "cost_models": report_costs.summary_models(summary),
        "costs": report_costs.cost_rows(report_costs.summary_models(summary)),
        "bad_clips": objects(summary.get("bad_clips")),
    }
    return _environment().get_template("model_card.md.j2").render(context)


def teacher_card(summary: Mapping[str, Any], evaluation: Mapping[str, Any] | None, recipe: str, kind: str) -> str:
    """A pretrained teacher's README.md; `recipe` as YAML, `kind` as a recipe's teacher section names its format."""
    licence = str(part(summary.get("teacher")).get("licence") or "unknown")
    context = {
        "summary": summary,
        "evaluation": evaluation,
        "recipe": recipe,
        "kind": kind,
        "licence": licence,
        "hub_licence": licence.lower() if licence.lower() in HUB_LICENCES else "other",
    }
    return _environment().get_template("teacher_card.md.j2").render(context)


def _context(run: Run) -> dict[str, Any]:
    where = shlex.quote(shown_path(run.folder))
    task = "pretrain" if run.settings.get("task") == "pretrain" else "distill"
    recipe = shlex.quote(f"{shown_path(run.folder)}/recipe.yaml") if run.recipe else "RECIPE"
    resume = f"tinyclap {task} {recipe} --run {where} --resume"
    first = run.evaluations[0] if run.evaluations else {}
    own_data = "" if part(run.settings.get("data")).get("test") and not first else " --data folder --root PATH"
    export, bench = f"tinyclap export --onnx --int8 {where}", f"tinyclap bench {where}"
    columns, epochs = tables.epoch_table(run.epochs)
    return {
        "run": run,
        "name": run.folder.resolve().name,
        "task": task,
        "where": where,
        "train_command": _again(run, task, recipe),
        "resume_command": resume,
        "install_command": _install_command(run.environment.get("tinyclap")),
        "evaluate_command": f"tinyclap evaluate {where}{own_data}" if run.summary else resume,
        "report_command": f"tinyclap report {where}",
        "verdict": tables.verdict(first, run.summary),
        "tiles": tables.tiles(first, run.summary),
        "evaluations": [_evaluation(entry, number) for number, entry in enumerate(run.evaluations, 1)],
        **_costs(run),
        "bench_command": bench if run.bundle else f"{export} && {bench}",
        "export_command": export,
        "exportable": task != "pretrain",
        "graphs": report_export.graph_rows(run.bundle),
        "graph_sentences": report_export.sentences(run.bundle),
        "charts": tables.charts(run.epochs),
        "sweep": tables.sweep_tables(run.sweep) if run.sweep else [],
        "sweep_charts": tables.sweep_charts(run.sweep),
        "pruned": part(run.summary.get("pruned")),
        "frame": charts.FRAME,
        "scatter_frame": scatter.FRAME,
        "epoch_columns": columns,
        "epochs": epochs,
        "time_spent": tables.time_spent(run.epochs),
        "data": part(run.settings.get("data")),
        "bad_clips": objects(run.summary.get("bad_clips")),
        "listed_clips": LISTED_CLIPS,
    }


def _costs(run: Run) -> dict[str, Any]:
    """The cost table, and the pictures of what accuracy costs."""
    shape = report_costs.shape_of(run)
    models = report_costs.models(run, shape)
    found = report_pareto.candidates(run, models, shape)
    return {
        "cost_models": models,
        "costs": report_costs.cost_rows(models),
        "compares": {"teacher", "student"} <= {model.kind for model in models},
        "timed_on": report_costs.timed_on(run),
        "pictures": report_pareto.pictures(found),
        "swept": any(one.kind == "swept" for one in found),
        "picture_rows": report_pareto.picture_rows(found),
    }


def _again(run: Run, task: str, recipe: str) -> str:
    """The command that makes such a run anew."""
    folder = shlex.quote(shown_path(run.folder) + "-again")
    pruned = part(run.summary.get("pruned"))
    if not pruned:
        return f"tinyclap {task} {recipe} --run {folder}"
    options = {"--method": pruned.get("method"), "--finetune": pruned.get("finetune_epochs")}
    if pruned.get("calibration_folder"):
        options["--calibrate"] = shlex.quote(str(pruned["calibration_folder"]))
    given = " ".join(f"{name} {value}" for name, value in options.items() if value)
    return f"tinyclap prune {shlex.quote(str(pruned.get('from')))} --dim {pruned.get('dim')} {given} --out {folder}"


def _evaluation(entry: Mapping[str, Any], number: int = 1) -> dict[str, Any]:
    """One evaluation with its tables."""
    matrices = {model: tables.confusion(entry, model) for model in entry["models"]}
    return {
        **entry,
        "title": str(entry.get("data") or f"evaluation {number}"),
        "rows": tables.result_rows(entry),
        "warnings": tables.warnings(entry),
        "closeness": tables.closeness_rows(entry),
        "classes": tables.class_rows(entry),
        "matrices": {model: rows for model, rows in matrices.items() if rows},
        "mistakes": {model: tables.mistakes(rows) for model, rows in matrices.items()},
    }


def _install_command(version: Any) -> str:
    return shlex.join(["pip", "install", f"tinyclap[train]=={version}" if version else "tinyclap[train]"])


def shown_path(folder: Path) -> str:
    """The folder as one would type it in the current directory, when it lies below it."""
    absolute, here = folder.resolve(), Path.cwd()
    return (absolute.relative_to(here) if absolute.is_relative_to(here) else folder).as_posix()


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tinyclap", "templates"),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,  # a result file may lack any key: it is then written as missing
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name in ("percent", "percent_interval", "decimal", "whole", "scaled", "duration", "known"):
        environment.filters[name] = getattr(numbers, name)
    environment.filters.update(stacked=_stacked, md=_markdown, fenced=_fenced, plain=_plain, label=tables.shown_label)
    return environment


def _stacked(text: str) -> Markup:
    """A figure with its interval or deviation apart, so that a narrow page can put that below."""
    figure, *spread = re.split(r" (?=[\[±])", text, maxsplit=1)
    return Markup('{} <span class="spread">{}</span>').format(figure, spread[0]) if spread else escape(figure)


def _markdown(value: Any) -> Markup:
    """Text for a Markdown paragraph or table cell: it can start no markup, no HTML and no new line."""
    line = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*\[\]|~]|^[#+-]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", line)
    return Markup(line)


def _fenced(text: Any, language: str = "") -> Markup:
    """A Markdown code block around `text` verbatim, its fence longer than any inside."""
    longest = max((len(run) for run in re.findall(r"`+", str(text))), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}{language}\n{str(text).rstrip()}\n{fence}")


def _plain(value: Any) -> str:
    """A settings value of any depth on one line: {"kind": "esc50", "folds": [1, 2]} -> "kind esc50, folds 1 2"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items() if item is not None)
    if isinstance(value, list | tuple):
        return " ".join(_plain(item) for item in value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
