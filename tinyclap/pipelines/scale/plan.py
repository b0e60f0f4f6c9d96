"""What `tinyclap plan` does: what a recipe would take on other data or other machines, before it is paid for."""

import math
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tinyclap.common.files import cache_root
from tinyclap.common.machine import cpu, usable_cores
from tinyclap.config.data import one_or_more
from tinyclap.config.schema import DistillRecipe
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.decoded import decode
from tinyclap.data.shards.addresses import expand
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.hardware.accelerators import Accelerator, accelerator
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student import Student
from tinyclap.pipelines.build import build_teacher
from tinyclap.pipelines.scale import calibrate
from tinyclap.pipelines.scale.accelerated import smallest_batch, student_on, teachers_on
from tinyclap.pipelines.scale.estimate import GIVEN, Estimate, Range, Rates, Work, both, estimate, windows_of
from tinyclap.teachers.encoder import Encoder
from tinyclap.teachers.joint import encoders_in
from tinyclap.training.distributed import build_accelerator, dealt_out

ASSUMED_DIM, ASSUMED_RATE = 512, 48_000  # LAION's
SOUND_BYTES = Range(16e3, 60e3, "assumed: 128 kbit/s MP3 to FLAC, 16 to 60 kB a second")
MOST_THREADS = 8  # of one Python process that are counted on to decode at the same time, assumed
STOOD_FOR = ("procedural", "hf_dataset")  # kinds of data: made by the processor, or fetched whole to be listed


@dataclass(frozen=True)
class Asked:
    """What is planned for.

    Attributes:
        clips: None for as many as the recipe's data has.
        seconds: of a clip; None for the mean of the recipe's data.
        gpus: accelerators, or machines like this one where no kind is given.
        cores: of the machine that decodes; None for as many as here.
        kind: of accelerator, by `hardware.accelerators`; None for this machine.
        price: of one for an hour.
        teacher_rate: views that one embeds a second; None to measure or scale it, as of all rates.
        student_rate: clips that one trains on a second.
        decode_rate: seconds of sound that a process decodes a second.
        view_rate: views that a process renders a second.
    """

    clips: int | None = None
    seconds: float | None = None
    gpus: int = 1
    cores: int | None = None
    kind: str | None = None
    price: float | None = None
    teacher_rate: float | None = None
    student_rate: float | None = None
    decode_rate: float | None = None
    view_rate: float | None = None

    def check(self) -> None:
        """Raises TinyclapError for what cannot be."""
        for name, value in asdict(self).items():
            if isinstance(value, int | float) and not 0 < value < math.inf:  # NaN neither
                raise TinyclapError(f"--{name.replace('_', '-')} {value:g}: allowed: above 0")


@dataclass(frozen=True)
class _Teacher:
    """What is to be known of a teacher."""

    sample_rate: int
    embed_dim: int
    operations: float | None  # of a view
    encoder: Encoder | None


@dataclass(frozen=True)
class Plan:
    """What `plan_recipe` found.

    Attributes:
        name: of the recipe.
        work: how much there is.
        rates: how fast each step goes.
        estimate: what that makes.
        device: what the work is planned for.
        here: what was measured on.
        free_bytes: of the disk of the cache here.
        notes: what else there is to know.
    """

    name: str
    work: Work
    rates: Rates
    estimate: Estimate
    device: str
    here: str
    free_bytes: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        told = asdict(self)
        found = self.estimate
        told["estimate"] |= {"hours": asdict(found.hours), "longest": found.longest, "largest": found.largest}
        return told


