"""Files that others' trainings wrote: plain weights, read without running code."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import hf_hub_download
from transformers import AutoTokenizer

from tinyclap.errors import TinyclapError

TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt")


def read(path: Path) -> Any:
    """What torch.save wrote, with the numpy scalars that records of trainings hold.

    Raises:
        TinyclapError: a file that is damaged, or would run code when it is read.
    """
    scalar = np.float64(0).__reduce__()[0]
    old = (scalar, "numpy.core.multiarray.scalar")  # as it was called when the published files were written
    scalars: list[Any] = [np.dtype, scalar, old, *(type(np.dtype(kind)) for kind in "fdil")]
    try:
        with torch.serialization.safe_globals(scalars):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise TinyclapError(
            f"{path} is no checkpoint of plain weights, or holds code, which is not run: {str(error).splitlines()[0]}"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise TinyclapError(f"{path} cannot be read ({str(error).splitlines()[0]}); download it again") from error


def located(source: str, repository: str, suffix: str) -> Path:
    """A file, or where the hub's copy of a file's name lies; TinyclapError where there is neither."""
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if path.name != source or path.suffix != suffix:
        raise TinyclapError(f"{source}: there is no such file; give a {suffix} file, or a name in {repository}")
    try:
        return Path(hf_hub_download(repository, source))
    except OSError as error:
        raise TinyclapError(
            f"{source}: neither a file nor in the Hugging Face cache, and the hub did not provide it "
            f"({str(error).strip().splitlines()[0]}); fetch it elsewhere with `hf download {repository} {source}` and "
            "give its path"
        ) from error


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


def refuse_misfit(name: str, format_name: str, faults: dict[str, list[str]]) -> None:
    """Raise a TinyclapError that counts what is wrong with the weights of a checkpoint, where something is."""
    told = [f"{len(keys)} {what} (e.g. {keys[0]})" for what, keys in faults.items() if keys]
    if told:
        raise TinyclapError(f"teacher {name}: not the weights of {format_name}: {'; '.join(told)}")
