"""Recipe sections on the frozen teacher, one a kind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.strict_yaml.sections import Count, Seconds, Section, Templates, Text

YEARS = (2022, 2023)  # of Microsoft's CLAPs; YAML reads an unquoted one as a number


class ClapTeacher(Section):
    """A frozen CLAP: `hf` is a transformers ClapModel (hub id, folder or the built-in `demo`), `laion` an original .pt
    file, `msclap` Microsoft's ("2022", "2023" or a .pth file), `dual` our own pair. `parity: original` keeps to the
    original code also where it does worse, for comparison with published numbers."""

    kind: Literal["hf", "laion", "msclap", "dual"]
    source: Annotated[Text, BeforeValidator(lambda value: str(value) if value in YEARS else value)]
    parity: Literal["original"] | None = None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.kind == "msclap" and not (self.source.endswith(".pth") or self.source in map(str, YEARS)):
            yield "source", f'got "{self.source}", allowed: "2022", "2023" or a .pth file with kind: msclap'
        if self.kind == "laion" and not self.source.endswith(".pt"):
            yield "source", f'got "{self.source}", allowed: a .pt file, or its name on the hub, with kind: laion'
        if self.kind == "dual" and self.parity:
            yield "parity", 'got "original", allowed: null with kind: dual, which has no other original'

    def files(self) -> dict[str, str]:
        """What it names on this machine, by key."""
        return {"source": self.source} if self.kind == "dual" or _is_path(self.source) else {}

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return Path(self.source).exists()


class TaggerTeacher(Section):
    """An audio tagger and a sentence encoder, which is a CLAP too. `space: tags` embeds sounds and texts as mixtures of
    the tagger's classes, `space: names` in the sentence encoder's own space."""

    kind: Literal["tagger"]
    audio: Text = "mn04_as"
    text: Text = "sentence-transformers/all-MiniLM-L6-v2"
    classes: Text | None = None
    outputs: Literal["logits", "probabilities"] = "logits"
    sample_rate: Count | None = None
    window_s: Seconds | None = None
    space: Literal["tags", "names"] = "tags"
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.1
    calibrated: bool = True

    def conflicts(self) -> Iterator[tuple[str, str]]:
        is_graph = self.audio.endswith(".onnx")
        if is_graph and self.classes is None:
            yield "classes", "got null, allowed: a file with the names of the classes, where audio is an ONNX graph"
        for key, default in (("classes", None), ("outputs", "logits"), ("sample_rate", None), ("window_s", None)):
            if not is_graph and getattr(self, key) != default:
                yield key, f"got {getattr(self, key)}, allowed: nothing here, unless audio is an ONNX graph"

    def files(self) -> dict[str, str]:
        """What it names on this machine, by key."""
        named = {"audio": self.audio} if self.audio.endswith((".pt", ".onnx")) else {}
        named |= {"classes": self.classes} if self.classes else {}
        return named | ({"text": self.text} if _is_path(self.text) else {})

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine; its name is no hub id in any case."""
        return True


class OnnxTeacher(Section):
    """A CLAP as two ONNX graphs. What an audio graph does not say itself (those of `tinyclap convert` do) is said here:
    with `frontend` it takes log-mel spectrograms, else waveforms."""

    kind: Literal["onnx"]
    audio: Text
    text: Text
    tokenizer: Text
    sample_rate: Count | None = None
    window_s: Seconds | None = None
    frontend: FrontendSpec | None = None
    max_tokens: Count = 77
    prompts: Templates = ("This is a sound of {}.",)
    logit_scale: Annotated[float, Field(gt=0, le=1000)] = 20.0
    licence: Text = "unknown"

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if self.frontend and self.sample_rate not in (None, self.frontend.sample_rate):
            yield "sample_rate", f"got {self.sample_rate}, allowed: the front end's, {self.frontend.sample_rate}"

    def files(self) -> dict[str, str]:
        """What it names on this machine, by key."""
        return {"audio": self.audio, "text": self.text, "tokenizer": self.tokenizer}

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return True


AnyTeacher = Annotated[ClapTeacher | TaggerTeacher | OnnxTeacher, Field(discriminator="kind")]


def _is_path(source: str) -> bool:
    """Whether a source can only be a path: on the hub an id is `owner/name`, and a file's name has no "/"."""
    return source.startswith(("/", ".", "~")) or source.count("/") > 1 or ("/" in source and ".pt" in source)
