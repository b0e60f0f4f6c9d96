"""What `tinyclap embed-teacher` does: the teacher's embeddings of a recipe's views, made by many, before the training.

A store is filled in parts of `row_store.PART_BLOCKS` blocks, each made of the same views in the same batches as by
`tinyclap distill` alone, so that on a CPU, with equally many threads, its bytes are equal whoever fills it. Workers
compute parts, and this process writes them: a worker needs to read what was decoded, and the teacher, but shares no
disk to write to.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tinyclap.common.cache_lock import one_at_a_time
from tinyclap.common.crew.crew import Crew
from tinyclap.common.crew.team import ALONE, Team
from tinyclap.common.crew.work import Make
from tinyclap.common.parallel import as_they_end
from tinyclap.common.progress import Progress
from tinyclap.common.row_store import BLOCK_ROWS, PART_BLOCKS, RowStore, refuse_small_disk
from tinyclap.config.data import describe_data
from tinyclap.config.schema import DistillRecipe
from tinyclap.config.teachers import AnyTeacher
from tinyclap.data import build_dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.view_spec import ViewSpec
from tinyclap.data.views import Views
from tinyclap.errors import MachineError, TinyclapError
from tinyclap.pipelines.build import build_teacher
from tinyclap.teachers.encoder import Encoder
from tinyclap.teachers.joint import encoders_in
from tinyclap.training.targets import target_store

PART_ROWS = BLOCK_ROWS * PART_BLOCKS
GATHERED_AT = 64  # finished parts, which are then taken into the array
QUEUED = 2  # parts beyond one for each worker


@dataclass(frozen=True)
class Embedded:
    """What `embed_teacher` did for one teacher.

    Attributes:
        teacher: its name.
        store: the folder of the embeddings.
        clips, views: how many windows of sound, and views of each.
        parts: of the store.
        share: which of them were this command's, as i/n.
        own: how many these are.
        computed: how many of them were computed in this call.
        missing: how many parts of the whole store are not there.
        seconds: that embedding took.
        embeddings_per_s: computed in each of them; None where none was.
    """

    teacher: str
    store: str
    clips: int
    views: int
    parts: int
    share: str
    own: int
    computed: int
    missing: int
    seconds: float
    embeddings_per_s: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """What a worker needs to make parts of a store.

    Attributes:
        teacher: section of the recipe.
        decoded: folder of the decoded clips.
        views: which views.
        threads: of each worker; None for as many as torch takes.
        store: name of the store's folder, which says whether a worker has the same teacher and sounds.
    """

    teacher: Any
    decoded: Path
    views: ViewSpec
    threads: int | None
    store: str

    def __call__(self, turn: int) -> Make:
        """In the worker: what makes a part, by its number.

        Raises:
            TinyclapError: it cannot read the sounds or the teacher, or these are others.
        """
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        if not self.decoded.is_dir():
            raise TinyclapError(
                f"there is no {self.decoded}, the sounds as this machine has decoded them; all nodes read them from "
                "the cache: set TINYCLAP_CACHE to a folder on a disk that they share under the same path"
            )
        views = Views(Decoded(self.decoded), self.views)
        store = target_store(build_teacher(self.teacher), views, device_of(turn))
        if store.folder.name != self.store:
            raise TinyclapError("its teacher is another one than here: the files that the recipe names differ")
        return lambda part: store.make_part(part, views.block)


def device_of(turn: int) -> str:
    """The device of a worker by its number: GPUs in turn, or the CPU."""
    if not torch.accelerator.is_available():
        return "cpu"
    found = torch.accelerator.current_accelerator()
    return "cpu" if found is None else f"{found.type}:{turn % torch.accelerator.device_count()}"


def embed_teacher(recipe: DistillRecipe, team: Team = ALONE, *, share: tuple[int, int] = (1, 1)) -> list[Embedded]:
    """Fill the stores of a recipe's teacher embeddings, or a share of each; `tinyclap distill` then finds them there.

    What is there already is skipped. Several such commands may run at the same time, also on machines that share a
    cache.

    Args:
        recipe: whose teachers and training views.
        team: who computes.
        share: (i, n), the i-th of n shares, counted from 1.

    Returns:
        What was done for each teacher, in the order of the recipe.

    Raises:
        TinyclapError: a share that there is not, data that cannot be used, too small a disk, what a worker met.
        MachineError: workers that die again and again.
    """
    number, shares = share
    if not 1 <= number <= shares:
        raise TinyclapError(f"--shard {number}/{shares}: give 1/{shares} to {shares}/{shares}")
    section = recipe.taught_by
    sections = [one.teacher for one in section] if isinstance(section, tuple) else [section]
    teachers = encoders_in(build_teacher(section))
    return [_of_one(recipe, *each, team, share) for each in zip(sections, teachers, strict=True)]


def _of_one(
    recipe: DistillRecipe, section: AnyTeacher, teacher: Encoder, team: Team, share: tuple[int, int]
) -> Embedded:
    views, store = _prepared(recipe, teacher, device_of(0) if team.is_alone else "cpu")
    own = range(share[0] - 1, store.n_parts, share[1])
    before = {*store.missing_parts()} & {*own}
    if before:
        # Twice what lies as parts before it is in the array.
        lacking = sorted(before) + sorted(before)[: GATHERED_AT + (team.workers or GATHERED_AT)]
        refuse_small_disk(
            store.folder, sum(store.size(store.blocks(part)) for part in lacking), f"{teacher.name} embeds"
        )
    began = time.perf_counter()
    with Progress(f"{teacher.name} embeds", len(own), "part", done=len(own) - len(before)) as counter:
        if team.is_alone:
            computed = _filled_here(store, views, sorted(before), counter)
        else:
            folder = views.decoded.folder.absolute()
            job = Job(section, folder, views.spec, team.threads_each, store.folder.name)
            computed = _filled_by(team, job, store, sorted(before), counter)
    seconds = time.perf_counter() - began
    store.gather()
    rows = sum(store.part_rows(part) for part in computed)
    return Embedded(
        teacher=teacher.name,
        store=str(store.folder),
        clips=len(views),
        views=recipe.views.per_clip,
        parts=store.n_parts,
        share=f"{share[0]}/{share[1]}",
        own=len(own),
        computed=len(computed),
        missing=len(store.missing_parts()),
        seconds=seconds,
        embeddings_per_s=rows / seconds if rows else None,
    )


def _prepared(recipe: DistillRecipe, teacher: Encoder, device: str) -> tuple[Views, RowStore]:
    """Views and their store. One process decodes and makes the empty store; the others wait for it and find both."""
    with one_at_a_time(hashlib.blake2b(describe_data(recipe.data.train).encode(), digest_size=16).hexdigest()):
        decoded = decode(build_dataset(recipe.data.train), teacher.sample_rate, **recipe.data.limits)
        views = Views(decoded, recipe.views)
        store = target_store(teacher, views, device)
        store.missing()
    return views, store


def _filled_here(store: RowStore, views: Views, parts: Sequence[int], counter: Progress) -> list[int]:
    """The parts that were computed by this process."""
    computed = []
    for part in parts:
        if store.fill_part(part, views.block):
            computed.append(part)
            counter.update()
    return computed


def _filled_by(team: Team, job: Job, store: RowStore, parts: Sequence[int], counter: Progress) -> list[int]:
    """The parts that were computed by others for this process."""
    computed: list[int] = []
    if not parts:
        return computed
    with team.crew(job, lambda part: f"part {part}", gpus=True) as crew:

        def fill(part: int) -> tuple[int, bool]:
            with store.claim(part) as mine:
                if mine:
                    _put(store, part, crew)
                return part, mine

        for part, mine in as_they_end(fill, parts, lambda: crew.size + QUEUED):
            if mine:
                computed.append(part)
                counter.update(1, f"{crew.at_work} workers")
            if mine and len(computed) % GATHERED_AT == 0:
                store.gather()
    return computed


def _put(store: RowStore, part: int, crew: Crew) -> None:
    """Have a part computed, and write it; what does not come back whole is computed once more."""
    if not (store.put_part(part, crew(part)) or store.put_part(part, crew(part))):
        raise MachineError(f"part {part} came back damaged twice: look at the network between the workers and here")
