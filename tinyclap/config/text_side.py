"""Recipe sections on the words: the captions that a text student learns from, its shape and its training."""

from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from tinyclap.common.settings import Conflicts
from tinyclap.config.texts import SeveralTexts, build_texts, describe_texts, named_files
from tinyclap.data.texts.corpus import Corpus
from tinyclap.models.text_student_config import TextEncoderConfig
from tinyclap.strict_yaml.sections import Section, Share, Templates, Text
from tinyclap.training.options import DistillOptions, Rate, Weight


@dataclass(frozen=True)
class TextTraining(DistillOptions):
    """How a text student learns: as `DistillOptions` says of sounds, of captions.

    Attributes:
        epochs: passes over the captions.
        batch_size: captions in a step, over all processes.
        balance_clusters: kinds of caption, found by k-means on the teacher's embeddings, that are trained on equally
            often; 0 for every caption once an epoch.
        train_table: train what is kept of each word piece too. Where it stays as the teacher has it, words that no
            caption holds keep their place beside those that captions hold, which are then learned less well.
        confusable_share: share of the captions that get one of the same rare words beside them in the batch, which says
            another order or number or what is missing, for `relational_weight` to compare; 0 for batches of any.
        keep_logmels: of sounds, and of no use here.
    """

    epochs: Annotated[int, Ge(1), Le(100_000)] = 10
    batch_size: Annotated[int, Ge(1)] = 256
    lr: Rate = 0.002
    ema: Annotated[float, Ge(0), Lt(1)] = 0.99
    text_weight: Weight = 0.3
    temperature: Annotated[float, Gt(0), Le(10)] = 0.1
    train_table: bool = True
    confusable_share: Annotated[float, Ge(0), Le(1)] = 0.0

    def conflicts(self) -> Conflicts:
        """As of sounds, and captions put side by side that no loss compares."""
        yield from super().conflicts()
        if self.confusable_share and not self.relational_weight:
            yield (
                "confusable_share",
                "0 where relational_weight is 0, for nothing else compares the captions of a batch",
            )


class TextSide(Section):
    """A text student and what it learns from.

    Attributes:
        sources: texts to learn from, all together.
        prompts: templates with {} in which labels are given too; null takes the teacher's own.
        exclude: words and phrases; captions that hold one, in the singular or plural, are not learned. The vocabulary
            has their words all the same.
        misspelled: share of the labels and words that are also given with a slip.
        held_out: captions that are not learned, to measure on.
        student: the network that learns.
        training: how long and how to train.
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
