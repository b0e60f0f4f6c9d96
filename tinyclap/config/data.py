"""Recipe sections on sound: data sets."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from tinyclap.data.shards.addresses import expand
from tinyclap.errors import TinyclapError
from tinyclap.strict_yaml.sections import Labels, PathText, Seconds, Section, Seed, Share, Text

if TYPE_CHECKING:
    from tinyclap.data.decoded import DecodeLimits


def _one_or_several(value: Any) -> str:
    return "several" if isinstance(value, list | tuple) else "one"


class DataSpec(Section):
    """Keys that every data set takes: which classes to keep or to leave out, and how often its clips are used."""

    labels: Labels | None = None
    exclude_labels: Labels | None = None
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0

    def conflicts(self) -> Iterator[tuple[str, str]]:
        both = sorted(set(self.labels or ()) & set(self.exclude_labels or ()))
        if both:
            yield "exclude_labels", f"{', '.join(both)} also stands in labels; a class is either kept or left out"


class Esc50Data(DataSpec):
    """ESC-50's official layout (meta/esc50.csv, audio/); `folds: null` takes all five."""

    kind: Literal["esc50"]
    root: PathText = "data/ESC-50"
    folds: Annotated[tuple[Annotated[int, Field(ge=1, le=5)], ...], Field(min_length=1)] | None = None
    esc10: bool = False
    download: bool = False


class UrbanSound8kData(DataSpec):
    """UrbanSound8K's official layout (metadata/UrbanSound8K.csv, audio/fold1 to audio/fold10)."""

    kind: Literal["urbansound8k"]
    root: PathText = "data/UrbanSound8K"
    folds: Annotated[tuple[Annotated[int, Field(ge=1, le=10)], ...], Field(min_length=1)] | None = None
    download: bool = False


class Tut2017Data(DataSpec):
    """One set of TUT Acoustic Scenes 2017 (meta.txt, evaluation_setup/, audio/); a fold is what its setup tests on."""

    kind: Literal["tut2017"]
    root: PathText
    split: Literal["development", "evaluation"] = "evaluation"
    folds: Annotated[tuple[Annotated[int, Field(ge=1, le=4)], ...], Field(min_length=1)] | None = None
    download: bool = False

    def conflicts(self) -> Iterator[tuple[str, str]]:
        yield from super().conflicts()
        if self.split == "evaluation" and self.folds is not None:
            yield "folds", "the evaluation set has none; allowed: null, or split: development"


class AudioCapsData(DataSpec):
    """AudioCaps (train.csv beside train/, and so on); clips that YouTube has lost are counted and left out."""

    kind: Literal["audiocaps"]
    root: PathText = "data/AudioCaps"
    splits: Annotated[tuple[Literal["train", "val", "test"], ...], Field(min_length=1)] = ("train",)


class ClothoData(DataSpec):
    """Clotho (clotho_captions_development.csv beside development/, and so on)."""

    kind: Literal["clotho"]
    root: PathText = "data/Clotho"
    splits: Annotated[tuple[Literal["development", "validation", "evaluation"], ...], Field(min_length=1)] = (
        "development",
    )


class MacsData(DataSpec):
    """MACS (MACS.yaml beside the audio/ of TAU Urban Acoustic Scenes 2019)."""

    kind: Literal["macs"]
    root: PathText = "data/MACS"
    download: bool = False


class Fsd50kData(DataSpec):
    """FSD50K (FSD50K.ground_truth/, FSD50K.dev_audio/ with the splits train and val, FSD50K.eval_audio/)."""

    kind: Literal["fsd50k"]
    root: PathText = "data/FSD50K"
    splits: Annotated[tuple[Literal["train", "val", "eval"], ...], Field(min_length=1)] = ("train", "val")


class GigaSpeechData(DataSpec):
    """GigaSpeech, with transcripts as captions (GigaSpeech.json beside audio/, or data/ as on the hub)."""

    kind: Literal["gigaspeech"]
    root: PathText = "data/GigaSpeech"
    subset: Literal["XS", "S", "M", "L", "XL", "DEV", "TEST"] = "XS"


class FolderData(DataSpec):
    """A folder of audio files; a sub-folder's name is the label of the files in it."""

    kind: Literal["folder"]
    root: PathText


class ManifestData(DataSpec):
    """A CSV or JSON Lines file that lists clips; relative paths start at `root`, by default the manifest's folder."""

    kind: Literal["manifest"]
    path: PathText
    root: PathText | None = None
    folds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    splits: Labels | None = None


