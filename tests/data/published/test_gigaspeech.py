"""GigaSpeech in both its layouts: what a segment is, and the errors of damaged or missing parts."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support import published
from tests.support.dataset_contract import RATE, DatasetContract
from tinyclap.audio import files
from tinyclap.config.evaluation_data import other_data
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.decoded import decode
from tinyclap.data.published import gigaspeech as module
from tinyclap.data.published.gigaspeech import gigaspeech, said
from tinyclap.errors import TinyclapError


class TestGigaSpeech(DatasetContract):
    def write(self, root: Path) -> None:
        published.write_gigaspeech(root)

    def open(self, root: Path) -> Dataset:
        return gigaspeech(root, "XL")

    def part(self, dataset: Dataset) -> dict[str, list[str]]:
        return {"splits": ["XS"]}

    def test_a_segment_is_a_clip(self, dataset: Dataset, tmp_path: Path) -> None:
        assert [(clip.name[-7:], clip.split) for clip in dataset.clips[:3]] == [
            ("0000000", "XS"),
            ("0000001", "XS"),
            ("0000002", "XL"),
        ]
        dataset = gigaspeech(tmp_path / "first")
        assert [(clip.name, clip.captions[0], clip.source, clip.split) for clip in dataset.clips] == [
            ("YOU0000000315_S0000000", "as they're leaving, can kash go?", "YOU0000000315", "XS"),
            ("YOU0000000315_S0000001", "youtube speaks.", "YOU0000000315", "XS"),
            ("POD0000000004_S0000000", "as they're leaving, can kash go?", "POD0000000004", "XS"),
            ("POD0000000004_S0000001", "podcast speaks.", "POD0000000004", "XS"),
        ]
        path = dataset.clips[1].path
        assert path is not None
        whole = files.read(path, RATE)
        begin = round(1.013 * RATE)
        np.testing.assert_allclose(dataset.load(1, RATE), whole[begin : begin + RATE // 2], atol=2e-6)
        assert not np.allclose(dataset.load(1, RATE), dataset.load(0, RATE), atol=0.1)

    def test_segments_of_one_file_differ_in_the_fingerprint(self, dataset: Dataset, tmp_path: Path) -> None:
        table = tmp_path / "first/GigaSpeech.json"
        table.write_text(table.read_text().replace("1.013", "1.014"))
        assert self.open(tmp_path / "first").fingerprint != dataset.fingerprint


class TestGigaSpeechOfTheHub(DatasetContract):
    def write(self, root: Path) -> None:
        published.write_gigaspeech_hub(root)

    def open(self, root: Path) -> Dataset:
        return gigaspeech(root, "S")

    def part(self, dataset: Dataset) -> dict[str, list[str]]:
        return {"splits": ["S"]}

    def test_a_subset_has_the_smaller_ones(self, dataset: Dataset, tmp_path: Path) -> None:
        smaller = gigaspeech(tmp_path / "first")
        assert [clip.captions for clip in smaller.clips] == [("can kash go?",), ("hello.",)]
        assert [clip.source for clip in dataset.clips] == ["YOU0000000315", "POD0000000004", "AUD0000000007"]

    def test_a_subset_that_is_not_there(self, tmp_path: Path) -> None:
        published.write_gigaspeech_hub(tmp_path)
        with pytest.raises(TinyclapError, match=r"no tables of subset DEV in .*metadata; sign the form"):
            gigaspeech(tmp_path, "DEV")


def test_transcripts_become_sentences() -> None:
    assert said("WAIT <EXCLAMATIONPOINT>  NO <COMMA> REALLY <PERIOD>") == "wait! no, really."
    assert [said(mark) for mark in ("<SIL>", "<MUSIC>", " <NOISE>", "<OTHER>")] == [""] * 4


def test_the_subset_decides(tmp_path: Path) -> None:
    published.write_gigaspeech(tmp_path)
    dataset = build_dataset(other_data("gigaspeech", str(tmp_path), settings=["subset=XL"]).spec)
    assert len(dataset) == 6
    with pytest.raises(TinyclapError, match="no clip of subset DEV: its metadata lists none; sign the form"):
        gigaspeech(tmp_path, "DEV")


@pytest.mark.parametrize("piece", [1, 7, 64, 2**20])
def test_the_metadata_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    published.write_gigaspeech(tmp_path)
    monkeypatch.setattr(module, "PIECE", piece)
    table = tmp_path / "GigaSpeech.json"
    assert list(module._recordings(table)) == json.loads(table.read_text())["audios"]


def test_recordings_that_were_not_downloaded_are_counted(tmp_path: Path) -> None:
    published.write_gigaspeech(tmp_path)
    (tmp_path / "audio/podcast/P0001/POD0000000004.opus").unlink()
    with pytest.warns(UserWarning, match=r"GigaSpeech XS: 2 of 4 clips have no file in .*audio; the others are used"):
        assert {clip.source for clip in gigaspeech(tmp_path).clips} == {"YOU0000000315"}
    (tmp_path / "audio/youtube/P0001/YOU0000000315.opus").unlink()
    with pytest.raises(TinyclapError, match="no clip of subset XS: none of its 4 clips has a file in"):
        gigaspeech(tmp_path)


def test_a_segment_beyond_the_end_of_its_file_is_named(tmp_path: Path) -> None:
    published.write_gigaspeech(tmp_path)
    table = tmp_path / "GigaSpeech.json"
    metadata = json.loads(table.read_text())
    metadata["audios"][0]["segments"][1] |= {"begin_time": 70.0, "end_time": 70.5}
    table.write_text(json.dumps(metadata))
    decoded = decode(gigaspeech(tmp_path), RATE, max_bad_share=0.5)
    assert [clip.name for clip in decoded.bad] == ["YOU0000000315_S0000001"]
    assert "begins at 70 s" in decoded.bad[0].reason


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"audios"', '"videos"', 'it holds no list "audios"'),
        ('"text_tn"', '"text"', "a recording without what it should say, KeyError: 'text_tn'"),
        ('"end_time": 0.9', '"end_time": 0.3', "YOU0000000315_S0000000 lasts from 0.4 to 0.3 s"),
        ('"begin_time": 0.4', '"begin_time": "soon"', "could not convert"),
    ],
)
def test_damaged_metadata(tmp_path: Path, before: str, after: str, message: str) -> None:
    table = published.write_gigaspeech(tmp_path) / "GigaSpeech.json"
    table.write_text(table.read_text().replace(before, after))
    with pytest.raises(TinyclapError, match=f"is not GigaSpeech's metadata: .*{message}"):
        gigaspeech(tmp_path)


def test_metadata_that_was_cut_short(tmp_path: Path) -> None:
    table = published.write_gigaspeech(tmp_path) / "GigaSpeech.json"
    table.write_text(table.read_text()[:-40])
    with pytest.raises(TinyclapError, match="it ends early, or "):
        gigaspeech(tmp_path)


def test_an_empty_folder_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=r"expected GigaSpeech\.json and audio/ in it; sign the form .* token"):
        gigaspeech(tmp_path)
