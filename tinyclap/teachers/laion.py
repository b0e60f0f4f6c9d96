"""LAION's original checkpoints (`.pt` files of laion_clap, HTSAT unfused) as a `ClapModel`, with nothing missing.

Shapes are read from the weights: a converter that assumes them drops whole blocks without a word (LAION-AI/CLAP#126).
What the original carries besides is named in LEFT_OUT: its front end, which is computed here from LAION's settings, the
AudioSet classifier, and the heads that its zero-shot embeddings never pass.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import ClapAudioConfig, ClapConfig, ClapFeatureExtractor, ClapModel, ClapTextConfig

from tinyclap.errors import TinyclapError
from tinyclap.models import checkpoints
from tinyclap.teachers.base import check_tokenizer
from tinyclap.teachers.hf import CONSTANTS, ROBERTA_LAYER_NORM_EPS, HFTeacher

REPOSITORY = "lukewys/laion_clap"  # LAION's checkpoints on the hub, e.g. 630k-best.pt
TOKENIZER = "roberta-base"
LICENCE = "cc0-1.0"
FOLLOWING = (*CONSTANTS, "token_type_ids", "num_batches_tracked")  # follow from the configuration, or are not used
HEAD_WIDTH = 64  # of RoBERTa's attention
AUDIO, TEXT = "audio_branch.", "text_branch."
LEFT_OUT = (
    *("audio_branch.spectrogram_extractor.", "audio_branch.logmel_extractor."),
    *("audio_branch.tscam_conv.", "audio_branch.head.", "audio_transform.", "text_transform."),
)
FUSED = ("audio_branch.mel_conv1d.", "audio_branch.mel_conv2d.", "audio_branch.patch_embed.mel_conv2d.")
RENAMED = (
    (r"^text_branch\.", "text_model."),
    (r"^audio_branch\.", "audio_model.audio_encoder."),
    (r"^(audio|text)_projection\.0\.", r"\1_projection.linear1."),
    (r"^(audio|text)_projection\.2\.", r"\1_projection.linear2."),
    (r"(audio_encoder)\.bn0\.", r"\1.batch_norm."),
    (r"(audio_encoder\.layers\..*)\.attn\.proj\.", r"\1.attention.output.dense."),
    (r"(audio_encoder\.layers\..*)\.attn\.", r"\1.attention.self."),
    (r"(audio_encoder\.layers\..*)\.mlp\.fc1\.", r"\1.intermediate.dense."),
    (r"(audio_encoder\.layers\..*)\.mlp\.fc2\.", r"\1.output.dense."),
    (r"(audio_encoder\.layers\..*)\.norm1\.", r"\1.layernorm_before."),
    (r"(audio_encoder\.layers\..*)\.norm2\.", r"\1.layernorm_after."),
)
PUBLISHED_AS = (
    ("batch_norm.", "bn0."),
    (".attention.output.dense.", ".attn.proj."),
    (".attention.self.", ".attn."),
    (".intermediate.dense.", ".mlp.fc1."),
    (".output.dense.", ".mlp.fc2."),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
)


def load_laion(source: str, *, original: bool = False) -> HFTeacher:
    """Load one of LAION's original checkpoints.

    Args:
        source: a .pt file, or the name of one in LAION's repository on the hub (630k-best.pt). RoBERTa's tokenizer is
            read from the file's folder if it lies there, else from the hub.
        original: as laion_clap's own functions compute it: waveforms are rounded to 16 bits, which quiet sounds feel.

    Raises:
        TinyclapError: no such file, another format, a fused model, or weights that are missing or unknown.
    """
    path = checkpoints.located(source, REPOSITORY, ".pt")
    weights = read_checkpoint(path)
    model = ClapModel(config_of(weights, source))
    checkpoints.load_published(model, dict(converted(weights)), source, "LAION's CLAP, HTSAT unfused", FOLLOWING)
    extractor = ClapFeatureExtractor(
        truncation="rand_trunc", padding="repeatpad", frequency_min=50, frequency_max=14_000
    )
    tokenizer = checkpoints.tokenizer(path.parent, TOKENIZER)
    check_tokenizer(f"teacher {source}", tokenizer)
    words: Any = model.config.text_config
    if len(tokenizer) > words.vocab_size:
        raise TinyclapError(
            f"teacher {source}: a tokenizer of {len(tokenizer)} words beside it, and weights for {words.vocab_size}; "
            f"put {TOKENIZER}'s there"
        )
    teacher = HFTeacher(model, tokenizer, extractor, name=Path(source).name, licence=LICENCE, int16=original)
    return teacher.requires_grad_(False).eval()


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint of laion_clap, without the prefix of its parallel training.

    Raises:
        TinyclapError: a file that is damaged, runs code when it is read, or holds something else.
    """
    held = checkpoints.read(path)
    weights = held.get("state_dict", held) if isinstance(held, Mapping) else {}
    named = {str(name).removeprefix("module."): tensor for name, tensor in weights.items()}
    if not all(isinstance(tensor, Tensor) for tensor in named.values()) or not _of_both(named):
        found = ", ".join(list(named)[:3]) or type(held).__name__
        raise TinyclapError(
            f"{path} is no checkpoint of LAION's CLAP: expected weights of {AUDIO}* and {TEXT}*, found {found}"
        )
    return named