def plan_recipe(recipe: DistillRecipe, asked: Asked) -> Plan:
    """Storage, hours and cost of a distillation.

    Args:
        recipe: whose teacher, student, views and training.
        asked: for which clips and accelerators; rates that are given are not measured.

    Raises:
        TinyclapError: figures that cannot be, an accelerator that is not known, a batch that cannot be shared out,
            data or a teacher that is not here and of which nothing was given in its place.
    """
    asked.check()
    kind = accelerator(asked.kind) if asked.kind else None
    options = recipe.training
    notes: list[str] = []
    dealt_out(options.batch_size, options.micro_batches, asked.gpus)
    device = build_accelerator("no" if kind else options.precision).device
    teachers = _teachers(recipe, asked, notes)
    torch.manual_seed(recipe.seed)
    dim = sum(teacher.embed_dim for teacher in teachers)
    student = Student(recipe.student.with_embedding(dim, recipe.views.longest_s))
    with ExitStack() as stack:
        dataset, real, total = _clips(recipe, asked, stack, notes)
        mean_s, sounds = calibrate.of_files(dataset)
        if not real or (sounds.high == 0 and asked.clips is not None):
            sounds = SOUND_BYTES
        work = _work(recipe, student, teachers, total, asked.seconds or mean_s)
        rates = _rates(recipe, asked, kind, device, student, teachers, dataset, sounds)
    found = estimate(work, rates, accelerators=asked.gpus, price=asked.price)
    if work.logmel:
        row, second = work.logmel[0] * work.logmel[1] * 2, found.stages["training"].hours.middle * 3600
        notes.append(
            f"the training reads about {row * work.trained / second / 1e6:,.0f} MB/s of spectrograms, in random order; "
            "where the disk is slower, it bounds"
        )
    if (
        kind
        and asked.student_rate is None
        and options.batch_size // asked.gpus < smallest_batch(kind, student, options)
    ):
        notes.append(
            f"a step of {options.batch_size // asked.gpus} clips is too small to keep {kind.title} busy: a larger "
            "training.batch_size takes no longer a step"
        )
    notes.append("reading from network disks, failures and waiting in queues are not counted")
    where = f"{asked.gpus} x {kind.title if kind else 'this machine'}"
    here = f"{cpu()}, {torch.get_num_threads()} threads" + ("" if device.type == "cpu" else f"; {device}")
    return Plan(recipe.name, work, rates, found, where, here, _free_bytes(), tuple(notes))


def _teachers(recipe: DistillRecipe, asked: Asked, notes: list[str]) -> list[_Teacher]:
    """What is known of the teachers; where a rate is given, they need not be here."""
    try:
        built = build_teacher(recipe.taught_by)
    except TinyclapError as error:
        if asked.teacher_rate is None:
            raise TinyclapError(
                f"{error}\nto plan without it, give --teacher-rate, views that it embeds a second"
            ) from error
        notes.append(f"the teacher is not here: {ASSUMED_DIM} dimensions and {ASSUMED_RATE} Hz are assumed")
        return [_Teacher(ASSUMED_RATE, ASSUMED_DIM, None, None)]
    return [_known(each, recipe.views.durations_s) for each in encoders_in(built)]


def _known(teacher: Encoder, durations_s: tuple[float, ...]) -> _Teacher:
    macs = teacher.costs()["macs"]
    windows = sum(math.ceil(seconds / teacher.window_s - 1e-6) for seconds in durations_s) / len(durations_s)
    return _Teacher(teacher.sample_rate, teacher.embed_dim, None if macs is None else 2 * macs * windows, teacher)


def _clips(recipe: DistillRecipe, asked: Asked, stack: ExitStack, notes: list[str]) -> tuple[Dataset, bool, int]:
    """A few clips to measure with, whether they are the recipe's own, and how many there are in all."""
    parts = one_or_more(recipe.data.train)
    if asked.clips and asked.seconds and any(part.kind in STOOD_FOR for part in parts):
        notes.append("decoding and views were measured on generated sounds, as FLAC")
        return stack.enter_context(calibrate.generated(asked.seconds)), False, asked.clips
    try:
        dataset = build_dataset([_as_it_lies(part, asked) for part in parts])
    except TinyclapError as error:
        if asked.clips is None or asked.seconds is None:
            raise TinyclapError(f"{error}\nto plan without the data, give --clips and --seconds") from error
        notes.append("the data is not here: decoding and views were measured on generated sounds, as FLAC")
        return stack.enter_context(calibrate.generated(asked.seconds)), False, asked.clips
    few = dataset.spread(calibrate.ROUNDS * calibrate.CLIPS)
    return few, True, len(dataset) if asked.clips is None else asked.clips


