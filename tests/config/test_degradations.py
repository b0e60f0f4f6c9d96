"""What `--degrade` is told."""

import pytest

from tinyclap.config.degradations import conditions_of
from tinyclap.data.degradation import STANDARD, Degradation
from tinyclap.errors import TinyclapError


def test_settings_as_typed() -> None:
    found = conditions_of(["snr=10,level=-30", "band=300-3400", "codec=mp3, rate=8000", "reverb_s=0.5"])
    assert list(found.values()) == [
        Degradation(snr_db=10, level_db=-30),
        Degradation(low_hz=300, high_hz=3400),
        Degradation(codec="mp3", rate=8000),
        Degradation(reverb_s=0.5),
    ]
    assert next(iter(found)) == "snr=10,level=-30"
    assert conditions_of(["standard"]) == STANDARD
    assert conditions_of([]) == {}


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("volume=3", "no setting called volume"),
        ("snr", "snr_db is not given, expected a number"),
        ("snr=loud", "snr_db is loud, expected a number"),
        ("codec=aac", "codec"),
        ("band=4000-300", "below high_hz = 300"),
        ("", "no setting"),
    ],
)
def test_what_is_wrong_is_said(typed: str, reason: str) -> None:
    with pytest.raises(TinyclapError, match=f"(?s)--degrade {typed}.*{reason}.*give `standard`, or settings such as"):
        conditions_of([typed])
