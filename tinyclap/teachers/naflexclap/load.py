"""NaFlexClap's published weights, read without OpenCLIP."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from torch import Tensor

from tinyclap.common.files import parse_json, refuse_pointer
from tinyclap.errors import TinyclapError
from tinyclap.models import checkpoints
from tinyclap.teachers.base import check_tokenizer, licence_of
from tinyclap.teachers.naflexclap.model import CONFIG, WEIGHTS, NaflexClap, NaflexClapModel
from tinyclap.teachers.naflexclap.settings import KIND, Settings, read_settings
from tinyclap.teachers.naflexclap.words import load_words

REPOSITORY = "rwightman/naflexclap_mediumd_pf4_pt20_moderntextp.160m"
PUBLISHED = re.compile(r"rwightman/naflexclap_.+|laion/clap2-.+")  # names on the hub
PICKLED = "open_clip_pytorch_model.bin"
FORMAT = "NaFlexClap as its open_clip_config.json says"
WRAPPERS = re.compile(r"^(?:(?:module|_orig_mod|trainable_module)\.)+")


def load_naflexclap(source: str) -> NaflexClap:
    """Load a NaFlexClap.

    Args:
        source: hub id, or a folder with open_clip_config.json and open_clip_model.safetensors (or
            open_clip_pytorch_model.bin); see `words.load_words` for the tokenizer. The weights of patches are in the
            order that OpenCLIP has had since 24 June 2026, in which all published ones are.

    Raises:
        TinyclapError: nothing there, another format, options that are not known here, weights that are missing,
            unknown or not finite, or no tokenizer.
    """
    config, path = _located(source)
    settings = read_settings(config)
    model = built(settings, _read(path), source)
    words = load_words(config.parent, settings.text, settings.clean)
    check_tokenizer(f"teacher {source}", words)
    name = Path(source).name if Path(source).is_dir() else source
    return NaflexClap(model, settings, words, name, licence_of(source)).requires_grad_(False).eval()


def is_naflexclap(source: str) -> bool:
    """Whether a source is a NaFlexClap's name on the hub, or a folder with the configuration of one."""
    path = Path(source) / CONFIG
    if not path.is_file():
        return not Path(source).exists() and bool(PUBLISHED.fullmatch(source))
    refuse_pointer(path)
    try:
        parsed = parse_json(path.read_bytes())
        return bool(parsed.get("model_cfg", parsed)["audio_cfg"]["model_type"] == KIND)
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        return False  # which its loader tells


def built(settings: Settings, weights: Mapping[str, Tensor], name: str) -> NaflexClapModel:
    """The towers with these weights; memory for them is not taken twice."""
    named = {WRAPPERS.sub("", key): tensor for key, tensor in weights.items()}
    scale = named.get("logit_scale")
    shape = () if scale is None else tuple(scale.shape[:1])
    with torch.device("meta"):
        model = NaflexClapModel(settings, shape, has_bias="logit_bias" in named)
    checkpoints.load_published(model, named, name, FORMAT, (), assign=True)
    return model


def _read(path: Path) -> Mapping[str, Tensor]:
    refuse_pointer(path)
    if path.name == WEIGHTS:
        try:
            return safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise TinyclapError(f"{path} cannot be read ({str(error).splitlines()[0]}); download it again") from error
    weights: Any = checkpoints.read(path)
    while isinstance(weights, Mapping) and isinstance(weights.get("state_dict"), Mapping):
        weights = weights["state_dict"]
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise TinyclapError(f"{path} holds no state dict of tensors; take {WEIGHTS}")
    return weights


def _located(source: str) -> tuple[Path, Path]:
    """Where the configuration and the weights lie."""
    folder = Path(source)
    if folder.is_dir():
        weights = next((folder / name for name in (WEIGHTS, PICKLED) if (folder / name).is_file()), folder / WEIGHTS)
        absent = [path.name for path in (folder / CONFIG, weights) if not path.is_file()]
        if absent:
            held = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
            raise TinyclapError(
                f"teacher {source}: the folder has no {' and no '.join(absent)}, but {held}; "
                f"`hf download {REPOSITORY} --local-dir {source}` fetches them"
            )
        return folder / CONFIG, weights
    if source.startswith(("/", ".", "~")) or source.count("/") != 1:
        raise TinyclapError(f"teacher {source}: there is no such folder; give one, or a hub id like {REPOSITORY}")
    try:
        config = Path(hf_hub_download(source, CONFIG))
        try:
            return config, Path(hf_hub_download(source, WEIGHTS))
        except EntryNotFoundError:
            return config, Path(hf_hub_download(source, PICKLED))
    except (OSError, ValueError, EntryNotFoundError) as error:
        raise TinyclapError(
            f"teacher {source}: neither a folder nor in the Hugging Face cache, and the hub did not provide it "
            f"({str(error).strip().splitlines()[0]}); fetch it elsewhere with `hf download {source}`, copy the folder "
            "here and set teacher.source to its path"
        ) from error
