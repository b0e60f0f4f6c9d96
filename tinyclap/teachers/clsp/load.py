"""CLSP's published weights, read without the code that lies beside them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from huggingface_hub import hf_hub_download
from torch import Tensor
from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

from tinyclap.common.files import refuse_pointer
from tinyclap.errors import TinyclapError
from tinyclap.models import checkpoints
from tinyclap.models.hub import WEIGHTS
from tinyclap.models.zipformer import ZipformerConfig
from tinyclap.models.zipformer_layer import StackConfig
from tinyclap.teachers.base import check_tokenizer, licence_of
from tinyclap.teachers.clsp.model import Clsp, ClspModel

REPOSITORY, TOKENIZER = "yfyeung/CLSP", "FacebookAI/roberta-base"
TOKENIZER_FILES = ("vocab.json", "merges.txt")
FORMAT = "CLSP"
PREFIX = "model."
POSITION_DIM = 4  # of a head, in all published Zipformers; heads follow from it
HEAD_WIDTH = 64  # of RoBERTa's attention
UNUSED = re.compile(r"\.layers\.\d+\.bypass_scale$")  # of a layer itself; its bypasses have their own
FOLLOWING = ("position_ids", "token_type_ids")  # that older versions of transformers wrote
NEEDED = (
    "encoder_embed.out.bias",
    "encoder.encoders.0.layers.0.self_attn_weights.linear_pos.weight",
    "text_encoder.embeddings.word_embeddings.weight",
    "text_encoder.embeddings.position_embeddings.weight",
    "text_encoder.encoder.layer.0.intermediate.dense.weight",
    "audio_projection.0.weight",
)


def load_clsp(source: str) -> Clsp:
    """Load CLSP.

    Args:
        source: hub id (yfyeung/CLSP), or a folder with its model.safetensors. RoBERTa's tokenizer is read from there
            too if it lies there, else from the hub. No code that lies there is run, and config.json is not needed: the
            shapes of the weights tell everything.

    Raises:
        TinyclapError: nothing there, another format, weights that are missing or unknown, or no tokenizer.
    """
    path = _located(source)
    named = {name.removeprefix(PREFIX): tensor for name, tensor in checkpoints.read_safetensors(path).items()}
    model = built(named, source)
    tokenizer = _tokenizer(path.parent)
    check_tokenizer(f"teacher {source}", tokenizer)
    _refuse_larger(source, tokenizer, model)
    licence = licence_of(source)
    name = Path(source).name if Path(source).is_dir() else source
    return Clsp(model, tokenizer, name, licence).requires_grad_(False).eval()


def is_clsp(source: str) -> bool:
    """Whether a source is CLSP's name on the hub, or a folder with weights of its format."""
    path = Path(source) / WEIGHTS
    if source == REPOSITORY or not path.is_file():
        return source == REPOSITORY
    refuse_pointer(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return f"{PREFIX}{NEEDED[0]}" in file.keys()  # noqa: SIM118 (no mapping)
    except (safetensors.SafetensorError, OSError):
        return False  # which its loader tells


def built(weights: Mapping[str, Tensor], name: str) -> ClspModel:
    """The towers with these weights, named as published but for PREFIX; memory for them is not taken twice."""
    absent = [key for key in NEEDED if key not in weights]
    if absent:
        found = ", ".join(list(weights)[:3]) or "nothing"
        raise TinyclapError(f"teacher {name}: not the weights of {FORMAT}: {absent[0]} is missing, found {found}")
    try:
        config, roberta = speech_config(weights), text_config(weights)
    except (KeyError, IndexError) as error:
        raise TinyclapError(f"teacher {name}: not the weights of {FORMAT}: {error} is missing") from error
    embed_dim = weights["audio_projection.0.weight"].shape[0]
    text = RobertaModel(roberta)
    with torch.device("meta"):
        model = ClspModel(config, text, embed_dim)
    kept = {key: tensor for key, tensor in weights.items() if not UNUSED.search(key)}
    checkpoints.load_published(model, kept, name, FORMAT, FOLLOWING, assign=True)
    return model


def speech_config(weights: Mapping[str, Tensor]) -> ZipformerConfig:
    """The shape of the speech encoder that its weights tell."""
    numbers = {int(name.split(".")[2]) for name in weights if name.startswith("encoder.encoders.")}
    first = "encoder.encoders.0.layers.0."
    output = weights.get("encoder.downsample_output.bias")
    return ZipformerConfig(
        stacks=tuple(_stack(weights, number) for number in range(len(numbers))),
        width=weights["encoder_embed.out.bias"].shape[0],
        pos_dim=weights[f"{first}self_attn_weights.linear_pos.weight"].shape[1],
        output_factor=1 if output is None else output.shape[0],
    )


def _stack(weights: Mapping[str, Tensor], number: int) -> StackConfig:
    place = f"encoder.encoders.{number}."
    downsample = weights.get(f"{place}downsample.bias")
    layers = place + ("layers." if downsample is None else "encoder.layers.")
    heads = weights[f"{layers}0.self_attn_weights.linear_pos.weight"].shape[0] // POSITION_DIM
    return StackConfig(
        layers=len({name[len(layers) :].split(".")[0] for name in weights if name.startswith(layers)}),
        factor=1 if downsample is None else downsample.shape[0],
        heads=heads,
        query_dim=(weights[f"{layers}0.self_attn_weights.in_proj.bias"].shape[0] // heads - POSITION_DIM) // 2,
        position_dim=POSITION_DIM,
        value_dim=weights[f"{layers}0.self_attn1.in_proj.bias"].shape[0] // heads,
        feedforward=weights[f"{layers}0.feed_forward2.in_proj.bias"].shape[0],
        kernel=weights[f"{layers}0.conv_module1.depthwise_conv.weight"].shape[2],
    )


def text_config(weights: Mapping[str, Tensor]) -> RobertaConfig:
    """The shape of the text tower that its weights tell; the rest is RoBERTa's."""
    place = "text_encoder."
    words = weights[f"{place}embeddings.word_embeddings.weight"]
    layers = {name.split(".")[3] for name in weights if name.startswith(f"{place}encoder.layer.")}
    return RobertaConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        num_hidden_layers=len(layers),
        num_attention_heads=max(1, words.shape[1] // HEAD_WIDTH),
        intermediate_size=weights[f"{place}encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=weights[f"{place}embeddings.position_embeddings.weight"].shape[0],
        type_vocab_size=weights[f"{place}embeddings.token_type_embeddings.weight"].shape[0],
        layer_norm_eps=1e-5,
    )


def _located(source: str) -> Path:
    """Where the weights lie."""
    folder = Path(source)
    if folder.is_dir():
        if not (folder / WEIGHTS).is_file():
            held = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
            raise TinyclapError(
                f"teacher {source}: the folder has no {WEIGHTS}, but {held}; "
                f"`hf download {REPOSITORY} --local-dir {source}` fetches it"
            )
        return folder / WEIGHTS
    if source.startswith(("/", ".", "~")) or source.count("/") != 1:
        raise TinyclapError(f"teacher {source}: there is no such folder; give one, or {REPOSITORY} from the hub")
    try:
        return Path(hf_hub_download(source, WEIGHTS))
    except (OSError, ValueError) as error:
        raise checkpoints.not_provided(source, error) from error


def _tokenizer(folder: Path) -> Any:
    """RobertaTokenizer's files in a folder, or else the hub's.

    Not AutoTokenizer, which asks the config.json beside them and the code that it points to; and found first, as
    transformers makes a tokenizer up where there is none.
    """
    if not any((folder / name).is_file() for name in checkpoints.TOKENIZER_FILES):
        try:
            vocabulary, _ = (Path(hf_hub_download(TOKENIZER, name)) for name in TOKENIZER_FILES)
        except OSError as error:
            raise TinyclapError(
                f"the tokenizer's files {' and '.join(TOKENIZER_FILES)} are not in {folder}, and those of {TOKENIZER} "
                "neither in the Hugging Face cache nor on the hub; fetch them elsewhere with "
                f"`hf download {TOKENIZER} {' '.join(TOKENIZER_FILES)}` and put them beside {WEIGHTS}"
            ) from error
        folder = vocabulary.parent
    return RobertaTokenizer.from_pretrained(folder)


def _refuse_larger(source: str, tokenizer: Any, model: ClspModel) -> None:
    words: int = model.text_encoder.config.vocab_size
    if len(tokenizer) > words:
        raise TinyclapError(
            f"teacher {source}: a tokenizer of {len(tokenizer)} words beside it, and weights for {words}; put "
            f"{TOKENIZER}'s there"
        )
