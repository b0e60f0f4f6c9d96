"""`tinyclap listen`: a file or a microphone as a stream, and what a microphone does wrong."""

import json
import queue
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from tests.support.commands import RATE, Run
from tinyclap.audio import microphone
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.judge import Answer
from tinyclap.runtime.live.answers import answers


class TestListen:
    def test_a_file_as_a_stream(self, run: Run, made: Path, sound: Path) -> None:
        code, out, err = run("listen", "--bundle", made, "--file", sound, "--hop", 0.5, "--top", 1, "--json")
        answers = [json.loads(line) for line in out.splitlines()]
        assert (code, err) == (0, "")
        assert [answer["time_s"] for answer in answers] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
        last = soundfile.read(sound, dtype="float32")[0][2 * RATE :]
        expected = Bundle.load(made).classify(last, sample_rate=RATE)[0][0]
        assert answers[-1]["predictions"][0]["label"] == expected.label
        assert abs(answers[-1]["predictions"][0]["cosine"] - expected.cosine) < 1e-5

    def test_text(self, run: Run, made: Path, sound: Path) -> None:
        _, out, _ = run("listen", "--bundle", made, "--file", sound, "--smoothing", 0.5, "--labels", "dog")
        shares = [f"{entry[0].probability:.0%}" for entry in self.heard(made, sound)]
        assert out == "".join(f"{second:9.2f} s  dog {shares[second - 1]}\n" for second in (1, 2, 3))

    def heard(self, bundle: Path, sound: Path) -> list[Answer]:
        loaded, samples = Bundle.load(bundle), soundfile.read(sound, dtype="float32")[0]
        judge = loaded.judge(["dog"])
        return [answer for _, answer in answers(loaded, judge, [samples], smoothing=0.5)]

    def test_settings_out_of_range(self, run: Run, made: Path, sound: Path) -> None:
        code, _, err = run("listen", "--bundle", made, "--file", sound, "--smoothing", 1)
        assert (code, err) == (2, "error: smoothing is 1.0: it must be at least 0 and below 1\n")
        code, _, err = run("listen", "--bundle", made, "--file", "none.wav")
        assert (code, err) == (2, "error: none.wav: no such file\n")


class FakeMicrophone:
    """What `sounddevice` looks like to the program: half-second blocks, then Ctrl-C."""

    class PortAudioError(Exception):
        pass

    def __init__(self, samples: np.ndarray, fault: Exception | None = None) -> None:
        self.samples, self.fault, self.opened = samples, fault, dict[str, Any]()
        self.own_rate: int | None = None  # of a microphone that is stereo and knows no other rate

    def check_input_settings(self, *, samplerate: int, channels: int, **_: Any) -> None:
        if self.own_rate and (samplerate, channels) != (self.own_rate, 2):
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    def InputStream(self, *, callback: Callable[..., None], **settings: Any) -> "FakeMicrophone":
        if self.fault:
            raise self.fault
        self.opened = settings
        for first in range(0, len(self.samples), settings["blocksize"]):
            block = self.samples[first : first + settings["blocksize"], None]
            callback(block.repeat(settings["channels"], axis=1), 0, None, None)
        return self

    def query_devices(self, device: object = None, kind: str | None = None) -> Any:
        if kind is None:
            return "0 a microphone"
        return {"default_samplerate": float(self.own_rate or 0), "max_input_channels": 8}

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


class TestMicrophone:
    @pytest.fixture
    def interrupted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C as soon as the microphone has nothing more to say."""
        real = microphone._next

        def until_empty(blocks: "queue.Queue[np.ndarray]") -> np.ndarray:
            if blocks.empty():
                raise KeyboardInterrupt
            return real(blocks)

        monkeypatch.setattr(microphone, "_next", until_empty)

    @pytest.fixture
    def fake(self, monkeypatch: pytest.MonkeyPatch, sound: Path) -> FakeMicrophone:
        fake = FakeMicrophone(soundfile.read(sound, dtype="float32")[0])
        monkeypatch.setitem(sys.modules, "sounddevice", fake)
        return fake

    @pytest.mark.usefixtures("interrupted")
    def test_hears_what_a_file_holds_until_ctrl_c(
        self, run: Run, made: Path, sound: Path, fake: FakeMicrophone
    ) -> None:
        expected = run("listen", "--bundle", made, "--file", sound)[1]
        assert run("listen", "--bundle", made, "--microphone", "1") == (0, expected, "\n")
        assert fake.opened == {
            "samplerate": RATE,
            "blocksize": 1_600,
            "device": 1,
            "channels": 1,
            "dtype": "float32",
        }

    @pytest.mark.usefixtures("interrupted")
    def test_a_microphone_that_knows_its_own_rate_only(
        self, run: Run, made: Path, sound: Path, fake: FakeMicrophone
    ) -> None:
        fake.own_rate = 48_000
        fake.samples = soxr.resample(fake.samples, RATE, fake.own_rate)
        code, out, _ = run("listen", "--bundle", made, "--json")
        assert (code, fake.opened["samplerate"], fake.opened["channels"]) == (0, 48_000, 2)
        expected = run("listen", "--bundle", made, "--file", sound, "--json")[1]
        for ours, theirs in zip(
            map(json.loads, out.splitlines()), map(json.loads, expected.splitlines()), strict=False
        ):
            assert ours["predictions"][0]["label"] == theirs["predictions"][0]["label"]
            assert abs(ours["predictions"][0]["cosine"] - theirs["predictions"][0]["cosine"]) < 0.05

    def test_a_machine_that_cannot_keep_up(self, run: Run, made: Path, fake: FakeMicrophone) -> None:
        fake.samples = np.zeros(11 * RATE, np.float32)
        code, _, err = run("listen", "--bundle", made)
        assert (code, err) == (1, "error: this machine is 10 s behind the microphone; listen with a longer --hop\n")

    def test_a_microphone_that_falls_silent(
        self, run: Run, made: Path, fake: FakeMicrophone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(microphone, "SILENT_S", 0.01)
        code, _, err = run("listen", "--bundle", made)
        assert (code, err) == (
            1,
            "error: the microphone has sent nothing for 0.01 s; check that it is connected\n",
        )

    @pytest.mark.parametrize("fault", [FakeMicrophone.PortAudioError("Invalid device"), ValueError("Invalid device")])
    def test_no_such_microphone(self, run: Run, made: Path, fake: FakeMicrophone, fault: Exception) -> None:
        fake.fault = fault
        code, _, err = run("listen", "--bundle", made, "--microphone", "usb")
        assert (code, err) == (
            2,
            "error: microphone usb: Invalid device; name one of these with --microphone:\n0 a microphone\n",
        )

    def test_without_the_package_or_its_library(self, run: Run, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        absent = ModuleNotFoundError("No module named 'sounddevice'", name="sounddevice")
        for fault, message in (
            (absent, 'the package sounddevice is not installed; run: pip install "tinyclap[mic]"'),
            (OSError("PortAudio library not found"), "microphone: PortAudio library not found; install PortAudio"),
        ):

            class Finder:
                fault: Exception

                def find_spec(self, name: str, *_: object) -> None:
                    if name == "sounddevice":
                        raise self.fault

            Finder.fault = fault
            monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
            monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
            code, _, err = run("listen", "--bundle", made)
            assert (code, err.startswith(f"error: {message}")) == (2, True)
