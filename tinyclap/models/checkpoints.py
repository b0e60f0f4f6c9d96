"""Files that others' trainings wrote: plain weights, read without running code."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from torch import Tensor, nn
from transformers import AutoTokenizer
from transformers.utils import logging

from tinyclap.common.files import refuse_pointer, sha256_of
from tinyclap.errors import TinyclapError
from tinyclap.models.hub import shape_in_words

Suffixes = tuple[str, ...]

TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt")
# What transformers reads of a folder; of the weights the first that is there.
SMALL_FILES = ("config.json", "preprocessor_config.json", "tokenizer_config.json", "merges.txt", *TOKENIZER_FILES)
WEIGHT_FILES = ("model.safetensors", "model-*.safetensors", "pytorch_model.bin", "pytorch_model-*.bin")


def read(path: Path) -> Any:
    """What torch.save wrote, with the numpy scalars that records of trainings hold.

    Raises:
        TinyclapError: a file that is damaged, or would run code when it is read.
    """
    refuse_pointer(path)
    scalar = np.float64(0).__reduce__()[0]
    old = (scalar, "numpy.core.multiarray.scalar")  # as it was called when the published files were written
    scalars: list[Any] = [np.dtype, scalar, old, *(type(np.dtype(kind)) for kind in "fdil")]
    try:
        with torch.serialization.safe_globals(scalars):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise TinyclapError(
            f"{path} is no checkpoint of plain weights, or holds code, which is not run ({_reason(error)})"
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise TinyclapError(f"{path} cannot be read ({str(error).splitlines()[0]}); download it again") from error


def _reason(error: Exception) -> str:
    """What torch found that it does not load; without its advice to load it all the same."""
    found = re.search(r"WeightsUnpickler error:\s*([^.\n]+(?:\.\w[^.\n]*)*)", str(error))
    return found[1] if found else "it is not what torch.save writes"


def located(source: str, repository: str, suffix: str, *, size: int | None = None, sha256: str = "") -> Path:
    """A file, or where the hub's copy of a file's name lies.

    Args:
        source: path, or name of a file in the repository.
        repository: on the hub.
        suffix: of such files.
        size: bytes of the hub's file, where they are known.
        sha256: how the hexadecimal hash of the hub's file begins, as far as it is known; read once, when it arrives.

    Raises:
        TinyclapError: there is neither, or the hub gave another file than the published one.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if path.name != source or path.suffix != suffix:
        raise TinyclapError(f"{source}: there is no such file; give a {suffix} file, or a name in {repository}")
    is_new = not isinstance(try_to_load_from_cache(repository, source), str)
    try:
        found = Path(hf_hub_download(repository, source))
    except OSError as error:
        raise TinyclapError(
            f"{source}: neither a file nor in the Hugging Face cache, and the hub did not provide it "
            f"({str(error).strip().splitlines()[0]}); fetch it elsewhere with `hf download {repository} {source}` and "
            "give its path"
        ) from error
    if is_new:
        _refuse_other(found, size, sha256)
    return found


def _refuse_other(path: Path, size: int | None, sha256: str) -> None:
    """Raise a TinyclapError unless a download has the size and the hash of what was published."""
    got = path.stat().st_size
    fault = f"{got:,} bytes instead of {size:,}" if size is not None and got != size else ""
    if not fault and sha256:
        digest = sha256_of(path)
        fault = "" if digest.startswith(sha256) else f"sha256 {digest[:16]}... instead of {sha256}..."
    if fault:
        raise TinyclapError(f"{path} is not the published file ({fault}); remove it and download again")


def tokenizer(folder: Path, repository: str) -> Any:
    """The tokenizer in a folder, or else the hub's; TinyclapError where there is neither."""
    beside = any((folder / name).is_file() for name in TOKENIZER_FILES)
    try:
        return AutoTokenizer.from_pretrained(folder if beside else repository)
    except (OSError, ValueError) as error:
        raise TinyclapError(
            f"the tokenizer of {repository} is not in {folder}, nor in the Hugging Face cache or on the hub; "
            f"fetch it elsewhere with `hf download {repository} tokenizer.json` and put it beside the checkpoint"
        ) from error


def pretrained(kind: Any, source: str | Path, who: str, **options: Any) -> tuple[Any, dict[str, Any]]:
    """A model of `transformers` in float32, and its report of missing and unexpected keys.

    Args:
        kind: its class.
        source: hub id or folder.
        who: it is, for messages.
        **options: of `from_pretrained`.

    Raises:
        TinyclapError: a file that git-lfs has not fetched, weights of other shapes than the configuration's, or NaN.
        OSError, ValueError, TypeError, AttributeError, RuntimeError, SafetensorError: what transformers raises.
    """
    refuse_pointers(Path(source))
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # its report of keys is checked here and by the caller
    try:
        model, report = kind.from_pretrained(
            source, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    finally:
        logging.set_verbosity(verbosity)
    wrong = [
        f"{key}: {shape_in_words(own)} expected, {shape_in_words(got)} found"
        for key, got, own in report["mismatched_keys"]
    ]
    if wrong:
        raise TinyclapError(
            f"{who}: the weights do not fit config.json ({len(wrong)} of another shape, e.g. {min(wrong)}); take both "
            "from one place"
        )
    running = {name: buffer for name, buffer in model.named_buffers() if "running_" in name}  # masks may be infinite
    refuse_no_numbers(who, {**dict(model.named_parameters()), **running})
    return model, report


def refuse_pointers(folder: Path) -> None:
    """Raise a TinyclapError for a folder of a model of `transformers`, a file of which git-lfs has not fetched."""
    weights = next((found for name in WEIGHT_FILES if (found := sorted(folder.glob(name)))), [])
    for path in (*(folder / name for name in SMALL_FILES), *weights):
        refuse_pointer(path)


def load_published(
    module: nn.Module,
    weights: Mapping[str, Tensor],
    name: str,
    format_name: str,
    following: Suffixes,
    *,
    assign: bool = False,
) -> None:
    """Load weights that fit a module; those that end in `following` follow from its configuration and are left as is.

    With `assign` they become the module's own, which need not have any, in place of being copied.

    Raises:
        TinyclapError: counting what is missing, unknown or of another shape, or NaN or infinite.
    """
    own = module.state_dict()
    faults = {
        "missing": [key for key in own if key not in weights and not key.endswith(following)],
        "unknown": [key for key in weights if key not in own and not key.endswith(following)],
        "of another shape": [key for key in weights if key in own and weights[key].shape != own[key].shape],
    }
    refuse_misfit(name, f"not the weights of {format_name}", faults)
    refuse_no_numbers(f"teacher {name}", {key: weights[key] for key in own if not key.endswith(following)})
    kept = {key: tensor.float() for key, tensor in weights.items() if key in own and not key.endswith(following)}
    module.load_state_dict(kept, strict=False, assign=assign)


def refuse_misfit(name: str, what: str, faults: Mapping[str, list[str]]) -> None:
    """Raise a TinyclapError that counts the keys of each fault of a teacher's weights, where there are any."""
    described = [f"{len(keys)} {fault} (e.g. {keys[0]})" for fault, keys in faults.items() if keys]
    if described:
        raise TinyclapError(f"teacher {name}: {what}: {'; '.join(described)}")


def refuse_no_numbers(who: str, weights: Mapping[str, Tensor]) -> None:
    """Raise a TinyclapError for weights that hold NaN or infinite numbers."""
    damaged = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
    if damaged:
        raise TinyclapError(
            f"{who}: {len(damaged)} of its weights hold NaN or infinite numbers, e.g. {min(damaged)}; get them again"
        )
