"""Write clsp.npz: what the original CLSP computes, with weights made from their names alone.

    git clone -b clsp https://github.com/yfyeung/icefall    # the code that trained CLSP: Apache-2.0, commit ba0b41c
    python -m venv icefall/own && icefall/own/bin/pip install torch torchaudio transformers lhotse
    PYTHONPATH=. icefall/own/bin/python tests/golden/make_clsp.py icefall

Only this script needs icefall and lhotse (Apache-2.0 both); the tests use `clsp_state`, `waveforms`, `TOKENS` and the
.npz file, which holds names and shapes of the weights too. All parts are there as in the published model, in few
dimensions. k2, of which the original takes two activations, is replaced by their published formulas.
"""

import argparse
import json
import math
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tests.golden.named_weights import values

GOLDEN = Path(__file__).with_name("clsp.npz")
TOKENS = [[0, 17, 44, 90, 2], [0, 8, 2, 1, 1]]  # of two captions, the second padded
SAMPLES = (16_000, 9_473, 1_360)  # of three clips; the last gives one frame
WIDTH, JOINT, WORDS = 32, 24, 300
PADDING = math.log(1e-10)  # of shorter clips' features in a batch, as SPEAR's code has it


def clsp_state() -> dict[str, Tensor]:
    """A checkpoint's weights, by the names and shapes of the original."""
    return made(json.loads(str(np.load(GOLDEN)["shapes"])))


def made(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Weights of these shapes, by name."""
    return {name: torch.tensor(values(name, tuple(shape))) for name, shape in shapes.items()}


def waveforms() -> list[Tensor]:
    """Three clips of a gliding tone in noise at 16 kHz, of different lengths (samples,)."""
    rng, clips = np.random.default_rng(0), []
    for number, samples in enumerate(SAMPLES):
        seconds = np.arange(samples) / 16_000
        tone = 0.3 * np.sin(2 * np.pi * (200 + 150 * number + 400 * seconds) * seconds)
        clips.append(torch.from_numpy((tone + 0.02 * rng.standard_normal(samples) + 0.01).astype(np.float32)))
    return clips


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("icefall", type=Path)
    model = original(parser.parse_args().icefall.resolve())
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict(made(shapes))
    kept = computed(model.eval().requires_grad_(False)) | {"shapes": np.array(json.dumps(shapes))}
    np.savez_compressed(GOLDEN, **kept)  # type: ignore[arg-type]
    print(f"{GOLDEN}: {', '.join(f'{name} {array.shape}' for name, array in kept.items())}")


def original(icefall: Path) -> Any:
    """CLAP of egs/emilia/CLAP/spear_roberta in small."""
    import transformers

    stand_ins()
    sys.path.insert(0, str(icefall / "egs/emilia/CLAP/spear_roberta"))
    from model import CLAP  # type: ignore[import-not-found]
    from subsampling import Conv2dSubsampling  # type: ignore[import-not-found]
    from zipformer2 import Zipformer2  # type: ignore[import-not-found]

    roberta = transformers.RobertaConfig(
        vocab_size=WORDS,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=1,
        intermediate_size=128,
        max_position_embeddings=66,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    small = transformers.RobertaModel(roberta)
    sys.modules["model"].RobertaModel = types.SimpleNamespace(from_pretrained=lambda _: small)  # type: ignore[attr-defined]
    encoder = Zipformer2(
        output_downsampling_factor=2,
        downsampling_factor=(1, 2, 4, 8, 4, 2, 1),
        encoder_dim=(WIDTH,),
        num_encoder_layers=(1, 2, 1, 2, 1, 1, 1),
        encoder_unmasked_dim=(WIDTH,),
        query_head_dim=(8,),
        pos_head_dim=(4,),
        value_head_dim=(6,),
        num_heads=(4,),
        feedforward_dim=(48,),
        cnn_module_kernel=(31, 31, 15, 15, 15, 31, 31),
        pos_dim=48,
    )
    return CLAP(Conv2dSubsampling(128, WIDTH), encoder, encoder_dim=WIDTH, text_encoder_dim=64, joint_dim=JOINT)


def stand_ins() -> None:
    """Modules for the little that the original takes of k2 and of icefall's utilities."""
    k2: Any = types.ModuleType("k2")
    k2.swoosh_l_forward = lambda x: torch.logaddexp(torch.zeros(()), x - 4.0) - 0.08 * x - 0.035
    k2.swoosh_r_forward = lambda x: torch.logaddexp(torch.zeros(()), x - 1.0) - 0.08 * x - 0.313261687
    utilities: Any = types.ModuleType("icefall.utils")
    utilities.make_pad_mask = lambda lengths: torch.arange(int(lengths.max())) >= lengths[:, None]
    utilities.torch_autocast = lambda **_: torch.autocast("cpu", enabled=False)
    sys.modules |= {"k2": k2, "icefall": types.ModuleType("icefall"), "icefall.utils": utilities}


@torch.no_grad()
def computed(model: Any) -> dict[str, np.ndarray]:
    """What a model makes of the clips, alone and in one batch, and of the tokens."""
    from lhotse import Fbank, FbankConfig  # type: ignore[import-not-found]

    extractor = Fbank(FbankConfig(num_mel_bins=128))
    features = [torch.as_tensor(extractor.extract(clip, 16_000)) for clip in waveforms()]
    lengths = torch.tensor([len(frames) for frames in features])
    tokens = torch.tensor(TOKENS)
    text = {"input_ids": tokens, "attention_mask": (tokens != 1).long()}
    batch = pad_sequence(features, batch_first=True, padding_value=PADDING)
    alone = [model(audio=one[None], audio_lens=count[None])[0] for one, count in zip(features, lengths, strict=True)]
    encoded = model.forward_audio_encoder(features[1][None], lengths[1:2])
    batched, text_row = model(audio=batch, audio_lens=lengths)[0], model(text=text)[1]
    exact = model.double()(audio=features[1][None].double(), audio_lens=lengths[1:2])[0]
    return {
        "fbank": np.concatenate([one.numpy()[::9] for one in features]),
        "features": features[1].numpy(),
        "frames": lengths.numpy(),
        "encoded": encoded.numpy(),
        "audio": torch.cat(alone).numpy(),
        "audio_in_a_batch": batched.numpy(),
        "audio_float64": exact.numpy(),
        "text": text_row.numpy(),
    }


if __name__ == "__main__":
    main()
