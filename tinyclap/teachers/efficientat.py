"""The audio taggers of EfficientAT: by the name of a published model, or a .pt file of its layout."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from tinyclap.audio.log_mel.emphasised import EmphasisedSpec
from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.errors import TinyclapError, listed
from tinyclap.hardware.traced_costs import count_macs, n_parameters
from tinyclap.models import checkpoints
from tinyclap.models.mobilenet_tagger import LAST, MobileNetTagger
from tinyclap.runtime.published_weights import PUBLISHED, Published, fetched
from tinyclap.teachers.class_names import AUDIOSET_CLASSES

LICENCE = "mit"
QUIETEST_DBFS = -40.0  # quieter windows are raised to it: benchmarks/esc50/levels
WINDOW_S = 5.0  # a tenth of a second to ten seconds serve; shorter windows follow short sounds


class EfficientAT(nn.Module):
    """A tagger of 527 AudioSet classes; see `tagger.Tagger`.

    Args:
        network: the classifier of spectrograms.
        spec: its front end.
        name: what a report calls it.
    """

    licence = LICENCE
    window_s = WINDOW_S
    classes = AUDIOSET_CLASSES

    def __init__(self, network: MobileNetTagger, spec: EmphasisedSpec, name: str) -> None:
        super().__init__()
        self.network, self.frontend, self.name = network, LogMel(spec), name
        self.sample_rate = spec.sample_rate
        self.requires_grad_(False).eval()

    def forward(self, windows: Tensor) -> Tensor:
        """Waveforms (B, samples) to logits (B, classes)."""
        return self.network(self.frontend(windows))

    def costs(self) -> dict[str, int | None]:
        """`parameters`, and `macs` of one window without the front end."""
        spec = self.frontend.spec
        logmel = torch.zeros(1, 1, spec.n_frames(round(self.window_s * self.sample_rate)), spec.n_mels)
        return {"parameters": n_parameters(self.network), "macs": count_macs(self.cpu(), self.network, logmel)}

    def preprocessing(self) -> dict[str, object]:
        """Everything besides the weights that changes a logit (JSON-ready)."""
        return {"frontend": self.frontend.spec.key(), "window_s": self.window_s}


def load_efficientat(source: str) -> EfficientAT:
    """Load a tagger.

    Args:
        source: a name such as mn04_as, which is downloaded once, or a .pt file; files named *hop_N* and *mels_N* have
            these front ends.

    Raises:
        TinyclapError: no such name or file, no network, or other weights.
    """
    path, published = located(source)
    held = checkpoints.read(path)
    if not isinstance(held, Mapping) or "classifier.5.bias" not in held or "features.0.0.weight" not in held:
        found = listed(list(held)[:3]) if isinstance(held, Mapping) else type(held).__name__
        raise TinyclapError(
            f"{path} is no checkpoint of EfficientAT with its usual head: expected weights of features.* and "
            f"classifier.5, found {found}"
        )
    n_classes, hidden = held["classifier.5.weight"].shape
    if n_classes != len(AUDIOSET_CLASSES):
        raise TinyclapError(f"{path}: {n_classes} classes; AudioSet has {len(AUDIOSET_CLASSES)}")
    network = MobileNetTagger(hidden / LAST, n_classes)
    checkpoints.load_published(network, held, path.name, "EfficientAT's MobileNetV3", ())
    spec = EmphasisedSpec(hop_length=published.hop_length, n_mels=published.n_mels, raise_to_dbfs=QUIETEST_DBFS)
    return EfficientAT(network, spec, re.sub(r"_mAP_\d+.*$", "", path.stem))


def located(source: str) -> tuple[Path, Published]:
    """A checkpoint's file, fetched where `source` names a published one, and what is known of it; see above."""
    path = Path(source).expanduser()
    if path.suffix == ".pt":
        if not path.is_file():
            raise TinyclapError(f"teacher.audio: there is no file {source}")
        hop, mels = re.search(r"hop_(\d+)", path.stem), re.search(r"mels_(\d+)", path.stem)
        hop_length = 32 * int(hop[1]) if hop else Published.hop_length
        return path, Published(path.name, hop_length=hop_length, n_mels=int(mels[1]) if mels else Published.n_mels)
    if source not in PUBLISHED:
        raise TinyclapError(f"teacher.audio: got {source!r}, allowed: a .pt file, a .onnx file, {', '.join(PUBLISHED)}")
    published = PUBLISHED[source]
    remedy = f"put it at {published.weights.place}, or give the file's path"
    return fetched(published.weights, remedy), published
