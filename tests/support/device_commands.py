"""What tests of a device's commands share."""

from collections.abc import Callable

RATE = 16_000
Run = Callable[..., tuple[int, str, str]]
