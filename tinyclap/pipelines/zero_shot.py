"""From a data section to a zero-shot task."""

from pathlib import Path
from typing import Any

from tinyclap.config.data import describe_data, one_or_more
from tinyclap.config.schema import Recipe
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.folder import empty_classes
from tinyclap.evaluation.labelled import check_labels
from tinyclap.evaluation.zero_shot import ZeroShotTask
from tinyclap.teachers.encoder import Teacher


def labelled_dataset(spec: Any) -> Dataset:
    """The data set of a data section; raises TinyclapError for clips without a label and for a single class."""
    dataset = build_dataset(spec)
    folders = [part.root for part in one_or_more(spec) if part.kind == "folder"]
    check_labels(dataset, describe_data(spec), folders)
    return dataset


def zero_shot_task(
    spec: Any, recipe: Recipe, teacher: Teacher, *sample_rates: int, prompts: tuple[str, ...] | None = None
) -> ZeroShotTask:
    """The task of a data section, for a teacher and for students of these sample rates.

    Prompts in place of the recipe's are named with the data, so that such an evaluation is another one.

    Raises:
        TinyclapError: clips without a label, a single class, class names that read alike, or too many unusable clips.
    """
    dataset = labelled_dataset(spec)
    # A section that names its labels has chosen among the folders; one that does not means all of them.
    whole = [part for part in one_or_more(spec) if part.kind == "folder" and part.labels is None]
    empty = [name for part in whole for name in empty_classes(Path(part.root))]
    return ZeroShotTask.prepare(
        dataset,
        teacher,
        sample_rates,
        data=describe_data(spec) + (f" with prompts {', '.join(map(repr, prompts))}" if prompts else ""),
        prompts=prompts or recipe.evaluate.prompts or teacher.prompts,
        n_bootstrap=recipe.evaluate.bootstrap,
        seed=recipe.seed,
        empty_classes=empty,
        **recipe.data.limits,
    )
