"""The bundle that an encoder of a suite stands for."""

from os import PathLike
from pathlib import Path

from tinyclap.runtime.bundle import Bundle
from tinyclap.workspace.bundles import named_bundle, newest_bundle

Named = Bundle | str | PathLike[str] | None
"""A bundle: loaded, its folder, its run's, or the name of a ready-made one; None for the newest run's, or a ready-made
one that is there."""


def bundle_of(named: Named) -> Bundle:
    """Load what is named; a loaded one, e.g. with fewer dimensions, stays as it is.

    Raises:
        TinyclapError: there is none, a run that was not exported yet, or a bundle that `Bundle.load` refuses.
    """
    if isinstance(named, Bundle):
        return named
    return Bundle.load(newest_bundle().bundle if named is None else named_bundle(Path(named)))
