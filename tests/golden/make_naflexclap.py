"""Write naflexclap.npz: what OpenCLIP's NaFlexClap computes, with weights made from their names alone.

    git clone https://github.com/mlfoundations/open_clip    # MIT, commit 89fb801; PyPI's 3.3.0 has no NaFlexClap
    python -m venv open_clip/own
    open_clip/own/bin/pip install torch torchaudio torchvision timm regex ftfy huggingface-hub safetensors tiktoken
    PYTHONPATH=. open_clip/own/bin/python tests/golden/make_naflexclap.py open_clip

Only this script needs OpenCLIP, timm (Apache-2.0) and tiktoken (MIT); the tests use `CONFIGS`, `made`, `waveforms`,
`TEXTS` and the .npz file, which holds names and shapes of the weights too. Three configurations in few dimensions: that
of the published weights, OpenCLIP's other kind of text tower with its other kind of MLP, and one with other options.
"""

import argparse
import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.golden.named_weights import values

GOLDEN = Path(__file__).with_name("naflexclap.npz")
SAMPLES = (72_000, 43_217, 700)  # of three clips at 48 kHz; the last is shorter than a frame, and far than a patch
BODY = 300  # tokens of a small vocabulary, in place of r50k_base's 50,257
TEXTS = (
    "a dog barking",
    "Rain  falls, it's 12 o'clock;\n\nthen:  silence... ",
    "chien_aboie \u00e9t\u00e9 \u96e8 <|endoftext|>",
    "",
    "the zip " * 40,
)
CLEANINGS = ("whitespace", "whitespace_underscore", "lower", "canonicalize")
PLAIN = ("  A dog_barks, \u00c9t\u00e9!\n at [12] o'clock ", "Sea_waves")  # that need no repair

_TEXT = {
    **{"text_arch": "modern", "context_length": 24, "variable_text": True, "vocab_size": BODY + 3, "width": 48},
    **{"heads": 2, "layers": 3, "mlp_ratio": 2.6666667, "pad_id": BODY + 1, "bos_id": BODY + 2, "eos_id": BODY},
    **{"pos_embed": "rope", "norm_eps": 1e-5, "tokenizer_type": "tiktoken", "tiktoken_name": "r50k_base"},
}
_AUDIO = {
    **{"model_type": "naflexvit", "sample_rate": 48_000, "mel_bins": 64, "window_size": 1024, "hop_size": 480},
    **{"fmin": 50, "fmax": 14_000, "in_chans": 1, "rope_type": "axial"},
}
CONFIGS: dict[str, dict[str, Any]] = {
    "published": {  # naflexclap_mediumd_pf4_pt20_moderntextp
        "embed_dim": 40,
        "audio_cfg": _AUDIO
        | {"patch_freq": 4, "patch_time": 20, "audio_seq_len": 160}
        | {
            "naflexvit_cfg": {
                **{"embed_dim": 64, "depth": 3, "num_heads": 4, "init_values": 1e-5, "reg_tokens": 1},
                **{"attn_gated": True, "pre_norm": True},
            }
        },
        "text_cfg": _TEXT
        | {"pool_type": "map", "attention_mode": "bidirectional", "mlp_type": "swiglu", "norm_type": "rmsnorm"}
        | {"qk_norm": True, "attn_gated": True},
    },
    "causal": {  # naflexclap_base_pf8_pt16_moderntext, with the audio MLP of naflexclap_base_pf8_pt20_moderntextp
        "embed_dim": 40,
        "audio_cfg": _AUDIO
        | {"patch_freq": 8, "patch_time": 16, "audio_seq_len": 104, "patch_pad_mode": "silence"}
        | {
            "naflexvit_cfg": {
                **{"embed_dim": 48, "depth": 2, "num_heads": 4, "init_values": 1e-5, "reg_tokens": 1},
                **{"swiglu_mlp": True, "mlp_ratio": 2.6666667, "attn_pool_mlp_ratio": 4.0, "pre_norm": True},
            }
        },
        "text_cfg": _TEXT
        | {"pool_type": "eos", "attention_mode": "causal", "mlp_type": "swiglu", "norm_type": "rmsnorm"}
        | {"attn_gated": True, "mlp_bias": True, "attention_bias": True},
    },
    "rest": {  # full-height patches as in naflexclap_test, and every other option that is read
        "embed_dim": 40,
        "audio_cfg": _AUDIO
        | {"patch_freq": 64, "patch_time": 4, "patch_pad_mode": "repeat", "proj_act": "relu", "pre_norm": True}
        | {
            "naflexvit_cfg": {
                **{"embed_dim": 48, "depth": 2, "num_heads": 2, "mlp_ratio": 3.0, "class_token": True},
                **{"reg_tokens": 2, "qk_norm": True, "qkv_bias": False, "norm_layer": "rmsnorm"},
                **{"attn_pool_num_heads": 4, "rope_temperature": 100.0, "attn_gated": True},
            }
        },
        "text_cfg": _TEXT
        | {"pool_type": "mean", "attention_mode": "bidirectional", "mlp_type": "relu2", "norm_type": "layernorm"}
        | {"norm_placement": "sandwich", "ls_init_value": 0.1, "value_residual": True, "reg_tokens": 2}
        | {"pre_norm": True, "attn_gated": True, "gate_bias": True, "proj_bias": True, "rope_temperature": 500.0},
    },
}


