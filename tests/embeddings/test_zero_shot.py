"""Prompts, class vectors and closeness against hand-computed cases and exact algebra."""

import math
import subprocess
import sys

import numpy as np
import pytest

from tests.support.scored import Case, make_case
from tinyclap.embeddings import neighbours, similarity, zero_shot
from tinyclap.errors import TinyclapError


@pytest.fixture
def case() -> Case:
    return make_case()


class TestPrompts:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("dog_bark", "dog bark"),
            ("AirConditioner", "air conditioner"),
            ("can-opening", "can opening"),
            ("MP3Player", "mp3 player"),
            ("TVSet", "tv set"),
            ("gun_shot2", "gun shot2"),
            ("  Sea__waves ", "sea waves"),
            ("cafe/restaurant", "cafe/restaurant"),
        ],
    )
    def test_class_names_read_as_words(self, name: str, words: str) -> None:
        assert zero_shot.clean_label(name) == words

    def test_every_template_of_every_label(self) -> None:
        prompts = zero_shot.prompts_for(["dog_bark", "rain"], ["a {}", "{0} and {}"])
        assert prompts == [["a dog bark", "{0} and dog bark"], ["a rain", "{0} and rain"]]

    def test_labels_that_were_typed_are_left_as_they_are(self) -> None:
        prompts = zero_shot.prompts_for([" iPhone ringing", "dog_bark"], ["a {}", "{}"], zero_shot.as_typed)
        assert prompts == [["a iPhone ringing", "iPhone ringing"], ["a dog_bark", "dog_bark"]]
        with pytest.raises(TinyclapError, match="both read 'dog bark'"):
            zero_shot.prompts_for(["dog_bark", "Dog-Bark"], ["{}"], zero_shot.as_typed)

    @pytest.mark.parametrize(
        ("labels", "templates", "named"),
        [
            ([], ["{}"], "labels"),
            (["dog"], [], "no template"),
            (["dog"], ["a sound"], "'a sound'"),
            (["dog", "__"], ["{}"], "'__'"),
            (["dog_bark", "DogBark"], ["{}"], "'dog_bark' and 'DogBark'"),
        ],
    )
    def test_unusable_labels_and_templates_are_named(self, labels: list[str], templates: list[str], named: str) -> None:
        with pytest.raises(TinyclapError, match=named):
            zero_shot.prompts_for(labels, templates)

    def test_class_matrix_is_the_normalised_mean_of_unit_vectors(self) -> None:
        asked: list[list[str]] = []
        table = {"a dog": [3.0, 0.0], "the dog": [0.0, 4.0], "a cat": [-2.0, 0.0], "the cat": [-5.0, 0.0]}

        def embed_text(texts: list[str]) -> np.ndarray:
            asked.append(texts)
            return np.array([table[text] for text in texts])

        matrix = zero_shot.class_matrix(embed_text, ["dog", "cat"], ["a {}", "the {}"])
        np.testing.assert_allclose(matrix, [[math.sqrt(0.5), math.sqrt(0.5)], [-1.0, 0.0]], atol=1e-12)
        assert asked == [["a dog", "the dog", "a cat", "the cat"]]  # the text tower runs once

    def test_text_tower_that_loses_a_row_is_refused(self) -> None:
        with pytest.raises(TinyclapError, match="1 rows for 2 prompts"):
            zero_shot.class_matrix(lambda texts: np.ones((1, 3)), ["dog", "cat"], ["{}"])

    def test_classes_that_share_a_vector_are_named(self) -> None:
        vectors = {"dog": [1.0, 2.0], "cat": [2.0, 1.0], "cow": [0.5, 1.0]}  # cow points where dog does
        with pytest.raises(TinyclapError, match="'dog' and 'cow' have the same text embedding"):
            zero_shot.class_matrix(lambda texts: np.array([vectors[text] for text in texts]), list(vectors), ["{}"])


class TestCloseness:
    def test_centred_cosine_by_hand(self) -> None:
        teacher = np.array([[1.0, 0.0], [0.0, 1.0]])
        student = np.array([[1.0, 0.0], [1.0, 0.0]])
        # The teacher's mean is (.5, .5): offsets (.5, -.5) and (-.5, .5) against (.5, -.5) twice.
        assert similarity.centred_cosine(student, teacher) == pytest.approx(0.0)
        assert similarity.mean_cosine(student, teacher) == pytest.approx(0.5)
        # Around (0, 0) the centred cosine is the plain one.
        assert similarity.centred_cosine(student, teacher, np.zeros(2)) == pytest.approx(0.5)

    def test_clip_on_the_mean_counts_nothing(self) -> None:
        teacher = np.array([[1.0, 0.0], [0.0, 1.0]])
        assert similarity.centred_cosine(teacher, teacher, np.array([1.0, 0.0])) == pytest.approx(0.5)

    @pytest.mark.parametrize("k", [1, 3, 10])
    def test_knn_overlap_against_brute_force(self, case: Case, k: int) -> None:
        teacher, student, *_ = case
        queries = [4, 0, 33, 59]

        def nearest(embeddings: np.ndarray, clip: int) -> set[int]:
            rows = [row / math.sqrt(sum(x * x for x in row)) for row in embeddings]
            others = [other for other in range(len(rows)) if other != clip]
            return set(sorted(others, key=lambda other: -sum(rows[clip] * rows[other]))[:k])

        for asked in (queries, range(60)):
            shares = [len(nearest(teacher, clip) & nearest(student, clip)) / k for clip in asked]
            found = neighbours.knn_overlap(student, teacher, np.array(asked), k=k)
            assert found == pytest.approx(sum(shares) / len(shares))

    def test_unrelated_spaces_overlap_at_chance_level(self) -> None:
        generator = np.random.default_rng(0)
        teacher, student = generator.normal(size=(2, 700, 24))  # more than one block of queries
        overlap = neighbours.knn_overlap(student, teacher)
        assert overlap == pytest.approx(neighbours.knn_chance(700), abs=0.003)

    @pytest.mark.parametrize("k", [0, 60])
    def test_more_neighbours_than_clips_are_refused(self, case: Case, k: int) -> None:
        with pytest.raises(TinyclapError, match="gallery of 60 clips; allowed are 1 to 59"):
            neighbours.knn_overlap(case[1], case[0], k=k)


def test_needs_no_torch() -> None:
    check = "import sys, tinyclap.embeddings.zero_shot; assert not {'torch', 'scipy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
