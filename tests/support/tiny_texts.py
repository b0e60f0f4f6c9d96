"""Captions, and text students small enough for tests."""

from typing import Any

import torch
from tokenizers import Tokenizer

from tinyclap.data.texts.corpus import Caption
from tinyclap.models.placement import Placement
from tinyclap.models.text_student import TextStudent
from tinyclap.models.text_student_config import PlacementConfig, TextKind, TextStudentConfig
from tinyclap.training.vocabulary import reduced_vocabulary

SUBJECTS = ("dog", "cow", "engine", "bird", "siren", "child", "rain", "crowd")
VERBS = ("barking", "mooing", "idling", "singing", "wailing", "laughing", "falling", "cheering")
TEXTS = [f"a {one} {verb} near the {other}" for one in SUBJECTS for verb in VERBS for other in SUBJECTS]
CLASSES, SENTENCE_DIM = 5, 10


def captions(count: int = len(TEXTS)) -> list[Caption]:
    """Some of TEXTS, spread over all of them, each meaning itself."""
    return [Caption(text, text, "captions") for text in TEXTS[:: len(TEXTS) // count][:count]]


def tokenizer(size: int = 120) -> Tokenizer:
    return reduced_vocabulary(TEXTS, size, least_uses=1)


def placement(classes: int | None = CLASSES) -> Placement:
    """Of a tagger of so many classes, or into the centred space of the sentences."""
    generator = torch.Generator().manual_seed(5)
    names = None if classes is None else torch.randn(classes, SENTENCE_DIM, generator=generator)
    centred = None if names is None else torch.nn.functional.normalize(names, dim=-1)
    return Placement(0.1 * torch.randn(SENTENCE_DIM, generator=generator), centred, 0.5)


def text_student(kind: TextKind = "transformer", placed: Placement | None = None, **shape: Any) -> TextStudent:
    """An untrained text student in evaluation mode, always the same, all of whose numbers matter."""
    words = tokenizer()
    where = None
    if placed is not None:
        where = PlacementConfig(None if placed.names is None else len(placed.names), placed.temperature)
    usual = {"vocabulary": words.get_vocab_size(), "table_dim": 12, "dim": 16, "layers": 2, "heads": 2, "max_tokens": 8}
    config = TextStudentConfig(kind, **{**usual, **shape}, embed_dim=SENTENCE_DIM, placement=where, teacher="abc")
    torch.manual_seed(0)
    student = TextStudent(config, words)
    if placed is not None:
        student.placement = placed
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return student.eval()
