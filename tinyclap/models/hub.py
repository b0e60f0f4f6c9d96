"""A model as a folder, config.json + model.safetensors + README.md, on disk or on the Hugging Face Hub.

A pruned student's folder also holds latent_map.safetensors, which maps its teacher's embeddings into its space, a text
student's its tokenizer.json.
"""

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from tinyclap.common import files
from tinyclap.embeddings.latent_map import FILE, LatentMap
from tinyclap.errors import TinyclapError, first_line

CONFIG, WEIGHTS, CARD, MAP, TOKENIZER = "config.json", "model.safetensors", "README.md", FILE, "tokenizer.json"
FILES = (CONFIG, WEIGHTS, CARD, MAP, TOKENIZER)
HUB_ID = re.compile(r"(?!\.)[\w.-]+(/[\w.-]+)?")
MAX_NAMES = 3  # names listed in a message


def save(
    folder: Path,
    config: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    card: str,
    latent_map: LatentMap | None = None,
    *,
    tokenizer: str | None = None,
    overwrite: bool,
) -> None:
    """Write the files whole or not at all; `tokenizer` is the text of a tokenizer.json.

    Raises:
        TinyclapError: the folder holds something already (with `overwrite`: something else than a saved model), or
            cannot be written. What was there before stays as it was.
    """
    check_folder(folder, overwrite=overwrite)
    try:
        with files.whole_folder(folder) as target:
            (target / WEIGHTS).write_bytes(as_safetensors(weights))
            (target / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            (target / CARD).write_text(card, encoding="utf-8")
            if latent_map is not None:
                latent_map.save(target / MAP)
            if tokenizer is not None:
                (target / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise TinyclapError(f"cannot save a model to {folder}: {reason}; check the path and the free space") from error


def as_safetensors(weights: Mapping[str, Tensor], *, half: bool = False) -> bytes:
    """Weights as the content of a model.safetensors; with `half` as float16."""
    plain = {name: tensor.detach().cpu() for name, tensor in weights.items()}
    kept = {name: (tensor.half() if half else tensor).contiguous() for name, tensor in plain.items()}
    content: bytes = safetensors.torch.save(kept, metadata={"format": "pt"})
    return content


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise the TinyclapError that `save` would raise because of what the folder holds."""
    if folder.exists() and not folder.is_dir():
        raise TinyclapError(f"cannot save a model to {folder}: it is a file; name a folder")
    held = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    if held and not overwrite:
        raise TinyclapError(f"{folder} is not empty; name another folder, or pass overwrite=True to replace its model")
    foreign = [name for name in held if name not in FILES]
    if foreign:
        raise TinyclapError(f"{folder} holds other files than a saved model's ({_some(foreign)}); name another folder")


@dataclass(frozen=True)
class Saved:
    """What a saved model's folder holds; `place` is for messages, `card` and `latent_map` None where there are none."""

    config: dict[str, Any]
    weights: dict[str, Tensor]
    card: str | None
    place: str
    latent_map: LatentMap | None

    def configured(self, name: str, version: int, what: str) -> dict[str, Any]:
        """The configuration but for its format, which must be `name` of this version: `what`, in messages."""
        config = dict(self.config)
        found, found_version = config.pop("format", None), config.pop("format_version", None)
        if found != name:
            raise TinyclapError(f"{self.place} holds no {what}: format is {found!r} in config.json, expected {name!r}")
        if found_version != version:
            raise TinyclapError(
                f"{self.place}: format_version is {found_version!r}, this tinyclap reads {version}; "
                f"update tinyclap, or save the {what} again"
            )
        return config


def load(source: str | Path) -> Saved:
    """Read a saved model.

    Args:
        source: a local folder or the id of a Hugging Face repository.

    Raises:
        TinyclapError: there is no such model, or its files cannot be read.
    """
    folder = _locate(source)
    absent = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if absent:
        raise TinyclapError(f"{folder} holds no saved model: {' and '.join(absent)} missing")
    for name in (CONFIG, WEIGHTS):
        files.refuse_pointer(folder / name)
    try:
        config = files.parse_json((folder / CONFIG).read_bytes())
    except (ValueError, OSError) as error:
        raise TinyclapError(f"{folder / CONFIG} is damaged ({error}); save or download the model again") from error
    if not isinstance(config, dict):
        raise TinyclapError(f"{folder / CONFIG} is damaged (no JSON object); save or download the model again")
    files.refuse_odd_name(folder)
    try:
        weights = safetensors.torch.load_file(folder / WEIGHTS)
    except (safetensors.SafetensorError, OSError) as error:
        raise TinyclapError(f"{folder / WEIGHTS} is damaged ({error}); save or download the model again") from error
    card = (folder / CARD).read_text(encoding="utf-8", errors="replace") if (folder / CARD).is_file() else None
    latent_map = LatentMap.load(folder / MAP) if (folder / MAP).is_file() else None
    return Saved(config, weights, card, str(folder), latent_map)


def load_exact(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    place: str,
    names: Mapping[str, str] | None = None,
    remedy: str = "its configuration and its weights are of two models: copy both from one place",
) -> None:
    """Load weights that fit a model exactly.

    Args:
        model: takes the weights.
        weights: as read from a file.
        place: of that file, for the message.
        names: the file's name of every weight -> the model's; None if they agree.
        remedy: what to do with weights that do not fit, for the message.

    Raises:
        TinyclapError: listing what is missing, unknown, of another shape or not finite.
    """
    state = model.state_dict()
    names = names or {name: name for name in state}
    wrong_shape = [
        f"{name}: {shape_in_words(state[own].shape)} expected, {shape_in_words(weights[name].shape)} found"
        for name, own in names.items()
        if name in weights and weights[name].shape != state[own].shape
    ]
    found = {
        "missing": [name for name in names if name not in weights],
        "unknown": [name for name in weights if name not in names],
        "of another shape": wrong_shape,
    }
    problems = [f"{len(listed)} {what}: {_some(listed)}" for what, listed in found.items() if listed]
    if problems:
        raise TinyclapError(f"the weights in {place} do not fit this model ({'; '.join(problems)}); {remedy}")
    damaged = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
    if damaged:
        raise TinyclapError(f"{len(damaged)} of the weights in {place} hold NaN or infinite numbers: {_some(damaged)}")
    model.load_state_dict({names[name]: tensor for name, tensor in weights.items()})


def push(save_to: Callable[[Path], None], repo_id: str, *, private: bool) -> str:
    """Upload what `save_to` saves to the Hub, into a repository created if need be, and return its address.

    Raises:
        TinyclapError: the Hub refuses or cannot be reached.
    """
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, HTTPError  # type: ignore[attr-defined]

    hub = huggingface_hub.HfApi()
    try:
        with tempfile.TemporaryDirectory() as folder:
            save_to(Path(folder))
            address = hub.create_repo(repo_id, private=private, exist_ok=True)
            hub.upload_folder(repo_id=repo_id, folder_path=folder)
    except (HFValidationError, HTTPError, OSError) as error:
        remedy = "log in with `hf auth login`, check the name and the network"
        raise TinyclapError(f"cannot upload to {repo_id}: {first_line(error)}; {remedy}") from error
    return str(address)


def _locate(source: str | Path) -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if isinstance(source, Path) or folder.exists() or not HUB_ID.fullmatch(source):
        raise TinyclapError(f"no folder {source}; give the folder of a saved model, or a Hugging Face id")
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, HTTPError  # type: ignore[attr-defined]

    try:
        return Path(huggingface_hub.snapshot_download(source, allow_patterns=list(FILES)))
    except (HFValidationError, HTTPError, OSError) as error:
        raise TinyclapError(
            f"no folder {source}, and the Hugging Face Hub gives no such model ({first_line(error)}); check the name, "
            "or without a network give a local folder"
        ) from error


def _some(names: list[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")


def shape_in_words(shape: Sequence[int]) -> str:
    """The shape of a tensor, for messages: "64 x 3"."""
    return " x ".join(map(str, shape)) or "a number"
