"""From a recipe to a finished run: what `tinyclap distill`, `pretrain` and `evaluate` do, step by step.

Recipes end here: everything that is called from here takes plain arguments.
"""

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from tinyclap import costs, zeroshot
from tinyclap.bundle import FrontendSpec
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.distill import DistillOptions, build_accelerator, distill, teacher_mean
from tinyclap.embeddings import clip_embeddings, teacher_clips, teacher_embeddings, teacher_texts
from tinyclap.errors import TinyclapError
from tinyclap.files import write_json
from tinyclap.logmels import LogMelViews
from tinyclap.phinet import PhiNetConfig
from tinyclap.pretrain import Captions, PretrainOptions, pretrain
from tinyclap.recipe import dump, load_recipe
from tinyclap.report import model_card, teacher_card, write_report
from tinyclap.run import check_run, open_run
from tinyclap.schema.data import AnyData, Data
from tinyclap.schema.networks import Cnn14Tower, HtsatTower, PhiNetTower, ScratchText
from tinyclap.schema.networks import Student as StudentSection
from tinyclap.schema.recipes import DistillRecipe, PretrainRecipe
from tinyclap.student import Student, StudentConfig
from tinyclap.teachers import load_teacher
from tinyclap.teachers.base import Teacher
from tinyclap.views import Views, ViewSpec


