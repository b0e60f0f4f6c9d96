"""An audio tagger that is an ONNX graph with a list of its classes."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from tinyclap.errors import TinyclapError
from tinyclap.teachers.class_names import read_classes
from tinyclap.teachers.onnx_graphs import OnnxAudio, files_fingerprint
from tinyclap.teachers.options import TaggerOptions

LEAST_PROBABILITY = 1e-7


class OnnxTagger(nn.Module):
    """A `tagger.Tagger` that is a graph: windows of sound to a logit or a probability for each class."""

    def __init__(self, audio: OnnxAudio, classes: tuple[str, ...], outputs: Literal["logits", "probabilities"]) -> None:
        super().__init__()
        self.graph, self.classes, self.outputs = audio, classes, outputs
        self.name = str(audio.facts.get("name") or audio.path.stem)
        self.licence = str(audio.facts.get("licence") or "unknown")
        self.sample_rate, self.window_s = audio.sample_rate, audio.window_s
        if audio.embed_dim != len(classes):
            raise TinyclapError(
                f"teacher.classes: {len(classes)} names for the {audio.embed_dim} outputs of {audio.path}; give its own"
            )
        self._fingerprint = files_fingerprint([audio.path], [vars(audio.frontend) if audio.frontend else None])

    def forward(self, windows: Tensor) -> Tensor:
        """Waveforms (B, samples) to logits (B, classes)."""
        values = torch.from_numpy(self.graph.compute(windows.cpu().numpy()))
        if self.outputs == "logits":
            return values
        if values.min() < 0 or values.max() > 1:
            raise TinyclapError(f"{self.graph.path}: outputs outside 0 ... 1 are no probabilities; set outputs: logits")
        return values.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY).logit()

    def costs(self) -> dict[str, int | None]:
        """`parameters` of the graph; `macs` where it says them."""
        return self.graph.costs()

    def preprocessing(self) -> dict[str, object]:
        """What changes a logit: the graph too, as it has no weights here."""
        return {"graph": self._fingerprint, "outputs": self.outputs, "window_s": self.window_s}


def load_onnx_tagger(options: TaggerOptions) -> OnnxTagger:
    """The tagger that `options.audio` names, a graph; raises as `OnnxAudio`, `read_classes` and `OnnxTagger` do."""
    assert options.classes is not None
    classes = read_classes(Path(options.classes).expanduser())
    audio = Path(options.audio).expanduser()
    return OnnxTagger(
        OnnxAudio(audio, sample_rate=options.sample_rate, window_s=options.window_s), classes, options.outputs
    )
