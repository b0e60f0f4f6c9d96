"""What evaluation.json holds of retrieval, see `evaluation.caption_task`."""

from typing import TypedDict

from tinyclap.runs.figures import Amount, Count, Number, Score


class Figure(TypedDict, total=False):
    """A figure of retrieval, and what it is above another's."""

    value: Amount
    ci95: tuple[Amount, Amount]
    difference: Number
    difference_ci95: tuple[Number, Number]


class OneWay(TypedDict, total=False):
    """Texts that find sounds, or sounds that find texts."""

    n_queries: Count
    recall_1: Figure
    recall_5: Figure
    recall_10: Figure
    map_10: Figure
    median_rank: Figure


class BothWays(TypedDict, total=False):
    """Retrieval by an audio and a text encoder."""

    text_to_audio: OneWay
    audio_to_text: OneWay


class ModelScore(Score, total=False):
    """The score of a model in one of the tasks: accuracy, or retrieval by its audio encoder."""

    teacher_text_encoder: BothWays
    student_text_encoder: BothWays


class Miss(TypedDict, total=False):
    """A query whose right answer came late."""

    way: str
    query: str
    first: str
    first_caption: str
    right: str
    rank: Count


class Examples(TypedDict, total=False):
    """Such queries, by whose encoders."""

    audio_encoder: str
    text_encoder: str
    misses: list[Miss]
