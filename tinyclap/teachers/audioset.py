"""The names of AudioSet's 527 classes, in the order of its taggers (Gemmeke et al., ICASSP 2017; CC BY-SA 4.0)."""

import csv
from importlib import resources

TABLE = resources.files("tinyclap") / "assets" / "audioset_classes.csv"
AUDIOSET_CLASSES: tuple[str, ...] = tuple(
    row["name"] for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines())
)
