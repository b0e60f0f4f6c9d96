"""A CLAP made of a tagger and a sentence encoder: their common language is the names of the tagger's classes.

A tagger says how probable each of its classes is in a sound; a sentence encoder says how near a text is to the name of
each class. Two spaces follow, and both are zero-shot:

- **tags**: the space has one dimension a class. A sound is its probabilities, a text the softmax of its similarities to
  the class names.
- **names**: the space is the sentence encoder's. A sound is the sum of the class names' embeddings, weighted by their
  probabilities (ConSE: Norouzi et al., arXiv 1312.5650), a text its own embedding.

Both centre the sentence encoder's embeddings on the mean of the class names. A tagger finds some classes in everything
(speech and music make up most of AudioSet), so what it says of sounds without a subject is taken away first: its mean
logits on generated sounds ("Calibrate Before Use", Zhao et al., arXiv 2102.09690; logit adjustment, Menon et al., arXiv
2007.07314).
"""

import hashlib
import json
import warnings
from typing import Any, Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyclap.common.progress import Progress
from tinyclap.data.dataset import Dataset
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.errors import TinyclapError, listed
from tinyclap.hardware.traced_costs import n_parameters
from tinyclap.models.long_audio import embed_long, repeat_pad
from tinyclap.models.placement import Placement
from tinyclap.teachers.base import hash_weights
from tinyclap.teachers.encoder import AudioGraph, TextGraph, TextTarget, token_table
from tinyclap.teachers.options import Space, TaggerOptions
from tinyclap.teachers.sentence_encoder import SentenceEncoder
from tinyclap.teachers.stored_embeddings import remembered

PROMPTS = ("{}", "the sound of {}")
CALIBRATION_CLIPS, CALIBRATION_S = 120, 5.0
LOGIT_SCALES = {"tags": 14.0, "names": 10.0}  # between cosine and logits
ALIKE = 0.999  # cosine between the names of two classes that are one to a text encoder


class Tagger(Protocol):
    """Says which of its classes are in a window of sound.

    Attributes:
        name, licence, sample_rate, window_s: as of `encoder.AudioModel`.
        classes: their names, in the order of the logits.
    """

    name: str
    licence: str
    sample_rate: int
    window_s: float
    classes: tuple[str, ...]

    def __call__(self, windows: Tensor) -> Tensor:
        """Waveforms (B, round(window_s * sample_rate)) to logits (B, classes)."""
        ...

    def costs(self) -> dict[str, int | None]:
        """As `encoder.AudioModel.costs`."""
        ...

    def preprocessing(self) -> dict[str, object]:
        """Everything besides the weights that changes a logit (JSON-ready)."""
        ...


