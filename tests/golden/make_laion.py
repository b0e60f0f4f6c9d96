"""Write laion.npz: what the original laion_clap computes with weights that anyone can make again from their names.

    python -m venv laion && laion/bin/pip install --no-deps laion-clap torchlibrosa  # and what they import
    PYTHONPATH=. laion/bin/python tests/golden/make_laion.py

Only this script needs laion_clap (CC0); the tests use `laion_state`, `waveform`, `TOKENS` and the .npz file, which
holds the names and shapes of the checkpoint too. The model is small: HTSAT of two stages, RoBERTa of two layers.
"""

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.golden.named_weights import values

GOLDEN = Path(__file__).with_name("laion.npz")
TOKENS = [[0, 17, 44, 90, 2], [0, 8, 2, 1, 1]]  # of two captions, the second padded
EMBED_DIM, WIDTH, TEXT_WIDTH, GAIN = 32, 16, 128, 3.0
CONSTANT_SUFFIXES = ("num_batches_tracked", "relative_position_index", "attn_mask", "position_ids", "melW")
CONSTANT_PREFIXES = ("audio_branch.spectrogram_extractor.", "audio_branch.logmel_extractor.")


def laion_state(golden: Path = GOLDEN) -> dict[str, Tensor]:
    """A checkpoint's weights, by the names and shapes of the original."""
    shapes = json.loads(str(np.load(golden)["shapes"]))
    return {name: torch.from_numpy(values(name, tuple(shape), GAIN)) for name, shape in shapes.items()}


def waveform() -> Tensor:
    """Ten seconds of noise at 48 kHz (1, 480000), in steps of 16 bits, which the original would round to."""
    noise = np.round(np.random.default_rng(0).uniform(-0.5, 0.5, (1, 480_000)) * 32_767) / 32_767
    return torch.from_numpy(noise.astype(np.float32))


def is_constant(name: str) -> bool:
    """What the configuration decides and no checkpoint need hold."""
    return name.endswith(CONSTANT_SUFFIXES) or name.startswith(CONSTANT_PREFIXES)


def main() -> None:
    from transformers import RobertaConfig, RobertaModel

    for name in ("torchvision", "torchvision.ops", "torchvision.ops.misc", "h5py"):  # imported there, not used here
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["torchvision.ops.misc"].FrozenBatchNorm2d = nn.BatchNorm2d  # type: ignore[attr-defined]
    import importlib.util

    found: Any = importlib.util.find_spec("laion_clap")
    package = types.ModuleType("clap_module")  # without its own start, which imports far more than the tower needs
    package.__path__ = [str(Path(found.submodule_search_locations[0], "clap_module"))]
    sys.modules["clap_module"] = package
    from clap_module.htsat import HTSAT_Swin_Transformer  # type: ignore[import-not-found]

    audio: Any = types.SimpleNamespace(
        sample_rate=48_000, window_size=1024, hop_size=480, mel_bins=64, fmin=50, fmax=14_000, class_num=5
    )
    model: Any = nn.Module()
    model.audio_branch = HTSAT_Swin_Transformer(
        spec_size=256,
        patch_size=4,
        patch_stride=(4, 4),
        num_classes=5,
        embed_dim=WIDTH,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=8,
        config=audio,
        enable_fusion=False,
        fusion_type="None",
    )
    settings: dict[str, Any] = dict(
        vocab_size=300, hidden_size=TEXT_WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=256
    )
    model.text_branch = RobertaModel(
        RobertaConfig(**settings, max_position_embeddings=82, layer_norm_eps=1e-5, type_vocab_size=1)
    )
    model.text_projection = nn.Sequential(nn.Linear(TEXT_WIDTH, EMBED_DIM), nn.ReLU(), nn.Linear(EMBED_DIM, EMBED_DIM))
    model.audio_projection = nn.Sequential(nn.Linear(2 * WIDTH, EMBED_DIM), nn.ReLU(), nn.Linear(EMBED_DIM, EMBED_DIM))
    model.logit_scale_a, model.logit_scale_t = nn.Parameter(torch.ones([])), nn.Parameter(torch.ones([]))
    own = model.state_dict()
    shapes = {name: list(tensor.shape) for name, tensor in own.items() if not is_constant(name)}
    model.load_state_dict(
        {**own, **{name: torch.from_numpy(values(name, tuple(s), GAIN)) for name, s in shapes.items()}}
    )
    model.eval()
    tokens = torch.tensor(TOKENS)
    with torch.no_grad():
        heard = model.audio_branch({"waveform": waveform(), "longer": torch.tensor([False])}, None, "cpu")
        spectrogram = model.audio_branch.logmel_extractor(model.audio_branch.spectrogram_extractor(waveform()))
        read = model.text_branch(input_ids=tokens, attention_mask=(tokens != 1).long())["pooler_output"]
        embedded = nn.functional.normalize(model.audio_projection(heard["embedding"]), dim=-1)
        texts = nn.functional.normalize(model.text_projection(read), dim=-1)
    np.savez_compressed(
        GOLDEN,
        audio=embedded.numpy(),
        text=texts.numpy(),
        logmel=spectrogram[0, 0, ::50].numpy(),
        shapes=np.array(json.dumps(shapes)),
    )
    print(f"{GOLDEN}: {len(shapes)} tensors, audio {tuple(embedded.shape)}, text {tuple(texts.shape)}")


if __name__ == "__main__":
    main()
