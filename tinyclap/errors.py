"""The errors a user can cause. Each message names the thing, the place, what is allowed and the remedy."""

from collections.abc import Sequence


class TinyclapError(Exception):
    """Wrong usage or unusable input; the command line prints the message alone and exits with 2."""

    exit_code = 2


class MachineError(TinyclapError):
    """The machine could not do what it was rightly asked to; the command line exits with 1."""

    exit_code = 1


class StoppedError(TinyclapError):
    """The user stopped the command, which says itself what is lost; the command line exits with 130."""

    exit_code = 130


class GateError(TinyclapError):
    """The work ran but its result missed a threshold; the command line exits with 1."""

    exit_code = 1


MAX_NAMES = 60  # in a list of what is known


MAX_FAULTS = 5  # in a list of what is wrong


def first_line(error: BaseException) -> str:
    """The first line of what another library says of a failure; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def listed(items: Sequence[object], most: int = MAX_FAULTS) -> str:
    """The first items as a comma-separated list, with a count of those left out."""
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(str(item) for item in items[:most]) + rest