class ShardsData(DataSpec):
    """WebDataset tars of `N.flac` (or another sound) with `N.json` or `N.txt`: files, or at http(s), s3, gs, ..."""

    kind: Literal["shards"]
    urls: Annotated[
        Annotated[Text, Tag("one")] | Annotated[Annotated[tuple[Text, ...], Field(min_length=1)], Tag("several")],
        Discriminator(_one_or_several),
    ]
    folds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    splits: Labels | None = None

    @property
    def patterns(self) -> tuple[str, ...]:
        """The urls as a list."""
        return (self.urls,) if isinstance(self.urls, str) else self.urls

    def conflicts(self) -> Iterator[tuple[str, str]]:
        yield from super().conflicts()
        try:
            expand(self.patterns)
        except TinyclapError as error:
            yield "urls", str(error).removeprefix("urls: ")


class HfData(DataSpec):
    """A data set of the Hugging Face hub, or a folder as it writes them: parquet with sounds, or files with metadata.

    Attributes:
        source: on the hub, `owner/name`; or a folder.
        config: which of several that it holds.
        split: which part of it.
        revision: branch, tag or commit on the hub; null for the newest.
        streaming: fetch sounds when they are decoded, rather than all of them first; nothing of it is kept.
        audio: column of the sounds; null where there is one alone.
        label: column of class names; null for `label`, where there is one.
        caption: column of texts; null for `caption`, `captions` or `text`, where there is one.
    """

    kind: Literal["hf_dataset"]
    source: PathText
    config: Text | None = None
    split: Text = "train"
    revision: Text | None = None
    streaming: bool = False
    audio: Text | None = None
    label: Text | None = None
    caption: Text | None = None


class ProceduralData(DataSpec):
    """Generated everyday-like sounds; clip i depends on the seed and i alone."""

    kind: Literal["procedural"]
    n_clips: Annotated[int, Field(ge=1, le=10_000_000)] = 400
    duration_s: Annotated[float, Field(ge=0.1, le=600)] = 5.0
    seed: Seed = 0


CAPTIONED = ("audiocaps", "clotho", "macs", "fsd50k", "gigaspeech")  # no clip of these has a label
CaptionedData = AudioCapsData | ClothoData | MacsData | Fsd50kData | GigaSpeechData
PublishedData = Esc50Data | UrbanSound8kData | Tut2017Data | CaptionedData
AnyData = Annotated[
    PublishedData | FolderData | ManifestData | ShardsData | HfData | ProceduralData, Field(discriminator="kind")
]
OneOrMore = Annotated[
    Annotated[AnyData, Tag("one")] | Annotated[tuple[AnyData, ...], Field(min_length=1), Tag("several")],
    Discriminator(_one_or_several),
]


def one_or_more(spec: Any) -> tuple[Any, ...]:
    """The data sections of a `train` or `test` key."""
    return spec if isinstance(spec, tuple) else () if spec is None else (spec,)


class Tested(Section):
    """What sections with sounds to test on have in common: `test` and the limits of its clips."""

    if TYPE_CHECKING:
        test: OneOrMore | None
        max_bad_share: Share
        max_clip_s: Seconds

    @property
    def limits(self) -> "DecodeLimits":
        """The arguments of `data.decoded.decode` about clips that are long or cannot be used."""
        return {"max_clip_s": self.max_clip_s, "max_bad_share": self.max_bad_share}

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Test sets that a recipe cannot score on, and what else `unfit` finds."""
        unlabelled = [part.kind for part in one_or_more(self.test) if part.kind in CAPTIONED]
        if unlabelled:
            yield (
                "test",
                f"got {unlabelled[0]}, whose clips have captions and no labels; allowed: data with labels (`tinyclap "
                f"evaluate --data {unlabelled[0]}` scores a finished run on captions)",
            )
        yield from self.unfit()

    def unfit(self) -> Iterator[tuple[str, str]]:
        """What no evaluation can take either: weights that nothing would heed."""
        if any(part.weight != 1 for part in one_or_more(self.test)):
            yield "test", "got a weight, allowed: none; weights say how often clips are trained on"


class Data(Tested):
    """Where the sound comes from; `train` needs no labels for distillation, `test` does."""

    train: OneOrMore
    test: OneOrMore | None = None
    max_bad_share: Share = 0.05
    max_clip_s: Seconds = 30.0

    def unfit(self) -> Iterator[tuple[str, str]]:
        """As of `Tested`; also sounds that are in both sets."""
        yield from super().unfit()
        seeds = [
            {part.seed for part in one_or_more(spec) if part.kind == "procedural"} for spec in (self.train, self.test)
        ]
        for seed in sorted(seeds[0] & seeds[1]):
            yield "test", f"got procedural sounds of seed {seed}, which are those of train; allowed: another seed"


class TestedOn(Tested):
    """Sounds to test on, and nothing to train on."""

    test: OneOrMore | None = None
    max_bad_share: Share = 0.05
    max_clip_s: Seconds = 30.0


def describe_data(spec: Any) -> str:
    """A data section in one line, which tells evaluations apart."""
    sections = [part.model_dump(mode="json", exclude_none=True, exclude_defaults=True) for part in one_or_more(spec)]
    return "; ".join(" ".join(f"{key}={value}" for key, value in one.items()) for one in sections)
