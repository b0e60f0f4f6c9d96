"""Many files to one array: the same bytes after a kill, changed files anew, bad files named, nothing half written."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.tiny_bundles import tiny_bundle
from tinyclap.audio.listing import find_sounds
from tinyclap.embeddings import quantization
from tinyclap.errors import TinyclapError
from tinyclap.runtime import embed_files as room
from tinyclap.runtime import embed_journal as journal
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.embed_files import embed_files, read_embeddings

RATE = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "bundle", int8=True)


@pytest.fixture
def bundle(folder: Path) -> Bundle:
    return Bundle.load(folder)


def sound(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, RATE), RATE)
    return path


@pytest.fixture
def sounds(tmp_path: Path) -> list[Path]:
    """Seven good files, and a bad one in their midst."""
    files = [sound(tmp_path / "sounds" / f"{number}.wav", number) for number in range(7)]
    (tmp_path / "sounds" / "bad.wav").write_bytes(b"no sound")
    return [*files[:3], tmp_path / "sounds" / "bad.wav", *files[3:]]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_names_and_bad_files(bundle: Bundle, sounds: list[Path], tmp_path: Path, workers: int) -> None:
    bad = embed_files(bundle, sounds, tmp_path / "out" / "emb.npy", workers=workers).bad
    good = [path for path in sounds if path.name != "bad.wav"]
    embeddings = np.load(tmp_path / "out" / "emb.npy")
    assert embeddings.dtype == np.float32
    np.testing.assert_array_equal(embeddings, bundle.embed(good))
    told = json.loads((tmp_path / "out" / "emb.json").read_text())
    assert told["files"] == [str(path) for path in good]
    assert told["bad"] == [{"file": str(sounds[3]), "reason": bad[0].reason}]
    assert (told["bundle"], told["graph"], told["embed_dim"]) == ("tiny", "audio.onnx", 16)
    assert names(tmp_path / "out") == ["emb.json", "emb.npy"]


def test_an_interrupted_run_goes_on(
    bundle: Bundle, sounds: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed_files(bundle, sounds, tmp_path / "whole.npy")
    real, calls = bundle.embed, []

    def interrupted(file: Path, **how: Any) -> np.ndarray:
        calls.append(file.name)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(file, **how)

    monkeypatch.setattr(bundle, "embed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed_files(bundle, sounds, tmp_path / "emb.npy")
    assert not (tmp_path / "emb.npy").exists()
    part = tmp_path / "emb.npy.part"
    with (part / "files.jsonl").open("a") as lines:  # as a kill in the middle of a write leaves them
        lines.write('{"file": "x", "si')
    with (part / "rows.f32").open("ab") as rows:
        rows.write(b"123")
    done = len(json.loads("[" + ",".join((part / "files.jsonl").read_text().splitlines()[:-1]) + "]"))
    calls.clear()
    embed_files(bundle, sounds, tmp_path / "emb.npy")
    assert 0 < done == len(sounds) - len(calls)
    assert (tmp_path / "emb.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert (tmp_path / "emb.json").read_text() == (tmp_path / "whole.json").read_text()


def test_files_that_changed_since_are_embedded_again(
    bundle: Bundle, sounds: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [path for path in sounds if path.name != "bad.wav"]

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(journal.Journal, "finish", stop)
        for _ in range(2):  # twice, so that the journal is read with rows out of order
            with pytest.raises(KeyboardInterrupt):
                embed_files(bundle, good, tmp_path / "emb.npy")
            sound(good[0], seed=int(time.time_ns() % 1000))
            os.utime(good[0])
    good[1].unlink()
    embed_files(bundle, good[1:][::-1] + good[:1], tmp_path / "emb.npy")
    told = json.loads((tmp_path / "emb.json").read_text())
    assert told["files"] == [str(path) for path in [*good[:1:-1], good[0]]]
    assert [entry["reason"] for entry in told["bad"]] == ["no such file"]
    np.testing.assert_array_equal(np.load(tmp_path / "emb.npy"), bundle.embed([*good[:1:-1], good[0]]))


def test_a_killed_process_leaves_nothing_half_written(folder: Path, tmp_path: Path) -> None:
    for number in range(300):
        sound(tmp_path / "sounds" / f"{number:03}.wav", number)
    command = [sys.executable, "-m", "tinyclap", "embed", str(tmp_path / "sounds"), "--bundle", str(folder)]
    child = subprocess.Popen([*command, "--out", str(tmp_path / "emb.npy")])
    lines = tmp_path / "emb.npy.part" / "files.jsonl"
    while child.poll() is None and not (lines.exists() and lines.read_bytes().count(b"\n") > 20):
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "emb.npy").exists()
    kept = lines.read_bytes().count(b"\n")
    assert 20 < kept < 300
    done = subprocess.run([*command, "--out", str(tmp_path / "emb.npy")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'emb.npy'}: 300 x 16, float32, 64 bytes a clip\n")
    paths = sorted((tmp_path / "sounds").iterdir())
    np.testing.assert_array_equal(np.load(tmp_path / "emb.npy"), Bundle.load(folder).embed(paths))


def test_the_same_command_again_finds_it_complete(bundle: Bundle, sounds: list[Path], tmp_path: Path) -> None:
    first = embed_files(bundle, sounds, tmp_path / "emb.npy")
    written = (tmp_path / "emb.npy").stat().st_mtime_ns
    again = embed_files(bundle, sounds, tmp_path / "emb.npy")
    assert (first.was_there, again.was_there) == (False, True)
    assert (again.n_rows, [entry.file for entry in again.bad]) == (first.n_rows, [entry.file for entry in first.bad])
    assert (tmp_path / "emb.npy").stat().st_mtime_ns == written
    for files, dtype in ((sounds[1:], "float32"), (sounds[::-1], "float32"), (sounds, "float16")):
        with pytest.raises(TinyclapError, match="exist already"):
            embed_files(bundle, files, tmp_path / "emb.npy", dtype=dtype)
    index = json.loads((tmp_path / "emb.json").read_text())
    (tmp_path / "emb.json").write_text(json.dumps(index | {"neighbours_kept": "many"}))
    with pytest.raises(TinyclapError, match="exist already"):
        embed_files(bundle, sounds, tmp_path / "emb.npy")
    (tmp_path / "emb.json").write_text(json.dumps(index))
    os.utime(sounds[0])
    with pytest.raises(TinyclapError, match="exist already"):
        embed_files(bundle, sounds, tmp_path / "emb.npy")


class TestRefusals:
    def test_what_is_there_stays(self, bundle: Bundle, sounds: list[Path], tmp_path: Path) -> None:
        (tmp_path / "emb.json").write_text("mine")
        with pytest.raises(TinyclapError, match=r"emb\.json exists already; choose another name, or replace it with"):
            embed_files(bundle, sounds, tmp_path / "emb.npy")
        assert (tmp_path / "emb.json").read_text() == "mine"
        embed_files(bundle, sounds, tmp_path / "emb.npy", overwrite=True)
        assert len(np.load(tmp_path / "emb.npy")) == 7

    def test_places_that_cannot_be_written(self, bundle: Bundle, sounds: list[Path], tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for out in (tmp_path / "file" / "emb.npy", Path("/proc/nowhere/emb.npy")):
            with pytest.raises(TinyclapError, match=r"emb\.npy cannot be written \(.*\); choose another place"):
                embed_files(bundle, sounds, out)
        with pytest.raises(TinyclapError, match=r"must end in \.npy"):
            embed_files(bundle, sounds, tmp_path / "emb.txt")
        assert names(tmp_path) == ["file", "sounds"]

    def test_no_usable_file(self, bundle: Bundle, sounds: list[Path], tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match=r"none of 2 files is usable:\n.*bad\.wav: cannot be decoded"):
            embed_files(bundle, [sounds[3], tmp_path / "none.wav"], tmp_path / "emb.npy")
        assert names(tmp_path) == ["sounds"]

    def test_unfinished_work_of_another_bundle(
        self, bundle: Bundle, folder: Path, sounds: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(journal.Journal, "finish", lambda *_: [])
            embed_files(bundle, sounds, tmp_path / "emb.npy")
        other = Bundle.load(folder, graph="int8")
        with pytest.raises(
            TinyclapError, match=r"emb\.npy\.part holds unfinished work of another bundle or other settings; remove it"
        ):
            embed_files(other, sounds, tmp_path / "emb.npy")
        embed_files(other, sounds, tmp_path / "emb.npy", overwrite=True)
        assert json.loads((tmp_path / "emb.json").read_text())["graph"] == "audio_int8.onnx"


class TestFindSounds:
    def test_folders_are_searched_and_files_taken_once(self, sounds: list[Path], tmp_path: Path) -> None:
        (tmp_path / "sounds" / "notes.txt").write_text("")
        assert find_sounds([sounds[5], tmp_path / "sounds", Path("other.wav")]) == [
            sounds[5],
            *[path for path in sorted(sounds) if path != sounds[5]],
            Path("other.wav"),
        ]

    def test_a_folder_without_audio(self, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match=r"no audio files below .*: looked for \.wav"):
            find_sounds([tmp_path])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_a_name_that_is_no_utf8(bundle: Bundle, sounds: list[Path], tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav"))
    shutil.copy(sounds[0], odd)
    embed_files(bundle, [odd, sounds[0]], tmp_path / "emb.npy")
    told = json.loads((tmp_path / "emb.json").read_text())
    assert told["bad"] == [{"file": str(odd), "reason": "its name is not valid UTF-8; rename it"}]


def test_two_processes_never_write_the_same_array(bundle: Bundle, sounds: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "emb.npy"
    part = tmp_path / "emb.npy.part"
    room._make_part_folder(part, out, room._Job(bundle, False, {}), False)
    held = "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", held, str(part / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()  # it holds the lock now
        with pytest.raises(TinyclapError, match=r"another process is writing .*emb\.npy; wait for it"):
            embed_files(bundle, sounds, out)
        other.kill()
    embed_files(bundle, sounds, out)
    assert len(np.load(out)) == 7


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("place", ["replace", "write_text"])
def test_killed_between_the_last_writes_the_same_command_finishes(
    bundle: Bundle, sounds: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, overwrite: bool
) -> None:
    out = tmp_path / "emb.npy"
    if overwrite:
        embed_files(bundle, sounds[:2], out)
    with monkeypatch.context() as killed:

        def kill(*_: object) -> None:
            raise KeyboardInterrupt

        replace, write_text = os.replace, vars(journal)["write_text"]
        if place == "replace":
            killed.setattr(os, "replace", lambda new, old: kill() if Path(old) == out else replace(new, old))
        else:
            killed.setattr(
                journal, "write_text", lambda path, text: kill() if path.suffix == ".json" else write_text(path, text)
            )
        with pytest.raises(KeyboardInterrupt):
            embed_files(bundle, sounds, out, overwrite=overwrite)
    embed_files(bundle, sounds, out)
    assert len(np.load(out)) == len(json.loads(out.with_suffix(".json").read_text())["files"]) == 7
    assert names(tmp_path) == ["emb.json", "emb.npy", "sounds"]


@pytest.mark.parametrize("dtype", quantization.DTYPES)
def test_every_form_reads_back_near_what_was_embedded(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    """In blocks of 5 rows, so that several are written."""
    monkeypatch.setattr(journal, "ROWS_AT_ONCE", 5)
    files = [sound(tmp_path / "sounds" / f"{number}.wav", number) for number in range(13)]
    made = embed_files(bundle, files, tmp_path / "emb.npy", dtype=dtype)
    exact = bundle.embed(files)
    assert (made.n_rows, made.bad) == (13, [])
    assert made.bytes_per_clip * 13 == np.load(tmp_path / "emb.npy").nbytes
    told = json.loads((tmp_path / "emb.json").read_text())
    assert told["dtype"] == dtype
    expected = None if dtype == "float32" else quantization.neighbours_kept(exact, dtype)
    assert told["neighbours_kept"] == made.neighbours_kept == expected
    names_read, embeddings = read_embeddings(tmp_path / "emb.npy")
    assert names_read == [str(file) for file in files]
    np.testing.assert_array_equal(
        embeddings, quantization.dequantize(quantization.quantize(exact, dtype), dtype, bundle.embed_dim)
    )


def test_what_cannot_be_stored_or_read_says_so(bundle: Bundle, sounds: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "emb.npy"
    with pytest.raises(TinyclapError, match="dtype 'int4' is not known; allowed: float32"):
        embed_files(bundle, sounds, out, dtype="int4")
    assert names(tmp_path) == ["sounds"]
    with pytest.raises(TinyclapError, match=r"there is no file .*emb\.npy; make it with `tinyclap embed`"):
        read_embeddings(out)
    out.write_bytes(b"no array")
    with pytest.raises(TinyclapError, match=r"emb\.npy with emb\.json cannot be read .*embed the files again"):
        read_embeddings(out)
    out.unlink()
    embed_files(bundle, sounds, out, dtype="binary")
    np.save(out, np.load(out)[:, :1])
    with pytest.raises(TinyclapError, match=r"cannot be read \(binary embeddings of 16 dimensions are uint8 \(N, 2\)"):
        read_embeddings(out)
