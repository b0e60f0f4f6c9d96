"""Published checkpoints to folders of ours, and audio towers to ONNX: `tinyclap convert`."""

import dataclasses
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from tinyclap.common.files import read_json, refuse_pointer, whole_folder, write_json, write_text
from tinyclap.common.machine import shell_path
from tinyclap.common.numbers import file_size, scaled
from tinyclap.config.load_recipe import dump, load_recipe
from tinyclap.config.teachers import ClapTeacher
from tinyclap.errors import TinyclapError
from tinyclap.hardware.traced_costs import n_parameters
from tinyclap.models import checkpoints, hub
from tinyclap.models.phinet import reference_names
from tinyclap.models.student import Student
from tinyclap.models.student_config import REFERENCE, StudentConfig
from tinyclap.pipelines.build import describe_student
from tinyclap.reports.model_cards import model_card
from tinyclap.reports.run_report import write_report
from tinyclap.runs.provenance import write_provenance
from tinyclap.teachers import load_teacher
from tinyclap.teachers.clsp.load import is_clsp
from tinyclap.teachers.dual.pair import FORMAT as DUAL
from tinyclap.teachers.laion import load_laion
from tinyclap.teachers.msclap import LICENCE, VERSIONS
from tinyclap.teachers.naflexclap.load import is_naflexclap

STUDENTS = "fpaissan/tinyCLAP"  # the published students on the hub
STUDENT_NAME = re.compile(r"phinet_alpha_(\d+\.?\d*)_beta_(\d+\.?\d*)_t0_(\d+\.?\d*)_N_(\d+)\.ckpt")
TOWER, STUDENT = ".onnx", ".ckpt"
STAND_INS = "{kind: procedural, n_clips: 400, seed: 1}"
TEACHER_CARD = """---
license: {licence}
pipeline_tag: zero-shot-classification
tags: [audio, clap]
---
# {name}

LAION's CLAP (https://github.com/LAION-AI/CLAP), converted from the original checkpoint. As a teacher:
`teacher: {{kind: hf, source: {folder}}}`.
"""


def convert(source: str, target: Path, overrides: Sequence[str] = ()) -> str:
    """Write a published checkpoint in a form of ours, and say what it was.

    Args:
        source: LAION's CLAP (a .pt file, or its name on the hub), which becomes a `ClapModel`; a student of tinyCLAP
            (phinet_alpha_1.50_beta_0.75_t0_6_N_7.ckpt, a file or its name on the hub), which becomes a run folder; or,
            for a graph of its audio tower, any teacher.
        target: a new folder, or for the graph a new file that ends in .onnx.
        overrides: of the recipe of a student's run, `key=value` each: its teacher (the paper's, Microsoft CLAP 2022)
            and the data of pruning and exporting (generated sounds, as its training data does not come along).

    Raises:
        TinyclapError: the target is taken, none of these sources, or what reading them raises.
    """
    if target.exists():
        raise TinyclapError(f"{target} exists already and is left as it is; name a new one")
    if overrides and not source.endswith(STUDENT):
        raise TinyclapError(f"{overrides[0]}: only a student's run has a recipe, and {source} is no {STUDENT} file")
    if target.suffix == TOWER:
        return _tower(source, target)
    if source in VERSIONS or source.endswith(".pth"):
        raise TinyclapError(
            f"{source}: Microsoft's CLAP is a teacher as it is (teacher.kind=msclap teacher.source={source}); only its "
            f"audio tower is converted: name a file that ends in {TOWER} in place of {target}"
        )
    if Path(source).suffix == ".pt":
        teacher = load_laion(source)
        teacher.save_pretrained(target, TEACHER_CARD.format(licence=teacher.licence, name=teacher.name, folder=target))
        return f"LAION's CLAP, {teacher.embed_dim} dimensions; as a teacher: teacher.kind=hf teacher.source={target}"
    student = published_student(source)
    write_run(student, Path(source).name, target, overrides)
    return (
        f"a student of tinyCLAP, {n_parameters(student):,} parameters, {student.embed_dim} dimensions\n"
        f"next: tinyclap evaluate {shell_path(target)} --data esc50 --root ESC-50   "
        "(its teacher, 2.3 GB, is fetched once)"
    )


