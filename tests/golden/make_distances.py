"""Makes distances.json: what the published packages say of vectors that tests/embeddings/test_distances.py makes again.

    pip download --no-deps -d wheels kadtk==1.1.0 fadtk==1.1.0 frechet-audio-distance==0.3.4
    for wheel in wheels/*.whl; do python -m zipfile -e "$wheel" unpacked; done
    python -m tests.golden.make_distances unpacked

The packages need old versions of Python and torch for the models that they load. The functions do not, so they are
taken out of the modules and run as they stand there.
"""

import ast
import json
import logging
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch
from numpy.lib.scimath import sqrt as scisqrt
from scipy import linalg

CASES = ((0, 200, 150, 16, True), (1, 90, 300, 32, False), (2, 40, 30, 64, True))  # seed, clips, clips, dimensions
SHARED: dict[str, Any] = {"np": np, "torch": torch, "scipy": scipy, "linalg": linalg, "scisqrt": scisqrt, "Path": Path}


def functions(module: Path, *names: str, **more: Any) -> dict[str, Any]:
    """The functions of these names as they stand in a module, which is not imported."""
    source = module.read_text(encoding="utf-8")
    found: dict[str, Any] = {**SHARED, "log": logging.getLogger(), **more}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            exec(textwrap.dedent(ast.get_source_segment(source, node) or ""), found)
    return found


def figures(packages: Path, case: dict[str, Any], first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """What each package says of two sets of vectors."""
    kad = functions(
        packages / "kadtk/kad.py", "calc_kernel_audio_distance", "median_pairwise_distance", SCALE_FACTOR=100
    )
    kad_frechet = functions(packages / "kadtk/fad.py", "calc_frechet_distance")["calc_frechet_distance"]
    fadtk = functions(packages / "fadtk/fad.py", "calc_frechet_distance")["calc_frechet_distance"]
    fad = functions(packages / "frechet_audio_distance/fad.py", "calculate_frechet_distance")
    reference, generated = torch.tensor(first), torch.tensor(second)
    how = {"cache_dirs": (None, None), "device": "cpu", "precision": torch.float64}
    moments = (first.mean(0), np.cov(first, rowvar=False), second.mean(0), np.cov(second, rowvar=False))
    distance = kad["calc_kernel_audio_distance"]
    return {
        **case,
        "kadtk_kad_bandwidth_of_reference": float(distance(generated, reference, **how)),  # the second one's is taken
        "kadtk_kad_as_called": float(distance(reference, generated, **how)),
        "kadtk_median": kad["median_pairwise_distance"](reference),
        "kadtk_frechet": float(kad_frechet(reference, generated, **how)),
        "fadtk_frechet": float(fadtk(*moments)),
        "fad_frechet": float(fad["calculate_frechet_distance"](None, *moments)),
    }


def main(packages: Path) -> None:
    from tests.embeddings.test_distances import golden_vectors

    warnings.simplefilter("ignore")  # of new versions, about how the packages call them
    named = [dict(zip(("seed", "n", "m", "dim", "unit"), case, strict=True)) for case in CASES]
    made = (
        "kadtk 1.1.0, fadtk 1.1.0 and frechet-audio-distance 0.3.4 in float64, the median in float32; "
        f"numpy {np.__version__}, scipy {scipy.__version__}, torch {torch.__version__}"
    )
    cases = [figures(packages, case, *golden_vectors(case)) for case in named]
    place = Path(__file__).with_name("distances.json")
    place.write_text(json.dumps({"made_by": made, "cases": cases}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
