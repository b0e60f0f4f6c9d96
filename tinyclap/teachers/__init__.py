"""Who is learned from? Frozen CLAPs, one file a kind."""

import os
from typing import TYPE_CHECKING

from tinyclap.errors import TinyclapError

if TYPE_CHECKING:
    from tinyclap.teachers.encoder import Teacher
    from tinyclap.teachers.options import OnnxOptions, TaggerOptions

KINDS = ("hf", "laion", "msclap", "clsp", "naflexclap", "dual")


def load_teacher(kind: str, source: str, *, original: bool = False) -> "Teacher":
    """Load a teacher by kind.

    Args:
        kind: `hf`: any ClapModel, by hub id, folder, or `demo`; `laion`: an original checkpoint, a .pt file; `msclap`:
            Microsoft's, "2022", "2023" or a .pth file; `clsp`: CLSP, `naflexclap`: OpenCLIP's NaFlexClap, both by hub
            id or folder; `dual`: a folder made by pretrain.
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
    if kind == "clsp" and not original:
        from tinyclap.teachers.clsp.load import load_clsp

        return load_clsp(source)
    if kind == "naflexclap" and not original:
        from tinyclap.teachers.naflexclap.load import load_naflexclap

        return load_naflexclap(source)
    if kind == "dual" and not original:
        from tinyclap.teachers.dual.load import load_dual

        return load_dual(source)
    if kind == "dual":
        raise TinyclapError("teacher: original is for published kinds; a dual teacher has no other original")
    if kind in ("clsp", "naflexclap"):
        raise TinyclapError(
            f"teacher: leave original out with kind: {kind}, whose clips are embedded as the original does"
        )
    raise TinyclapError(f"teacher: kind {kind!r} is not known; allowed: {', '.join(KINDS)}")


def load_tagger_teacher(options: "TaggerOptions") -> "Teacher":
    """A teacher made of an audio tagger and a text encoder; see `tagger`.

    Raises:
        TinyclapError: a file or name that is not there, weights or a graph of another kind, or names that do not fit.
    """
    from tinyclap.teachers.efficientat import load_efficientat
    from tinyclap.teachers.onnx_tagger import load_onnx_tagger
    from tinyclap.teachers.sentence_encoder import load_sentence_encoder
    from tinyclap.teachers.tagger import TaggerTeacher

    tagger = load_onnx_tagger(options) if options.is_graph else load_efficientat(options.audio)
    return TaggerTeacher(
        tagger,
        load_sentence_encoder(os.path.expanduser(options.text)),
        space=options.space,
        temperature=options.temperature,
        calibrated=options.calibrated,
    )


def load_onnx_teacher(options: "OnnxOptions") -> "Teacher":
    """A teacher of two ONNX graphs; see `onnx_graphs`.

    Raises:
        TinyclapError: a file that is not there, or a graph of another kind.
    """
    from tinyclap.teachers.onnx_graphs import OnnxTeacher

    return OnnxTeacher(options)
