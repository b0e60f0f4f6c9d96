"""`tinyclap listen` on pipes: answers before the end, clean ends, events and what they set off."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.commands import RATE, Run
from tinyclap.runtime.bundle import Bundle


def wav(samples: np.ndarray) -> bytes:
    """As ffmpeg writes it to a pipe: the length is not known."""
    made = io.BytesIO()
    soundfile.write(made, samples, RATE, format="WAV", subtype="FLOAT")
    content = made.getvalue()
    place = content.index(b"data") + 4
    return content[:4] + b"\xff" * 4 + content[8:place] + b"\xff" * 4 + content[place + 4 :]


SOUND = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)


class Listening:
    """The command in a process of its own."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tinyclap", "listen", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.stdin, self.out, self.err = self.process.stdin, self.process.stdout, self.process.stderr

    def write(self, content: bytes) -> None:
        self.stdin.write(content)
        self.stdin.flush()

    def end(self) -> tuple[int, str, str]:
        """Exit code, what is left on stdout, stderr."""
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out.decode(), err.decode()


@pytest.fixture
def listening(made: Path) -> Iterator[list[Listening]]:
    started: list[Listening] = []
    yield started
    for one in started:
        one.process.kill()
        one.process.communicate()


class TestStandardInput:
    def test_answers_come_before_the_end_however_the_bytes_are_cut(
        self, made: Path, listening: list[Listening], run: Run, tmp_path: Path
    ) -> None:
        listening.append(Listening("--bundle", made, "--file", "-", "--json"))
        (live,) = listening
        content = wav(SOUND)
        first = len(content) * 2 // 5 + 1
        for at in range(0, first, 4_099):
            live.write(content[at : min(at + 4_099, first)])
        answers = [json.loads(live.out.readline())]  # while the pipe is open
        assert answers[0]["time_s"] == 1.0
        live.write(content[first:])
        code, out, err = live.end()
        assert (code, err) == (0, "")
        answers += [json.loads(line) for line in out.splitlines()]
        soundfile.write(tmp_path / "a.wav", SOUND, RATE, subtype="FLOAT")
        told = run("listen", "--bundle", made, "--file", tmp_path / "a.wav", "--json")[1]
        assert answers == [json.loads(line) for line in told.splitlines()]

    def test_ctrl_c_ends_it(self, made: Path, listening: list[Listening]) -> None:
        listening.append(Listening("--bundle", made, "--file", "-", "--confirm", "1/2", "--labels", "dog"))
        (live,) = listening
        assert "no background sounds" in live.err.readline().decode()
        live.write(wav(SOUND))
        live.process.send_signal(signal.SIGINT)
        code, _, err = live.end()
        assert (code, err.strip()) == (0, "")

    def test_whoever_read_the_answers_has_gone(self, made: Path, listening: list[Listening]) -> None:
        listening.append(Listening("--bundle", made, "--file", "-", "--hop", 0.1))
        (live,) = listening
        live.write(wav(SOUND))
        live.out.readline()
        live.out.close()
        with contextlib.suppress(BrokenPipeError):  # it has gone too
            live.write(bytes(4 * RATE))
            live.stdin.close()
        assert (live.process.wait(120), live.err.read()) == (0, b"")

    @pytest.mark.parametrize(
        ("content", "options", "message"),
        [
            (b"", [], "standard input: ends before any sound"),
            (b"OggS" + bytes(50), [], "standard input: is no WAV stream; send a WAV stream, e.g. `ffmpeg -i SOURCE"),
            (b"", ["--raw-rate", "16000"], "standard input: ends before any sound"),
            (b"", ["--raw-rate", "16000", "--raw-format", "mp3"], "samples of 'mp3' are not known; allowed: u8, s16le"),
            (np.full(2 * RATE, np.nan, np.float32).tobytes(), ["--raw-rate", RATE, "--raw-format", "f32le"], "NaN"),
        ],
    )
    def test_what_is_no_sound(
        self, made: Path, run: Run, content: bytes, options: list[object], message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        code, out, err = run("listen", "--bundle", made, "--file", "-", *options)
        assert (code, out) == (2, "")
        assert message in err

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--raw-rate", 16_000], "--raw-rate says how the samples of a file or pipe stand; give --file too"),
            (["--raw-format", "s16le"], "--raw-format says how the samples of a file or pipe stand; give --file too"),
            (["--file", "-", "--raw-format", "s16le"], "--raw-format is for samples without a header; give their rate"),
            (["--file", "-", "--raw-channels", 2], "--raw-channels is for samples without a header; give their rate"),
            (["--file", "-", "--microphone", 1], "--file and --microphone exclude each other; give one of them"),
            (["--file", "-", "--raw-rate", 16_000, "--raw-channels", 0], "0 channels; allowed: 1 to 64"),
        ],
    )
    def test_options_without_an_effect(self, made: Path, run: Run, options: list[object], message: str) -> None:
        code, out, err = run("listen", "--bundle", made, *options)
        assert (code, out) == (2, "")
        assert message in " ".join(err.replace("│", " ").split())

    def test_a_terminal_sends_no_sound(self, made: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = io.TextIOWrapper(io.BytesIO())
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", terminal)
        code, _, err = run("listen", "--bundle", made, "--file", "-")
        assert (code, err.startswith("error: nothing comes on standard input; send a WAV stream")) == (2, True)

    def test_bare_samples(self, made: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        content = (np.stack([SOUND, SOUND], axis=1) * 32767).astype("<i2").tobytes()
        options = ["--bundle", made, "--raw-rate", RATE, "--raw-channels", 2, "--json"]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        piped = run("listen", "--file", "-", *options)
        (tmp_path / "a.raw").write_bytes(content)
        assert run("listen", "--file", tmp_path / "a.raw", *options) == piped
        assert [json.loads(line)["time_s"] for line in piped[1].splitlines()] == [1.0, 2.0, 3.0]


def test_a_pipe_with_a_name(made: Path, run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[wav(SOUND)])
    writer.start()
    code, out, err = run("listen", "--bundle", made, "--file", tmp_path / "pipe", "--json")
    writer.join()
    assert (code, err, len(out.splitlines())) == (0, "", 3)


class TestEvents:
    @pytest.fixture
    def scene(self, tmp_path: Path) -> Path:
        """Two seconds of sound, four of silence, two of sound."""
        path = tmp_path / "scene.wav"
        quiet = np.zeros(4 * RATE, np.float32)
        soundfile.write(path, np.concatenate([SOUND[: 2 * RATE], quiet, SOUND[: 2 * RATE]]), RATE)
        return path

    def test_they_have_a_start_and_an_end(self, judged: Path, run: Run, scene: Path, tmp_path: Path) -> None:
        label = Bundle.load(judged).classify(SOUND[:RATE], ["dog", "cow"], sample_rate=RATE)[0][0].label
        options = ["--bundle", judged, "--labels", label, "--threshold", 0.001, "--file", scene, "--hop", 0.5]
        code, out, err = run("listen", *options, "--confirm", "2/3", "--json")
        assert (code, err) == (0, "")
        events = [json.loads(line) for line in out.splitlines()]
        assert [(event["label"], event["start_s"], event["end_s"]) for event in events] == [
            (label, 0.0, 2.5),
            (label, 6.0, 8.0),
        ]
        assert [event["windows"] for event in events] == [5, 4]
        _, held, _ = run("listen", *options, "--hold-off", 6)
        assert held == f"     0.00 to      2.50 s  {label}  {events[0]['score']:.4f}\n"
        log = tmp_path / "log"
        code, out, err = run(
            "listen", *options, "--on-start", f"cat >> {log}1", "--on-event", f"cat >> {log}2", "--json"
        )
        assert (code, err) == (0, "")
        assert sorted((tmp_path / "log2").read_text().splitlines()) == sorted(out.splitlines())
        assert [json.loads(line)["end_s"] for line in (tmp_path / "log1").read_text().splitlines()] == [None, None]

    def test_a_failing_command_is_told_once(self, judged: Path, run: Run, scene: Path) -> None:
        options = ["--bundle", judged, "--labels", "dog", "--threshold", 0.001, "--file", scene, "--hop", 0.25]
        code, _, err = run("listen", *options, "--on-event", "exit 7")
        assert (code, err) == (0, "warning: exit 7: ends with 7; no further failure of it is told\n")

    def test_an_older_bundle_says_what_it_lacks(self, made: Path, run: Run, scene: Path) -> None:
        code, _, err = run("listen", "--bundle", made, "--file", scene, "--confirm", "1/1")
        assert (code, err) == (0, "this bundle has no background sounds: every answer is its nearest label\n")

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("--confirm", "3/2", "3 of 2 windows cannot confirm an event"),
            ("--confirm", "often", "confirm is 'often'; give how many of how many answers, e.g. 2/3"),
            ("--hold-off", "-1", "hold_off_s is -1.0: it must be 0 or more seconds"),
        ],
    )
    def test_settings_out_of_range(self, made: Path, run: Run, option: str, value: str, message: str) -> None:
        code, _, err = run("listen", "--bundle", made, option, value)
        assert (code, message in err) == (2, True)
