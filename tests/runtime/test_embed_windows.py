"""Embeddings of windows, and when these are."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.sounds import RATE, noise, write
from tinyclap.audio import windows
from tinyclap.audio.level import weight
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.embed_files import embed_files, read_embeddings, read_windows


@pytest.mark.parametrize(
    ("seconds", "hop_s", "expected"),
    [
        (0.4, None, [(0.0, 0.4)]),
        (2.0, None, [(0.0, 1.0), (1.0, 2.0)]),
        (2.5, None, [(0.0, 1.0), (1.0, 2.0), (1.5, 2.5)]),
        (2.2, 0.5, [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0), (1.2, 2.2)]),
        (4.5, 2.0, [(0.0, 1.0), (2.0, 3.0), (3.5, 4.5)]),
    ],
)
def test_each_window_is_embedded_as_it_is_alone(
    bundle: Bundle, seconds: float, hop_s: float | None, expected: list[tuple[float, float]]
) -> None:
    sound = noise(seconds)
    times, embeddings = bundle.embed_windows(sound, hop_s, sample_rate=RATE)
    assert times.tolist() == [list(pair) for pair in expected]
    assert embeddings.dtype == np.float32
    pieces = [sound[round(start * RATE) : round(end * RATE)] for start, end in expected]
    np.testing.assert_allclose(embeddings, bundle.embed(pieces, sample_rate=RATE), atol=1e-6)


@pytest.mark.parametrize("hop_s", [None, 0.7, 1.0, 3.0])
def test_a_file_that_is_read_in_pieces_gives_the_same(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hop_s: float | None
) -> None:
    path = write(tmp_path / "a.wav", noise(9.3), subtype="FLOAT")
    whole = bundle.embed_windows(path, hop_s)
    monkeypatch.setattr(windows, "STRETCH_S", 2.0)
    times, embeddings = bundle.embed_windows(path, hop_s)
    np.testing.assert_array_equal(times, whole[0])
    np.testing.assert_allclose(embeddings, whole[1], atol=1e-5)


def test_their_mean_by_level_is_the_embedding_of_the_whole(bundle: Bundle) -> None:
    sound = noise(3.6)
    times, embeddings = bundle.embed_windows(sound, sample_rate=RATE)
    levels = [weight(sound[round(start * RATE) : round(end * RATE)]) for start, end in times]
    mean = np.average(embeddings, axis=0, weights=levels)
    np.testing.assert_allclose(mean / np.linalg.norm(mean), bundle.embed(sound, sample_rate=RATE)[0], atol=1e-6)


@pytest.mark.parametrize("hop_s", [0.0, -1.0, float("nan"), 1e-6])
def test_a_hop_that_is_none(bundle: Bundle, hop_s: float) -> None:
    with pytest.raises(TinyclapError, match=r"hop_s is .*: it must be at least one sample"):
        bundle.embed_windows(noise(1.0), hop_s, sample_rate=RATE)


class TestFiles:
    @pytest.fixture
    def sounds(self, tmp_path: Path) -> list[Path]:
        """Of three windows, of one, none at all, of four."""
        (tmp_path / "sounds").mkdir()
        bad = tmp_path / "sounds" / "bad.wav"
        bad.write_bytes(b"no sound")
        good = [write(tmp_path / "sounds" / f"{s}.wav", noise(s), subtype="FLOAT") for s in (2.5, 0.4, 3.7)]
        return [good[0], good[1], bad, good[2]]

    @pytest.mark.parametrize("workers", [1, 3])
    @pytest.mark.parametrize("dtype", ["float32", "int8"])
    def test_a_row_is_a_window(
        self, bundle: Bundle, sounds: list[Path], tmp_path: Path, workers: int, dtype: str
    ) -> None:
        out = tmp_path / "emb.npy"
        made = embed_files(bundle, sounds, out, windows=True, dtype=dtype, workers=workers)
        assert (made.n_rows, [entry.file for entry in made.bad]) == (8, [str(sounds[2])])
        told = json.loads(out.with_suffix(".json").read_text())
        assert told["files"] == [str(sounds[row]) for row in (0, 1, 3)]
        assert told["file_of"] == [0, 0, 0, 1, 2, 2, 2, 2]
        assert (told["start_s"][:4], told["end_s"][:4]) == ([0.0, 1.0, 1.5, 0.0], [1.0, 2.0, 2.5, 0.4])
        files, times, embeddings = read_windows(out)
        alone = [bundle.embed_windows(sounds[row]) for row in (0, 1, 3)]
        np.testing.assert_allclose(times, np.concatenate([each[0] for each in alone]))
        exact = np.concatenate([each[1] for each in alone])
        np.testing.assert_allclose(embeddings, exact, atol=1e-7 if dtype == "float32" else 0.01)
        assert (read_embeddings(out)[0], files) == (files, [told["files"][row] for row in told["file_of"]])
        assert embed_files(bundle, sounds, out, windows=True, dtype=dtype).was_there
        for other in ({"windows": False}, {"windows": True, "hop_s": 0.5}):
            with pytest.raises(TinyclapError, match="exist already"):
                embed_files(bundle, sounds, out, dtype=dtype, **other)

    def test_an_interrupted_run_goes_on_with_the_file_that_was_not_finished(
        self, bundle: Bundle, sounds: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        embed_files(bundle, sounds, tmp_path / "whole.npy", windows=True, hop_s=0.5)
        real, calls = bundle.encode, list[int]()

        def interrupted(batch: np.ndarray) -> np.ndarray:
            calls.append(len(batch))
            if len(calls) == 7:
                raise KeyboardInterrupt
            return real(batch)

        monkeypatch.setattr(bundle, "encode", interrupted)
        out = tmp_path / "emb.npy"
        with pytest.raises(KeyboardInterrupt):
            embed_files(bundle, sounds, out, windows=True, hop_s=0.5)
        part = tmp_path / "emb.npy.part"
        for name in ("rows.f32", "times.f64"):  # as a kill in the middle of a write leaves them
            with (part / name).open("ab") as stream:
                stream.write(b"123")
        with pytest.raises(TinyclapError, match="unfinished work of another bundle or other settings"):
            embed_files(bundle, sounds, out, windows=True)
        embed_files(bundle, sounds, out, windows=True, hop_s=0.5)
        assert 7 < len(calls) < 7 + 11
        assert out.read_bytes() == (tmp_path / "whole.npy").read_bytes()
        assert out.with_suffix(".json").read_text() == (tmp_path / "whole.json").read_text()

    def test_an_array_of_files_has_no_windows(self, bundle: Bundle, sounds: list[Path], tmp_path: Path) -> None:
        embed_files(bundle, sounds, tmp_path / "emb.npy")
        with pytest.raises(
            TinyclapError, match=r"a row for each file and no windows; make it with `tinyclap embed --w"
        ):
            read_windows(tmp_path / "emb.npy")

    @pytest.mark.parametrize(("name", "value"), [("file_of", [9] * 8), ("start_s", [0.0]), ("file_of", [0])])
    def test_a_damaged_index(
        self, bundle: Bundle, sounds: list[Path], tmp_path: Path, name: str, value: list[float]
    ) -> None:
        embed_files(bundle, sounds, tmp_path / "emb.npy", windows=True)
        index = json.loads((tmp_path / "emb.json").read_text())
        (tmp_path / "emb.json").write_text(json.dumps(index | {name: value}))
        with pytest.raises(TinyclapError, match="cannot be read"):
            read_windows(tmp_path / "emb.npy")

    @pytest.mark.parametrize("hop_s", [0.0, -1.0])
    def test_a_hop_that_is_none(self, bundle: Bundle, sounds: list[Path], tmp_path: Path, hop_s: float) -> None:
        with pytest.raises(TinyclapError, match="hop_s is"):
            embed_files(bundle, sounds, tmp_path / "emb.npy", windows=True, hop_s=hop_s)
