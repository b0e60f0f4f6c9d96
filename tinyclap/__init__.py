"""tinyclap: distil any CLAP into a tiny audio encoder in the same embedding space."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinyclap.errors import GateError, TinyclapError
from tinyclap.version import __version__

if TYPE_CHECKING:
    from tinyclap.audio.log_mel.in_torch import LogMel
    from tinyclap.audio.log_mel.spec import FrontendSpec
    from tinyclap.config.load_recipe import load_recipe
    from tinyclap.library.answers import Hit
    from tinyclap.library.library import Library
    from tinyclap.models.phinet import PhiNet
    from tinyclap.models.phinet_config import PhiNetConfig
    from tinyclap.models.student import Student
    from tinyclap.models.student_config import StudentConfig
    from tinyclap.models.text_student import TextStudent
    from tinyclap.runtime.bundle import Bundle
    from tinyclap.runtime.embed_files import read_embeddings, read_windows

__all__ = [
    "Bundle",
    "FrontendSpec",
    "GateError",
    "Hit",
    "Library",
    "LogMel",
    "PhiNet",
    "PhiNetConfig",
    "Student",
    "StudentConfig",
    "TextStudent",
    "TinyclapError",
    "__version__",
    "load_recipe",
    "read_embeddings",
    "read_windows",
]

# Imported when first asked for: `import tinyclap` must stay quick and must work without torch.
_LAZY = {
    "Bundle": "tinyclap.runtime.bundle",
    "FrontendSpec": "tinyclap.audio.log_mel.spec",
    "Hit": "tinyclap.library.answers",
    "Library": "tinyclap.library.library",
    "LogMel": "tinyclap.audio.log_mel.in_torch",
    "PhiNet": "tinyclap.models.phinet",
    "PhiNetConfig": "tinyclap.models.phinet_config",
    "Student": "tinyclap.models.student",
    "StudentConfig": "tinyclap.models.student_config",
    "TextStudent": "tinyclap.models.text_student",
    "load_recipe": "tinyclap.config.load_recipe",
    "read_embeddings": "tinyclap.runtime.embed_files",
    "read_windows": "tinyclap.runtime.embed_files",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tinyclap' has no attribute '{name}'")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
