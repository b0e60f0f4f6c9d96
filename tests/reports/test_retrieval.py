"""What reports and the console say of retrieval is what evaluation.json says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.report_runs import HOSTILE_NAME, fake_evaluation, fake_run, html_tables, pages, text_of
from tests.support.scored import unit
from tinyclap.common import numbers
from tinyclap.evaluation.captioned import Captions
from tinyclap.reports.console.run import as_table

MINUS = "\N{MINUS SIGN}"


def fake_retrieval(*, words: bool = True, data: str = "kind=clotho") -> dict[str, Any]:
    """An entry of evaluation.json: forty clips with three captions each, one of them hostile."""
    rng = np.random.default_rng(0)
    captions = Captions(
        [[f"{clip} {number} {HOSTILE_NAME * (clip == 7)}" for number in range(3)] for clip in range(40)]
    )
    clips = rng.normal(size=(40, 6))
    texts = unit(np.repeat(clips, 3, axis=0) + rng.normal(size=(120, 6)))
    pairs = {
        (audio, text): captions.find(
            clips + worse * rng.normal(size=clips.shape), texts + other * rng.normal(size=texts.shape)
        )
        for audio, worse in (("teacher", 0.0), ("student", 0.6))
        for text, other in (("teacher", 0.0), ("student", 0.3))[: 1 + words]
    }
    base = pairs["teacher", "teacher"]
    entry: dict[str, Any] = {"task": "retrieval", "data": data, "teacher": {}, "student": {}, "heard_in_training": 3}
    for (audio, text), found in pairs.items():
        compared = None if found is base else base
        entry[audio][f"{text}_text_encoder"] = captions.scores(found, compared, np.arange(40), 100, 0)
    names = [f"{clip} {HOSTILE_NAME}.wav" for clip in range(40)]
    return entry | {
        **{"n_clips": 40, "n_captions": 120, "n_texts": 120, "n_recordings": 40, "clustered": False},
        **{
            "n_bootstrap": 100,
            "by_chance": captions.chances(),
            "bad_clips": [{"name": HOSTILE_NAME, "reason": "silent"}],
        },
        "examples": {
            "audio_encoder": "student",
            "text_encoder": "student" if words else "teacher",
            "misses": captions.misses(found, names),
        },
    }


def written(folder: Path, *entries: dict[str, Any]) -> tuple[str, str]:
    return pages(fake_run(folder, evaluation=[fake_evaluation(), *entries]))


@pytest.mark.parametrize("words", [False, True])
def test_every_figure_stands_in_both_pages_and_on_the_console(tmp_path: Path, words: bool) -> None:
    entry = fake_retrieval(words=words)
    page, markdown = written(tmp_path / "run", entry)
    told = as_table(tmp_path / "run", entry)
    for way, caption in (
        ("text_to_audio", "Text to audio, 120 captions among 40 clips"),
        ("audio_to_text", "Audio to text, 40 clips among 120 texts"),
    ):
        rows = html_tables(page)[f"{caption}, with 95 % intervals"]
        pairs = [entry[audio][text][way] for audio in ("teacher", "student") for text in entry[audio]]
        expected = [
            [
                *(
                    f"{numbers.percent(pair[key]['value'])} {numbers.percent_interval(pair[key]['ci95'])}"
                    for pair in pairs
                ),
                numbers.percent(entry["by_chance"][way][key]),
            ]
            for key in ("recall_1", "recall_5", "recall_10", "map_10")
        ]
        assert [row[1:] for row in rows[1:-1]] == expected
        low, high = (round(end) for end in pairs[0]["median_rank"]["ci95"])
        assert rows[-1][1] == f"{pairs[0]['median_rank']['value']} [{low}, {high}]"
        assert rows[-1][-1] == str(entry["by_chance"][way]["median_rank"])
        for text in (markdown, told):
            assert all(cell in text for row in rows[1:] for cell in row[1:])
        figure = pairs[-1]["map_10"]
        (difference,) = [row for row in html_tables(page)[f"{caption[:13]}: differences"] if row[0] == "mAP@10"]
        assert difference[-1] == numbers.points(figure["difference"], figure["difference_ci95"])
        assert difference[-1].startswith(MINUS)
        assert difference[-1] in markdown
    assert ("student's text encoder" in told) == words
    assert "3 of the test clips are in the training data" in text_of(page)
    assert "warning: 3 of the test clips" in told
    assert "1 unusable test clips were left out" in told
    ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_what_went_wrong_is_told_and_stays_text(tmp_path: Path) -> None:
    entry = fake_retrieval()
    page, markdown = written(tmp_path / "run", entry)
    assert "<script" not in page
    assert "<script" not in markdown
    assert "\n# heading" not in markdown
    misses = entry["examples"]["misses"]
    assert {miss["way"] for miss in misses} == {"text_to_audio", "audio_to_text"}
    for miss in misses:
        assert " ".join(f"{miss['query']} right at place {miss['rank']}".split()) in text_of(page)
    assert "by the student's audio encoder and the student's text encoder" in text_of(page)
    entry["examples"]["misses"] = []
    assert "Every query found a right answer first." in text_of(written(tmp_path / "none", entry)[0])


def test_sounds_elsewhere_have_tables_of_their_own(tmp_path: Path) -> None:
    page, markdown = written(tmp_path / "run", fake_retrieval(), fake_retrieval(data="kind=macs"))
    assert "Text to audio: kind=clotho" in text_of(page)
    assert "Audio to text: kind=macs" in text_of(page)
    assert markdown.count("Text to audio, 120 captions") == 2


def test_what_is_damaged_is_left_out(tmp_path: Path) -> None:
    entry = json.loads(json.dumps(fake_retrieval()))
    scores = entry["teacher"]["teacher_text_encoder"]["text_to_audio"]
    scores["recall_1"], scores["recall_5"]["value"], scores["median_rank"]["ci95"] = "high", "nine", [1]
    entry["student"]["student_text_encoder"] = 7
    entry["by_chance"]["audio_to_text"] = None
    entry["examples"]["misses"][0]["rank"] = "last"
    with pytest.warns(UserWarning, match=r"evaluation\.json is damaged: .*recall_1 is \"high\""):
        page, _ = written(tmp_path / "run", entry)
    rows = html_tables(page)["Text to audio, 120 captions among 40 clips, with 95 % intervals"]
    assert rows[1][1] == numbers.DASH
    assert rows[2][1].startswith(f"{numbers.DASH} [")
    assert len(rows[0]) == 1 + 3 + 1
