"""Teachers: frozen CLAPs that a student learns from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyclap.teachers.base import Teacher


def load_teacher(kind: str, source: str) -> "Teacher":
    """Load a teacher by kind.

    `hf`: any ClapModel, by hub id, folder, or `demo`; `laion`: an original checkpoint, a .pt file; `msclap`:
    Microsoft's, "2022", "2023" or a .pth file; `dual`: a folder made by pretrain.

    Raises:
        TinyclapError: nothing to load there, or not of that kind.
    """
    if kind == "hf":
        from tinyclap.teachers.hf import load_hf

        return load_hf(source)
    if kind == "laion":
        from tinyclap.teachers.laion import load_laion

        return load_laion(source)
    if kind == "msclap":
        from tinyclap.teachers.msclap import load_msclap

        return load_msclap(source)
    from tinyclap.teachers.dual import load_dual

    return load_dual(source)
