"""The Pareto front: what no other beats in cost and value."""

from collections.abc import Mapping, Sequence

import numpy as np


def pareto(costs: Mapping[str, Sequence[float]], values: Sequence[float]) -> list[int]:
    """Places that no other beats: none costs no more in every respect and is better, in order of the first cost."""
    table = np.array([*costs.values(), [-value for value in values]]).T
    kept = [
        place
        for place, row in enumerate(table)
        if not any((other <= row).all() and (other < row).any() for other in table)
    ]
    return sorted(kept, key=lambda place: table[place][0])
