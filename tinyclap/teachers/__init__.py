"""Who is learned from? Frozen CLAPs, one file a kind."""

import os
from typing import TYPE_CHECKING

from tinyclap.errors import TinyclapError

if TYPE_CHECKING:
    from tinyclap.teachers.encoder import Teacher


def load_teacher(kind: str, source: str, *, original: bool = False) -> "Teacher":
    """Load a teacher by kind.

    Args:
        kind: `hf`: any ClapModel, by hub id, folder, or `demo`; `laion`: an original checkpoint, a .pt file; `msclap`:
            Microsoft's, "2022", "2023" or a .pth file; `dual`: a folder made by pretrain.
        source: where it lies.
        original: keep to the original code also where it does worse, as far as that is deterministic (each loader
            says where); for comparison with published numbers.

    Raises:
        TinyclapError: nothing to load there, or not of that kind.
    """
    source = os.path.expanduser(source)
    if kind == "hf":
        from tinyclap.teachers.hf import load_hf

        return load_hf(source, original=original)
    if kind == "laion":
        from tinyclap.teachers.laion import load_laion

        return load_laion(source, original=original)
    if kind == "msclap":
        from tinyclap.teachers.msclap import load_msclap

        return load_msclap(source, original=original)
    if kind == "dual" and not original:
        from tinyclap.teachers.dual import load_dual

        return load_dual(source)
    if kind == "dual":
        raise TinyclapError("teacher: original is for published kinds; a dual teacher has no other original")
    raise TinyclapError(f"teacher: kind {kind!r} is not known; allowed: hf, laion, msclap, dual")
