"""What a large distillation takes, by arithmetic alone: from how much there is and how fast each step goes.

How the work is shared is that of the commands: `embed-teacher` decodes by one process with a thread for each core, then
embeds by one process for each accelerator, whose views a thread of its own renders meanwhile; `distill` makes the
student's spectrograms by one process, and trains by one process for each accelerator, which puts a batch together
before it trains on it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tinyclap.audio.checks import SHORTEST_MS
from tinyclap.common.row_store import BLOCK, BLOCK_ROWS

MEASURED, GIVEN, COUNTED = "measured here", "given", "counted"
HOUR_S = 3600.0
SAMPLE_BYTES, STORED_BYTES, NUMBER_BYTES = 2, 2, 4  # a decoded sample; a number of a store; a weight
MOMENTS = 2  # that Adam keeps of each weight


@dataclass(frozen=True)
class Range:
    """A figure between two bounds, and where it comes from."""

    low: float
    high: float
    source: str

    @classmethod
    def exactly(cls, value: float, source: str = COUNTED) -> "Range":
        """Both bounds the same."""
        return cls(value, value, source)

    @property
    def middle(self) -> float:
        """The geometric mean, 0 where a bound is."""
        return math.sqrt(self.low * self.high)

    def times(self, factor: float) -> "Range":
        """So many times as much."""
        return Range(self.low * factor, self.high * factor, self.source)

    def each(self) -> "Range":
        """Seconds for one, of a rate a second."""
        return Range(1 / self.high, 1 / self.low, self.source)


def both(*parts: Range) -> Range:
    """One after the other: the sum."""
    return Range(sum(part.low for part in parts), sum(part.high for part in parts), _sources(parts))


def slower(*parts: Range) -> Range:
    """At the same time: as long as the slowest takes."""
    low, high = max(part.low for part in parts), max(part.high for part in parts)
    return Range(low, high, max(parts, key=lambda part: part.middle).source)


@dataclass(frozen=True)
class Work:
    """How much there is.

    Attributes:
        clips: sounds.
        clip_s: seconds of each.
        windows: that they are decoded into; a clip longer than `data.max_clip_s` is several.
        views: of each window.
        sample_rates: at which each clip is decoded, Hz.
        dims: of each teacher's embedding.
        logmel: frames and mels of a stored spectrogram; None where they are made anew in every epoch.
        parameters: of the student.
        has_ema: whether an average of its weights is kept.
        epochs: of both stages.
        batch_size: clips.
    """

    clips: int
    clip_s: float
    windows: int
    views: int
    sample_rates: tuple[int, ...]
    dims: tuple[int, ...]
    logmel: tuple[int, int] | None
    parameters: int
    has_ema: bool
    epochs: int
    batch_size: int

    @property
    def rows(self) -> int:
        """Views of all windows."""
        return self.windows * self.views

    @property
    def trained(self) -> int:
        """Clips that all epochs train on: whole batches, one at least."""
        return self.epochs * max(1, self.windows // self.batch_size) * self.batch_size


@dataclass(frozen=True)
class Rates:
    """How fast each step goes, a second.

    Attributes:
        decode: seconds of sound that one process decodes.
        render: views that one process renders for the teacher.
        teacher: views that one accelerator embeds, by all teachers.
        spectrogram: views that one process renders for the student and makes the spectrogram of.
        assemble: stored spectrograms that one process puts into batches.
        train: clips that one accelerator trains on.
        sound_bytes: of the sound files, bytes for each second.
    """

    decode: Range
    render: Range
    teacher: Range
    spectrogram: Range
    assemble: Range
    train: Range
    sound_bytes: Range


@dataclass(frozen=True)
class Stage:
    """One step of the work.

    Attributes:
        hours: that it takes.
        workers: processes that share it.
        bound: what takes most of it, in words.
    """

    hours: Range
    workers: int
    bound: str


@dataclass(frozen=True)
class Estimate:
    """What it all takes.

    Attributes:
        storage: bytes by what they hold.
        stages: by name, in their order.
        accelerators: that share the work.
        cost: at a price, of the hours in which the accelerators are at work, and of all hours; empty without a price.
    """

    storage: Mapping[str, Range]
    stages: Mapping[str, Stage]
    accelerators: int
    cost: Mapping[str, Range] = field(default_factory=dict)

    @property
    def hours(self) -> Range:
        """Of all stages."""
        return both(*(stage.hours for stage in self.stages.values()))

    @property
    def longest(self) -> str:
        """The stage that takes longest."""
        return max(self.stages, key=lambda name: self.stages[name].hours.middle)

    @property
    def largest(self) -> str:
        """What takes the most storage."""
        return max(self.storage, key=lambda name: self.storage[name].middle)


def windows_of(clip_s: float, max_clip_s: float) -> int:
    """Into how many windows a clip is decoded, as `data.decoded` cuts it."""
    return 1 if clip_s <= max_clip_s else math.ceil((clip_s - SHORTEST_MS / 1000) / max_clip_s)


def estimate(work: Work, rates: Rates, *, accelerators: int = 1, price: float | None = None) -> Estimate:
    """What the work takes at these rates.

    Args:
        work: how much there is.
        rates: of one process or accelerator.
        accelerators: that share it.
        price: of an accelerator for an hour.
    """
    stages = _stages(work, rates, accelerators)
    cost = {}
    if price is not None:
        busy = [stages[name].hours for name in (TEACHER, TRAINING)]
        every = [stage.hours for stage in stages.values()]
        cost = {
            "at work": both(*busy).times(accelerators * price),
            "all hours": both(*every).times(accelerators * price),
        }
    return Estimate(storage(work, rates.sound_bytes), stages, accelerators, cost)


DECODING, TEACHER, SPECTROGRAMS, TRAINING = "decoding", "teacher", "spectrograms", "training"


def _stages(work: Work, rates: Rates, accelerators: int) -> dict[str, Stage]:
    render, teacher, train = rates.render.each(), rates.teacher.each(), rates.train.each()
    # Views that are not stored are rendered for every batch, before the training on it goes on.
    data = rates.assemble.each() if work.logmel else rates.spectrogram.each()
    seconds = work.clips * work.clip_s * len(work.sample_rates)
    stages = {
        DECODING: Stage(rates.decode.each().times(seconds / HOUR_S), 1, "one process decodes"),
        TEACHER: Stage(
            slower(render, teacher).times(work.rows / accelerators / HOUR_S),
            accelerators,
            "the teacher" if teacher.middle >= render.middle else "rendering views, one thread for each",
        ),
    }
    if work.logmel:
        stages[SPECTROGRAMS] = Stage(
            rates.spectrogram.each().times(work.rows / HOUR_S), 1, "one process renders and transforms"
        )
    stages[TRAINING] = Stage(
        both(data, train).times(work.trained / accelerators / HOUR_S),
        accelerators,
        "the student" if train.middle >= data.middle else "putting batches together",
    )
    return stages


def storage(work: Work, sound_bytes: Range) -> dict[str, Range]:
    """Bytes on the disk, as the files of the cache and of a run are laid out, but for headers."""
    marks = BLOCK.itemsize * -(-work.rows // BLOCK_ROWS)
    samples = work.clips * work.clip_s * sum(work.sample_rates)
    embeddings = sum(work.rows * dim * STORED_BYTES + marks for dim in work.dims)
    frames, mels = work.logmel or (0, 0)
    copies = 1 + MOMENTS + work.has_ema
    return {
        "sound files": sound_bytes.times(work.clips * work.clip_s),
        "decoded sound": Range.exactly(samples * SAMPLE_BYTES),
        "embeddings": Range.exactly(embeddings),
        "spectrograms": Range.exactly(work.rows * frames * mels * STORED_BYTES + (marks if work.logmel else 0)),
        # The new one is written whole before the old one goes.
        "checkpoint": Range.exactly(2 * copies * work.parameters * NUMBER_BYTES),
    }


def _sources(parts: tuple[Range, ...]) -> str:
    return "; ".join(dict.fromkeys(source for part in parts for source in part.source.split("; ")))
