"""What students are compared with: the audio towers of published models and the usual small audio networks.

Random weights, published shapes: time, memory and arithmetic do not depend on what is learned. Each baseline is one
small file with a function that makes it; published figures stand beside it with their source.
"""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.baselines import cnn14, laion_htsat, microsoft_htsat, mobilenet, reference_student, slap, yamnet
from tinyclap.teachers.base import AudioTower


@dataclass(frozen=True)
class Baseline:
    """A published model.

    Attributes:
        make: its encoder, untrained.
        published: what its authors or others report, and where.
        zero_shot_esc50: accuracy that is reported for it, at most 1.
        hop_s: seconds from one window to the next on long audio; None for windows that follow each other.
    """

    make: Callable[[], AudioTower]
    published: str
    zero_shot_esc50: float | None = None
    hop_s: float | None = None


BASELINES = {
    "msclap2022-cnn14": Baseline(cnn14.make, "zero-shot ESC-50 82.6 %, arXiv 2206.04769", 0.826),
    "msclap2023-htsat": Baseline(microsoft_htsat.make, "zero-shot ESC-50 93.9 %, arXiv 2309.05767", 0.939),
    "laion-htsat-tiny": Baseline(laion_htsat.tiny, "zero-shot ESC-50 91.6 %, clap-htsat-unfused as reported", 0.916),
    "laion-htsat-base": Baseline(laion_htsat.base, "zero-shot ESC-50 90.5 %, larger_clap_general in a rerun", 0.905),
    "slap": Baseline(slap.make, "zero-shot ESC-50 88.6 %, arXiv 2601.12594; its shape as far as it is told", 0.886),
    "tinyclap-paper": Baseline(reference_student.make, "zero-shot ESC-50 76.3 %, its model card", 0.763),
    "mn10": Baseline(mobilenet.mn10, "AudioSet mAP 47.1, EfficientAT; no zero-shot"),
    "mn04": Baseline(mobilenet.mn04, "AudioSet mAP 43.2, EfficientAT; no zero-shot"),
    "yamnet": Baseline(yamnet.make, "AudioSet mAP 30.6, its README; no zero-shot", hop_s=0.48),
}
