"""Recipe sections on the words: the captions that a text student learns from, its shape and its training."""

from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from tinyclap.config.texts import SeveralTexts, build_texts, describe_texts, named_files
from tinyclap.data.texts.corpus import Corpus
from tinyclap.models.text_student_config import TextEncoderConfig
from tinyclap.strict_yaml.sections import Section, Share, Templates, Text
from tinyclap.training.options import DistillOptions, Rate, Weight


@dataclass(frozen=True)
class TextTraining(DistillOptions):
    """How a text student learns: as `DistillOptions` says of sounds, of captions."""

    epochs: Annotated[int, Ge(1), Le(100_000)] = 10
    batch_size: Annotated[int, Ge(1)] = 256
    lr: Rate = 0.002
    ema: Annotated[float, Ge(0), Lt(1)] = 0.99
    text_weight: Weight = 0.3
    temperature: Annotated[float, Gt(0), Le(10)] = 0.1


class TextSide(Section):
    """A text student and what it learns from.

    `sources` are lists of texts; `prompts` are templates in which names are given too; captions that hold a word or
    phrase of `exclude` are left out; `misspelled` is the share of the names that are also given with a slip;
    `held_out` captions are kept back to measure on.
    """

    sources: SeveralTexts
    prompts: Templates | None = None
    exclude: tuple[Text, ...] = ()
    misspelled: Share = 0.1
    held_out: Annotated[int, Field(ge=0, le=1_000_000)] = 1000
    student: TextEncoderConfig = TextEncoderConfig()
    training: TextTraining = TextTraining()

    def corpus(self, prompts: tuple[str, ...], seed: int) -> Corpus:
        """Its captions; `prompts` are the teacher's, for a section that names none."""
        chosen: Any = prompts if self.prompts is None else self.prompts
        return build_texts(
            self.sources, exclude=self.exclude, prompts=chosen, misspelled_share=self.misspelled, seed=seed
        )

    def described(self) -> str:
        """Its sources in one line."""
        return describe_texts(self.sources)

    def files(self) -> dict[str, str]:
        """What it names on this machine, by key."""
        return {f"sources.{key}": path for key, path in named_files(self.sources).items()}
