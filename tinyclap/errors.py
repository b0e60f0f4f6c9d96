"""The errors a user can cause. Each message names the thing, the place, what is allowed and the remedy."""


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