def published_student(source: str) -> Student:
    """A student of tinyCLAP (arXiv 2311.14517) with the shape that its file's name tells; raises as `convert` does."""
    refuse_pointer(Path(source))
    named = STUDENT_NAME.fullmatch(Path(source).name)
    if not named:
        raise TinyclapError(
            f"{source}: neither a .pt file of LAION's CLAP nor a student of tinyCLAP, whose name tells its shape "
            "(phinet_alpha_1.50_beta_0.75_t0_6_N_7.ckpt)"
        )
    alpha, beta, t0 = (float(text) for text in named.groups()[:3])
    shape = dataclasses.replace(REFERENCE.phinet, alpha=alpha, beta=beta, t0=t0, depth=int(named[4]))
    return load_reference(checkpoints.located(source, STUDENTS, STUDENT), dataclasses.replace(REFERENCE, phinet=shape))


def load_reference(path: str | Path, config: StudentConfig = REFERENCE) -> Student:
    """Load a checkpoint of the original tinyCLAP code (a state dict; the published one has 156 tensors).

    Args:
        path: of the file that torch.save wrote.
        config: the shape it was trained with.

    Returns:
        The student in evaluation mode.

    Raises:
        TinyclapError: not such a file, or tensors missing, unknown or of another shape.
    """
    weights = checkpoints.read(Path(path))
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise TinyclapError(f"{path} holds no state dict of tensors; give the audio student's checkpoint")
    modules = {f"base.{theirs}": f"trunk.{ours}" for theirs, ours in reference_names(config.phinet).items()}
    modules |= {"base.bn0": "norm", "base.pn_block": "last_conv"}
    modules |= {f"projection.{part}": f"head.{part}" for part in ("linear1", "linear2", "layer_norm")}
    student = Student(config)
    names = {
        f"{theirs}.{tensor}": f"{ours}.{tensor}"
        for theirs, ours in modules.items()
        for tensor in student.get_submodule(ours).state_dict()
    }
    hub.load_exact(student, weights, str(path), names, "give it the name under which it was published")
    return student.eval()


def write_run(student: Student, name: str, folder: Path, overrides: Sequence[str] = ()) -> None:
    """A published student as a finished run, which evaluate, prune, export and report take like any other.

    Its recipe is the paper's. What a run knows of its training is not there: no metrics, and no mean of the teacher's
    training embeddings, so evaluations centre on the mean of the test clips.
    """
    phinet = student.config.phinet
    shape = [f"student.phinet.{key}={getattr(phinet, key)}" for key in ("alpha", "beta", "t0", "depth")]
    given = [f"data.train={STAND_INS}", "data.test=null", *shape, *overrides]
    recipe = load_recipe("tinyclap_paper", given, task="distill")
    assert isinstance(recipe.teacher, ClapTeacher)
    teacher = {"name": f"Microsoft CLAP {recipe.teacher.source}", "licence": LICENCE}
    summary = {"task": "distill", "name": recipe.name, "converted_from": name, "teacher": teacher}
    summary |= {"student": describe_student(student)}
    with whole_folder(folder) as new:
        write_provenance(new, recipe.seed, {})
        write_text(new / "recipe.yaml", dump(recipe))
        student.save_pretrained(new / "student", model_card(summary, None))
        write_json(new / "summary.json", summary)
    write_report(folder)


def _tower(source: str, path: Path) -> str:
    if source.endswith(STUDENT):
        raise TinyclapError(
            f"{source}: a student is exported by way of its run: `tinyclap convert {shlex.quote(source)} FOLDER`, then "
            "`tinyclap export FOLDER --onnx`"
        )
    from tinyclap.exporters.onnx.graph import weights_beside
    from tinyclap.exporters.onnx.tower import export_tower

    facts = export_tower(load_teacher(_kind(source), source), path)
    written = [file for file in (path, weights_beside(path)) if file.exists()]
    size = f"{scaled(facts['parameters'])} parameters, {file_size(sum(file.stat().st_size for file in written))}"
    if len(written) > 1:
        size += f" in two files, {written[0].name} and {written[1].name}"
    takes = f"{facts['window_s']:g} s at {facts['sample_rate']} Hz to {facts['embed_dim']} dimensions"
    return (
        f"the audio tower of {facts['name']}, {size}: {takes}, at most {facts['max_abs']:.1e} from torch\n"
        f"next: tinyclap bench {shell_path(path)}"
    )


def _kind(source: str) -> str:
    """Which kind of teacher a source is."""
    if source in VERSIONS or source.endswith(".pth"):
        return "msclap"
    if source.endswith(".pt"):
        return "laion"
    if Path(source).is_file():
        raise TinyclapError(
            f"{source}: expected LAION's .pt, Microsoft's .pth, a teacher's folder or a name on the hub"
        )
    if is_clsp(source):
        return "clsp"
    if is_naflexclap(source):
        return "naflexclap"
    return "dual" if read_json(Path(source) / "config.json", {}).get("format") == DUAL else "hf"
