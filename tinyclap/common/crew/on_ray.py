"""Workers that are actors of a Ray cluster: on several machines, and more of them as the cluster grows."""

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from importlib.util import find_spec
from typing import Any

from tinyclap.common.crew.work import Order, Reply, WorkerLostError, attempt, begun
from tinyclap.common.install import extra_line
from tinyclap.errors import TinyclapError, first_line
from tinyclap.version import __version__

RUNNING = "auto"  # in place of an address: a cluster that runs on this machine, else one is started on it
COUNTED_EVERY_S = 2.0
REACHED_WITHIN_S = 5.0
SAID_AFTER_S = 15.0


class Actors:
    """A `Source` (see `work`) of actors, each of which takes a GPU or some cores.

    Args:
        order: their job.
        address: HOST:PORT of the cluster, or `RUNNING`.
        workers: how many are asked for, also beyond what the cluster has: an autoscaler sees them wait. None for as
            many as it has room for, at any time.
        cores: that each takes.
        gpus: each takes a GPU where the cluster has any.

    Raises:
        TinyclapError: Ray is not installed, or no cluster can be reached.
    """

    def __init__(self, order: Order, address: str, workers: int | None, *, cores: int, gpus: bool) -> None:
        self._ray, self._own = connected(address)
        self._aside = redirect_stdout(sys.stderr)  # Ray prints there what becomes of nodes, and stdout is the result's
        self._aside.__enter__()
        self._workers, self._order = workers, self._ray.put(order)
        has_gpus = gpus and any(node.get("GPU", 0) >= 1 for node in self._nodes())
        self._each = {"CPU": cores, "GPU": 1} if has_gpus else {"CPU": cores}
        self._actor = self._ray.remote(Hand).options(num_cpus=cores, num_gpus=int(has_gpus), max_restarts=0)
        self._counted, self._counted_at, self._said = 0, -COUNTED_EVERY_S, False

    def size(self) -> int:
        """As many as were asked for, or as the cluster has room for now."""
        if self._workers is not None:
            return self._workers
        if time.monotonic() - self._counted_at >= COUNTED_EVERY_S:
            room = [min(int(node.get(kind, 0) // much) for kind, much in self._each.items()) for node in self._nodes()]
            self._counted, self._counted_at = max(1, sum(room)), time.monotonic()
        return self._counted

    def start(self, turn: int, unwanted: Callable[[], bool]) -> "ActorWorker":
        """One that is ready, as soon as the cluster has room for it; raises as `Source.start` says."""
        actor, began = self._actor.remote(), time.monotonic()
        worker = ActorWorker(turn, self._ray, actor, actor.ready.remote(self._order))
        begun(worker, unwanted, lambda: self._say_waiting(time.monotonic() - began))
        return worker

    def close(self) -> None:
        """Leave the cluster, and end it where it was started here."""
        if self._own:
            self._ray.shutdown()
        self._aside.__exit__(None, None, None)

    def _nodes(self) -> list[dict[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _say_waiting(self, seconds: float) -> None:
        if seconds > SAID_AFTER_S and not self._said:
            self._said = True
            needed = ", ".join(f"{much:g} {kind}" for kind, much in self._each.items())
            print(f"Ray: waiting for workers to begin; each needs {needed}", file=sys.stderr, flush=True)


class ActorWorker:
    """A `Worker` (see `work`)."""

    def __init__(self, turn: int, ray: Any, actor: Any, asked: Any) -> None:
        self.turn, self._ray, self._actor, self._asked = turn, ray, actor, asked

    def send(self, item: Any) -> None:
        """Ask for an item's result."""
        self._asked = self._actor.make.remote(item)

    def reply(self, timeout_s: float) -> Reply | None:
        """The reply, None where there is none yet."""
        errors = self._ray.exceptions
        try:
            ready, _ = self._ray.wait([self._asked], timeout=timeout_s)
            if not ready:
                return None
            reply: Reply = self._ray.get(self._asked)
        except errors.RayTaskError as error:
            if isinstance(error.cause, ImportError) or "failed to import" in str(error):
                raise TinyclapError(_cannot_begin(str(error))) from error
            raise error.as_instanceof_cause() from error
        except errors.RayActorError as error:
            if error.actor_init_failed:
                raise TinyclapError(_cannot_begin(str(error))) from error
            raise WorkerLostError(first_line(error)) from error
        except errors.RayError as error:  # the node, or what it had computed, is gone
            raise WorkerLostError(first_line(error)) from error
        return reply

    def close(self) -> None:
        """End it."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor)


class Hand:
    """What an actor does."""

    def __init__(self) -> None:
        self._make: Callable[[Any], Any] = _unready

    def ready(self, order: Order) -> Reply:
        """Begin a job."""
        ready = attempt(order.made_ready, 0)  # Ray shows an actor no other GPU than its own, which is the first
        self._make = ready.result
        return self._named(Reply(fault=ready.fault, exit_code=ready.exit_code))

    def make(self, item: Any) -> Reply:
        """An item's reply."""
        return self._named(attempt(self._make, item))

    def _named(self, reply: Reply) -> Reply:
        """A fault with the machine where it was met."""
        if reply.fault is None:
            return reply
        return Reply(None, f"node {socket.gethostname()}: {reply.fault}", reply.exit_code, reply.again)


def refuse_unusable(address: str) -> None:
    """Raise a TinyclapError where Ray is not installed, or nothing answers at the address; nothing is begun."""
    if find_spec("ray") is None:
        raise TinyclapError(f"--ray needs the package ray: {extra_line('ray')}")
    if address != RUNNING:
        _refuse_unreachable(address)


def connected(address: str) -> tuple[Any, bool]:
    """The module ray, connected to a cluster, and whether this process has connected it.

    Raises:
        TinyclapError: Ray is not installed, or no cluster can be reached.
    """
    refuse_unusable(address)
    import ray
    import ray.exceptions

    if ray.is_initialized():
        return ray, False
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if address == RUNNING:
            _init_here(ray, quiet)
        else:
            ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise TinyclapError(
            f"--ray {address}: {first_line(error)}; check with `ray status --address {address}`"
        ) from error
    return ray, True


def _init_here(ray: Any, quiet: dict[str, Any]) -> None:
    """Join the cluster that $RAY_ADDRESS names or that this machine is part of, else start one for this command."""
    try:
        ray.init("auto", **quiet)
    except ConnectionError:
        if "RAY_ADDRESS" in os.environ:
            raise
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init("local", include_dashboard=False, **quiet)


def _refuse_unreachable(address: str) -> None:
    """Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit() and int(port) < 2**16) or "//" in host:
        raise TinyclapError(
            f"--ray {address}: this is no address; give HOST:PORT of the head node, as `ray start --head` prints it, "
            "or nothing for the cluster that this machine is part of"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHED_WITHIN_S).close()
    except OSError as error:
        raise TinyclapError(
            f"--ray {address}: nothing answers there ({error.strerror or error}); is the head node running "
            "(`ray start --head`), and its port open?"
        ) from error


def _cannot_begin(told: str) -> str:
    last = told.strip().splitlines()[-1]
    return (
        f"a node of the cluster cannot begin ({last}); every node needs tinyclap {__version__} and what it needs "
        "here, in the Python that Ray runs"
    )


def _unready(item: Any) -> Any:
    raise TinyclapError("the worker was asked before it was ready")
