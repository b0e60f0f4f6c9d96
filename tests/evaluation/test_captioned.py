"""Captions that find clips and clips that find captions, against the published protocol written as a loop."""

import json
from typing import Any

import numpy as np
import pytest

from tests.support.scored import unit
from tinyclap.common.statistics import accuracy_interval, paired_difference
from tinyclap.evaluation.captioned import Captions
from tinyclap.runs.results import AUDIO_TO_TEXT, TEXT_TO_AUDIO

CLIPS, EACH, DIM = 30, 5, 8
HOW = {"n_bootstrap": 200, "seed": 3}


def embedded(seed: int = 0, noise: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    """Clips, and five captions of each a little aside of it."""
    rng = np.random.default_rng(seed)
    clips = rng.normal(size=(CLIPS, DIM))
    return unit(clips), unit(np.repeat(clips, EACH, axis=0) + noise * rng.normal(size=(CLIPS * EACH, DIM)))


def five_each() -> Captions:
    return Captions([[f"clip {clip} caption {number}" for number in range(EACH)] for clip in range(CLIPS)])


def published(clips: np.ndarray, texts: np.ndarray) -> dict[str, dict[str, float]]:
    """The figures as WavCaps computes them: ranks from 0, five captions a clip in a row."""
    both = {}
    ranks, precisions = [], []
    for caption in range(len(texts)):
        order = np.argsort(clips @ texts[caption])[::-1].tolist()
        ranks.append(order.index(caption // EACH))
        precisions.append(1 / (ranks[-1] + 1) if ranks[-1] < 10 else 0)
    both[TEXT_TO_AUDIO] = ranks, precisions
    ranks, precisions = [], []
    for clip in range(len(clips)):
        order = np.argsort(texts @ clips[clip])[::-1].tolist()
        places = sorted(order.index(caption) + 1 for caption in range(EACH * clip, EACH * clip + EACH))
        early = [place for place in places if place <= 10]
        ranks.append(places[0] - 1)
        precisions.append(sum((number + 1) / place for number, place in enumerate(early)) / EACH)
    both[AUDIO_TO_TEXT] = ranks, precisions
    return {
        way: {
            **{f"recall_{k}": np.mean([rank < k for rank in ranks]) for k in (1, 5, 10)},
            "map_10": np.mean(precisions),
            "median_rank": np.floor(np.median(ranks)) + 1,
        }
        for way, (ranks, precisions) in both.items()
    }


def values(scores: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        way: {name: told["value"] for name, told in figures.items() if name != "n_queries"}
        for way, figures in scores.items()
    }


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_several_captions_are_scored_as_published(seed: int) -> None:
    clips, texts = embedded(seed)
    captions = five_each()
    scores = captions.scores(captions.find(clips, texts), None, np.arange(CLIPS), **HOW)
    assert json.loads(json.dumps(scores)) == scores
    for way, expected in published(clips, texts).items():
        assert values(scores)[way] == pytest.approx(expected)
    assert 0.05 < scores[TEXT_TO_AUDIO]["recall_1"]["value"] < 0.95
    assert [scores[way]["n_queries"] for way in scores] == [150, 30]


def test_all_is_found_by_what_is_the_same() -> None:
    clips = np.eye(CLIPS)
    captions = five_each()
    scores = captions.scores(captions.find(clips, np.repeat(clips, EACH, axis=0)), None, np.arange(CLIPS), **HOW)
    for figures in scores.values():
        assert {told["value"] for name, told in figures.items() if name != "n_queries"} == {1.0}
        assert figures["recall_1"]["ci95"][0] < 1, "what 30 clips cannot show"
        assert figures["median_rank"]["ci95"] == [1, 1]


def test_a_model_that_embeds_all_alike_finds_nothing() -> None:
    captions = five_each()
    scores = captions.scores(
        captions.find(np.ones((CLIPS, 4)), np.ones((CLIPS * EACH, 4))), None, np.arange(CLIPS), **HOW
    )
    for way, n_items, n_right in ((TEXT_TO_AUDIO, CLIPS, 1), (AUDIO_TO_TEXT, CLIPS * EACH, EACH)):
        assert values(scores)[way] == {
            **{"recall_1": 0, "recall_5": 0, "recall_10": 0, "map_10": 0},
            "median_rank": n_items - n_right + 1,
        }


def test_a_text_of_several_clips_finds_each_of_them() -> None:
    """As labels of FSD50K are: "Rain" of the first two, and once more in other letters; "dog" of two clips as well."""
    captions = Captions([["Rain"], ["rain.", "wind"], ["dog", " DOG "], ["dog", "a bark"]])
    assert captions.texts == ["Rain", "wind", "dog", "a bark"]
    assert captions.owner.tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert [clips.tolist() for clips in captions.clips_of] == [[0, 1], [1], [2, 3], [3]]
    assert [texts.tolist() for texts in captions.texts_of] == [[0], [0, 1], [2], [2, 3]]
    clips = unit(np.array([[1, 0.1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0.2]]))
    found = captions.find(clips, np.eye(4))
    assert found[TEXT_TO_AUDIO].rank.tolist() == [1, 1, 4, 1, 1, 1, 1], "no clip is near to wind"
    assert found[AUDIO_TO_TEXT].rank.tolist() == [1, 1, 1, 1]
    assert found[AUDIO_TO_TEXT].precision.tolist() == [1, pytest.approx((1 + 2 / 4) / 2), 1, 1]
    chances = captions.chances()
    assert chances[TEXT_TO_AUDIO]["recall_1"] == pytest.approx((5 * 2 / 4 + 2 * 1 / 4) / 7)
    assert chances[AUDIO_TO_TEXT]["recall_5"] == 1, "there are four texts"


@pytest.mark.parametrize(("n_clips", "median"), [(4, 2), (5, 3), (1045, 523)])
def test_the_median_rank_by_chance(n_clips: int, median: int) -> None:
    """Half of the ranks, which are all equally likely."""
    chances = Captions([[str(clip)] for clip in range(n_clips)]).chances()
    for way in chances.values():
        assert way["median_rank"] == median == np.floor(np.median(np.arange(n_clips))) + 1
        assert way["recall_1"] == pytest.approx(1 / n_clips)


def test_intervals_draw_whole_clips_and_recordings_and_differences_are_paired() -> None:
    captions = five_each()
    teacher, student = (captions.find(*embedded(noise=noise)) for noise in (1.0, 1.6))
    recordings = np.arange(CLIPS) // 2
    scores = captions.scores(student, teacher, recordings, **HOW)
    queries = {TEXT_TO_AUDIO: np.repeat(recordings, EACH), AUDIO_TO_TEXT: recordings}
    for way, owners in queries.items():
        for name, of in (("recall_5", lambda found: found.rank <= 5), ("map_10", lambda found: found.precision)):
            ours, theirs = of(student[way]), of(teacher[way])
            assert scores[way][name]["ci95"] == accuracy_interval(ours, owners, 200, 3)
            difference = scores[way][name]["difference"], scores[way][name]["difference_ci95"]
            assert difference == paired_difference(theirs, ours, owners, 200, 3)
            assert scores[way][name]["difference"] < 0
        low, high = scores[way]["median_rank"]["ci95"]
        assert low <= scores[way]["median_rank"]["value"] <= high
    wider = captions.scores(student, None, recordings, **HOW)[TEXT_TO_AUDIO]["recall_1"]["ci95"]
    single = accuracy_interval(student[TEXT_TO_AUDIO].rank <= 1, np.arange(CLIPS * EACH), 200, 3)
    assert wider[1] - wider[0] > single[1] - single[0], "captions of one clip succeed and fail together"


def test_misses_go_from_near_to_far() -> None:
    captions = five_each()
    clips, texts = embedded(noise=2.0)
    found = captions.find(clips, texts)
    names = [f"{clip}.wav" for clip in range(CLIPS)]
    misses = captions.misses(found, names)
    assert json.loads(json.dumps(misses)) == misses
    for way in (TEXT_TO_AUDIO, AUDIO_TO_TEXT):
        told = [miss for miss in misses if miss["way"] == way]
        ranks = [miss["rank"] for miss in told]
        assert len(told) == 8
        assert ranks == sorted(ranks)
        assert ranks[0] > 1
        assert ranks[-1] == found[way].rank.max()
    for miss in (miss for miss in misses if miss["way"] == TEXT_TO_AUDIO):
        number, clip = captions.texts.index(miss["query"]), names.index(miss["right"])
        order = np.argsort(-(clips @ texts[number])).tolist()
        assert (names[order[0]], order.index(clip) + 1) == (miss["first"], miss["rank"])
        assert clip == number // EACH
        assert miss["first_caption"] == f"clip {order[0]} caption 0"
    assert captions.misses(captions.find(np.eye(CLIPS), np.repeat(np.eye(CLIPS), EACH, axis=0)), names) == []
