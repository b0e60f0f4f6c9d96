"""Write msclap.npz: what the original msclap computes, 2022 and 2023, with weights made from their names alone.

    python -m venv laion && laion/bin/pip install --no-deps msclap torchlibrosa  # and what they import
    PYTHONPATH=. laion/bin/python tests/golden/make_msclap.py

Only this script needs msclap (MIT); the tests use `msclap_state`, `waveform`, `TOKENS` and the .npz file, which holds
names and shapes of the checkpoints too. The audio towers have their published size, BERT and GPT-2 two layers of 64.
"""

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

from tests.golden.named_weights import values

GOLDEN = Path(__file__).with_name("msclap.npz")
TOKENS = [[101, 17, 44, 90, 102], [101, 8, 102, 0, 0]]  # of two captions, the second padded
PLACES = {"2022": "audio_encoder.base.", "2023": "audio_encoder.base.htsat."}  # of the audio tower
SAMPLES = {"2022": 220_500, "2023": 308_700}
CONSTANTS = ("relative_position_index", "attn_mask")


def msclap_state(version: str) -> dict[str, Tensor]:
    """A checkpoint's weights, by the names and shapes of the original; the mel filterbank as it was."""
    stored = np.load(GOLDEN)
    shapes = json.loads(str(stored[f"shapes_{version}"]))
    state = {name: torch.from_numpy(values(name, tuple(shape))) for name, shape in shapes.items()}
    return {**state, f"{PLACES[version]}logmel_extractor.melW": torch.from_numpy(stored[f"melW_{version}"])}


def waveform(version: str) -> Tensor:
    """A window of noise at 44.1 kHz (1, samples)."""
    return torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (1, SAMPLES[version])).astype(np.float32))


def main() -> None:
    import transformers

    found: Any = importlib.util.find_spec("msclap")
    package = types.ModuleType("models")  # without the package's own start, which imports far more
    package.__path__ = [str(Path(found.submodule_search_locations[0], "models"))]
    sys.modules["models"] = package
    from models import clap as original  # type: ignore[import-not-found]

    bert = transformers.BertConfig(
        vocab_size=300, hidden_size=64, num_hidden_layers=2, num_attention_heads=1, intermediate_size=128
    )
    gpt2 = transformers.GPT2Config(vocab_size=300, n_embd=64, n_layer=2, n_head=1)
    small = {"bert": transformers.BertModel(bert), "gpt2": transformers.GPT2Model(gpt2)}
    original.AutoModel = types.SimpleNamespace(from_pretrained=small.__getitem__)
    front = (44_100, 1024, 320, 64, 50)
    models = {
        "2022": original.CLAP("Cnn14", *front, 14_000, 527, 2048, "bert", 64, 1024),
        "2023": original.CLAP("HTSAT", *front, 8_000, 527, 768, "gpt2", 64, 1024),
    }
    kept = {name: array for version, model in models.items() for name, array in computed(version, model).items()}
    np.savez_compressed(GOLDEN, **kept)  # type: ignore[arg-type]
    print(f"{GOLDEN}: {', '.join(f'{name} {array.shape}' for name, array in kept.items())}")


@torch.no_grad()
def computed(version: str, model: Any) -> dict[str, np.ndarray]:
    """What a model makes of the window and the tokens, and what its checkpoint holds."""
    own, place = model.state_dict(), PLACES[version]
    front_end = (f"{place}spectrogram_extractor.", f"{place}logmel_extractor.")
    shapes = {
        name: list(tensor.shape)
        for name, tensor in own.items()
        if not name.startswith(front_end) and not name.endswith(CONSTANTS)
    }
    model.load_state_dict({**own, **{name: torch.from_numpy(values(name, tuple(s))) for name, s in shapes.items()}})
    model.eval()
    tokens = torch.tensor(TOKENS)
    given = {"input_ids": tokens, "attention_mask": (tokens != 0).long()}
    audio, _ = model.audio_encoder(waveform(version))
    text = model.caption_encoder(given)
    base = model.get_submodule(place.rstrip("."))
    logmel = base.logmel_extractor(base.spectrogram_extractor(waveform(version)))
    return {
        f"audio_{version}": functional.normalize(audio, dim=-1).numpy(),
        f"text_{version}": functional.normalize(text, dim=-1).numpy(),
        f"logmel_{version}": logmel[0, 0, ::50].numpy(),
        f"melW_{version}": own[f"{place}logmel_extractor.melW"].numpy(),
        f"shapes_{version}": np.array(json.dumps(shapes)),
    }


if __name__ == "__main__":
    main()
