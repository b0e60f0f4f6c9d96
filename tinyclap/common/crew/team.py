"""Who is asked to do a work: this process, several of this machine, or a Ray cluster."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from tinyclap.common.crew.crew import Crew
from tinyclap.common.crew.processes import Processes
from tinyclap.common.crew.work import Job, Order
from tinyclap.common.machine import usable_cores

MOST_THREADS = 8  # by default, for one process


class Team(NamedTuple):
    """Who is asked.

    Attributes:
        workers: processes or actors; None for one process, or for as many actors as a cluster has room for.
        ray: address of a Ray cluster, `on_ray.RUNNING` for the one that this machine is part of; None for no cluster.
        threads: of this process where it does all; None for one a core, 8 at most.
    """

    workers: int | None = None
    ray: str | None = None
    threads: int | None = None

    @property
    def is_alone(self) -> bool:
        """This process does it all."""
        return self.ray is None and self.workers in (None, 1)

    @property
    def threads_here(self) -> int:
        """Threads of this process where it does all."""
        return self.threads or min(MOST_THREADS, usable_cores())

    @property
    def threads_each(self) -> int | None:
        """Threads of a worker: None as the environment says, else an actor's one core or a process's share of them."""
        if "OMP_NUM_THREADS" in os.environ:
            return None
        return 1 if self.ray is not None else max(1, usable_cores() // (self.workers or 1))

    def crew(self, job: Job, name: Callable[[Any], str], *, gpus: bool = False) -> Crew:
        """Workers for a job, to be used as a context manager.

        Args:
            job: picklable; see `work.Job`.
            name: of an item, in words.
            gpus: actors take a GPU each where the cluster has any.

        Raises:
            TinyclapError: as `on_ray.Actors` does.
        """
        order = Order.of(job)
        if self.ray is None:
            return Crew(Processes(order, self.workers or 1), name, "run it again with fewer --workers")
        from tinyclap.common.crew.on_ray import Actors

        set_by_hand = os.environ.get("OMP_NUM_THREADS", "1").partition(",")[0]
        cores = int(set_by_hand) if set_by_hand.isdecimal() and int(set_by_hand) else 1
        actors = Actors(order, self.ray, self.workers, cores=cores, gpus=gpus)
        return Crew(actors, name, "look at the nodes' memory and disks (`ray status`), and run it again")


ALONE = Team()
