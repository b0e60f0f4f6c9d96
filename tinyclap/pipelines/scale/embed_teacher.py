"""What `tinyclap embed-teacher` does: the teacher's embeddings of a recipe's views, made by many, before the training.

A store is filled in parts of `row_store.PART_BLOCKS` blocks, each made of the same views in the same batches as by
`tinyclap distill` alone, so that on a CPU, with equally many threads, its bytes are equal whoever fills it.
"""

import hashlib
import os
import time
from dataclasses import asdict, dataclass
from typing import Any

from tinyclap.common.cache_lock import cache_folder, one_at_a_time
from tinyclap.common.progress import Progress
from tinyclap.common.row_store import BLOCK_ROWS, PART_BLOCKS, RowStore, refuse_small_disk
from tinyclap.config.data import describe_data
from tinyclap.config.schema import DistillRecipe
from tinyclap.config.teachers import AnyTeacher
from tinyclap.data import build_dataset
from tinyclap.data.decoded import Decoded, decode
from tinyclap.data.views import Views
from tinyclap.errors import TinyclapError
from tinyclap.pipelines.build import build_teacher
from tinyclap.pipelines.scale.workers import Job, device_of, fill_with_workers
from tinyclap.training.targets import target_store

PART_ROWS = BLOCK_ROWS * PART_BLOCKS


@dataclass(frozen=True)
class Embedded:
    """What `embed_teacher` did.

    Attributes:
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


def embed_teacher(recipe: DistillRecipe, *, workers: int = 1, share: tuple[int, int] = (1, 1)) -> Embedded:
    """Fill the store of a recipe's teacher embeddings, or a share of it; `tinyclap distill` then finds them there.

    What is there already is skipped. Several such commands may run at the same time, also on machines that share a
    cache.

    Args:
        recipe: whose teacher and training views.
        workers: processes of this machine.
        share: (i, n), the i-th of n shares, counted from 1.

    Raises:
        TinyclapError: a share that there is not, several teachers, data that cannot be used, too small a disk.
        MachineError: workers that die again and again.
    """
    number, shares = share
    if not 1 <= number <= shares:
        raise TinyclapError(f"--shard {number}/{shares}: give 1/{shares} to {shares}/{shares}")
    section = recipe.taught_by
    if isinstance(section, tuple):
        raise TinyclapError(
            "embed-teacher takes one teacher, the recipe has several; each has the store that it would have alone: run "
            'it once for each, with teachers=null "teacher={kind: ...}"'
        )
    teacher = build_teacher(section)
    # One process decodes and makes the empty store; the others wait for it and find both.
    with one_at_a_time(hashlib.blake2b(describe_data(recipe.data.train).encode(), digest_size=16).hexdigest()):
        decoded = decode(build_dataset(recipe.data.train), teacher.sample_rate, **recipe.data.limits)
        views = Views(decoded, recipe.views)
        store = target_store(teacher, views, device_of(0) if workers == 1 else "cpu")
        store.missing()
    own = range(number - 1, store.n_parts, shares)
    before = {*store.missing_parts()} & {*own}
    if before:
        lacking = sum(store.size(store.blocks(part)) for part in before)
        refuse_small_disk(store.folder, 2 * lacking, f"{teacher.name} embeds")  # as parts, then in the array
    began = time.perf_counter()
    with Progress(f"{teacher.name} embeds", len(own), "part", done=len(own) - len(before)) as counter:
        _fill(section, decoded, views, store, own, workers, counter)
    seconds = time.perf_counter() - began
    computed = before - {*store.missing_parts()}
    store.gather()
    rows = sum(len(store.rows(block)) for part in computed for block in store.blocks(part))
    return Embedded(
        store=str(store.folder),
        clips=len(decoded),
        views=recipe.views.per_clip,
        parts=store.n_parts,
        share=f"{number}/{shares}",
        own=len(own),
        computed=len(computed),
        missing=len(store.missing_parts()),
        seconds=seconds,
        embeddings_per_s=rows / seconds if rows else None,
    )


def _fill(
    teacher: AnyTeacher, decoded: Decoded, views: Views, store: RowStore, own: range, workers: int, counter: Progress
) -> None:
    """Compute the missing ones of these parts, here or with workers."""
    if workers == 1:
        for part in own:
            if store.fill_part(part, views.block):
                counter.update()
        return
    threads = None if "OMP_NUM_THREADS" in os.environ else max(1, (os.cpu_count() or 1) // workers)
    job = Job(teacher, cache_folder("audio") / decoded.fingerprint, views.spec, threads)
    there = len(own) - len({*store.missing_parts()} & {*own})

    def tell(now: int) -> None:
        nonlocal there
        counter.update(now - there)
        there = now

    fill_with_workers(job, store, own, workers, tell)
