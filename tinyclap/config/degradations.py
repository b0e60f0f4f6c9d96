"""Degradations as they are typed: `tinyclap evaluate --degrade`."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from tinyclap.data.degradation import STANDARD, Degradation
from tinyclap.errors import TinyclapError

NAMES = [entry.name for entry in fields(Degradation)]
SHORT = {"snr": "snr_db", "level": "level_db", "reverb": "reverb_s", "clip": "clip_db"}


def conditions_of(given: Sequence[str]) -> dict[str, Degradation]:
    """Degradations as typed: `standard`, or settings like `snr=10,level=-30`, which together are one condition.

    Raises:
        TinyclapError: naming the setting that is wrong, and those that there are.
    """
    found: dict[str, Degradation] = {}
    for text in given:
        found |= STANDARD if text.strip() == "standard" else {text.strip(): _parsed(text)}
    return found


def _parsed(text: str) -> Degradation:
    settings: dict[str, Any] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        typed, _, value = part.partition("=")
        name = SHORT.get(typed.strip(), typed.strip())
        if name == "band":
            settings["low_hz"], _, settings["high_hz"] = value.partition("-")
        else:
            settings[name] = value
    unknown = [name for name in settings if name not in NAMES]
    try:
        if unknown or not settings:
            raise ValueError(f"no setting called {', '.join(unknown)}" if unknown else "no setting")
        values: dict[str, Any] = {name: _value(name, text) for name, text in settings.items()}
        return Degradation(**values)
    except ValueError as error:
        known = ", ".join([*SHORT, "band=LOW-HIGH", "dc", "rate", "codec", "noise_slope", "seed"])
        raise TinyclapError(
            f"--degrade {text}: {error}; give `standard`, or settings such as snr=10,level=-30, of {known}"
        ) from error


def _value(name: str, text: str) -> str | int | float:
    if name == "codec":
        return text.strip()
    try:
        return int(text) if name in ("rate", "seed") else float(text)
    except ValueError as error:
        raise ValueError(f"{name} is {text.strip() or 'not given'}, expected a number") from error
