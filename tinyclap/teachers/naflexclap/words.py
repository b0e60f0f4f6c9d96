"""The tokens of its texts: OpenAI's r50k_base, which is GPT-2's, with three ids of its own after them."""

import string
from pathlib import Path

from huggingface_hub import hf_hub_download
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from tinyclap.common.files import refuse_pointer
from tinyclap.errors import TinyclapError
from tinyclap.models.naflexclap.modern_text import TextConfig
from tinyclap.runtime.bundle_contents import TOKENIZER
from tinyclap.runtime.text_encoder import read_tokenizer

REPOSITORY = "openai-community/gpt2"
FILES = ("vocab.json", "merges.txt")
BEGINNING, END = "<|bos|>", "<|eos|>"

Words = PreTrainedTokenizerFast


def load_words(folder: Path, config: TextConfig, clean: str | None) -> Words:
    """The tokenizer: its tokenizer.json, or GPT-2's vocab.json and merges.txt, in a folder; or else those on the hub.

    Files of another vocabulary there are left aside: OpenCLIP uploads CLIP's beside weights that were trained with
    r50k_base.

    Args:
        folder: of the weights.
        config: of the text tower, for the ids of the beginning and the end.
        clean: how OpenCLIP cleans texts first; what its package ftfy repairs besides, and HTML, is left as it is.

    Raises:
        TinyclapError: no such files, or ids that are not r50k_base's.
    """
    count = config.pad_id - 1
    said = (config.eos_id, config.bos_id)
    if said[0] not in (None, count) or said[1] not in (None, count + 2) or config.vocab_size < count + 3:
        raise TinyclapError(
            f"text_cfg: eos_id, pad_id and bos_id are {said[0]}, {config.pad_id} and {said[1]} of {config.vocab_size} "
            "tokens; they must be the three after the vocabulary, in this order"
        )
    own = _in_folder(folder, count) or _from_hub(folder, count)
    own.normalizer = _cleaning(clean)
    own.post_processor = TemplateProcessing(
        single=[BEGINNING, "$A", END], special_tokens=[(BEGINNING, count + 2), (END, count)]
    )
    return Words(tokenizer_object=own, clean_up_tokenization_spaces=False)


def _in_folder(folder: Path, count: int) -> Tokenizer | None:
    """The tokenizer in a folder if its vocabulary has so many tokens."""
    path = folder / TOKENIZER
    if path.is_file():
        found = read_tokenizer(path)
        is_bytes = isinstance(found.model, models.BPE) and isinstance(found.pre_tokenizer, pre_tokenizers.ByteLevel)
        if is_bytes and found.get_vocab_size(with_added_tokens=False) == count:
            return byte_level(found.model)
    if all((folder / name).is_file() for name in FILES):
        own = _read(folder)
        return own if own.get_vocab_size() == count else None
    return None


def _from_hub(folder: Path, count: int) -> Tokenizer:
    try:
        vocabulary, _ = (Path(hf_hub_download(REPOSITORY, name)) for name in FILES)
    except OSError as error:
        raise TinyclapError(
            f"the tokenizer's files {' and '.join(FILES)}, of {count} tokens, are not in {folder}, and those of "
            f"{REPOSITORY} neither in the Hugging Face cache nor on the hub; fetch them elsewhere with "
            f"`hf download {REPOSITORY} {' '.join(FILES)}` and put them there, in place of others of these names"
        ) from error
    own = _read(vocabulary.parent)
    if own.get_vocab_size() != count:
        raise TinyclapError(
            f"{vocabulary.parent}: a vocabulary of {own.get_vocab_size()} tokens, and weights for {count}; put the "
            f"{TOKENIZER} of these weights into {folder}"
        )
    return own


def _read(folder: Path) -> Tokenizer:
    vocabulary, merges = (folder / name for name in FILES)
    for path in (vocabulary, merges):
        refuse_pointer(path)
    try:
        return byte_level(models.BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:  # tokenizers raises nothing more exact
        raise TinyclapError(f"{vocabulary} and {merges.name} cannot be read ({error}); copy them again") from error


def byte_level(model: models.BPE) -> Tokenizer:
    """GPT-2's way to cut a text into words of bytes; names of special tokens in a text are text."""
    own = Tokenizer(model)
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    return own


def _cleaning(kind: str | None) -> normalizers.Normalizer | None:
    """OpenCLIP's cleaning of that name, of texts that need no repair."""
    if kind is None:
        return None
    steps: list[normalizers.Normalizer] = [normalizers.NFC()]
    if kind in ("whitespace_underscore", "canonicalize"):
        steps.append(normalizers.Replace("_", " "))
    if kind == "canonicalize":
        steps.append(normalizers.Replace(Regex("[" + "".join(f"\\{sign}" for sign in string.punctuation) + "]"), ""))
    if kind in ("lower", "canonicalize"):
        steps.append(normalizers.Lowercase())
    return normalizers.Sequence([*steps, normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()])
