"""Zero-shot evaluation of runs: which clips, embedded by whom, scored how, written where."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from tinyclap import zeroshot
from tinyclap.build import teacher_kind
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.embeddings import clip_embeddings, teacher_clips, teacher_texts
from tinyclap.errors import TinyclapError
from tinyclap.files import write_json
from tinyclap.recipe import load_recipe
from tinyclap.report import write_report
from tinyclap.schema.data import AnyData, Data
from tinyclap.schema.recipes import DistillRecipe, PretrainRecipe
from tinyclap.student import Student
from tinyclap.teachers import load_teacher
from tinyclap.teachers.base import Teacher


def evaluate_run(run: Path, *, kind: str | None = None, root: str | None = None, folds: str | None = None) -> None:
    """Evaluate a finished run on its recipe's test set or on other data, and rewrite `evaluation.json` and the report.

    Args:
        run: of `tinyclap distill` or `tinyclap pretrain`.
        kind, root, folds: other data, as in a recipe's data section.
    """
    recipe = load_recipe(run / "recipe.yaml")
    if not (run / "summary.json").is_file():
        raise TinyclapError(
            f"{run} is not finished; go on with `tinyclap {recipe.task} {run}/recipe.yaml --run {run} --resume`"
        )
    if kind is None and (root is not None or folds is not None):
        raise TinyclapError("--root and --folds belong to other data; say of which kind with --data KIND")
    spec = recipe.data.test if kind is None else other_data(kind, root, folds)
    if spec is None:
        raise TinyclapError(f"{run}/recipe.yaml has no data.test; name labelled data with --data KIND --root FOLDER")
    test = labelled_set(spec)
    if recipe.task == "pretrain":
        evaluation = evaluate_teacher(load_teacher(teacher_kind(recipe), str(run / "teacher")), test, recipe)
    else:
        teacher = load_teacher(recipe.teacher.kind, recipe.teacher.source)
        student = Student.from_pretrained(run / "student")
        evaluation = evaluate_student(teacher, student, test, recipe, mean=np.load(run / "teacher_mean.npy"))
    write_evaluation(run, evaluation, describe_data(spec))
    write_report(run)


def other_data(kind: str, root: str | None, folds: str | None) -> Any:
    """The data section that the command line's --data, --root and --folds describe."""
    given: dict[str, Any] = {"kind": kind}
    if root is not None:
        given["path" if kind == "manifest" else "root"] = root
    if folds is not None:
        given["folds"] = folds.split(",")
    try:
        return TypeAdapter(AnyData).validate_python(given, strict=False)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'][1:])) or 'kind'}: {fault['msg']}" for fault in error.errors()
        )
        raise TinyclapError(f"--data {kind} --root {root} --folds {folds}: {faults}") from error


def describe_data(spec: Any) -> str:
    """A data section in one line, which tells evaluations apart."""
    parts = spec if isinstance(spec, tuple) else (spec,)
    told = [part.model_dump(mode="json", exclude_none=True, exclude_defaults=True) for part in parts]
    return "; ".join(" ".join(f"{key}={value}" for key, value in one.items()) for one in told)


def write_evaluation(run: Path, evaluation: dict[str, Any], data: str) -> dict[str, Any]:
    """Put an evaluation first in `evaluation.json`, in place of one on the same data; returns it with `data`."""
    path = run / "evaluation.json"
    older = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    named = {"data": data, **evaluation}
    write_json(path, [named, *(entry for entry in older if entry.get("data") != data)])
    return named


def evaluate_student(
    teacher: Teacher, student: Student, test: Dataset, recipe: DistillRecipe, *, mean: np.ndarray
) -> dict[str, Any]:
    """Zero-shot accuracy of teacher and student on labelled clips, as `zeroshot.compare` gives it."""
    theirs = decode_set(test, teacher.sample_rate, recipe.data)
    mine = decode_set(test, student.sample_rate, recipe.data)
    usable = _usable(test, theirs, mine)
    templates = recipe.evaluate.prompts or teacher.prompts
    return zeroshot.compare(
        teacher_clips(teacher, theirs)[usable],
        clip_embeddings(student.embed_audio, mine, progress="student listens")[usable],
        _class_matrix(teacher, test, templates),
        *_targets(test, usable),
        mean=mean,
        n_bootstrap=recipe.evaluate.bootstrap,
        seed=recipe.seed,
        templates=templates,
        **_grouping(test, usable),
    )


def evaluate_teacher(teacher: Teacher, test: Dataset, recipe: PretrainRecipe) -> dict[str, Any]:
    """Zero-shot accuracy of a teacher alone, as `zeroshot.score` gives it."""
    decoded = decode_set(test, teacher.sample_rate, recipe.data)
    usable = _usable(test, decoded)
    templates = recipe.evaluate.prompts or teacher.prompts
    return zeroshot.score(
        teacher_clips(teacher, decoded)[usable],
        _class_matrix(teacher, test, templates),
        *_targets(test, usable),
        n_bootstrap=recipe.evaluate.bootstrap,
        seed=recipe.seed,
        templates=templates,
        **_grouping(test, usable),
    )


def labelled_set(spec: Any) -> Dataset:
    """The data set of a data section; raises TinyclapError if a clip of it has no label."""
    test = build_dataset(spec)
    unlabelled = [clip.name for clip in test.clips if clip.label is None]
    if unlabelled:
        raise TinyclapError(
            f"data.test: zero-shot evaluation needs a label for every clip; {len(unlabelled)} of {len(test)} "
            f"have none, e.g. {unlabelled[0]}"
        )
    return test


def decode_set(dataset: Dataset, sample_rate: int, data: Data) -> Decoded:
    """`decode` with the limits of a recipe's data section."""
    return decode(dataset, sample_rate, max_clip_s=data.max_clip_s, max_bad_share=data.max_bad_share)


def _usable(dataset: Dataset, *decoded: Decoded) -> list[int]:
    """Indices of clips that every one of the decoded sets holds."""
    held = [{window.clip for window in one.windows} for one in decoded]
    return sorted(set(range(len(dataset))).intersection(*held))


def _targets(dataset: Dataset, usable: Sequence[int]) -> tuple[list[int], list[str]]:
    labels = dataset.labels
    return [labels.index(str(dataset.clips[clip].label)) for clip in usable], labels


def _grouping(dataset: Dataset, usable: Sequence[int]) -> dict[str, Any]:
    clips = [dataset.clips[clip] for clip in usable]
    return {
        "folds": [clip.fold for clip in clips] if any(clip.fold is not None for clip in clips) else None,
        "sources": [clip.source for clip in clips] if any(clip.source is not None for clip in clips) else None,
    }


def _class_matrix(teacher: Teacher, dataset: Dataset, templates: Sequence[str]) -> np.ndarray:
    return zeroshot.class_matrix(lambda texts: teacher_texts(teacher, texts), dataset.labels, templates)
