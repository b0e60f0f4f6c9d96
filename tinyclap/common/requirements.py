"""What this package needs, as its own metadata says: pyproject.toml is the only list."""

from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tinyclap.errors import TinyclapError

EXTRAS = ("text", "mic", "train", "lora", "bench", "tflite")  # for a package in several, the smallest comes first
_IMPORTED_AS = {"pyyaml": "yaml"}  # where it is not the distribution's own name


def installed() -> metadata.Distribution:
    """What the installation says of tinyclap.

    Raises:
        TinyclapError: there is none: tinyclap is only found on the path, and has no metadata.
    """
    try:
        return metadata.distribution("tinyclap")
    except metadata.PackageNotFoundError as error:
        raise TinyclapError(
            "tinyclap is not installed here, only found on the path; run in its folder: pip install -e ."
        ) from error


def required(extra: str = "") -> list[Requirement]:
    """The requirements of an extra, by default those of the base install.

    Raises:
        TinyclapError: as `installed`.
    """
    lines = installed().requires or []
    asked = {"extra": extra}
    found = map(Requirement, lines)
    return [one for one in found if (one.marker.evaluate(asked) if one.marker else not extra)]


def import_name(requirement: Requirement) -> str:
    """The name under which a required package is imported, in lower case."""
    name = canonicalize_name(requirement.name)
    return _IMPORTED_AS.get(name, name.replace("-", "_"))


def extra_of(module: str) -> str | None:
    """The extra that brings a module; None where none does."""
    for extra in EXTRAS:
        if module.lower() in map(import_name, required(extra)):
            return extra
    return None
