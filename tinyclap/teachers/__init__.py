"""Teachers: frozen CLAPs that a student learns from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyclap.teachers.base import Teacher


def load_teacher(kind: str, source: str) -> "Teacher":
    """Load a teacher by kind: `hf` (any ClapModel: hub id, folder, or `demo`) or `dual` (a folder made by pretrain).

    Raises:
        TinyclapError: nothing to load there, or not of that kind.
    """
    if kind == "hf":
        from tinyclap.teachers.hf import load_hf

        return load_hf(source)
    from tinyclap.teachers.dual import load_dual

    return load_dual(source)
