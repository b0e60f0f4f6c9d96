"""Published data sets: what each official layout means, and the errors of a wrong one."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support import published
from tests.support.dataset_contract import DatasetContract, write_tone
from tinyclap.config.evaluation_data import other_data
from tinyclap.data import Dataset, build_dataset
from tinyclap.data.published.audiocaps import audiocaps
from tinyclap.data.published.clotho import clotho
from tinyclap.data.published.fsd50k import fsd50k
from tinyclap.data.published.macs import macs
from tinyclap.data.published.tut2017 import tut2017
from tinyclap.data.published.urbansound8k import download_urbansound8k, urbansound8k
from tinyclap.errors import TinyclapError
from tinyclap.pipelines.scoring import labelled_dataset


def told(dataset: Dataset, *fields: str) -> list[tuple[object, ...]]:
    return [tuple(getattr(clip, field) for field in fields) for clip in dataset.clips]


class TestUrbanSound8k(DatasetContract):
    def write(self, root: Path) -> None:
        published.write_urbansound8k(root)

    def open(self, root: Path) -> Dataset:
        return urbansound8k(root)

    def test_the_table_decides(self, dataset: Dataset) -> None:
        assert told(dataset, "name", "label", "fold", "source") == [
            ("fold1/100032-3-0-0.wav", "dog_bark", 1, "100032"),
            ("fold2/101-9-0-1.wav", "street_music", 2, "101"),
            ("fold10/102-3-0-0.wav", "dog_bark", 10, "102"),
            ("fold10/102-3-0-4.wav", "dog_bark", 10, "102"),
        ]
        assert [clip.fold for clip in dataset.select(folds=[10, 1]).clips] == [1, 10, 10]

    def test_files_may_be_converted_but_not_moved(self, tmp_path: Path) -> None:
        root = published.write_urbansound8k(tmp_path)
        write_tone(root / "audio/fold2/101-9-0-1.flac", 350)
        (root / "audio/fold2/101-9-0-1.wav").unlink()
        assert urbansound8k(root).clips[1].name == "fold2/101-9-0-1.flac"
        shutil.move(root / "audio/fold2/101-9-0-1.flac", root / "audio/fold1")
        message = (
            r"1 clips of .*UrbanSound8K\.csv have no audio file in .*audio, in any of .*: fold2/101-9-0-1\.wav; copy"
        )
        with pytest.raises(TinyclapError, match=message):
            urbansound8k(root)

    @pytest.mark.parametrize(
        ("before", "after", "message"),
        [
            (
                "fsID",
                "id",
                "no column fsID; expected slice_file_name, fsID, fold, class, got slice_file_name, id, start",
            ),
            (",1,2,9,", ",1,two,9,", "empty field or a fold that is no number in line 3"),
            (",102,", ",,", "empty field .* in line 4, 5"),
        ],
    )
    def test_a_damaged_table(self, tmp_path: Path, before: str, after: str, message: str) -> None:
        table = published.write_urbansound8k(tmp_path) / "metadata/UrbanSound8K.csv"
        table.write_text(table.read_text().replace(before, after))
        with pytest.raises(TinyclapError, match=message):
            urbansound8k(tmp_path)

    def test_a_download_leaves_what_is_there(self, tmp_path: Path) -> None:
        download_urbansound8k(published.write_urbansound8k(tmp_path / "there"))
        (tmp_path / "other").mkdir()
        with pytest.raises(TinyclapError, match=r"exists but holds no metadata/UrbanSound8K\.csv: remove it, or"):
            download_urbansound8k(tmp_path / "other")


class TestTut2017(DatasetContract):
    def write(self, root: Path) -> None:
        published.write_tut2017_development(root)

    def open(self, root: Path) -> Dataset:
        return tut2017(root, "development")

    def test_a_fold_is_what_the_setup_tests_on(self, dataset: Dataset) -> None:
        assert told(dataset, "name", "label", "source", "fold", "split")[1:4] == [
            ("b020_100_110.wav", "beach", "b020", 1, "development"),
            ("b077_0_10.wav", "bus", "b077", 2, "development"),
            ("a128_0_10.wav", "cafe/restaurant", "a128", 3, "development"),
        ]
        assert [clip.source for clip in dataset.select(folds=[4, 1]).clips] == ["b020", "b020", "a129"]

    @pytest.mark.parametrize("table", ["meta.txt", "evaluation_setup/evaluate.txt"])
    def test_the_evaluation_set(self, tmp_path: Path, table: str) -> None:
        root = published.write_tut2017_evaluation(tmp_path, table)
        fields = ("name", "label", "source", "fold", "split")
        assert told(tut2017(root), *fields)[0] == ("0.wav", "beach", None, None, "evaluation")
        published.write_lines(
            root / "evaluation_setup/map.txt", *(f"audio/{n}.wav\taudio/b{n // 2}_{n}_10.wav" for n in range(3))
        )
        assert [clip.source for clip in tut2017(root).clips] == ["b0", "b0", "b1"]

    def test_each_set_is_told_from_the_other(self, tmp_path: Path) -> None:
        development = published.write_tut2017_development(tmp_path / "one")
        evaluation = published.write_tut2017_evaluation(tmp_path / "two")
        with pytest.raises(TinyclapError, match=r"one holds TUT 2017's development set: give split: development"):
            tut2017(development)
        with pytest.raises(TinyclapError, match=r"no .*two/evaluation_setup/fold1_evaluate\.txt, .* split: evaluation"):
            tut2017(evaluation, "development")

    def test_folds_of_the_evaluation_set_are_a_conflict(self) -> None:
        with pytest.raises(TinyclapError, match=r"folds: the evaluation set has none; allowed: null, or split: dev"):
            other_data("tut2017", "x", folds="1")
        assert other_data("tut2017", "x", folds="1", settings=["split=development"]).spec.folds == (1,)


class TestAudioCaps(DatasetContract):
    def write(self, root: Path) -> None:
        published.write_audiocaps(root)

    def open(self, root: Path) -> Dataset:
        return audiocaps(root, ("train", "test"))

    def part(self, dataset: Dataset) -> dict[str, list[str]]:
        return {"splits": ["train"]}

    def test_three_ways_to_name_a_file(self, dataset: Dataset) -> None:
        assert told(dataset, "name", "captions", "source", "split", "label") == [
            ("train/-0abc_DEFgh.wav", ("A dog barks, and a man speaks",), "-0abc_DEFgh", "train", None),
            ("train/2abcdefghij_30.flac", ("Rain falls on a roof",), "2abcdefghij", "train", None),
            ("train/91139.wav", ("A bell rings",), "3abcdefghij", "train", None),
            ("test/4abcdefghij.wav", ("A man talks", "Constant rattling"), "4abcdefghij", "test", None),
        ]

    def test_what_youtube_lost_is_counted(self, tmp_path: Path) -> None:
        root = published.write_audiocaps(tmp_path, ["3abcdefghij.wav"])
        with pytest.warns(UserWarning, match=r"AudioCaps train: 2 of 3 clips have no file in .*train \(videos vanish"):
            assert [clip.source for clip in audiocaps(root).clips] == ["3abcdefghij"]
        (root / "train/3abcdefghij.wav").unlink()
        with pytest.raises(
            TinyclapError, match=r"none of the 3 clips of train\.csv has a file; get dataset/train\.csv of"
        ):
            audiocaps(root)


class TestClotho(DatasetContract):
    def write(self, root: Path) -> None:
        published.write_clotho(root)

    def open(self, root: Path) -> Dataset:
        return clotho(root, ("development", "validation"))

    def part(self, dataset: Dataset) -> dict[str, list[str]]:
        return {"splits": ["validation"]}

    def test_five_captions_each(self, dataset: Dataset) -> None:
        assert told(dataset, "name", "captions", "split", "label")[0] == (
            "development/Rain (1.5 m) development.wav",
            ("Rain 0", "Rain 1", "Rain 2", "Rain 3", "Rain 4"),
            "development",
            None,
        )

    def test_a_split_that_is_not_there(self, tmp_path: Path) -> None:
        published.write_clotho(tmp_path)
        assert len(clotho(tmp_path)) == 2
        message = (
            r"expected clotho_captions_evaluation\.csv and evaluation/ in it; get .*clotho_audio_evaluation\.7z from"
        )
        with pytest.raises(TinyclapError, match=message):
            clotho(tmp_path, ["evaluation"])


class TestFsd50k(DatasetContract):
    def write(self, root: Path) -> None:
        published.write_fsd50k(root)

    def open(self, root: Path) -> Dataset:
        return fsd50k(root, ("train", "val", "eval"))

    def part(self, dataset: Dataset) -> dict[str, list[str]]:
        return {"splits": ["train", "eval"]}

    def test_the_classes_are_the_caption(self, dataset: Dataset) -> None:
        assert told(dataset, "name", "captions", "split", "label") == [
            ("FSD50K.dev_audio/64760.wav", ("electric guitar, guitar, music",), "train", None),
            ("FSD50K.dev_audio/16399.wav", ("accelerating and revving and vroom, vehicle",), "val", None),
            ("FSD50K.dev_audio/21914.wav", ("rain",), "train", None),
            ("FSD50K.eval_audio/37199.wav", ("bark, dog",), "eval", None),
        ]

    def test_only_what_is_asked_for_must_be_there(self, tmp_path: Path) -> None:
        root = published.write_fsd50k(tmp_path)
        shutil.rmtree(root / "FSD50K.eval_audio")
        (root / "FSD50K.dev_audio/16399.wav").unlink()
        assert len(fsd50k(root, ["train"])) == 2
        with pytest.raises(TinyclapError, match=r"1 clips of .*dev\.csv have no audio file .*: 16399;"):
            fsd50k(root)
        with pytest.raises(
            TinyclapError, match=r"expected FSD50K\.ground_truth/eval\.csv .*`zip -s 0 FSD50K\.eval_audio"
        ):
            fsd50k(root, ["eval"])


class TestMacs:
    def test_captions_and_places(self, tmp_path: Path) -> None:
        assert told(macs(published.write_macs(tmp_path)), "name", "captions", "source", "label") == [
            ("airport-barcelona-0-0-a.wav", ("a dog", "people talk"), "barcelona-0", None),
            ("airport-barcelona-0-1-a.wav", ("a dog", "people talk"), "barcelona-0", None),
            ("park-vienna-12-3-a.wav", ("a dog", "people talk"), "vienna-12", None),
        ]

    @pytest.mark.parametrize(
        "text", ["", "[1]", "files: {}: {}", "files: [{filename: a.wav}]", "files: [{filename: a, annotations: [x]}]"]
    )
    def test_other_annotations(self, tmp_path: Path, text: str) -> None:
        (published.write_macs(tmp_path) / "MACS.yaml").write_text(text)
        with pytest.raises(TinyclapError, match=r"MACS\.yaml cannot be read .*expected MACS\.yaml of https://zenodo"):
            macs(tmp_path)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "urbansound8k": published.write_urbansound8k,
    "tut2017": published.write_tut2017_evaluation,
    "audiocaps": published.write_audiocaps,
    "clotho": published.write_clotho,
    "macs": published.write_macs,
    "fsd50k": published.write_fsd50k,
}


@pytest.mark.parametrize("kind", WRITERS)
class TestEveryKind:
    def test_it_is_a_kind_of_a_data_section(self, tmp_path: Path, kind: str) -> None:
        WRITERS[kind](tmp_path / "root")
        dataset = build_dataset(other_data(kind, str(tmp_path / "root")).spec)
        assert len(dataset) >= 2
        assert all(clip.path and clip.path.is_file() for clip in dataset.clips)

    def test_a_wrong_root_says_what_is_expected_and_how_to_get_it(self, tmp_path: Path, kind: str) -> None:
        spec = other_data(kind, str(tmp_path / "root")).spec
        with pytest.raises(TinyclapError, match=r"root: the folder does not exist; get .*https://"):
            build_dataset(spec)
        (tmp_path / "root").mkdir()
        with pytest.raises(TinyclapError, match=r"expected .* in it; get .*https://"):
            build_dataset(spec)
        WRITERS[kind](tmp_path / "root/inner")
        with pytest.raises(TinyclapError, match=r"there is one in .*root/inner: give that as root"):
            build_dataset(spec)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("urbansound8k", ["folds=[11]"], "folds.0: got 11, allowed: a whole number >= 1 and <= 10"),
        ("tut2017", ["split=test"], 'split: got "test", allowed: "development" or "evaluation"'),
        (
            "audiocaps",
            ["download=true"],
            "download: unknown key, allowed here: kind, labels, exclude_labels, weight, root, splits",
        ),
        ("clotho", ["splits=[train]"], 'splits.0: got "train", allowed: "development", "validation" or "evaluation"'),
        ("fsd50k", ["splits=[]"], "splits: got [], allowed: a list of one or more"),
    ],
)
def test_keys_are_checked(kind: str, settings: Sequence[str], message: str) -> None:
    with pytest.raises(TinyclapError) as caught:
        other_data(kind, "x", settings=settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(("kind", "name"), [("urbansound8k", "UrbanSound8K"), ("tut2017", "TUT Acoustic Scenes 2017")])
def test_a_layout_given_as_a_folder_is_recognised(tmp_path: Path, kind: str, name: str) -> None:
    root = WRITERS[kind](tmp_path)
    assert labelled_dataset(other_data(kind, str(root)).spec).labels
    with pytest.raises(TinyclapError, match=rf"of 'audio'; .* is {name}: give kind {kind} \(--data {kind}\)"):
        labelled_dataset(other_data("folder", str(root)).spec)


def test_captions_alone_are_no_test(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match="needs a label for every clip; 3 of 3 have none"):
        labelled_dataset(other_data("macs", str(published.write_macs(tmp_path))).spec)