class TaggerTeacher(nn.Module):
    """A `Teacher` (see `encoder`) made of a tagger and a sentence encoder.

    Args:
        tagger: an nn.Module that is a `Tagger`.
        text: the sentence encoder.
        space: `tags` or `names`; see above.
        temperature: of a text's similarities to the class names, in the space of tags.
        calibrated: take away what the tagger says of generated sounds.

    Raises:
        TinyclapError: fewer than two classes.
    """

    prompts: tuple[str, ...] = PROMPTS

    def __init__(
        self,
        tagger: nn.Module,
        text: SentenceEncoder,
        *,
        space: Space = "tags",
        temperature: float = TaggerOptions.temperature,
        calibrated: bool = True,
    ) -> None:
        super().__init__()
        self.tagger, self.text, self.space, self.temperature = tagger, text, space, temperature
        self.calibrated = calibrated
        own = self._as_tagger
        if len(own.classes) < 2:
            raise TinyclapError(f"teacher {own.name}: {len(own.classes)} classes; a tagger needs two at least")
        self.name = f"{own.name} + {text.name}"
        self.licence = own.licence if space == "tags" else f"{own.licence}, {text.licence}"
        self.sample_rate, self.window_s = own.sample_rate, own.window_s
        self.embed_dim = len(own.classes) if space == "tags" else text.embed_dim
        self.logit_scale = LOGIT_SCALES[space]
        self._fingerprint: str | None = None
        self._prior: Tensor | None = None
        self._names: tuple[Tensor, Tensor] | None = None

    @property
    def _as_tagger(self) -> Tagger:
        return cast(Tagger, self.tagger)

    @property
    def window(self) -> int:
        """Samples in one window."""
        return round(self.window_s * self.sample_rate)

    @property
    def fingerprint(self) -> str:
        """Hex hash of weights and preprocessing."""
        if self._fingerprint is None:
            parts = [self._tagger_fingerprint(), self.text.fingerprint, self.space, self.temperature, list(PROMPTS)]
            self._fingerprint = hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
        return self._fingerprint

    def _tagger_fingerprint(self) -> str:
        own = self._as_tagger
        calibration = [CALIBRATION_CLIPS, CALIBRATION_S] if self.calibrated else None
        values = [own.preprocessing(), list(own.classes), calibration]
        total = hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16)
        hash_weights(total, self.tagger)
        return total.hexdigest()

    @torch.no_grad()
    def embed_audio(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (B, T), of these lengths (B,), to unit-norm (B, D); see `Encoder.embed_audio`."""
        self.placed(torch.zeros(1, len(self._as_tagger.classes)))  # here, what is made once, and not in several threads
        waveforms = waveforms.to(self._device)
        return embed_long(waveforms, lengths, self.encode_audio, window=self.window, pad=self.pad)

    def encode_audio(self, windows: Tensor) -> Tensor:
        """Windows (B, samples) to unit-norm (B, D)."""
        return self.placed(self.tagger(windows))

    def placed(self, logits: Tensor) -> Tensor:
        """The tagger's logits (B, classes) in the shared space, unit-norm (B, D)."""
        names = self.class_names[0].to(logits.device) if self.space == "names" else None
        return _placed(logits, self.prior.to(logits.device), names)

    def embed_text(self, texts: list[str]) -> Tensor:
        """N texts to unit-norm (N, D)."""
        with torch.no_grad():
            return self.placed_text(self.text.embed(texts))

    def placed_text(self, sentences: Tensor) -> Tensor:
        """The sentence encoder's embeddings (N, E) in the shared space, unit-norm (N, D)."""
        return self.placement().to(sentences.device)(sentences)

    def placement(self) -> Placement:
        """From sentences to the shared space."""
        names, mean = self.class_names
        return Placement(mean, names if self.space == "tags" else None, self.temperature)

    def pad(self, waveform: Tensor) -> Tensor:
        """A clip (t,) shorter than a window, repeated to one."""
        return repeat_pad(waveform, self.window)

    @property
    def prior(self) -> Tensor:
        """What is taken from the logits, (classes,): their means on generated sounds, zero on average."""
        if self._prior is None:
            n_classes = len(self._as_tagger.classes)
            means = self._calibration_logits() if self.calibrated else np.zeros(n_classes, np.float32)
            self._prior = torch.from_numpy(means - means.mean())
        return self._prior

    def _calibration_logits(self) -> np.ndarray:
        key = ["tagger prior", self._tagger_fingerprint()]
        return remembered(key, self._mean_logits, f"teacher {self.name}")

    @torch.no_grad()
    def _mean_logits(self) -> np.ndarray:
        sounds = Procedural(CALIBRATION_CLIPS, duration_s=CALIBRATION_S)
        total = torch.zeros(len(self._as_tagger.classes), dtype=torch.float64)
        with Progress(f"{self._as_tagger.name} is calibrated", len(sounds), "clip") as progress:
            for number in range(len(sounds)):
                sound = torch.from_numpy(sounds.load(number, self.sample_rate))[: self.window]
                logits = self.tagger(repeat_pad(sound, self.window)[None].to(self._device))
                total += logits[0].double().cpu()
                progress.update(1)
        return (total / len(sounds)).float().numpy()

    @property
    def class_names(self) -> tuple[Tensor, Tensor]:
        """Class names, centred and of unit norm, (classes, E), and their mean (E,)."""
        if self._names is None:
            key = ["class names", self.text.fingerprint, *PROMPTS, *self._as_tagger.classes]
            embeddings = torch.from_numpy(remembered(key, self._embedded_names, f"teacher {self.name}"))
            mean = embeddings.mean(0)
            self._names = F.normalize(embeddings - mean, dim=-1), mean
            self._warn_of_twins(self._names[0])
        return self._names

    def _embedded_names(self) -> np.ndarray:
        """The class names as the mean of all prompts, unit-norm (classes, E)."""
        total = sum(
            self.text.embed([prompt.format(name.lower()) for name in self._as_tagger.classes]) for prompt in PROMPTS
        )
        return F.normalize(cast(Tensor, total), dim=-1).cpu().numpy()

    def _warn_of_twins(self, names: Tensor) -> None:
        alike = torch.triu(names @ names.T, diagonal=1) > ALIKE
        pairs = [f"{self._as_tagger.classes[a]} and {self._as_tagger.classes[b]}" for a, b in alike.nonzero().tolist()]
        if pairs:
            warnings.warn(f"teacher {self.name}: {self.text.name} cannot tell apart {listed(pairs)}", stacklevel=3)

    def costs(self) -> dict[str, int | None]:
        """The tagger's `parameters`, and `macs` of one window."""
        return self._as_tagger.costs()

    def prepare_dataset(self, dataset: Dataset) -> Dataset:
        """A data set as this teacher reads its files: as it is."""
        return dataset

    def audio_graph(self) -> AudioGraph:
        """The tagger in a form that can be traced; raises TinyclapError for one that is a graph already."""
        frontend, network = getattr(self.tagger, "frontend", None), getattr(self.tagger, "network", None)
        if frontend is None or network is None:
            raise TinyclapError(f"teacher {self.name}: its tagger is a graph already")
        self.cpu()
        return AudioGraph(frontend, _Placed(network, self), self.window, self.encode_audio)

    def text_target(self) -> TextTarget:
        """The sentences, which a text student learns; they are placed in the shared space afterwards."""
        text = self.text
        table = token_table(text.encoder, text.tokenizer)
        facts: Any = {"name": text.name, "licence": text.licence, "parameters": n_parameters(text.encoder)}
        return TextTarget(
            text.embed, text.embed_dim, text.fingerprint, self.placement(), text.tokenizer, table, **facts
        )

    def text_graph(self) -> TextGraph:
        """The text side in a form that can be traced."""
        self.cpu()
        return TextGraph(
            _PlacedText(self), self.text.tokenizer, int(self.text.tokenizer.pad_token_id), self.text.max_tokens
        )

    @property
    def _device(self) -> torch.device:
        return next((parameter.device for parameter in self.parameters()), torch.device("cpu"))


class _Placed(nn.Module):
    """Log-mel windows to the shared space."""

    prior: Tensor
    names: Tensor | None

    def __init__(self, network: nn.Module, teacher: TaggerTeacher) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("prior", teacher.prior)
        self.register_buffer("names", teacher.class_names[0] if teacher.space == "names" else None)

    def forward(self, logmel: Tensor) -> Tensor:
        return _placed(self.network(logmel), self.prior, self.names)


class _PlacedText(nn.Module):
    """Token ids and mask to the shared space."""

    def __init__(self, teacher: TaggerTeacher) -> None:
        super().__init__()
        self.text, self.placement = teacher.text, teacher.placement()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        placed: Tensor = self.placement(self.text(input_ids, attention_mask))
        return placed


def _placed(logits: Tensor, prior: Tensor, names: Tensor | None) -> Tensor:
    """Logits (B, classes) as their probabilities or, with the class names (classes, E), as sums of these."""
    probabilities = (logits - prior).sigmoid()
    return F.normalize(probabilities if names is None else probabilities @ names, dim=-1)
