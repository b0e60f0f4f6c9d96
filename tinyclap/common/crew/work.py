"""What a worker does, in whatever process: it makes itself ready once, then answers for item after item."""

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tinyclap.errors import TinyclapError
from tinyclap.version import __version__

Make = Callable[[Any], Any]
Job = Callable[[int], Make]  # picklable; called with the number of the worker, it gives what makes results of items

POLL_S = 0.5
PASSED_ON = ("TINYCLAP_CACHE", "HF_HOME", "HF_HUB_OFFLINE", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Reply:
    """What became of an item.

    Attributes:
        result: of it.
        fault: what went wrong, in words; None where nothing did.
        exit_code: of the fault, as for `TinyclapError`.
        again: another worker may do better, as the machine was at fault.
    """

    result: Any = None
    fault: str | None = None
    exit_code: int = 0
    again: bool = False


class WorkerLostError(Exception):
    """A worker ended, or its machine did; the message says how."""


class Worker(Protocol):
    """One of a crew, as the crew sees it."""

    turn: int

    def send(self, item: Any) -> None:
        """Ask for an item's result."""

    def reply(self, timeout_s: float) -> Reply | None:
        """The reply, None where there is none yet; raises WorkerLostError."""

    def close(self) -> None:
        """End it, whatever it is at."""


class Source(Protocol):
    """Where workers come from."""

    def size(self) -> int:
        """How many there may be now."""

    def start(self, turn: int, unwanted: Callable[[], bool]) -> Worker:
        """A worker that is ready; raises what its job does, and WorkerLostError where it ends or is `unwanted`."""

    def close(self) -> None:
        """No more are wanted."""


def begun(worker: Worker, unwanted: Callable[[], bool], waiting: Callable[[], None] = lambda: None) -> None:
    """Wait until a new worker is ready, and end it where it will not be.

    Args:
        worker: whose first reply says whether it is.
        unwanted: asked again and again; once it says so nobody waits any more.
        waiting: called whenever there is no reply yet.

    Raises:
        TinyclapError: what its job raises.
        WorkerLostError: it ended, or is unwanted.
    """
    try:
        while not unwanted():
            reply = worker.reply(POLL_S)
            if reply is not None and reply.fault is not None:
                raise TinyclapError(reply.fault)
            if reply is not None:
                return
            waiting()
        raise WorkerLostError("not wanted any more")
    except BaseException:
        worker.close()
        raise


@dataclass(frozen=True)
class Order:
    """A job as it travels to a worker, with what it finds around itself here.

    Attributes:
        job: pickled, so that a worker can say what is missing for it.
        folder: which paths are relative to.
        environment: variables that decide where things lie.
        version: of tinyclap.
    """

    job: bytes
    folder: str
    environment: dict[str, str]
    version: str = __version__

    @classmethod
    def of(cls, job: Job) -> "Order":
        """The order of a job, from here."""
        cache = (
            {"TINYCLAP_CACHE": os.path.abspath(os.environ["TINYCLAP_CACHE"])} if "TINYCLAP_CACHE" in os.environ else {}
        )
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return cls(pickle.dumps(job), os.getcwd(), passed | cache)

    def made_ready(self, turn: int) -> Make:
        """In the worker: what makes results.

        Raises:
            TinyclapError: another version of tinyclap, or what the job raises.
            ModuleNotFoundError, OSError: what the job needs is not here.
        """
        if self.version != __version__:
            raise TinyclapError(f"it has tinyclap {__version__}, and {self.version} asks; install the same everywhere")
        os.environ.update(self.environment)
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        job: Job = pickle.loads(self.job)
        return job(turn)


def attempt(work: Callable[[Any], Any], item: Any) -> Reply:
    """In the worker: an item's reply."""
    try:
        return Reply(work(item))
    except TinyclapError as error:
        return Reply(fault=str(error), exit_code=error.exit_code)
    except ModuleNotFoundError as error:
        return Reply(fault=f"the package {error.name} is not installed there", exit_code=2)
    except OSError as error:
        return Reply(fault=str(error), exit_code=2, again=True)
