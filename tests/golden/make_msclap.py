"""Write msclap.npz: what the original msclap computes with weights that anyone can make again from their names.

    python -m venv laion && laion/bin/pip install --no-deps msclap torchlibrosa  # and what they import
    laion/bin/python tests/golden/make_msclap.py

Only this script needs msclap (MIT); the tests use `msclap_state`, `waveform`, `TOKENS` and the .npz file, which holds
names and shapes of the checkpoint too. CNN14 has its published size, BERT two layers of 64.
"""

import hashlib
import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

GOLDEN = Path(__file__).with_name("msclap.npz")
TOKENS = [[101, 17, 44, 90, 102], [101, 8, 102, 0, 0]]  # of two captions, the second padded
FRONT_END = ("audio_encoder.base.spectrogram_extractor.", "audio_encoder.base.logmel_extractor.")


def msclap_state(golden: Path = GOLDEN) -> dict[str, Tensor]:
    """A checkpoint's weights, by the names and shapes of the original; the mel filterbank as it was."""
    stored = np.load(golden)
    shapes = json.loads(str(stored["shapes"]))
    state = {name: torch.from_numpy(values(name, tuple(shape))) for name, shape in shapes.items()}
    return {**state, f"{FRONT_END[1]}melW": torch.from_numpy(stored["melW"])}


def waveform() -> Tensor:
    """Five seconds of noise at 44.1 kHz (1, 220500)."""
    return torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (1, 220_500)).astype(np.float32))


def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """What a tensor of that name holds."""
    if name == "logit_scale":
        return np.full(shape, np.log(1 / 0.07), np.float32)
    if name.endswith("num_batches_tracked"):
        return np.array(1, dtype=np.int64)
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
    uniform = np.random.default_rng(seed).random(shape, dtype=np.float32) * 2 - 1
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        return (1 + uniform / 2).astype(np.float32)
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 12
    return (uniform * np.sqrt(6 / fan_in)).astype(np.float32)


def main() -> None:
    import transformers

    small = transformers.BertConfig(
        vocab_size=300, hidden_size=64, num_hidden_layers=2, num_attention_heads=1, intermediate_size=128
    )
    found: Any = importlib.util.find_spec("msclap")
    package = types.ModuleType("models")  # without the package's own start, which imports far more
    package.__path__ = [str(Path(found.submodule_search_locations[0], "models"))]
    sys.modules["models"] = package
    from models import clap as original  # type: ignore[import-not-found]

    original.AutoModel = types.SimpleNamespace(from_pretrained=lambda _: transformers.BertModel(small))
    model = original.CLAP("Cnn14", 44_100, 1024, 320, 64, 50, 14_000, 527, 2048, "bert-base-uncased", 64, 1024)
    own = model.state_dict()
    shapes = {name: list(tensor.shape) for name, tensor in own.items() if not name.startswith(FRONT_END)}
    model.load_state_dict({**own, **{name: torch.from_numpy(values(name, tuple(s))) for name, s in shapes.items()}})
    model.eval()
    tokens = torch.tensor(TOKENS)
    given = {"input_ids": tokens, "token_type_ids": 0 * tokens, "attention_mask": (tokens != 0).long()}
    with torch.no_grad():
        audio, _ = model.audio_encoder(waveform())
        text = model.caption_encoder(given)
        base = model.audio_encoder.base
        logmel = base.logmel_extractor(base.spectrogram_extractor(waveform()))
    np.savez_compressed(
        GOLDEN,
        audio=functional.normalize(audio, dim=-1).numpy(),
        text=functional.normalize(text, dim=-1).numpy(),
        logmel=logmel[0, 0, ::50].numpy(),
        melW=own[f"{FRONT_END[1]}melW"].numpy(),
        shapes=np.array(json.dumps(shapes)),
    )
    print(f"{GOLDEN}: {len(own)} tensors, audio {tuple(audio.shape)}, text {tuple(text.shape)}")


if __name__ == "__main__":
    main()
