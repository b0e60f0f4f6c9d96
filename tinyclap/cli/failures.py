"""What a failure means to the person at the command line: one message with the remedy, and the exit code."""

import errno
import sys

from tinyclap.common.files import cache_root
from tinyclap.errors import TinyclapError

_FULL = {errno.ENOSPC: "disk full", errno.EDQUOT: "disk quota used up", errno.EFBIG: "file size limit reached"}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_MEMORY_HINT = (
    "out of memory ({detail}); lower training.batch_size, raise training.micro_batches, shorten views.duration_s or "
    "make the model smaller"
)


def user_errors() -> tuple[type[Exception], ...]:
    """The kinds of error among which `explain` finds those that the user can mend."""
    kinds = (TinyclapError, ModuleNotFoundError, OSError, MemoryError, RuntimeError)
    if "safetensors" not in sys.modules:
        return kinds
    from safetensors import SafetensorError

    return (*kinds, SafetensorError)


def explain(error: BaseException) -> tuple[str, int] | None:
    """Message and exit code of a failure that the user can mend; None for a fault of the program."""
    if isinstance(error, TinyclapError):
        return str(error), error.exit_code
    if isinstance(error, ModuleNotFoundError):
        return _missing_package(error)
    if isinstance(error, OSError):
        return _refused_file(error)
    # torch's out-of-memory errors are RuntimeErrors; their classes are not imported just to be recognised.
    text = str(error)
    refused = isinstance(error, RuntimeError) and "can't allocate memory" in text
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or refused:
        return _MEMORY_HINT.format(detail=text.splitlines()[0][:200] if text else "RAM"), 1
    # safetensors' and torch.save's own writers raise no OSError on a full disk; torch.save only finds a wrong length.
    if "No space left on device" in text or ("inline_container" in text and "unexpected pos" in text):
        return f"disk full ({text.splitlines()[0][:200]}); free some space and run the command again", 1
    return None


def _missing_package(error: ModuleNotFoundError) -> tuple[str, int] | None:
    from tinyclap.common.install import extra_line  # of no use until something is missing
    from tinyclap.common.requirements import extra_of

    package = (error.name or "").partition(".")[0]
    try:
        extra = extra_of(package)
    except (TinyclapError, ModuleNotFoundError):  # no metadata, or not even what reads it: what is missing can be named
        return f"the package {package} is not installed; run: pip install {package}", 2
    return None if extra is None else (f"the package {package} is not installed; run: {extra_line(extra)}", 2)


def _refused_file(error: OSError) -> tuple[str, int] | None:
    what = error.filename2 or error.filename
    if error.errno in _FULL:
        place = (
            f" while writing {what}"
            if what
            else f" where the output goes, or the cache {cache_root()} ($TINYCLAP_CACHE)"
        )
        return f"{_FULL[error.errno]}{place}; free some space and run the command again", 1
    if not what:
        return None
    if error.errno in _FORBIDDEN:
        return f"{what}: {error.strerror}; check its permissions or choose another folder", 2
    return f"{what}: {error.strerror}; check the path, and the cache {cache_root()} ($TINYCLAP_CACHE)", 2
