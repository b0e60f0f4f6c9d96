"""What several result files hold: numbers in their ranges, and the score of a model."""

from typing import Annotated, TypedDict

from annotated_types import Ge, Gt, Le

LARGEST = 10**15

Number = Annotated[float, Ge(-LARGEST), Le(LARGEST)]
Positive = Annotated[float, Gt(0), Le(LARGEST)]
Amount = Annotated[float, Ge(0), Le(LARGEST)]
Dim = Annotated[int, Ge(1), Le(65_536)]
Count = Annotated[int, Ge(0), Le(LARGEST)]
Share = Annotated[float, Ge(0), Le(1)]
Cosine = Annotated[float, Ge(-1.01), Le(1.01)]  # rounded, some are beyond 1
Difference = Annotated[float, Ge(-1), Le(1)]
Retention = Annotated[float, Ge(0), Le(1e6)]  # of a teacher that is nearly always wrong


class Folds(TypedDict, total=False):
    """Accuracy by fold."""

    accuracy: dict[str, Share]
    n_clips: dict[str, Count]
    mean: Share
    sd: Amount


class Score(TypedDict, total=False):
    """Accuracy of a model; other tasks' scores have other keys."""

    accuracy: Share
    ci95: tuple[Share, Share]
    folds: Folds
