"""tinyclap: distil any CLAP into a tiny audio encoder that hears in the same space."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinyclap.errors import GateError, TinyclapError
from tinyclap.version import __version__

if TYPE_CHECKING:
    from tinyclap.audio.log_mel.in_torch import LogMel
    from tinyclap.audio.log_mel.spec import FrontendSpec
    from tinyclap.embed_files import read_embeddings
    from tinyclap.phinet import PhiNet
    from tinyclap.phinet_config import PhiNetConfig
    from tinyclap.recipe import load_recipe
    from tinyclap.runtime import Bundle
    from tinyclap.student import Student
    from tinyclap.student_config import StudentConfig

__all__ = [
    "Bundle",
    "FrontendSpec",
    "GateError",
    "LogMel",
    "PhiNet",
    "PhiNetConfig",
    "Student",
    "StudentConfig",
    "TinyclapError",
    "__version__",
    "load_recipe",
    "read_embeddings",
]

# Imported when first asked for: `import tinyclap` must stay quick and must work without torch.
_LAZY = {
    "Bundle": "tinyclap.runtime",
    "FrontendSpec": "tinyclap.audio.log_mel.spec",
    "LogMel": "tinyclap.audio.log_mel.in_torch",
    "PhiNet": "tinyclap.phinet",
    "PhiNetConfig": "tinyclap.phinet_config",
    "Student": "tinyclap.student",
    "StudentConfig": "tinyclap.student_config",
    "load_recipe": "tinyclap.recipe",
    "read_embeddings": "tinyclap.embed_files",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tinyclap' has no attribute '{name}'")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
