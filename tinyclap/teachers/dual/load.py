"""Reading a pair that `tinyclap pretrain` wrote."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModel, AutoTokenizer

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.files import parse_json, refuse_pointer
from tinyclap.errors import TinyclapError
from tinyclap.models import checkpoints, hub
from tinyclap.models.student import Student
from tinyclap.models.vit.config import VitConfig
from tinyclap.teachers.base import check_tokenizer
from tinyclap.teachers.dual.pair import FORMAT, SHARED, TEXT_PARTS, WEIGHTS, AnyTower, DualTeacher
from tinyclap.teachers.dual.towers import MAX_TEXT_TOKENS, Cnn14Tower, Head, TextTower
from tinyclap.teachers.dual.vit import VitTower


def load_dual(source: str) -> DualTeacher:
    """Load a teacher that `tinyclap pretrain` made.

    Raises:
        TinyclapError: no such folder, another format, or weights that do not fit.
    """
    folder = Path(source)
    if not (folder / "config.json").is_file():
        raise TinyclapError(
            f"teacher.source: no teacher in {folder} (config.json is missing); make one with "
            "`tinyclap pretrain RECIPE` and give the folder `teacher` of its run"
        )
    for name in ("config.json", SHARED):
        refuse_pointer(folder / name)
    try:
        config = parse_json((folder / "config.json").read_bytes())
    except ValueError as error:
        raise TinyclapError(f"teacher {folder}: config.json is damaged: {error}") from error
    if config.get("format") != FORMAT:
        hint = "; it looks like a ClapModel: use teacher.kind=hf" if config.get("model_type") == "clap" else ""
        raise TinyclapError(f"teacher {folder}: format is {config.get('format')!r}, expected {FORMAT!r}{hint}")
    try:
        shared = load_file(folder / SHARED)
        audio = _load_audio(folder, config["audio"])
        encoder, _ = checkpoints.pretrained(AutoModel, folder / "text", f"teacher {folder / 'text'}")
        tokenizer = AutoTokenizer.from_pretrained(folder / "text")
        check_tokenizer(f"teacher {folder / 'text'}", tokenizer)
        text = TextTower(
            encoder,
            tokenizer,
            config["embed_dim"],
            frozen=config["text"]["frozen"],
            head=Head(**config["text"].get("head", {})),  # older folders have linear heads and do not say so
            max_tokens=config["text"].get("max_tokens", MAX_TEXT_TOKENS),
            pooling=config["text"].get("pooling", "mean"),
        )
        for name in TEXT_PARTS:
            weights = {key.removeprefix(f"{name}."): value for key, value in shared.items() if key.startswith(name)}
            hub.load_exact(getattr(text, name) or nn.Identity(), weights, str(folder / SHARED))
        teacher = DualTeacher(
            audio,
            text,
            window_s=config["window_s"],
            prompts=tuple(config["prompts"]),
            logit_scale=shared["log_logit_scale"].exp().item(),
            name=config["name"],
            licence=config["licence"],
        )
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise TinyclapError(f"teacher {folder}: damaged or incomplete: {error}") from error
    teacher.requires_grad_(False)
    return teacher.eval()


def _load_audio(folder: Path, config: dict[str, Any]) -> AnyTower:
    kind = config["kind"]
    if kind == "phinet":
        return Student.from_pretrained(folder / "audio")
    frontend, head = FrontendSpec(**config["frontend"]), Head(**config.get("head", {}))
    tower = (
        VitTower(frontend, VitConfig(**config["vit"]), config["embed_dim"], head)
        if kind == "vit"
        else Cnn14Tower(frontend, config["width"], config["embed_dim"], head)
    )
    path = folder / WEIGHTS.format(kind=kind)
    refuse_pointer(path)
    hub.load_exact(tower, load_file(path), str(path))
    return tower
