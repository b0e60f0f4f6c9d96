"""Embeddings to score: a teacher and a student of five classes, neither of them perfect."""

import numpy as np

Case = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]


def make_case() -> Case:
    """teacher (60, 16), student (60, 16), classes (5, 16), targets, labels."""
    generator = np.random.default_rng(3)
    classes, targets = generator.normal(size=(5, 16)), np.arange(60) % 5
    teacher = classes[targets] + 1.5 * generator.normal(size=(60, 16)) + 0.5
    student = teacher + 0.8 * generator.normal(size=(60, 16))
    return teacher, student, classes, targets, [f"class_{index}" for index in range(5)]


def unit(array: np.ndarray) -> np.ndarray:
    """Rows at unit norm."""
    return array / np.linalg.norm(array, axis=-1, keepdims=True)
