"""Data sets as the `datasets` package writes and reads them: parquet with sounds inside, folders of files, streams."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.dataset_contract import RATE, DatasetContract, write_tone
from tests.support.datasets import sound
from tinyclap.config.evaluation_data import other_data
from tinyclap.data import Dataset, build_dataset, hf_dataset
from tinyclap.data.decoded import decode
from tinyclap.data.hf_dataset import Wanted
from tinyclap.data.hf_dataset import hf_dataset as open_hf
from tinyclap.errors import TinyclapError

datasets = pytest.importorskip("datasets", reason="needs the package datasets: pip install '.[datasets]'")
pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.slow  # CI installs the package for its slow tests

Rows = dict[str, list[Any]]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of `datasets` in the home folder, no bars."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("hf"))
    datasets.disable_progress_bars()


def cell(hz: float, name: str | None = "a.flac") -> dict[str, Any]:
    return {"bytes": sound(hz), "path": name}


def write_parquet(root: Path, rows: Rows, features: dict[str, Any] | None = None, name: str = "train") -> Path:
    """A parquet file with `datasets`' own notes on its columns; without features, plain columns."""
    (root / "data").mkdir(parents=True, exist_ok=True)
    schema = datasets.Features(features).arrow_schema if features else None
    pyarrow.parquet.write_table(pyarrow.table(rows, schema=schema), root / "data" / f"{name}-00000-of-00001.parquet")
    return root


def audio() -> Any:
    return datasets.Audio(decode=False)


class TestParquet(DatasetContract):
    streaming = False

    def write(self, root: Path) -> None:
        rows: Rows = {
            "audio": [cell(300, "x/a.flac"), {"bytes": sound(400, format="OGG"), "path": "b.ogg"}, cell(500, None)],
            "label": [1, 0, 1],
        }
        write_parquet(root, rows, {"audio": audio(), "label": datasets.ClassLabel(names=["rain", "dog"])})

    def open(self, root: Path) -> Dataset:
        return open_hf(Wanted(str(root), streaming=self.streaming))

    def test_clips_are_named_by_row_and_file(self, dataset: Dataset) -> None:
        assert [clip.name for clip in dataset.clips] == ["00000000-a.flac", "00000001-b.ogg", "00000002"]
        assert [clip.label for clip in dataset.clips] == ["dog", "rain", "dog"]
        assert {clip.split for clip in dataset.clips} == {"train"}


class TestStreamedParquet(TestParquet):
    streaming = True


class TestAudioFolder(DatasetContract):
    streaming = False

    def write(self, root: Path) -> None:
        for number, name in enumerate(["dog/a.wav", "dog/b.flac", "rain/c.ogg"]):
            write_tone(root / name, 300 + 100 * number)

    def open(self, root: Path) -> Dataset:
        return open_hf(Wanted(str(root), streaming=self.streaming))


class TestStreamedAudioFolder(TestAudioFolder):
    streaming = True


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write_parquet(
        tmp_path / "two",
        {"audio": [cell(300, "a.flac"), cell(400, "b.flac")], "text": [["a dog", "it barks"], ["rain"]]},
        {"audio": audio(), "text": datasets.Sequence(datasets.Value("string"))},
    )


def test_streamed_or_fetched_the_clips_and_embeddings_are_the_same(two: Path) -> None:
    fetched, streamed = (open_hf(Wanted(str(two), streaming=on)) for on in (False, True))
    assert streamed.clips == fetched.clips
    assert [clip.captions for clip in fetched.clips] == [("a dog", "it barks"), ("rain",)]
    assert streamed.fingerprint == fetched.fingerprint
    for index in (1, 0, 0, 1):  # backwards too, which begins the stream again
        np.testing.assert_array_equal(streamed.load(index, RATE), fetched.load(index, RATE))
    assert decode(streamed, RATE).fingerprint == decode(fetched, RATE).fingerprint


def test_sounds_are_decoded_by_tinyclap_alone(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.Audio, "decode_example", lambda *_, **__: pytest.fail("datasets decoded a sound"))
    dataset = open_hf(Wanted(str(two)))
    assert dataset.info(0).sample_rate == 16_000
    np.testing.assert_allclose(np.abs(dataset.load(0, RATE)).max(), 0.4, atol=0.01)


