"""Model cards: the README.md of a student and of a pretrained teacher."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from tinyclap.common.numbers import known
from tinyclap.reports import costs, words
from tinyclap.reports.evaluation import evaluation_tables
from tinyclap.reports.pages import template_environment
from tinyclap.runs.results import as_mapping, as_mappings, evaluations_of

# Licences that the Hugging Face Hub knows by these names; any other is declared there as "other" with its name.
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
TASK, TASK_NAME = "zero-shot-audio-classification", "Zero-shot audio classification"
TAGS = ["tinyclap", "clap", "audio"]
LIMITED = re.compile(r"non-?commercial|academic|unknown|\bnc\b|^the licence of")  # terms that are to be read
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def model_card(
    summary: Mapping[str, Any],
    evaluation: Mapping[str, Any] | None,
    *,
    teacher_is_local: bool = False,
    own_words: bool = False,
) -> str:
    """The student's README.md with Hugging Face front matter, from the contents of summary.json and evaluation.json.

    Args:
        summary: of the run.
        evaluation: None without test data.
        teacher_is_local: it comes from a folder, and is not named as a Hub repository.
        own_words: the run has a text student too.
    """
    teacher = as_mapping(summary.get("teacher"))
    licence = str(teacher.get("licence") or "unknown")
    name = str(teacher.get("name") or "")
    evaluations = [evaluation_tables(entry) for entry in evaluations_of(evaluation)] if evaluation else []
    matter = _front_matter(
        licence,
        str(summary.get("name") or "tinyclap student"),
        [(entry["title"], as_mapping(entry.get("student")).get("accuracy")) for entry in evaluations],
        library_name="tinyclap",
        base_model=name if HUB_ID.fullmatch(name) and not teacher_is_local else None,
        tags=[*TAGS, "audio-embeddings", "knowledge-distillation", "phinet"],
    )
    context = {
        "front_matter": matter.to_yaml(),
        "summary": summary,
        "teacher": name,
        "licence": licence,
        "hub_licence": matter.license,
        "evaluations": evaluations,
        "cost_models": costs.summary_models(summary),
        "costs": costs.cost_rows(costs.summary_models(summary)),
        "bad_clips": as_mappings(summary.get("bad_clips")),
        "own_words": own_words,
    }
    return template_environment().get_template("model_card.md.j2").render(context)


def text_card(result: Mapping[str, Any]) -> str:
    """A text student's README.md with Hugging Face front matter, from the content of text.json."""
    found = words.words_tables(result)
    tower = str(found["tower"] or "")
    scores = [(entry["title"], as_mapping(entry["ears"].get("teacher"))) for entry in found["zero_shot"]]
    matter = _front_matter(
        found["licence"],
        f"words of {found['teacher'] or 'a CLAP'}",
        [(title, as_mapping(score.get("student_words")).get("accuracy")) for title, score in scores],
        library_name="tinyclap",
        base_model=tower if HUB_ID.fullmatch(tower) else None,
        pipeline_tag="sentence-similarity",
        tags=[*TAGS, "text-embeddings", "knowledge-distillation"],
    )
    context = {
        "front_matter": matter.to_yaml(),
        "result": result,
        "words": found,
        "hub_licence": matter.license,
        "student": as_mapping(result.get("student")),
        "limited": [source for source, licence in found["sources"].items() if LIMITED.search(str(licence).lower())],
    }
    return template_environment().get_template("text_card.md.j2").render(context)


def teacher_card(summary: Mapping[str, Any], evaluation: Mapping[str, Any] | None, recipe: str, kind: str) -> str:
    """A pretrained teacher's README.md; `recipe` as YAML, `kind` as a recipe's teacher section names its format."""
    teacher, found = as_mapping(summary.get("teacher")), as_mapping(evaluation)
    licence = str(teacher.get("licence") or "unknown")
    matter = _front_matter(
        licence,
        str(teacher.get("name") or "tinyclap teacher"),
        [(str(found.get("data") or "evaluation 1"), as_mapping(found.get("teacher")).get("accuracy"))],
        library_name="transformers" if kind == "hf" else "tinyclap",
        tags=TAGS,
    )
    context = {
        "front_matter": matter.to_yaml(),
        "summary": summary,
        "evaluation": evaluation,
        "recipe": recipe,
        "kind": kind,
        "licence": licence,
    }
    return template_environment().get_template("teacher_card.md.j2").render(context)


def _front_matter(
    licence: str, name: str, accuracies: Sequence[tuple[str, Any]], pipeline_tag: str = TASK, **more: Any
) -> ModelCardData:
    """What the Hub reads of a model: its licence, its task, and its accuracy by the title of the test data."""
    listed = licence.lower() in HUB_LICENCES
    results = [
        EvalResult(
            task_type=TASK,
            task_name=TASK_NAME,
            dataset_type="audio",
            dataset_name=_line(title),
            dataset_config=_line(title),  # apart from this the Hub takes two test sets as one
            metric_type="accuracy",
            metric_name="Zero-shot accuracy",
            metric_value=accuracy,
        )
        for title, accuracy in accuracies
        if known(accuracy)
    ]
    return ModelCardData(
        license=licence.lower() if listed else "other",
        license_name=None if listed else _line(licence),
        pipeline_tag=pipeline_tag,
        model_name=_line(name) if results else None,
        eval_results=results or None,
        **more,
    )


def _line(text: str) -> str:
    """On one line, so that nothing in it ends the front matter."""
    return " ".join(text.split())
