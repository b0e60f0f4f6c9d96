"""What fits a structure is kept, and every part that does not is named with its place."""

from typing import Annotated, Any, TypedDict

import pytest
from annotated_types import Ge, Le

from tinyclap.common.structure import fitting

Share = Annotated[float, Ge(0), Le(1)]


class Score(TypedDict, total=False):
    """A score."""

    accuracy: Share
    pair: tuple[Share, Share]


class Result(TypedDict, total=False):
    """A result."""

    name: str
    score: Score
    by_fold: dict[str, Share]
    labels: list[str]
    counts: list[list[int]]
    rows: list[Score]


WHOLE = {
    "name": "a",
    "score": {"accuracy": 0.5, "pair": [0, 1], "seed": {"any": [True]}},
    "by_fold": {"1": 0.25},
    "labels": ["dog", "rain"],
    "counts": [[1, 0], [0, 2]],
    "rows": [{"accuracy": 1}, {}],
    "another": [1, "x"],
}


def test_what_fits_is_kept_as_it_is() -> None:
    assert fitting(WHOLE, Result) == (WHOLE, [])
    absent = dict.fromkeys(WHOLE)
    assert fitting(absent, Result) == (absent, [])


@pytest.mark.parametrize(
    ("changed", "kept", "fault"),
    [
        ({"name": 3}, {}, "name is 3, expected text"),
        ({"score": [1]}, {}, "score is [1], expected an object"),
        ({"score": {"accuracy": 1.5}}, {"score": {}}, "score.accuracy is 1.5, expected a number >= 0 and <= 1"),
        ({"score": {"accuracy": float("nan")}}, {"score": {}}, "score.accuracy is NaN, expected a number"),
        ({"score": {"accuracy": float("inf")}}, {"score": {}}, "score.accuracy is Infinity, expected a number"),
        ({"score": {"accuracy": 10**400}}, {"score": {}}, "score.accuracy is 1000"),
        ({"score": {"pair": [0.1]}}, {"score": {}}, "score.pair is [0.1], expected a list of 2 values"),
        ({"by_fold": {"1": "x", "2": 1}}, {"by_fold": {"2": 1}}, 'by_fold.1 is "x", expected a number'),
        ({"labels": ["a", 3]}, {}, "labels.1 is 3, expected text"),
        ({"labels": "dog"}, {}, 'labels is "dog", expected a list'),
        ({"labels": ["a", None]}, {}, 'labels is ["a", null], expected a list without null'),
        ({"counts": [[1, True]]}, {}, "counts.0.1 is true, expected a whole number"),
        ({"rows": [{"accuracy": 1}, 7]}, {"rows": [{"accuracy": 1}]}, "rows.1 is 7, expected an object"),
    ],
)
def test_what_does_not_is_left_out_and_named(changed: dict[str, Any], kept: dict[str, Any], fault: str) -> None:
    rest = {key: value for key, value in WHOLE.items() if key not in changed}
    found, faults = fitting(WHOLE | changed, Result)
    assert found == rest | kept
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_nothing_is_left_of_another_type() -> None:
    assert fitting([], Result) == (None, ["it is [], expected an object"])
    assert fitting({"a": 1}, list[Score], "scores") == (None, ['scores is {"a": 1}, expected a list'])


def test_names_that_are_not_utf8_and_numbers_that_are_not_finite_can_be_written() -> None:
    name = b"\xff.wav".decode("utf-8", "surrogateescape")
    found, faults = fitting({"name": name, "more": {name: [float("inf")]}}, Result)
    assert (found, faults) == ({"name": "\\udcff.wav", "more": {"\\udcff.wav": [None]}}, [])
