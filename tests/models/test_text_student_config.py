"""A text student's shape: what is allowed, what its teacher decides, what it costs."""

import dataclasses
import json
from typing import Any

import pytest
import torch

from tests.support.tiny_texts import SENTENCE_DIM, placement, text_student
from tinyclap.common.checks import NotAllowedError
from tinyclap.errors import TinyclapError
from tinyclap.hardware.traced_costs import count_macs
from tinyclap.models.text_student_config import PlacementConfig, TextEncoderConfig, TextKind, TextStudentConfig, macs


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"heads": 3}, "text.student: heads = 3 is not allowed; it must be a divisor of dim = 128"),
        ({"layers": 0}, "layers = 0 is not allowed; it must be at least 1 in a transformer"),
        ({"vocabulary": 63}, "vocabulary = 63 is not allowed; it must be a whole number >= 64"),
        ({"kind": "lstm"}, '"static" or "transformer"'),
        ({"max_tokens": 3}, "max_tokens = 3"),
    ],
)
def test_what_is_no_shape(values: dict[str, Any], message: str) -> None:
    with pytest.raises(NotAllowedError) as caught:
        TextEncoderConfig(**values)
    assert message in str(caught.value)


def test_a_static_student_has_no_heads_and_may_have_no_layers() -> None:
    assert TextEncoderConfig("static", heads=3, layers=0).layers == 0


def test_a_teacher_decides_the_rest() -> None:
    shape = TextEncoderConfig("static", vocabulary=500, table_dim=32, layers=1)
    config = shape.of_teacher(321, 384, PlacementConfig(527, 0.5), "fingerprint")
    assert config == TextStudentConfig(
        "static",
        vocabulary=321,
        table_dim=32,
        layers=1,
        embed_dim=384,
        placement=PlacementConfig(527, 0.5),
        teacher="fingerprint",
    )
    assert config.space_dim == 527
    assert dataclasses.replace(config, placement=PlacementConfig()).space_dim == 384
    assert dataclasses.replace(config, placement=None).space_dim == 384


@pytest.mark.parametrize("placed", [None, PlacementConfig(), PlacementConfig(7, 0.1)])
def test_as_json_it_comes_back(placed: PlacementConfig | None) -> None:
    config = TextStudentConfig("static", layers=0, embed_dim=9, placement=placed, teacher="x")
    assert TextStudentConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "keys of the text student: unknown colour"),
        ({"placement": {"classes": 3}}, "keys of placement: missing temperature"),
        ({"placement": 3}, "placement is 3, expected an object"),
        ({"placement": {"classes": 1, "temperature": 1.0}}, "placement: classes = 1 is not allowed"),
    ],
)
def test_other_json_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(TinyclapError, match=message):
        TextStudentConfig.from_dict({**dataclasses.asdict(TextStudentConfig()), **change})


@pytest.mark.parametrize("tokens", [1, 5, 8])
@pytest.mark.parametrize("classes", ["none", "centred", 5])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("static", {"layers": 0}),
        ("static", {"layers": 2}),
        ("transformer", {"layers": 1}),
        ("transformer", {"layers": 3, "heads": 4, "dim": 20}),
        ("transformer", {"table_dim": 16}),
    ],
)
def test_the_closed_form_is_what_is_counted_in_a_trace(
    kind: TextKind, shape: dict[str, int], classes: str | int, tokens: int
) -> None:
    placed = None if classes == "none" else placement(classes if isinstance(classes, int) else None)
    student = text_student(kind, placed, **shape)
    traced = count_macs(student, student.forward, torch.full((1, tokens), 7))
    assert macs(student.config, tokens) == traced
    learned = count_macs(student, student.encode, torch.full((1, tokens), 7))
    assert traced - learned == (5 * SENTENCE_DIM if classes == 5 else 0)


def test_costs_by_hand() -> None:
    static = TextStudentConfig("static", table_dim=6, dim=10, layers=1, embed_dim=4)
    assert macs(static, 3) == macs(static, 30) == 6 * 10 + 10 * 4
    transformer = TextStudentConfig("transformer", table_dim=6, dim=10, layers=2, heads=2, embed_dim=4)
    layer = 3 * 10 * 30 + 3 * 10 * 10 + 2 * 3 * 3 * 10 + 2 * 3 * 10 * 40  # q, k, v; out; attention; the two matrices
    assert macs(transformer, 3) == 3 * 6 * 10 + 2 * layer + 10 * 4