def test_what_was_looked_up_is_not_read_again(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_hf(Wanted(str(two)))
    monkeypatch.setattr(hf_dataset, "_samples", lambda *_: pytest.fail("read again"))
    assert open_hf(Wanted(str(two))).clips == before.clips
    assert open_hf(Wanted(str(two), streaming=True)).fingerprint == before.fingerprint
    monkeypatch.undo()
    datasets.disable_progress_bars()
    write_parquet(two, {"audio": [cell(310, "a.flac")], "text": [["another"]]}, None)
    assert [clip.captions for clip in open_hf(Wanted(str(two))).clips] == [("another",)]


def test_columns_are_found_and_asked_for(tmp_path: Path) -> None:
    rows: Rows = {
        "near": [cell(300)],
        "far": [cell(700)],
        "kind": ["dog"],
        "tags": [["dog", "bark"]],
        "said": ["a dog barks"],
    }
    features = {"near": audio(), "far": audio(), "kind": datasets.Value("string"), "said": datasets.Value("string")}
    root = write_parquet(tmp_path, rows, features | {"tags": datasets.Sequence(datasets.Value("string"))})
    with pytest.raises(TinyclapError, match=r"2 columns hold sounds \(near, far, among near, far, kind, .*say which"):
        open_hf(Wanted(str(root)))
    (clip,) = open_hf(Wanted(str(root), audio="far", label="kind", caption="said")).clips
    assert (clip.label, clip.captions) == ("dog", ("a dog barks",))
    (clip,) = open_hf(Wanted(str(root), audio="far", label="tags")).clips
    assert (clip.label, clip.captions) == (None, ("dog, bark",)), "several labels are said of it"
    with pytest.raises(TinyclapError, match="there is no column sort, of label; the columns are near, far, kind"):
        open_hf(Wanted(str(root), audio="far", label="sort"))
    with pytest.raises(TinyclapError, match="column kind holds no sounds; those that do: near, far"):
        open_hf(Wanted(str(root), audio="kind"))


def test_plain_parquet_with_bytes_and_path_is_sound_too(tmp_path: Path) -> None:
    rows: Rows = {"sound": [cell(300), cell(400, "b.flac")], "label": ["dog", "rain"]}
    dataset = open_hf(Wanted(str(write_parquet(tmp_path, rows))))
    assert dataset.labels == ["dog", "rain"]
    assert len(dataset.load(1, RATE)) == 8000


def test_a_folder_with_captions_beside_its_files(tmp_path: Path) -> None:
    for number in range(2):
        write_tone(tmp_path / "train" / f"{number}.wav", 300 + 100 * number)
    lines = [json.dumps({"file_name": f"{number}.wav", "text": f"sound {number}"}) for number in range(2)]
    (tmp_path / "train" / "metadata.jsonl").write_text("\n".join(lines))
    dataset = open_hf(Wanted(str(tmp_path)))
    assert [clip.captions for clip in dataset.clips] == [("sound 0",), ("sound 1",)]


def test_rows_that_cannot_be_used_are_named_and_counted(tmp_path: Path) -> None:
    rows: Rows = {"audio": [cell(300), None, {"bytes": b"no sound", "path": "c.wav"}, cell(400)]}
    dataset = open_hf(Wanted(str(write_parquet(tmp_path, rows, {"audio": audio()}))))
    decoded = decode(dataset, RATE, max_bad_share=0.5)
    assert [window.clip for window in decoded.windows] == [0, 3]
    assert {bad.name: bad.reason.partition(":")[0] for bad in decoded.bad} == {
        "00000001": "a row without a sound",
        "00000002-c.wav": "cannot be decoded",
    }


def test_what_is_not_there_is_named(two: Path, tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=r"hf_dataset .*two, split dev: Unknown split .dev."):
        open_hf(Wanted(str(two), split="dev"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(TinyclapError, match=r"hf_dataset .*empty: .*doesn't contain any data"):
        open_hf(Wanted(str(tmp_path / "empty")))
    with pytest.raises(TinyclapError, match="hf_dataset nobody/nothing: "):
        open_hf(Wanted("nobody/nothing"))


def test_bytes_that_changed_meanwhile_are_not_taken_for_the_clip(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_hf(Wanted(str(two)))
    monkeypatch.setattr(hf_dataset, "sound_of", lambda _: sound(999))
    with pytest.raises(TinyclapError, match=r"00000001-b\.flac holds other bytes .*tinyclap cache shards --clear"):
        dataset.load(1, RATE)


def test_a_stream_crosses_processes(two: Path) -> None:
    streamed = open_hf(Wanted(str(two), streaming=True))
    streamed.load(0, RATE)
    copy = pickle.loads(pickle.dumps(streamed))
    np.testing.assert_array_equal(copy.load(1, RATE), streamed.load(1, RATE))


def test_a_section_of_a_recipe(two: Path) -> None:
    asked = other_data("hf_dataset", str(two), settings=["streaming=true", "weight=2", "caption=text"])
    dataset = build_dataset(asked.spec)
    assert [clip.weight for clip in dataset.clips] == [2.0, 2.0]
    assert dataset.name == "two"
