"""Tars as LAION, X-ARES and OpenCLIP write them: clips, what is said of them, and what is wrong with shards."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.support.dataset_contract import RATE, DatasetContract
from tests.support.datasets import sound, tar_bytes, write_folder, write_shard
from tinyclap.common.files import cache_root
from tinyclap.data import Dataset
from tinyclap.data.decoded import decode
from tinyclap.data.folder import folder
from tinyclap.data.overlap import clips_in_training
from tinyclap.data.shards import index
from tinyclap.data.shards.dataset import Shards, shards
from tinyclap.data.shards.writing import write_shards
from tinyclap.errors import TinyclapError

LAION = [
    ("0.flac", sound(300)),
    ("0.json", {"text": ["a dog barks", "", "barking"], "tag": ["dog", "bark"], "original_data": {"x": 1}}),
    ("1.flac", sound(400)),
    ("1.json", {"text": [], "tag": ["rain", "roof"]}),
]


class TestShards(DatasetContract):
    def write(self, root: Path) -> None:
        write_shard(root / "x-0.tar", [("0.wav", sound(300, format="WAV")), ("0.json", {"label": "dog"})])
        members = [
            ("0.ogg", sound(400, format="OGG")),
            ("0.json", {"label": "rain"}),
            ("1.mp3", sound(500, format="MP3")),
        ]
        write_shard(root / "x-1.tar", [*members, ("1.json", {"label": "dog"})])

    def open(self, root: Path) -> Dataset:
        return shards(str(root / "x-{0..1}.tar"))

    def test_members_of_one_name_in_two_shards_are_two_clips(self, dataset: Dataset) -> None:
        assert [clip.name for clip in dataset.clips] == ["x-0.tar/0.wav", "x-1.tar/0.ogg", "x-1.tar/1.mp3"]
        assert dataset.name == "x"


def of(tmp_path: Path, *members: tuple[str, object]) -> Shards:
    return shards(str(write_shard(tmp_path / "of" / "0.tar", members)))


# ---- what is said of clips


def test_laion_s_captions_and_tags(tmp_path: Path) -> None:
    first, second = of(tmp_path, *LAION).clips
    assert (first.captions, first.label) == (("a dog barks", "barking"), None)
    assert (second.captions, second.label) == (("rain, roof",), None), "tags where there is no caption"


def test_one_tag_each_is_a_label(tmp_path: Path) -> None:
    dataset = of(
        tmp_path, ("0.flac", sound()), ("0.json", {"tag": ["dog"], "caption": "a dog"}), ("1.flac", sound(300))
    )
    assert [(clip.label, clip.captions) for clip in dataset.clips] == [("dog", ("a dog",)), (None, ())]


def test_labels_words_and_texts(tmp_path: Path) -> None:
    dataset = of(
        tmp_path,
        *(("a/0.wav", sound(format="WAV")), ("a/0.txt", "\ufeffa dog \n barks\n")),
        *(("a/0.json", {"label": 7, "fold": 2, "split": "test", "source": "r1", "captions": "a dog barks"}),),
        *(
            ("b/1.flac", sound(500)),
            ("b/1.json", {"clip": "mine/b.flac", "label": ["x", "y"], "fold": "?", "split": {}}),
        ),
        *(("._0.flac", b"of a Mac"), ("c/2.npy", b"something else"), ("c/2.cls", "3")),
    )
    first, second = dataset.clips
    assert (first.name, first.label, first.captions) == ("0.tar/a/0.wav", "7", ("a dog barks",))
    assert (first.fold, first.split, first.source) == (2, "test", "r1")
    assert (second.name, second.label, second.captions, second.fold) == ("mine/b.flac", None, ("x, y",), None)
    assert [clip.name for clip in dataset.select(splits=["test"]).clips] == ["0.tar/a/0.wav"]


# ---- the same as a folder


def test_a_folder_s_clips_in_shards_are_the_same_clips(tmp_path: Path) -> None:
    plain = folder(write_folder(tmp_path / "sounds"))
    write_shards(plain, str(tmp_path / "s-%d.tar"), clips=2)
    packed = shards(str(tmp_path / "s-{0..2}.tar"))
    assert packed.fingerprint == plain.fingerprint
    for number, (ours, theirs) in enumerate(zip(packed.clips, plain.clips, strict=True)):
        assert (ours.name, ours.label, ours.path) == (theirs.name, theirs.label, None)
        assert packed.info(number) == plain.info(number)
        np.testing.assert_array_equal(packed.load(number, RATE, 0.1), plain.load(number, RATE, 0.1))
    assert decode(packed, RATE).fingerprint == decode(plain, RATE).fingerprint


def test_clips_of_a_test_set_are_found_in_shards(tmp_path: Path) -> None:
    plain = folder(write_folder(tmp_path / "sounds"))
    write_shards(plain.select(labels=["dog"]), str(tmp_path / "dogs-%d.tar"))
    dogs = shards(str(tmp_path / "dogs-0.tar"))
    assert [clip.name for clip in clips_in_training(dogs, plain)] == ["dog/a.wav", "dog/b.flac"]
    assert clips_in_training(plain, dogs) == list(dogs.clips)
    assert clips_in_training(plain.select(labels=["rain"]), dogs) == []
    others = of(tmp_path, ("0.flac", sound()), ("0.json", {"clip": "dog/a.wav"}))
    assert clips_in_training(dogs, others) == [], "the same name is not the same sound"
    one = of(tmp_path / "a", ("0.flac", sound()), ("0.json", {"source": "r"}), ("1.flac", sound(500)))
    assert clips_in_training(one, one.select(splits=None)) == list(one.clips)


# ---- what is wrong


def test_clips_that_cannot_be_used_are_named_and_counted(tmp_path: Path) -> None:
    good = [(f"{number}.flac", sound(300 + number)) for number in range(5)]
    dataset = of(
        tmp_path,
        *good,
        *(("a.flac", sound()[:4000]), ("b.flac", sound()), ("b.json", "{no")),
        *(("c.json", {"text": "nothing to hear"}), ("d.flac", sound(310)), ("d.wav", sound(311, format="WAV"))),
        *(("e.flac", sound(320)), ("e.json", {"text": 3}), ("f.flac", b""), ("g.flac", sound()), ("g.json", "[]")),
        *(("h.flac", sound(330)), ("h.flac", sound(340)), ("i.flac", sound(350)), ("i.txt", b"\xff\xfe\xfa")),
    )
    decoded = decode(dataset, RATE, max_bad_share=0.7)
    assert [window.name for window in decoded.windows] == [f"0.tar/{name}" for name, _ in good]
    told = {clip.name: clip.reason for clip in decoded.bad}
    assert told.pop("0.tar/a.flac") == "cannot be decoded: flac decoder lost sync"
    assert told.pop("0.tar/b.flac").startswith("what is said of it is no JSON: ")
    assert told == {
        "0.tar/c.json": "a text without a sound",
        "0.tar/d.flac": "several sounds of one name: d.flac, d.wav",
        "0.tar/e.flac": "of what is said, text must be text or a list of texts, got 3",
        "0.tar/f.flac": "empty",
        "0.tar/g.flac": 'of what is said, an object such as {"text": ...} is expected, got list',
        "0.tar/h.flac": "h.flac stands in the shard twice",
        "0.tar/i.flac": "what is said of it is no UTF-8 text: invalid start byte",
    }
    with pytest.raises(
        TinyclapError, match=r"(?s)9 of 14 clips are unusable, more than data\.max_bad_share=0\.05 allows.*c.json"
    ):
        decode(dataset, RATE)


def test_all_shards_that_cannot_be_used_at_once(tmp_path: Path) -> None:
    whole = tar_bytes(LAION)
    folder = tmp_path / "data"
    write_shard(folder / "0.tar", LAION)
    (folder / "1.tar").write_bytes(whole[:2000])
    (folder / "2.tar").write_bytes(b"\x1f\x8b" + bytes(600))
    (folder / "3.tar").write_bytes(b"no tar" * 200)
    (folder / "5.tar").write_bytes(b"")
    header = whole.index(b"1.flac")
    (folder / "6.tar").write_bytes(whole[:header] + b"?" * 512 + whole[header + 512 :])
    write_shard(folder / "7.tar", [("readme.md", "nothing")])
    (folder / "8.tar").mkdir()
    with pytest.raises(TinyclapError) as caught:
        shards(str(folder / "{0..9}.tar"))
    first, *told = str(caught.value).splitlines()
    assert first == "9 of 10 shards cannot be used:"
    assert [line.strip().removeprefix(f"{folder}/")[:5] for line in told] == [
        f"{number}.tar" for number in range(1, 10)
    ]
    for line, part in zip(
        told,
        (
            *(r"truncated: 0.flac ends at byte", "is compressed; unpack it", "is no whole tar", "no such file"),
            *("is no whole tar (empty file)", f"damaged at byte {header:,}", "holds no sound", "is a folder"),
            "no such file",
        ),
        strict=True,
    ):
        assert part in line


def test_a_long_list_of_missing_shards_is_cut(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=r"^100 of 100 shards cannot be used:(\n.*){20}\n  \.\.\. and 80 more$"):
        shards(str(tmp_path / "{00..99}.tar"))


def test_a_name_that_two_shards_give(tmp_path: Path) -> None:
    for number in range(2):
        write_shard(tmp_path / f"{number}.tar", [("0.flac", sound(300 + number)), ("0.json", {"clip": "dog.flac"})])
    with pytest.raises(TinyclapError, match=r"1 clips have the name of another one: dog\.flac \(0\.tar and 1\.tar\)"):
        shards(str(tmp_path / "{0..1}.tar"))


def test_a_tar_without_its_end_mark_is_used_with_a_warning(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "0.tar", [("0.flac", sound())])
    with tarfile.open(path) as tar:
        end = tar.getmembers()[-1]
        size = end.offset_data + -(-end.size // 512) * 512
    path.write_bytes(path.read_bytes()[:size])
    with pytest.warns(UserWarning, match=r"0\.tar has no end mark of a tar"):
        assert len(shards(str(path))) == 1


# ---- the index


def test_an_index_is_made_once_and_again_for_a_shard_that_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_shard(tmp_path / "0.tar", LAION)
    made: list[str] = []
    members = index._members
    monkeypatch.setattr(index, "_members", lambda shard: made.append(shard.address) or members(shard))  # type: ignore[func-returns-value]
    before = shards(str(path))
    assert shards(str(path)).clips == before.clips
    assert len(made) == 1
    status = path.stat()
    write_shard(path, [("0.flac", sound(301)), *LAION[1:]])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    after = shards(str(path))
    assert len(made) == 2
    assert after.fingerprint != before.fingerprint
    with pytest.raises(TinyclapError, match=r"0\.tar changed since the command began; run it again"):
        before.load(0, RATE)
    assert len(list((cache_root() / "shards").iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"2\n{}\n", b"what\n", b"3\n"])
def test_a_damaged_index_is_made_again(tmp_path: Path, damage: bytes) -> None:
    path = write_shard(tmp_path / "0.tar", LAION)
    expected = shards(str(path)).clips
    (kept,) = (cache_root() / "shards").glob("*/index.jsonl")
    kept.write_bytes(damage)
    assert shards(str(path)).clips == expected


def test_bytes_that_changed_behind_the_index_are_not_taken_for_the_clip(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "0.tar", LAION)
    dataset = shards(str(path))
    status, content = path.stat(), bytearray(path.read_bytes())
    content[600] ^= 255
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(TinyclapError, match=r"0\.flac holds other bytes than when .*tinyclap cache shards --clear"):
        dataset.load(0, RATE)
