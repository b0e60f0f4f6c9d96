"""Model cards: the README.md of a student and of a pretrained teacher."""

import re
from collections.abc import Mapping
from typing import Any

from tinyclap.reports import costs
from tinyclap.reports.evaluation import evaluation_tables
from tinyclap.reports.pages import template_environment
from tinyclap.runs.results import as_mapping, as_mappings, evaluations_of

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


def model_card(
    summary: Mapping[str, Any], evaluation: Mapping[str, Any] | None, *, teacher_is_local: bool = False
) -> str:
    """The student's README.md with Hugging Face front matter, from the contents of summary.json and evaluation.json.

    A teacher is named as a Hub repository only if it does not come from a local folder.
    """
    teacher = as_mapping(summary.get("teacher"))
    licence = str(teacher.get("licence") or "unknown")
    name = str(teacher.get("name") or "")
    evaluations = [evaluation_tables(entry) for entry in evaluations_of(evaluation)] if evaluation else []
    context = {
        "summary": summary,
        "teacher": name,
        "base_model": name if HUB_ID.fullmatch(name) and not teacher_is_local else "",
        "licence": licence,
        "hub_licence": licence.lower() if licence.lower() in HUB_LICENCES else "other",
        "evaluations": evaluations,
        "cost_models": costs.summary_models(summary),
        "costs": costs.cost_rows(costs.summary_models(summary)),
        "bad_clips": as_mappings(summary.get("bad_clips")),
    }
    return template_environment().get_template("model_card.md.j2").render(context)


def teacher_card(summary: Mapping[str, Any], evaluation: Mapping[str, Any] | None, recipe: str, kind: str) -> str:
    """A pretrained teacher's README.md; `recipe` as YAML, `kind` as a recipe's teacher section names its format."""
    licence = str(as_mapping(summary.get("teacher")).get("licence") or "unknown")
    context = {
        "summary": summary,
        "evaluation": evaluation,
        "recipe": recipe,
        "kind": kind,
        "licence": licence,
        "hub_licence": licence.lower() if licence.lower() in HUB_LICENCES else "other",
    }
    return template_environment().get_template("teacher_card.md.j2").render(context)
