"""Removes what lies in the cache; all but the ready-made bundles is made or fetched again when it is needed."""

import shutil
import time
from collections.abc import Sequence

from tinyclap.common.cache_lock import cache_to_oneself
from tinyclap.workspace.cache_contents import BUNDLES, KINDS, Entry, entries

DAY_S = 86_400.0


def older(found: Sequence[Entry], days: float) -> list[Entry]:
    """Those that were last used more than so many days ago."""
    return [entry for entry in found if entry.last_used < time.time() - days * DAY_S]


def clear(kinds: Sequence[str] = (), older_than_days: float | None = None) -> list[Entry]:
    """Remove what lies in the cache.

    Args:
        kinds: of `contents.KINDS`; none for all but the ready-made bundles.
        older_than_days: leave what was used within so many days.

    Returns:
        What was removed.

    Raises:
        TinyclapError: another process uses the cache; nothing is removed then.
        OSError: something cannot be removed.
    """
    with cache_to_oneself():
        found = entries(kinds or [kind for kind in KINDS if kind != BUNDLES])
        removed = found if older_than_days is None else older(found, older_than_days)
        for entry in removed:
            if entry.path.is_dir():
                shutil.rmtree(entry.path)
            else:
                entry.path.unlink()
    return removed
