"""The published tinyCLAP student (arXiv 2311.14517): phinet_alpha_1.50_beta_0.75_t0_6_N_7, 5 s at 44.1 kHz."""

from benchmarks.baselines.encoder import Calls, Encoder
from tinyclap.models.student import Student
from tinyclap.models.student_config import REFERENCE


def make() -> Encoder:
    """4.43 M parameters, 356.7 MMAC."""
    network = Calls(Student(REFERENCE), lambda student, logmel: student.encode(logmel))
    return Encoder("tinyCLAP (paper)", REFERENCE.frontend, REFERENCE.window_s, network, REFERENCE.embed_dim)
