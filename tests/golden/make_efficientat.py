"""Write efficientat.npz: what the original EfficientAT computes with weights that anyone can make from their names.

    git clone https://github.com/fschmid56/EfficientAT && cd EfficientAT
    PYTHONPATH=.:TINYCLAP python TINYCLAP/tests/golden/make_efficientat.py   # with torchvision

Only this script needs EfficientAT (MIT); the tests use `efficientat_state`, `waveform` and the .npz file, which holds
the names and shapes of the checkpoint too. The model is the smallest that is published, mn01.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.golden.named_weights import values

GOLDEN = Path(__file__).with_name("efficientat.npz")
WIDTH, GAIN = 0.1, 2.0


def efficientat_state(golden: Path = GOLDEN) -> dict[str, Tensor]:
    """A checkpoint's weights, by the names and shapes of the original."""
    shapes = json.loads(str(np.load(golden)["shapes"]))
    return {name: torch.from_numpy(values(name, tuple(shape), GAIN)) for name, shape in shapes.items()}


def waveform() -> Tensor:
    """Two seconds of noise at 32 kHz, the second of them quiet: (1, 64000)."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 64_000)).astype(np.float32)
    noise[:, 32_000:] *= 1e-3
    return torch.from_numpy(noise)


def main() -> None:
    from models.mn.model import get_model  # type: ignore[import-not-found]
    from models.preprocess import AugmentMelSTFT  # type: ignore[import-not-found]

    model: Any = get_model(width_mult=WIDTH)
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(values(name, tuple(s), GAIN)) for name, s in shapes.items()})
    model.eval()
    frontend = AugmentMelSTFT().eval()
    with torch.no_grad():
        logmel = frontend(waveform())
        logits, _ = model(logmel[:, None])
    np.savez_compressed(
        GOLDEN,
        logits=logits.numpy(),
        logmel=logmel[0, :, ::20].T.numpy(),
        shapes=np.array(json.dumps(shapes)),
    )
    print(f"{GOLDEN}: {len(shapes)} tensors, logits {tuple(logits.shape)} of spread {logits.std():.3g}")


if __name__ == "__main__":
    main()
