"""Shards that tinyclap writes: the same bytes every time, finished ones kept, nobody's files replaced."""

import json
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest

from tests.support.commands import failure, invoke, run
from tests.support.datasets import sound, write_folder, write_manifest
from tinyclap.data.folder import folder
from tinyclap.data.manifest import manifest
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.shards import writing
from tinyclap.data.shards.dataset import shards
from tinyclap.data.shards.writing import write_shards
from tinyclap.errors import TinyclapError


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(root.iterdir())}


def test_the_same_clips_make_the_same_bytes(tmp_path: Path) -> None:
    shutil.copytree(write_folder(tmp_path / "one"), tmp_path / "other", copy_function=shutil.copyfile)  # other times
    for place in ("one", "other"):
        written = write_shards(folder(tmp_path / place), str(tmp_path / f"{place}-shards/%03d.tar"), clips=2)
    assert files(tmp_path / "one-shards") == files(tmp_path / "other-shards")
    assert [path.name for path in written.shards] == ["000.tar", "001.tar", "002.tar"]
    assert (written.clips, written.kept) == (5, 0)
    assert written.size_bytes == sum(map(len, files(tmp_path / "one-shards").values()))
    with tarfile.open(written.shards[0]) as tar:
        names = tar.getnames()
    assert names == ["000000000.wav", "000000000.json", "000000001.flac", "000000001.json"]


def test_a_manifest_s_columns_come_back(tmp_path: Path) -> None:
    rows = [
        {"path": "dog/a.wav", "label": "dog", "caption": ["a dog", "bärking"], "fold": 1},
        {"path": "dog/b.flac", "split": "test", "source": "r1"},
    ]
    listed = manifest(write_manifest(tmp_path / "in", "\n".join(map(json.dumps, rows)), "list.jsonl"))
    write_shards(listed, str(tmp_path / "%d.tar"))
    read = shards(str(tmp_path / "0.tar"))
    for ours, theirs in zip(read.clips, listed.clips, strict=True):
        for key in ("name", "label", "captions", "fold", "split", "source"):
            assert getattr(ours, key) == getattr(theirs, key), key


def test_a_shard_ends_before_it_is_too_large(tmp_path: Path) -> None:
    dataset = folder(write_folder(tmp_path / "in"))
    sizes = [clip.path.stat().st_size for clip in dataset.clips if clip.path]
    written = write_shards(dataset, str(tmp_path / "%d.tar"), shard_bytes=sizes[0] + sizes[1])
    assert len(shards(str(written.shards[0]))) == 2
    one_each = write_shards(dataset, str(tmp_path / "each-%d.tar"), shard_bytes=1)
    assert len(one_each.shards) == 5, "one at least"


def test_stopped_anywhere_it_goes_on_with_the_shard_it_was_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, out = folder(write_folder(tmp_path / "in")), str(tmp_path / "out/%d.tar")
    write_shards(dataset, str(tmp_path / "whole/%d.tar"), clips=1)
    write, most = writing._write, [0]

    def one_more(path: Path, members: Sequence[writing._Member]) -> None:
        if (tmp_path / "out").exists() and len(files(tmp_path / "out")) >= most[0]:
            raise RuntimeError("stopped")
        write(path, members)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_write", one_more)
        for most[0] in range(1, 5):
            with pytest.raises(RuntimeError, match="stopped"):
                write_shards(dataset, out, clips=1)
    assert write_shards(dataset, out, clips=1).kept == 4
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_another_shard_under_the_name_is_not_replaced(tmp_path: Path) -> None:
    dataset, out = folder(write_folder(tmp_path / "in")), str(tmp_path / "out/%d.tar")
    write_shards(dataset, out, clips=1)
    (tmp_path / "in/dog/a.wav").write_bytes((tmp_path / "in/dog/a.wav").read_bytes()[:-2] + b"ab")
    os.utime(tmp_path / "in/dog/a.wav", ns=(2**62, 2**62))
    with pytest.raises(TinyclapError, match=r"^\S+out/0\.tar: there already, with other clips.*--overwrite$"):
        write_shards(dataset, out, clips=1)
    with pytest.raises(TinyclapError, match=r"0\.tar, \S+1\.tar, \S+2\.tar, \S+3\.tar: there already"):
        write_shards(dataset, out, clips=2)
    assert write_shards(dataset, out, clips=2, overwrite=True).kept == 0
    assert sorted(files(tmp_path / "out")) == ["0.tar", "1.tar", "2.tar"], "those of the larger set are gone"
    assert shards(str(tmp_path / "out/{0..2}.tar")).fingerprint == folder(tmp_path / "in").fingerprint


def test_what_shards_cannot_be_made_of(tmp_path: Path) -> None:
    out = str(tmp_path / "%d.tar")
    with pytest.raises(TinyclapError, match=r"96 clips are no files of their own: .* shards are made of files"):
        write_shards(Procedural(96), out)
    dataset = folder(write_folder(tmp_path / "in"))
    for wrong in ("data.tar", "data-%d.zip", "data-%s-%d.tar", "%"):
        with pytest.raises(TinyclapError, match=r"give a name with the place of a number, which ends in \.tar"):
            write_shards(dataset, wrong)
    (tmp_path / "in/dog/a.wav").unlink()
    with pytest.raises(TinyclapError, match=r"1 clips have no file: dog/a\.wav"):
        write_shards(dataset, out)
    assert not list(tmp_path.glob("*.tar"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the always full device of Linux")
def test_a_full_disk_leaves_no_part_of_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, fdopen = folder(write_folder(tmp_path / "in")), os.fdopen

    def full(descriptor: int, mode: str) -> IO[bytes]:
        os.close(descriptor)
        return fdopen(os.open("/dev/full", os.O_WRONLY), mode)

    monkeypatch.setattr("tinyclap.data.shards.writing.os.fdopen", full)
    with pytest.raises(
        TinyclapError, match=r"cannot write .*0\.tar: .*No space left on device.*finished shards are kept"
    ):
        write_shards(dataset, str(tmp_path / "out/%d.tar"))
    assert list((tmp_path / "out").iterdir()) == []


# ---- the command


def test_the_command_names_the_recipe_s_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_folder(tmp_path / "in").parent)
    told = run("shard", "in", "--out", "out/d-%04d.tar", "--clips", "2")
    assert "shards   3: out/d-0000.tar ..." in told
    assert "next     tinyclap distill RECIPE 'data.train={kind: shards, urls: \"out/d-{0000..0002}.tar\"}'" in told
    again = json.loads(run("shard", "in", "--out", "out/d-%04d.tar", "--clips", "2", "--json"))
    assert (again["urls"], again["shards"], again["kept"], again["clips"]) == ("out/d-{0000..0002}.tar", 3, 3, 5)
    (tmp_path / "list.csv").write_text("path,split\nin/dog/a.wav,train\nin/dog/b.flac,test\n")
    run("shard", "list.csv", "--out", "one-%d.tar", "--data", "manifest", "--set", "splits=[test]")
    assert [clip.split for clip in shards("one-0.tar").clips] == ["test"]
    assert failure("shard", "nowhere", "--out", "n-%d.tar")[1] == 2
    (tmp_path / "tone").mkdir()
    (tmp_path / "tone/0.FLAC").write_bytes(sound())
    invoke("shard", "tone", "--out", "tone-%d.tar")
    assert shards("tone-0.tar").fingerprint == folder("tone").fingerprint
