"""Several teachers as one: their embeddings side by side (`embeddings.joint_space`), of sounds and of texts.

Each is stored and evaluated at its own sample rate where that is done teacher by teacher; whoever asks for all at once
gives sound at the highest rate, which is brought to the others' here.
"""

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np
import soxr
import torch
from torch import Tensor

from tinyclap.data.dataset import Dataset
from tinyclap.embeddings.joint_space import Head, heads_of
from tinyclap.errors import TinyclapError
from tinyclap.teachers.encoder import AudioGraph, Encoder, Teacher, TextGraph, TextTarget


class JointTeacher:
    """A `Teacher` (see `encoder`) made of several.

    Args:
        names: of the heads.
        teachers: one for each.
        weights: of each, above 0.

    Attributes:
        teachers: as given.
        heads: their parts of the space.
        prompts: of all, each once; class vectors are made of each teacher's own where nobody chooses others.

    Raises:
        TinyclapError: fewer than two, or the same teacher twice.
    """

    def __init__(self, names: Sequence[str], teachers: Sequence[Teacher], weights: Sequence[float]) -> None:
        if len(teachers) < 2:
            raise TinyclapError("teachers: give two or more; one alone is what `teacher` is for")
        self.teachers = tuple(teachers)
        self.heads = heads_of(names, [teacher.embed_dim for teacher in teachers], weights)
        self._refuse_same()
        self.embed_dim = sum(head.dim for head in self.heads)
        self.sample_rate = max(teacher.sample_rate for teacher in teachers)
        self.window_s = max(teacher.window_s for teacher in teachers)
        self.name = "; ".join(f"{head.name}: {teacher.name}" for head, teacher in self._pairs)
        self.licence = ", ".join(dict.fromkeys(teacher.licence for teacher in teachers))
        self.prompts = tuple(dict.fromkeys(prompt for teacher in teachers for prompt in teacher.prompts))

    @property
    def _pairs(self) -> list[tuple[Head, Teacher]]:
        return list(zip(self.heads, self.teachers, strict=True))

    def _refuse_same(self) -> None:
        met: dict[str, str] = {}
        for head, teacher in self._pairs:
            other = met.setdefault(teacher.fingerprint, head.name)
            if other != head.name:
                raise TinyclapError(
                    f"teachers: {other} and {head.name} are the same teacher, {teacher.name}; name it once, with a "
                    "larger weight if it shall count more"
                )

    @property
    def fingerprint(self) -> str:
        """Hex hash of the teachers' fingerprints and weights."""
        parts = [[teacher.fingerprint, head.share] for head, teacher in self._pairs]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    @property
    def logit_scale(self) -> float:
        """The mean of the teachers', by weight: cosines are such means too."""
        return sum(head.share * teacher.logit_scale for head, teacher in self._pairs)

    def costs(self) -> dict[str, int | None]:
        """The sum of all; None for what one does not know."""
        each = [teacher.costs() for teacher in self.teachers]
        known = {key: [one.get(key) for one in each] for key in ("parameters", "macs")}
        return {
            key: None if None in values else sum(value for value in values if value is not None)
            for key, values in known.items()
        }

    def to(self, device: str | torch.device) -> "JointTeacher":
        """Compute on this device from now on, where each can."""
        for teacher in self.teachers:
            teacher.to(device)
        return self

    def embed_audio(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (B, T) at the highest rate, of these lengths (B,), to unit-norm (B, D)."""
        if lengths is None:
            lengths = torch.full((len(waveforms),), waveforms.shape[1])
        rates = {teacher.sample_rate for teacher in self.teachers}
        at_rate = {rate: _resampled(waveforms, lengths, self.sample_rate, rate) for rate in rates}
        return self._joined(lambda teacher: teacher.embed_audio(*at_rate[teacher.sample_rate]))

    def embed_text(self, texts: list[str]) -> Tensor:
        """Embed N texts: unit-norm (N, D)."""
        return self._joined(lambda teacher: teacher.embed_text(texts))

    def _joined(self, embed: Callable[[Teacher], Tensor]) -> Tensor:
        return torch.cat([head.length * embed(teacher).float().cpu() for head, teacher in self._pairs], dim=-1)

    def text_target(self) -> TextTarget:
        """What all of them say of a text; a text student begins with the first known tokens."""
        each = [teacher.text_target() for teacher in self.teachers]
        begin = next((target for target in each if target.table is not None), each[0])
        counts = [target.parameters for target in each]
        return TextTarget(
            self.embed_text,
            self.embed_dim,
            self.fingerprint,
            tokenizer=begin.tokenizer,
            table=begin.table,
            name="; ".join(target.name for target in each),
            licence=", ".join(dict.fromkeys(target.licence for target in each)),
            parameters=None if None in counts else sum(count for count in counts if count is not None),
        )

    def prepare_dataset(self, dataset: Dataset) -> Dataset:
        """As it is: mixed to mono."""
        return dataset

    def audio_graph(self) -> AudioGraph:
        """Several towers are no one graph: raises TinyclapError."""
        raise TinyclapError(f"teachers {self.name}: each has an audio tower of its own; name one of them as `teacher`")

    def text_graph(self) -> TextGraph:
        """Several towers with tokenizers of their own are no one graph: raises TinyclapError."""
        names = " or ".join(f"--head {head.name}" for head in self.heads)
        raise TinyclapError(
            f"teachers {self.name}: each reads texts with a tower of its own, and a bundle has one; give the recipe a "
            f"section `text`, whose student learns the words of all, or export one head with its teacher's: {names}"
        )


def encoders_in(teacher: Encoder) -> Sequence[Encoder]:
    """Several teachers one by one, or the one there is."""
    return teacher.teachers if isinstance(teacher, JointTeacher) else [teacher]


def heads_in(teacher: Teacher) -> tuple[Head, ...]:
    """The heads of several teachers; none of one."""
    return teacher.heads if isinstance(teacher, JointTeacher) else ()


def chosen_head(heads: Sequence[Head], name: str, where: str) -> int:
    """The number of the head of this name; TinyclapError where there is none, `where` naming the run."""
    names = [head.name for head in heads]
    if name not in names:
        raise TinyclapError(f"{where} has no head {name}; allowed: {', '.join(names)}")
    return names.index(name)


def _resampled(waveforms: Tensor, lengths: Tensor, rate: int, wanted: int) -> tuple[Tensor, Tensor]:
    """Clips (B, T) of these lengths at another rate, zeros behind shorter ones, and their lengths there."""
    if rate == wanted:
        return waveforms, lengths
    clips = [
        torch.from_numpy(np.ascontiguousarray(soxr.resample(clip[:length].cpu().numpy(), rate, wanted, quality="HQ")))
        for clip, length in zip(waveforms, lengths.tolist(), strict=True)
    ]
    padded = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    return padded, torch.tensor([len(clip) for clip in clips])
