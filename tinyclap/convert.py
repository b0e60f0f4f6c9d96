"""Published checkpoints to folders of ours: `tinyclap convert`."""

import dataclasses
import re
from pathlib import Path

from tinyclap.errors import TinyclapError
from tinyclap.student import Student, load_reference
from tinyclap.student_config import REFERENCE
from tinyclap.teachers import checkpoint
from tinyclap.teachers.laion import load_laion

STUDENTS = "fpaissan/tinyCLAP"  # the published students on the hub
STUDENT_NAME = re.compile(r"phinet_alpha_([\d.]+)_beta_([\d.]+)_t0_([\d.]+)_N_(\d+)\.ckpt")
TEACHER_CARD = """---
license: {licence}
pipeline_tag: zero-shot-classification
tags: [audio, clap]
---
# {name}

LAION's CLAP (https://github.com/LAION-AI/CLAP), converted from the original checkpoint. As a teacher:
`teacher: {{kind: hf, source: {folder}}}`.
"""


def convert(source: str, folder: Path) -> str:
    """Write a published checkpoint as a folder, and say what it was.

    Args:
        source: LAION's CLAP (a .pt file, or its name on the hub), which becomes a `ClapModel`; or a student of tinyCLAP
            (phinet_alpha_1.50_beta_0.75_t0_6_N_7.ckpt, a file or its name on the hub), which becomes a student folder.
        folder: new.

    Raises:
        TinyclapError: the folder is taken, neither of these files, or what reading them raises.
    """
    if folder.exists():
        raise TinyclapError(f"{folder} exists already and is left as it is; name a new folder")
    if Path(source).suffix == ".pt":
        teacher = load_laion(source)
        teacher.save_pretrained(folder, TEACHER_CARD.format(licence=teacher.licence, name=teacher.name, folder=folder))
        return f"LAION's CLAP, {teacher.embed_dim} dimensions; as a teacher: teacher.kind=hf teacher.source={folder}"
    student = published_student(source)
    student.save_pretrained(folder)
    total = sum(parameter.numel() for parameter in student.parameters())
    return f"a student of tinyCLAP, {total:,} parameters, {student.embed_dim} dimensions"


def published_student(source: str) -> Student:
    """A student of tinyCLAP (arXiv 2311.14517) with the shape that its file's name tells; raises as `convert` does."""
    named = STUDENT_NAME.fullmatch(Path(source).name)
    if not named:
        raise TinyclapError(
            f"{source}: neither a .pt file of LAION's CLAP nor a student of tinyCLAP, whose name tells its shape "
            "(phinet_alpha_1.50_beta_0.75_t0_6_N_7.ckpt)"
        )
    alpha, beta, t0 = (float(text) for text in named.groups()[:3])
    shape = dataclasses.replace(REFERENCE.phinet, alpha=alpha, beta=beta, t0=t0, depth=int(named[4]))
    return load_reference(checkpoint.located(source, STUDENTS, ".ckpt"), dataclasses.replace(REFERENCE, phinet=shape))
