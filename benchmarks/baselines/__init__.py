"""What students are compared with: the audio towers of published models and the usual small audio networks.

Random weights, published shapes: time, memory and arithmetic do not depend on what is learned. Each baseline is one
small file with a function that makes it; published figures stand beside it with their source.
"""

from collections.abc import Callable
from dataclasses import dataclass

from baselines import cnn14, laion_htsat, microsoft_htsat, mobilenet, reference_student, yamnet
from tinyclap.teachers.base import AudioTower


@dataclass(frozen=True)
class Baseline:
    """A published model.

    Attributes:
        make: its encoder, untrained.
        hop_s: seconds from one window to the next on long audio; None for windows that follow each other.
        published: what others report of it, and where.
    """

    make: Callable[[], AudioTower]
    hop_s: float | None = None
    published: str = ""


BASELINES = {
    "msclap2022-cnn14": Baseline(cnn14.make, published="zero-shot ESC-50 82.6 % (arXiv 2206.04769)"),
    "msclap2023-htsat": Baseline(microsoft_htsat.make, published="zero-shot ESC-50 93.9 % (arXiv 2309.05767)"),
    "laion-htsat-tiny": Baseline(laion_htsat.tiny, published="zero-shot ESC-50 91.6 % (clap-htsat-unfused's card)"),
    "laion-htsat-base": Baseline(laion_htsat.base, published="zero-shot ESC-50 90.5 % (larger_clap_general, rerun)"),
    "tinyclap-paper": Baseline(reference_student.make, published="zero-shot ESC-50 76.3 % (its model card)"),
    "mn10": Baseline(mobilenet.mn10, published="AudioSet mAP 47.1, 4.88 M, 0.54 GMAC per 10 s (EfficientAT)"),
    "mn04": Baseline(mobilenet.mn04, published="AudioSet mAP 43.2, 0.98 M, 0.11 GMAC per 10 s (EfficientAT)"),
    "yamnet": Baseline(yamnet.make, hop_s=0.48, published="AudioSet mAP 30.6, 3.7 M, 69.2 MMAC per patch (its README)"),
}
