"""What open_clip_config.json says of a NaFlexClap; an option that is not known here is told by name."""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.checks import is_count
from tinyclap.common.files import parse_json, refuse_pointer
from tinyclap.errors import TinyclapError
from tinyclap.models.naflexclap.layers import WIDEST
from tinyclap.models.naflexclap.modern_text import TextConfig
from tinyclap.models.naflexclap.vit import VitConfig

KIND = "naflexvit"  # audio_cfg.model_type
WINDOW_S, MOST_PATCHES = 10.0, 2**16  # where the configuration names no number of patches; and where it does
ACTIVATIONS = ("gelu", "relu")
CLEANINGS = (None, "whitespace", "whitespace_underscore", "lower", "canonicalize")
FRONTEND = {
    "sample_rate": "sample_rate",
    "window_size": "n_fft",
    "hop_size": "hop_length",
    "mel_bins": "n_mels",
    "fmin": "f_min",
    "fmax": "f_max",
}

NO: tuple[Any, ...] = (None, False, "", 0)
FIXED: dict[str, dict[str, tuple[Any, ...]]] = {  # options of which the published models use one value
    "audio_cfg": {"model_type": (KIND,), "in_chans": (1,), "rope_type": ("axial",), "training_head": NO},
    "naflexvit_cfg": {
        "rope_type": ("axial",),
        "pos_embed": ("none", ""),
        "embed_proj_type": ("linear",),
        "global_pool": ("map",),
        "attn_type": ("standard", "rope"),
        "act_layer": (None, "gelu"),
        "rope_grid_indexing": ("ij",),
        "qkv_fused": (True,),
        **dict.fromkeys(("scale_mlp_norm", "scale_attn_inner_norm", "attn_only_layer_scale", "num_kv_heads"), NO),
        **dict.fromkeys(("swiglu_align_to", "pool_include_prefix", "fc_norm", "rope_rotate_half"), NO),
        **dict.fromkeys(("input_norm_layer", "embed_norm_layer", "block_fn", "mlp_layer", "attn_layer"), NO),
        **dict.fromkeys(("rope_grid_offset", "rope_ref_feat_shape", "rope_mrope_section"), NO),
    },
    "text_cfg": {
        "text_arch": ("modern",),
        "tokenizer_type": ("tiktoken",),
        "tiktoken_name": ("r50k_base", "gpt2"),
        "hf_model_name": NO,
        "output_tokens": NO,
    },
    "tokenizer_kwargs": {"add_bos": (True,), "add_eos": (True,)},
    "model_cfg": {"quick_gelu": NO},
}
UNUSED: dict[str, Collection[str]] = {  # in training alone, or by other towers alone
    "audio_cfg": (
        "model_name",
        "audio_length",
        "clip_samples",
        "class_num",
        "enable_fusion",
        "fusion_type",
        "pretrained",
    ),
    "naflexvit_cfg": (
        *("attn_drop_rate", "drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "drop_path_rate"),
        *("weight_init", "fix_init", "use_key_only_attn_mask", "patchify_channels_last", "enable_patch_interpolator"),
        *("rope_shift_coords", "rope_jitter_coords", "rope_rescale_coords", "dynamic_img_pad", "proj_bias"),
        *("pos_embed_grid_size", "pos_embed_interp_mode", "pos_embed_ar_preserving", "pos_embed_antialias"),
        *("pos_embed_align_corners", "pos_embed_use_grid_sample"),
    ),
    "text_cfg": (
        *("variable_text", "zero_init_residual", "embed_cls", "no_causal_mask", "final_ln_after_pool", "block_type"),
        *(
            "act_kwargs",
            "norm_kwargs",
            "scaled_cosine_attn",
            "scale_heads",
            "scale_attn_inner",
            "scale_attn",
            "scale_fc",
        ),
        *("tokenizer_mode", "hf_tokenizer_name", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type"),
        "hf_model_config",
    ),
    "tokenizer_kwargs": (),
    "model_cfg": ("custom_text", "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale"),
}


@dataclass(frozen=True)
class Spec(FrontendSpec):
    """Torchaudio's mel spectrogram in decibels, with its rounding: a filter's edge, and so a quiet band, depends on it.

    Narrow bands between two bins hold nothing, as there.
    """

    def _check_bands(self, where: str) -> None:
        """Bands without a bin are torchaudio's too."""

    def mel_filterbank(self) -> np.ndarray:
        """As in `FrontendSpec`, computed in float32 throughout (torchaudio.functional.melscale_fbanks)."""
        bins = torch.linspace(0, self.sample_rate // 2, self.n_fft // 2 + 1)
        lowest, highest = (2595.0 * math.log10(1.0 + hz / 700.0) for hz in (self.f_min, self.f_max))
        edges = 700.0 * (10.0 ** (torch.linspace(lowest, highest, self.n_mels + 2) / 2595.0) - 1.0)
        distances, widths = edges - bins.unsqueeze(1), edges.diff()
        filters = torch.minimum(-distances[:, :-2] / widths[:-1], distances[:, 2:] / widths[1:])
        return filters.clamp_min(0.0).numpy()


@dataclass(frozen=True)
class Settings:
    """A NaFlexClap but for its weights.

    Attributes:
        given: `model_cfg` as published, to be written again.
        embed_dim: of the shared space.
        spec: of the front end.
        vit, text: shapes of the towers.
        proj_act: activation in the projection of sounds.
        pre_norm: whether features have unit norm before it.
        columns: patches of a row in the longest stretch that is embedded at once.
        clean: how texts are cleaned; None leaves them as they are.
    """

    given: Mapping[str, Any]
    embed_dim: int
    spec: Spec
    vit: VitConfig
    text: TextConfig
    proj_act: str
    pre_norm: bool
    columns: int
    clean: str | None

    @property
    def window_s(self) -> float:
        """The longest stretch that is embedded at once, seconds: it fills the columns."""
        return (self.columns * self.vit.patch_time - 1) * self.spec.hop_length / self.spec.sample_rate

    def key(self) -> dict[str, Any]:
        """What changes an embedding, JSON-ready."""
        parts: dict[str, Any] = {"frontend": self.spec.key(), "vit": asdict(self.vit), "text": asdict(self.text)}
        return parts | {"proj_act": self.proj_act, "pre_norm": self.pre_norm, "columns": self.columns}


def read_settings(path: Path) -> Settings:
    """Read open_clip_config.json.

    Raises:
        TinyclapError: no such JSON, another kind of model, or an option that is not known or has no such value here.
    """
    refuse_pointer(path)
    try:
        parsed = parse_json(path.read_bytes())
    except (ValueError, OSError) as error:
        raise TinyclapError(f"{path} is damaged ({error}); download it again") from error
    model = parsed.get("model_cfg", parsed) if isinstance(parsed, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("audio_cfg"), dict):
        raise TinyclapError(f"{path} is no configuration of an OpenCLIP audio model: it has no audio_cfg")
    try:
        return _settings(model)
    except TinyclapError as error:
        raise TinyclapError(f"{path}: {error}") from error


def _settings(model: Mapping[str, Any]) -> Settings:
    own, sections = _sorted(model, "model_cfg", {"embed_dim"}), ("audio_cfg", "text_cfg")
    audio, text = (_section(model, name) for name in sections)
    inner, words = _section(audio, "naflexvit_cfg"), _section(text, "tokenizer_kwargs")
    vit_fields, text_fields = ({field.name for field in fields(kind)} for kind in (VitConfig, TextConfig))
    of_patches = {"mel_bins", "patch_freq", "patch_time", "patch_pad_mode"}
    outer = _sorted(audio, "audio_cfg", {*of_patches, *FRONTEND, "proj_act", "pre_norm", "audio_seq_len"})
    shape = _sorted(inner, "naflexvit_cfg", vit_fields - of_patches)
    cleaning = _sorted(words, "tokenizer_kwargs", {"clean"}).get("clean")
    vit = VitConfig(**{name: outer[name] for name in of_patches if name in outer}, **shape)
    spec = _spec(outer)
    embed_dim, proj_act = own.get("embed_dim", 0), outer.get("proj_act", "gelu")
    fits = is_count(embed_dim) and embed_dim <= WIDEST
    _require("model_cfg.embed_dim", embed_dim, fits, f"a whole number of 1 to {WIDEST}")
    _require("audio_cfg.proj_act", proj_act, proj_act in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}")
    allowed = ", ".join(filter(None, CLEANINGS))
    _require("text_cfg.tokenizer_kwargs.clean", cleaning, cleaning in CLEANINGS, f"null, or one of {allowed}")
    patches, frames = outer.get("audio_seq_len"), spec.n_frames(round(WINDOW_S * spec.sample_rate))
    fits = patches is None or (is_count(patches, vit.rows) and patches <= MOST_PATCHES)
    allowed = f"null, or from a column of {vit.rows} patches to {MOST_PATCHES}"
    _require("audio_cfg.audio_seq_len", patches, fits, allowed)
    return Settings(
        given=model,
        embed_dim=embed_dim,
        spec=spec,
        vit=vit,
        text=TextConfig(**_sorted(text, "text_cfg", text_fields)),
        proj_act=proj_act,
        pre_norm=bool(outer.get("pre_norm")),
        columns=-(-frames // vit.patch_time) if patches is None else patches // vit.rows,
        clean=cleaning,
    )


def _spec(outer: Mapping[str, Any]) -> Spec:
    """The front end; OpenCLIP's defaults stand for what is not said."""
    defaults = {"sample_rate": 48_000, "window_size": 1024, "hop_size": 480, "mel_bins": 64, "fmin": 50, "fmax": 14_000}
    said = {ours: outer.get(theirs, defaults[theirs]) for theirs, ours in FRONTEND.items()}
    return Spec(**said, win_length=said["n_fft"], mel_scale="htk", mel_norm=None)


def _section(owner: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = owner.get(name) or {}
    _require(name, section, isinstance(section, dict), "an object")
    return dict(section)


def _sorted(given: Mapping[str, Any], section: str, known: Collection[str]) -> dict[str, Any]:
    """What is known of a section; the rest must have a value of FIXED, be UNUSED, or a section itself."""
    fixed, kept = FIXED[section], {}
    for name, value in given.items():
        if name in known:
            kept[name] = value
        elif name in fixed:
            allowed = " or ".join(repr(each) for each in fixed[name])
            _require(f"{section}.{name}", value, value in fixed[name], allowed)
        elif name not in UNUSED[section] and name not in FIXED:
            raise TinyclapError(f"{section}.{name} = {value!r} is not known here; report this with the model's name")
    for name in ("model_type", "text_arch", "tokenizer_type"):  # without which it is another model
        if name in fixed and name not in given:
            raise TinyclapError(f"{section}.{name} is missing; it must be {fixed[name][0]!r}")
    return kept


def _require(name: str, value: object, holds: bool, allowed: str) -> None:
    if not holds:
        raise TinyclapError(f"{name} = {value!r} is not read here; it must be {allowed}")
