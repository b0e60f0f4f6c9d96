"""Sound of containers that libsndfile does not know, by PyAV and by ffmpeg alike."""

import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.audio.test_odd_files import encoded, pitch, tone
from tinyclap.audio import files, media, rewritten
from tinyclap.audio.checks import AudioError

RATE = 48_000
CRASHING = bytes.fromhex("80000020030004010000ac440003630001f4030000000000") + bytes(8) + b"(c)CRI" + bytes(4000)
"""ADX with blocks of 0 bytes, by which FFmpeg 8 divides."""


class TestMedia:
    @pytest.fixture(params=["av", "ffmpeg"])
    def decoder(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
        name = str(request.param)
        if name == "ffmpeg" and shutil.which("ffmpeg") is None:
            pytest.skip("ffmpeg is not installed")
        if name == "av":
            pytest.importorskip("av")
        monkeypatch.setattr(media, "media_decoder", lambda: name)
        return name

    @pytest.fixture
    def started(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """One entry for each process of PyAV that is started."""
        pytest.importorskip("av")
        monkeypatch.setattr(media, "media_decoder", lambda: "av")
        entries: list[int] = []

        class Counted(media._AvProcess):
            def __init__(self) -> None:
                super().__init__()
                entries.append(1)

        monkeypatch.setattr(media, "_AvProcess", Counted)
        return entries

    @pytest.mark.parametrize(
        ("suffix", "codec", "container"),
        [
            ("m4a", "aac", "mp4"),
            ("webm", "libopus", "webm"),
            ("wma", "wmav2", "asf"),
            ("mka", "ac3", "matroska"),
            ("caf", "alac", "caf"),  # libsndfile knows these two containers, and not what is in them
            ("wav", "ac3", "wav"),
        ],
    )
    def test_its_sound_is_heard(self, tmp_path: Path, decoder: str, suffix: str, codec: str, container: str) -> None:
        path = tmp_path / f"a.{suffix}"
        write_media(path, codec, container)
        assert files.info(path).duration_s == pytest.approx(2.0, abs=0.1)
        assert pitch(files.read(path, 16_000)[4000:20_000]) == pytest.approx(400, abs=3)

    def test_damage_in_the_middle_is_passed_over(self, tmp_path: Path, decoder: str) -> None:
        path = tmp_path / "a.m4a"
        write_media(path, "aac", "mp4")
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
        path.write_bytes(content)
        with pytest.warns(UserWarning, match=r"a\.m4a: truncated or damaged: .*; the rest is heard"):
            heard = files.read(path, 16_000)
        assert 1.5 < len(heard) / 16_000 < 2.1
        assert pitch(heard[:10_000]) == pytest.approx(400, abs=3)
        assert pitch(heard[-8000:-2000]) == pytest.approx(400, abs=3)

    @pytest.mark.filterwarnings("ignore:.*truncated or damaged")  # ffmpeg tells of it, PyAV does not
    def test_a_stream_may_begin_and_end_inside_a_frame(self, tmp_path: Path, decoder: str) -> None:
        path = tmp_path / "a.aac"
        write_media(path, "aac", "adts")
        path.write_bytes(path.read_bytes()[50:-50])
        heard = files.read(path, 16_000)
        assert 1.8 < len(heard) / 16_000 < 2.1
        assert pitch(heard[4000:20_000]) == pytest.approx(400, abs=3)

    def test_what_is_missing_of_a_stated_length_is_told(self, tmp_path: Path) -> None:
        write_media(tmp_path / "a.mka", "ac3", "matroska")
        content = (tmp_path / "a.mka").read_bytes()
        (tmp_path / "a.mka").write_bytes(content[: len(content) // 2])
        with pytest.warns(UserWarning, match=r"a\.mka: .*1\.0 s of the 2\.0 s that its header states"):
            files.read(tmp_path / "a.mka", 16_000)

    @pytest.mark.parametrize(("codec", "container"), [("alac", "caf"), ("ac3", "wav")])
    def test_a_kind_that_libsndfile_lacks_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, container: str
    ) -> None:
        write_media(tmp_path / "a", codec, container)
        monkeypatch.setattr(media, "media_decoder", lambda: None)
        with pytest.raises(AudioError, match=r"a: .*; install one of the two .*ffmpeg"):
            files.read(tmp_path / "a", 16_000)

    def test_a_file_that_crashes_the_decoder_is_refused(self, tmp_path: Path, decoder: str) -> None:
        (tmp_path / "a.adx").write_bytes(CRASHING)
        with pytest.raises(AudioError, match=r"a\.adx: cannot be decoded"):
            files.read(tmp_path / "a.adx", 16_000)

    def test_one_process_decodes_them_all(self, tmp_path: Path, started: list[int]) -> None:
        for name in "abc":
            write_media(tmp_path / f"{name}.m4a", "aac", "mp4")
            files.read(tmp_path / f"{name}.m4a", 16_000)
        assert len(started) <= 1

    @pytest.mark.parametrize("how", ["crashed", "killed while it waits"])
    def test_it_is_started_anew(self, tmp_path: Path, started: list[int], how: str) -> None:
        for name in "ab":
            write_media(tmp_path / f"{name}.m4a", "aac", "mp4")
        files.read(tmp_path / "a.m4a", 16_000)
        (waiting,) = media._idle[os.getpid()]
        if how == "crashed":
            (tmp_path / "a.adx").write_bytes(CRASHING)
            with pytest.raises(AudioError, match=r"a\.adx: cannot be decoded"):
                files.read(tmp_path / "a.adx", 16_000)
            assert waiting.ended()
        else:
            waiting._process.kill()
            waiting._process.wait()
        before = len(started)
        files.read(tmp_path / "b.m4a", 16_000)
        assert len(started) == before + 1

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 on, of processes with threads
    def test_a_fork_takes_nothing_from_it(self, tmp_path: Path) -> None:
        pytest.importorskip("av")
        names = [tmp_path / f"{place}.m4a" for place in range(rewritten.KEPT + 2)]
        write_media(names[0], "aac", "mp4")
        for other in names[1:]:
            shutil.copy(names[0], other)
        whole = len(files.read(names[0], 16_000))
        worker = multiprocessing.get_context("fork").Process(target=hear_all, args=(names,), daemon=True)
        worker.start()
        worker.join()
        assert worker.exitcode == 0
        assert len(files.read(names[0], 16_000)) == whole

    def test_without_a_decoder_the_two_are_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("av")
        write_media(tmp_path / "a.m4a", "aac", "mp4")
        monkeypatch.setattr(media, "media_decoder", lambda: None)
        with pytest.raises(AudioError, match=r"install one of the two .*tinyclap\[formats\].*ffmpeg"):
            files.read(tmp_path / "a.m4a", 16_000)

    def test_a_suffix_that_says_no_header_is_not_believed(self, tmp_path: Path) -> None:
        (tmp_path / "a.raw").write_bytes(encoded(tone(400), format="WAV", subtype="PCM_16"))
        np.testing.assert_allclose(files.read(tmp_path / "a.raw", RATE), tone(400), atol=2**-15)

    def test_a_film_without_sound(self, tmp_path: Path) -> None:
        av = pytest.importorskip("av")
        with av.open(str(tmp_path / "a.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width = stream.height = 16
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with pytest.raises(AudioError, match=r"a\.mp4: holds no sound"):
            files.read(tmp_path / "a.mp4", 16_000)


def hear_all(paths: list[Path]) -> None:
    for path in paths:
        files.read(path, 16_000)


def write_media(path: Path, codec: str, container_format: str) -> None:
    """A tone of 400 Hz in a container of films."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.layout, stream.bit_rate = "mono", 96_000
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=RATE, frame_size=stream.frame_size)
        frame = av.AudioFrame.from_ndarray(tone(400)[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