def config_of(weights: Mapping[str, Tensor], name: str) -> ClapConfig:
    """The configuration that the weights' own shapes tell."""
    if any(key.startswith(FUSED) or ".fusion_model." in key for key in weights):
        raise TinyclapError(f"teacher {name} is a fused model; use an unfused one such as 630k-best.pt")
    patch = weights.get("audio_branch.patch_embed.proj.weight")
    words = weights.get("text_branch.embeddings.word_embeddings.weight")
    if patch is None or words is None:
        raise TinyclapError(f"teacher {name}: only models of HTSAT and RoBERTa can be read, and this one is another")
    embed_dim = weights["text_projection.0.weight"].shape[0]
    (text_layers,) = _counts(weights, r"text_branch\.encoder\.layer()\.(\d+)\.")
    audio = htsat_config(weights, embed_dim)
    text = ClapTextConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        num_hidden_layers=text_layers,
        num_attention_heads=max(1, words.shape[1] // HEAD_WIDTH),
        intermediate_size=weights[f"{TEXT}encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=weights[f"{TEXT}embeddings.position_embeddings.weight"].shape[0],
        projection_dim=embed_dim,
        layer_norm_eps=ROBERTA_LAYER_NORM_EPS,
    )
    return ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=embed_dim)


def htsat_config(weights: Mapping[str, Tensor], embed_dim: int) -> ClapAudioConfig:
    """The shape of the audio tower among a checkpoint's weights, AUDIO*, in a space of so many dimensions."""
    patch = weights["audio_branch.patch_embed.proj.weight"]
    depths = _counts(weights, r"audio_branch\.layers\.(\d+)\.blocks\.(\d+)\.")
    tables = [weights[f"{AUDIO}layers.{at}.blocks.0.attn.relative_position_bias_table"] for at in range(len(depths))]
    return ClapAudioConfig(
        depths=depths,
        num_attention_heads=[table.shape[1] for table in tables],
        window_size=(round(tables[0].shape[0] ** 0.5) + 1) // 2,
        patch_embeds_hidden_size=patch.shape[0],
        hidden_size=patch.shape[0] * 2 ** (len(depths) - 1),
        num_hidden_layers=len(depths),
        patch_size=patch.shape[2],
        patch_stride=list(patch.shape[2:]),
        projection_dim=embed_dim,
    )


def converted(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Names and weights of a `ClapModel`: renamed, and the joint query-key-value matrices of the audio tower split."""
    for name, tensor in weights.items():
        if name.startswith(LEFT_OUT) or name.endswith(("position_ids", ".attn_mask")):
            continue
        for pattern, written in RENAMED:
            name = re.sub(pattern, written, name)
        if ".self.qkv." in name:
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                yield name.replace("qkv", part), piece
        else:
            yield name, tensor


def as_published(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The inverse of `converted` for the audio tower: weights of a `ClapAudioEncoder` under the names of HTSAT."""
    for name, tensor in weights.items():
        if ".self.key." in name or ".self.value." in name:
            continue  # come with the query
        if ".self.query." in name:
            pieces = [weights[name.replace("query", part)] for part in ("query", "key", "value")]
            name, tensor = name.replace("query", "qkv"), torch.cat(pieces)
        for written, original in PUBLISHED_AS:
            name = name.replace(written, original)
        yield name, tensor


def _counts(weights: Mapping[str, Tensor], pattern: str) -> list[int]:
    """How many of the second number there are for each of the first."""
    most: dict[str, int] = {}
    for name in weights:
        found = re.match(pattern, name)
        if found:
            most[found[1]] = max(most.get(found[1], 0), int(found[2]) + 1)
    return [most[key] for key in sorted(most, key=lambda key: int(key or 0))]


def _of_both(weights: Mapping[str, Any]) -> bool:
    return all(any(name.startswith(tower) for name in weights) for tower in (AUDIO, TEXT))