def made(kind: str) -> dict[str, Tensor]:
    """A checkpoint's weights of a configuration, by the names and shapes of the original."""
    return _values(json.loads(str(np.load(GOLDEN)[f"{kind}_shapes"])))


def _values(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    return {name: torch.tensor(values(name, tuple(shape))) for name, shape in shapes.items()}


def waveforms() -> list[Tensor]:
    """Three clips of a gliding tone in noise at 48 kHz, of different lengths (samples,)."""
    rng, clips = np.random.default_rng(0), []
    for number, samples in enumerate(SAMPLES):
        seconds = np.arange(samples) / 48_000
        tone = 0.3 * np.sin(2 * np.pi * (300 + 500 * number + 2000 * seconds) * seconds)
        clips.append(torch.from_numpy((tone + 0.02 * rng.standard_normal(samples)).astype(np.float32)))
    return clips


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("open_clip", type=Path)
    sys.path.insert(0, str(parser.parse_args().open_clip.resolve() / "src"))
    kept = tokens()
    for kind in CONFIGS:
        kept |= {
            f"{kind}_{name}": value for name, value in towers(copy.deepcopy(CONFIGS[kind]), kept["tokens"]).items()
        }
    np.savez_compressed(GOLDEN, **kept)  # type: ignore[arg-type]
    print(f"{GOLDEN}: {', '.join(f'{name} {array.shape}' for name, array in kept.items())}")


def tokens() -> dict[str, np.ndarray]:
    """A small vocabulary of OpenAI's kind, and what OpenCLIP's tokenizer makes of the texts with it."""
    import tiktoken  # type: ignore[import-not-found]
    from open_clip.tokenizer import TikTokenTokenizer  # type: ignore[import-not-found]
    from tiktoken._educational import bpe_train  # type: ignore[import-not-found]
    from tiktoken_ext.openai_public import r50k_pat_str  # type: ignore[import-not-found]

    learned = "a dog barking in the rain, the zip of a jacket, silence at o'clock; somebody whistles while water falls"
    ranks = bpe_train(learned, BODY - 1, r50k_pat_str, visualise=None)
    small = tiktoken.Encoding(
        "small", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": BODY - 1}
    )
    tiktoken.get_encoding = lambda _: small
    length = CONFIGS["published"]["text_cfg"]["context_length"]
    found = {"tokens": TikTokenTokenizer("r50k_base", context_length=length)(list(TEXTS)).numpy()}
    for clean in CLEANINGS:
        found[f"tokens_{clean}"] = TikTokenTokenizer("r50k_base", context_length=64, clean=clean)(list(PLAIN)).numpy()
    ordered = [piece.decode("latin-1") for piece, _ in sorted(ranks.items(), key=lambda entry: entry[1])]
    return found | {"vocabulary": np.array(json.dumps(ordered))}


@torch.no_grad()
def towers(config: dict[str, Any], rows: np.ndarray) -> dict[str, np.ndarray]:
    """What the towers make of the clips, alone and in one batch, and of the tokens."""
    from open_clip.audio import AudioNaFlexCfg, AudioNaFlexPatchify, CLIPAudioCfg  # type: ignore[import-not-found]
    from open_clip.clap_model import CLAP  # type: ignore[import-not-found]
    from open_clip.model import CLIPTextCfg  # type: ignore[import-not-found]

    audio_cfg = CLIPAudioCfg(**config["audio_cfg"])
    model = CLAP(config["embed_dim"], audio_cfg, CLIPTextCfg(**config["text_cfg"])).eval().requires_grad_(False)
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict(_values(shapes))
    patchify = AudioNaFlexPatchify(AudioNaFlexCfg.from_clip_audio_cfg(audio_cfg))
    clips = [patchify((clip[None], 48_000)) for clip in waveforms()]
    alone = [model.encode_audio(collated([clip]), normalize=True) for clip in clips]
    text = torch.from_numpy(rows)
    kept = {
        "patches": clips[1]["patches"].numpy()[::3],
        "counts": np.array([len(clip["patches"]) for clip in clips]),
        "audio": torch.cat(alone).numpy(),
        "audio_in_a_batch": model.encode_audio(collated(clips), normalize=True).numpy(),
        "text": model.encode_text(text, normalize=True).numpy(),
        "shapes": np.array(json.dumps(shapes)),
    }
    exact, wide = model.double(), {"patches": clips[1]["patches"].double()[None]}
    rest = {name: clips[1][name][None] for name in ("patch_coord", "patch_valid")}
    kept["audio_float64"] = exact.encode_audio(wide | rest, normalize=True).numpy()
    kept["text_float64"] = exact.encode_text(text, normalize=True).numpy()
    return kept


def collated(clips: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Clips of patches as one batch."""
    return {
        name: torch.nn.utils.rnn.pad_sequence([clip[name] for clip in clips], batch_first=True) for name in clips[0]
    }


if __name__ == "__main__":
    main()
