"""What accelerators compute at their best, as their makers publish it: what `tinyclap plan --kind` scales by.

No training reaches these peaks; which share of them one reaches is assumed where they are used.
"""

from dataclasses import dataclass

from tinyclap.errors import TinyclapError


@dataclass(frozen=True)
class Accelerator:
    """One kind of accelerator.

    Attributes:
        title: its name.
        float32: operations a second outside of the tensor cores, a multiplication with its addition counted as two.
        bits16: the same of its tensor cores, bfloat16 or float16, without sparsity.
        source: who says so.
    """

    title: str
    float32: float
    bits16: float
    source: str

    def peak(self, precision: str) -> float:
        """Operations a second in a precision of recipes: `no`, `bf16` or `fp16`."""
        return self.float32 if precision == "no" else self.bits16


T = 1e12
ACCELERATORS = {
    "t4": Accelerator("NVIDIA T4", 8.1 * T, 65 * T, "NVIDIA T4 data sheet"),
    "v100": Accelerator("NVIDIA V100 SXM2", 15.7 * T, 125 * T, "NVIDIA V100 data sheet"),
    "a10": Accelerator("NVIDIA A10", 31.2 * T, 125 * T, "NVIDIA A10 data sheet"),
    "a100": Accelerator("NVIDIA A100", 19.5 * T, 312 * T, "NVIDIA A100 data sheet"),
    "l4": Accelerator("NVIDIA L4", 30.3 * T, 121 * T, "NVIDIA L4 data sheet, half of what it states with sparsity"),
    "l40s": Accelerator("NVIDIA L40S", 91.6 * T, 362 * T, "NVIDIA L40S data sheet"),
    "h100": Accelerator(
        "NVIDIA H100 SXM", 67 * T, 989 * T, "NVIDIA H100 data sheet, half of what it states with sparsity"
    ),
    "h200": Accelerator(
        "NVIDIA H200 SXM", 67 * T, 989 * T, "NVIDIA H200 data sheet, half of what it states with sparsity"
    ),
    "rtx3090": Accelerator("NVIDIA RTX 3090", 35.6 * T, 71 * T, "NVIDIA Ampere GA102 white paper"),
    "rtx4090": Accelerator("NVIDIA RTX 4090", 82.6 * T, 165.2 * T, "NVIDIA Ada white paper"),
}


def accelerator(kind: str) -> Accelerator:
    """The accelerator of a kind; raises TinyclapError, naming all that are known, for another one."""
    found = ACCELERATORS.get(kind.lower())
    if found is None:
        raise TinyclapError(
            f"--kind {kind}: not known here; there are {', '.join(ACCELERATORS)}. For another one leave it out and "
            "give rates measured on it: --teacher-rate and --student-rate"
        )
    return found
