"""Settings of the teachers that take more than a source, as recipes state them in `teacher`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MinLen

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.settings import Conflicts, PathText, Settings, Text
from tinyclap.runtime.published_weights import PUBLISHED

Rate = Annotated[int, Ge(1)]
Seconds = Annotated[float, Gt(0), Le(3600)]
Space = Literal["tags", "names"]
OF_GRAPHS = ("classes", "sample_rate", "window_s")


@dataclass(frozen=True)
class TaggerOptions(Settings):
    """An audio tagger and a sentence encoder, which together are a CLAP.

    Args:
        audio: a tagger of EfficientAT by name (mn04_as), its .pt file, or an ONNX graph of any tagger.
        text: any text encoder of `transformers`, by hub id or folder.
        classes: file with the names of a graph's classes, in the order of its outputs.
        outputs: what a graph's are, `logits` or `probabilities`.
        sample_rate: of a graph that does not say it, Hz.
        window_s: of a graph that does not say it, seconds.
        space: `tags`, mixtures of the tagger's classes, or `names`, the sentence encoder's own space.
        temperature: of a text's similarities to the class names, in the space of tags.
        calibrated: subtract what the tagger says of generated sounds.
    """

    place: ClassVar[str] = "teacher"

    audio: PathText = "mn04_as"
    text: PathText = "sentence-transformers/all-MiniLM-L6-v2"
    classes: PathText | None = None
    outputs: Literal["logits", "probabilities"] = "logits"
    sample_rate: Rate | None = None
    window_s: Seconds | None = None
    space: Space = "tags"
    temperature: Annotated[float, Gt(0), Le(10)] = 0.1
    calibrated: bool = True

    @property
    def is_graph(self) -> bool:
        """Whether the tagger is an ONNX graph."""
        return self.audio.endswith(".onnx")

    def conflicts(self) -> Conflicts:
        if not self.audio.endswith((".pt", ".onnx")) and self.audio not in PUBLISHED:
            yield "audio", f"a .pt file, a .onnx file, or one of {', '.join(PUBLISHED)}"
        if self.is_graph and self.classes is None:
            yield "classes", "a file with the names of the classes, where audio is an ONNX graph"
        for name in () if self.is_graph else OF_GRAPHS:
            if getattr(self, name) is not None:
                yield name, "null unless audio is an ONNX graph"
        if not self.is_graph and self.outputs != "logits":
            yield "outputs", '"logits" unless audio is an ONNX graph'


@dataclass(frozen=True)
class OnnxOptions(Settings):
    """A CLAP as two ONNX graphs; what an audio graph does not say itself (those of `tinyclap convert` do) is said here.

    Args:
        audio: graph from waveforms, or with `frontend` from log-mel spectrograms, to embeddings.
        text: graph from token ids and their mask to embeddings.
        tokenizer: its tokenizer.json.
        sample_rate: of the waveforms, Hz.
        window_s: of the stretch that is embedded at once, seconds.
        frontend: of its spectrograms; null for waveforms.
        max_tokens: to which texts are cut.
        prompts: templates with {} for the class name.
        logit_scale: the factor between cosine similarity and logits.
        licence: of the weights.
    """

    place: ClassVar[str] = "teacher"

    audio: PathText
    text: PathText
    tokenizer: PathText
    sample_rate: Rate | None = None
    window_s: Seconds | None = None
    frontend: FrontendSpec | None = None
    max_tokens: Annotated[int, Ge(1)] = 77
    prompts: Annotated[tuple[Text, ...], MinLen(1)] = ("This is a sound of {}.",)
    logit_scale: Annotated[float, Gt(0), Le(1000)] = 20.0
    licence: Text = "unknown"

    def conflicts(self) -> Conflicts:
        if self.frontend is not None and self.sample_rate not in (None, self.frontend.sample_rate):
            yield "sample_rate", f"the front end's, {self.frontend.sample_rate}"
        if any(prompt.count("{}") != 1 for prompt in self.prompts):
            yield "prompts", "texts with {} once, where the class name goes"