def _as_it_lies(part: Any, asked: Asked) -> Any:
    """A data section of which nothing is fetched; of shards one, where it is given how many clips there are."""
    if part.kind == "shards" and asked.clips is not None:
        return part.model_copy(update={"urls": expand(part.patterns)[0]})
    return part.model_copy(update={"download": False}) if getattr(part, "download", False) else part


def _work(recipe: DistillRecipe, student: Student, teachers: list[_Teacher], clips: int, clip_s: float) -> Work:
    options, spec = recipe.training, student.config.frontend
    frames = spec.n_frames(round(recipe.views.longest_s * spec.sample_rate))
    rates = (student.sample_rate, *(teacher.sample_rate for teacher in teachers))
    return Work(
        clips=clips,
        clip_s=clip_s,
        windows=clips * windows_of(clip_s, recipe.data.max_clip_s),
        views=recipe.views.per_clip,
        sample_rates=tuple(dict.fromkeys(rates)),
        dims=tuple(teacher.embed_dim for teacher in teachers),
        logmel=(frames, spec.n_mels) if options.keep_logmels else None,
        parameters=student_costs(student.config).parameters,
        has_ema=options.ema > 0,
        epochs=options.epochs + options.head_epochs,
        batch_size=options.batch_size,
    )


def _rates(
    recipe: DistillRecipe,
    asked: Asked,
    kind: Accelerator | None,
    device: torch.device,
    student: Student,
    teachers: list[_Teacher],
    dataset: Dataset,
    sounds: Range,
) -> Rates:
    """Given, scaled or measured."""
    spec, limits = calibrate.few_views(recipe.views), recipe.data.limits
    options = replace(recipe.training, batch_size=recipe.training.batch_size // asked.gpus, micro_batches=1)
    highest = max(teacher.sample_rate for teacher in teachers)
    with calibrate.cache_of_its_own(), tempfile.TemporaryDirectory() as run:
        decoding = _given(asked.decode_rate) or _on_cores(calibrate.decoding(dataset, highest, limits), dataset, asked)
        theirs = {rate: Views(decode(dataset, rate, **limits), spec) for rate in {one.sample_rate for one in teachers}}
        ours = Views(decode(dataset, student.sample_rate, **limits), spec)
        rendering = _given(asked.view_rate) or _all([calibrate.rendering(theirs[one.sample_rate]) for one in teachers])
        teaching = _given(asked.teacher_rate) or (
            teachers_on(kind, [one.operations for one in teachers])
            if kind
            else _all(
                [calibrate.embedding(one.encoder, theirs[one.sample_rate], device) for one in teachers if one.encoder]
            )
        )
        spectrograms = calibrate.spectrograms(ours, student)
        training = _given(asked.student_rate) or (student_on(kind, student, options) if kind else None)
        if training is None:
            assembling, training = calibrate.training(student, ours, options, Path(run))
        else:
            assembling = calibrate.assembling(student, ours, options.batch_size)
    return Rates(decoding, rendering, teaching, spectrograms, assembling, training, sounds)


def _given(rate: float | None) -> Range | None:
    return None if rate is None else Range.exactly(rate, GIVEN)


def _on_cores(measured: Range, dataset: Dataset, asked: Asked) -> Range:
    """A rate of decoding by as many threads as there are cores, on a machine with others than here."""
    here = dataset.readers
    if asked.cores in (None, here) or here < usable_cores():
        return measured
    sure, all_of_them = min(asked.cores, max(MOST_THREADS, here)) / here, asked.cores / here
    times = f"{sure:g}" if sure == all_of_them else f"{sure:g} to {all_of_them:g}"
    source = f"{measured.source} on {here} cores, taken {times} times"
    return Range(measured.low * sure, measured.high * all_of_them, source)


def _all(rates: list[Range]) -> Range:
    """Of several things done one after the other to each view: views a second."""
    return both(*(rate.each() for rate in rates)).each()


def _free_bytes() -> int:
    root = cache_root()
    return shutil.disk_usage(next(parent for parent in (root, *root.parents) if parent.is_dir())).free