def run_distill(recipe: DistillRecipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Distil, save the student, evaluate it beside its teacher, write the report; returns the run's summary.

    The run folder is touched only after teacher and data are there; `resume` and `overwrite` as in `open_run`.
    """
    began = time.perf_counter()
    check_run(run, dump(recipe), resume=resume, overwrite=overwrite)
    accelerator = build_accelerator(recipe.training.precision)
    train, test = build_dataset(recipe.data.train), _test_set(recipe.data)
    teacher = load_teacher(recipe.teacher.kind, recipe.teacher.source)
    spec = ViewSpec(**recipe.views.model_dump())
    torch.manual_seed(recipe.seed)
    student = Student(student_config(recipe.student, teacher.embed_dim, spec.duration_s))
    described = {"teacher": describe_teacher(teacher), "student": describe_student(student)}
    with accelerator.main_process_first():  # the first process decodes and lets the teacher listen, the others read
        heard = Views(_decode(train, teacher.sample_rate, recipe.data), spec, recipe.seed)
        stored = teacher_embeddings(teacher, heard, accelerator.device)
        decoded = _decode(train, student.sample_rate, recipe.data)
        views = LogMelViews(Views(decoded, spec, recipe.seed), student.frontend, keep=recipe.training.keep_logmels)
    options = DistillOptions(**recipe.training.model_dump(exclude={"keep_logmels"}))
    open_run(run, dump(recipe), seed=recipe.seed, resume=resume, overwrite=overwrite)
    student = distill(student, stored.embeddings, views, options, run, seed=recipe.seed, accelerator=accelerator)
    if not accelerator.is_main_process:
        return {}
    np.save(run / "teacher_mean.npy", teacher_mean(stored.embeddings))
    summary = {
        "task": "distill",
        **described,
        "clips": len({window.clip for window in decoded.windows}),
        "bad_clips": [dataclasses.asdict(clip) for clip in decoded.bad],
        "views": spec.per_clip,
        "teacher_forwards": stored.teacher_forwards,
        "store": str(stored.folder),
        "store_rounding_error": stored.rounding_error,
        "wall_s": time.perf_counter() - began,
    }
    write_json(run / "summary.json", summary)
    evaluation = None
    if test is not None:
        evaluation = evaluate_student(teacher, student, test, recipe, mean=np.load(run / "teacher_mean.npy"))
        write_evaluation(run, evaluation, _describe_data(recipe.data.test))
    student.save_pretrained(run / "student", model_card(summary, evaluation), overwrite=True)
    write_report(run)
    return summary


def run_pretrain(recipe: PretrainRecipe, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Pretrain a teacher, save it, evaluate it; returns the run's summary. The run folder as in `run_distill`."""
    began = time.perf_counter()
    check_run(run, dump(recipe), resume=resume, overwrite=overwrite)
    train, test = build_dataset(recipe.data.train), _test_set(recipe.data)
    torch.manual_seed(recipe.seed)
    captions = _captions(train, range(len(train)), recipe.templates)
    teacher = new_teacher(recipe, captions)
    teacher.licence = recipe.licence
    decoded = _decode(train, teacher.sample_rate, recipe.data)
    captions = _captions(train, [window.clip for window in decoded.windows], recipe.templates)
    views = Views(decoded, ViewSpec(**recipe.views.model_dump()), recipe.seed)
    options = recipe.training.model_dump()
    options.pop("logit_scale_init")
    open_run(run, dump(recipe), seed=recipe.seed, resume=resume, overwrite=overwrite)
    pretrain(teacher, views, captions, PretrainOptions(**options), run, seed=recipe.seed)
    if recipe.weights == "float16":
        teacher.half().float()  # what is evaluated is what is saved
    summary = {
        "task": "pretrain",
        "teacher": describe_teacher(teacher),
        "clips": len({window.clip for window in decoded.windows}),
        "bad_clips": [dataclasses.asdict(clip) for clip in decoded.bad],
        "wall_s": time.perf_counter() - began,
    }
    write_json(run / "summary.json", summary)
    evaluation = None
    if test is not None:
        evaluation = evaluate_teacher(teacher, test, recipe)
        write_evaluation(run, evaluation, _describe_data(recipe.data.test))
    card = teacher_card(summary, evaluation, dump(recipe), _teacher_kind(recipe))
    teacher.save_pretrained(run / "teacher", card, half=recipe.weights == "float16")
    write_report(run)
    return summary


def student_config(section: StudentSection | PhiNetTower, embed_dim: int, window_s: float) -> StudentConfig:
    """The student that a recipe's section describes."""
    return StudentConfig(
        frontend=section.frontend,
        phinet=PhiNetConfig(**section.phinet.model_dump()),
        head=section.head,
        embed_dim=embed_dim,
        features=section.features,
        pooling=section.pooling,
        dropout=section.dropout,
        window_s=window_s,
    )


def new_teacher(recipe: PretrainRecipe, captions: Captions) -> Teacher:
    """The untrained teacher that a recipe describes."""
    from tinyclap.teachers import scratch

    texts = sorted({text for choices in captions.choices for text in choices})
    audio, text = recipe.audio, recipe.text
    common: dict[str, Any] = {
        "embed_dim": recipe.embed_dim,
        "logit_scale": recipe.training.logit_scale_init,
        "name": recipe.name,
    }
    if isinstance(audio, HtsatTower):
        assert isinstance(text, ScratchText)
        return scratch.new_clap(
            texts,
            vocab_size=text.vocab_size,
            text_hidden_size=text.hidden_size,
            text_layers=text.layers,
            text_heads=text.heads,
            depths=audio.depths,
            heads=audio.num_attention_heads,
            patch_embeds_hidden_size=audio.patch_embeds_hidden_size,
            patch_size=audio.patch_size,
            dropout=audio.dropout,
            **common,
        )
    if isinstance(text, ScratchText):
        sizes = text.model_dump(exclude={"kind"})
        tower = scratch.new_text(texts, recipe.embed_dim, **sizes)
    else:
        tower = scratch.pretrained_text(text.source, recipe.embed_dim, frozen=text.freeze)
    window_s = recipe.views.duration_s
    encoder: StudentConfig | tuple[FrontendSpec, float]
    if isinstance(audio, Cnn14Tower):
        encoder = (audio.frontend, audio.width)
    else:
        encoder = student_config(audio, recipe.embed_dim, window_s)
    return scratch.new_dual(encoder, tower, window_s=window_s, prompts=recipe.templates[:1], **common)


def describe_teacher(teacher: Teacher) -> dict[str, Any]:
    """Name, licence, size and cost of a teacher, for reports; MACs are those of one window."""
    spec = teacher.frontend.spec
    logmel = torch.zeros(1, 1, spec.n_frames(teacher.window), spec.n_mels)
    return {
        "name": teacher.name,
        "licence": teacher.licence,
        "fingerprint": teacher.fingerprint,
        "embed_dim": teacher.embed_dim,
        "window_s": teacher.window_s,
        "sample_rate": teacher.sample_rate,
        "parameters": sum(parameter.numel() for parameter in teacher.audio_parameters()),
        "macs": costs.count_macs(teacher.cpu(), teacher.encode_logmel, logmel),
    }


def describe_student(student: Student) -> dict[str, Any]:
    """Size and cost of a student, for reports; MACs are those of one window."""
    config = student.config
    frames = config.frontend.n_frames(config.window_samples)
    parameters = costs.n_parameters(student)
    return {
        "embed_dim": student.embed_dim,
        "window_s": config.window_s,
        "sample_rate": student.sample_rate,
        "parameters": parameters,
        "trunk_parameters": costs.n_parameters(student.trunk),
        "size_bytes": 4 * sum(tensor.numel() for tensor in student.state_dict().values()),
        "macs": costs.count_macs(student, student.encode, torch.zeros(1, 1, frames, config.frontend.n_mels)),
    }


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
    spec = recipe.data.test if kind is None else other_data(kind, root, folds)
    if spec is None:
        raise TinyclapError(f"{run}/recipe.yaml has no data.test; name labelled data with --data KIND --root FOLDER")
    test = _labelled(spec)
    if recipe.task == "pretrain":
        evaluation = evaluate_teacher(load_trained(run, recipe), test, recipe)
    else:
        teacher = load_teacher(recipe.teacher.kind, recipe.teacher.source)
        student = Student.from_pretrained(run / "student")
        evaluation = evaluate_student(teacher, student, test, recipe, mean=np.load(run / "teacher_mean.npy"))
    write_evaluation(run, evaluation, _describe_data(spec))
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


def _describe_data(spec: Any) -> str:
    """A data section in one line, which tells evaluations apart."""
    parts = spec if isinstance(spec, tuple) else (spec,)
    told = [part.model_dump(mode="json", exclude_none=True, exclude_defaults=True) for part in parts]
    return "; ".join(" ".join(f"{key}={value}" for key, value in one.items()) for one in told)


def write_evaluation(run: Path, evaluation: dict[str, Any], data: str) -> None:
    """Put an evaluation first in `evaluation.json`, in place of an older one on the same data."""
    path = run / "evaluation.json"
    older = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    write_json(path, [{"data": data, **evaluation}, *(entry for entry in older if entry.get("data") != data)])


def load_trained(run: Path, recipe: PretrainRecipe) -> Teacher:
    """The teacher that a pretraining run made."""
    return load_teacher(_teacher_kind(recipe), str(run / "teacher"))


def _teacher_kind(recipe: PretrainRecipe) -> str:
    return "hf" if isinstance(recipe.audio, HtsatTower) else "dual"


def evaluate_student(
    teacher: Teacher, student: Student, test: Dataset, recipe: DistillRecipe, *, mean: np.ndarray
) -> dict[str, Any]:
    """Zero-shot accuracy of teacher and student on labelled clips, as `zeroshot.compare` gives it."""
    theirs = _decode(test, teacher.sample_rate, recipe.data)
    mine = _decode(test, student.sample_rate, recipe.data)
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
    decoded = _decode(test, teacher.sample_rate, recipe.data)
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


def _test_set(data: Data) -> Dataset | None:
    return None if data.test is None else _labelled(data.test)


def _labelled(spec: Any) -> Dataset:
    test = build_dataset(spec)
    unlabelled = [clip.name for clip in test.clips if clip.label is None]
    if unlabelled:
        raise TinyclapError(
            f"data.test: zero-shot evaluation needs a label for every clip; {len(unlabelled)} of {len(test)} "
            f"have none, e.g. {unlabelled[0]}"
        )
    return test


def _captions(dataset: Dataset, clips: Sequence[int], templates: Sequence[str]) -> Captions:
    return Captions([dataset.clips[clip] for clip in clips], templates)


def _decode(dataset: Dataset, sample_rate: int, data: Data) -> Decoded:
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
