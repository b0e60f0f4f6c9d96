"""The commands of a device: results on stdout, one message for each failure, exit codes."""

import csv
import io
import json
import queue
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from tests.support.tiny_bundles import tiny_bundle
from tinyclap.audio import microphone
from tinyclap.cli import app
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.manifest import read_manifest, write_manifest

RATE = 16_000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "bundle", int8=True)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `tinyclap ...` in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tinyclap", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            app.main()
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, out, err

    return run


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 3 * RATE), RATE)
    return path


class TestClassify:
    def test_text(self, run: Run, made: Path, sound: Path) -> None:
        expected = Bundle.load(made).classify(sound)[0]
        lines = [f"  {label:<10}  {share:6.1%}  cosine {cosine:+.3f}" for label, cosine, share in expected]
        assert run("classify", sound, "--bundle", made) == (0, "\n".join([str(sound), *lines, ""]), "")

    def test_json_and_csv(self, run: Run, made: Path, sound: Path) -> None:
        expected = Bundle.load(made).classify(sound, ["rain", "dog"])[0]
        code, out, err = run("classify", sound, sound.parent, "--bundle", made, "--labels", "rain, dog", "--json")
        assert (code, err) == (0, "")
        told = json.loads(out)
        assert told["results"] == [{"file": str(sound), "predictions": [entry._asdict() for entry in expected]}]
        how = {"bundle": str(made), "graph": "audio.onnx", "provider": "CPUExecutionProvider", "threads": 1, "bad": []}
        assert {key: told[key] for key in how} == how
        _, out, _ = run("classify", sound, "--bundle", made, "--top", 1, "--csv")
        (row,) = csv.DictReader(io.StringIO(out))
        best = Bundle.load(made).classify(sound)[0][0]
        assert row == {
            "file": str(sound),
            "rank": "1",
            "label": best.label,
            "cosine": f"{best.cosine:.6f}",
            "probability": f"{best.probability:.6f}",
        }
        assert run("classify", sound, "--bundle", made, "--json", "--csv")[0] == 2

    def test_int8_and_threads(self, run: Run, made: Path, sound: Path) -> None:
        told = json.loads(run("classify", sound, "--bundle", made, "--int8", "--threads", 2, "--json")[1])
        assert (told["graph"], told["threads"]) == ("audio_int8.onnx", 2)

    def test_bad_files_among_good_ones(self, run: Run, made: Path, sound: Path) -> None:
        empty = sound.parent / "empty.wav"
        soundfile.write(empty, np.zeros(0), RATE)
        code, out, err = run("classify", empty, sound, "none.wav", "--bundle", made, "--json")
        assert code == 1
        assert err == f"error: 2 of 3 files cannot be used:\n  {empty}: empty\n  none.wav: no such file\n"
        told = json.loads(out)
        assert [entry["file"] for entry in told["results"]] == [str(sound)]
        assert told["bad"] == [
            {"file": str(empty), "reason": "empty"},
            {"file": "none.wav", "reason": "no such file"},
        ]
        assert run("classify", empty, "--bundle", made) == (2, "", f"error: {empty}: empty\n")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--labels", "cow"], "no text side and no embedding of cow; there are dog, rain, clock tick"),
            (["--labels", "labels.txt"], "labels: no file labels.txt"),
            (["--provider", "abacus"], "provider abacus is not in this onnxruntime"),
            (["--threads", "0"], "'--threads'"),
            (["--top", "0"], "'--top'"),
        ],
    )
    def test_wrong_usage(self, run: Run, made: Path, sound: Path, arguments: list[str], message: str) -> None:
        code, out, err = run("classify", sound, "--bundle", made, *arguments)
        assert (code, out) == (2, "")
        assert message in err

    def test_a_folder_without_audio(self, run: Run, made: Path, tmp_path: Path) -> None:
        code, out, err = run("classify", tmp_path, "--bundle", made)
        assert (code, out) == (2, "")
        assert err.startswith(f"error: no audio files below {tmp_path}: looked for .wav")

    def test_a_damaged_bundle(self, run: Run, made: Path, sound: Path, tmp_path: Path) -> None:
        damaged = shutil.copytree(made, tmp_path / "bundle")
        (damaged / "audio.onnx").write_bytes(b"short")
        code, out, err = run("classify", sound, "--bundle", damaged)
        assert (code, out) == (2, "")
        assert err.startswith(f"error: bundle {damaged}: audio.onnx holds 5 of ")


class TestDefaultBundle:
    def new_run(self, started: str, name: str) -> Path:
        folder = Path("runs", name)
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text("")
        (folder / "env.json").write_text(json.dumps({"started": started}))
        return folder

    def test_is_that_of_the_newest_run(
        self, run: Run, made: Path, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        code, _, err = run("classify", sound)
        assert (code, err.startswith("error: no bundle: give its folder with --bundle DIR")) == (2, True)
        shutil.copytree(made, self.new_run("2025-01-01T00:00:00+00:00", "old") / "bundle")
        code, out, err = run("classify", sound, "--top", 1)
        assert (code, err) == (0, f"bundle: {Path('runs/old/bundle')}\n")
        assert out.startswith(str(sound))
        self.new_run("2025-01-02T00:00:00+00:00", "new")
        code, _, err = run("classify", sound)
        assert (code, err) == (
            2,
            f"error: the newest run has no {Path('runs/new/bundle')}; make it with `tinyclap export --onnx`, "
            "or give --bundle DIR\n",
        )


class TestEmbed:
    def test_writes_the_array_and_names(self, run: Run, made: Path, sound: Path, tmp_path: Path) -> None:
        (tmp_path / "bad.wav").write_bytes(b"")
        out = tmp_path / "out" / "emb.npy"
        code, told, err = run("embed", tmp_path, "--bundle", made, "--out", out, "--threads", 2)
        assert (code, told) == (0, f"{out}: 1 x 16, float32, 64 bytes a clip\n")
        assert f"1 files left out; {tmp_path / 'out' / 'emb.json'} names them:\n  {tmp_path / 'bad.wav'}: " in err
        np.testing.assert_array_equal(np.load(out), Bundle.load(made).embed(sound))
        code, told, err = run("embed", sound, "--bundle", made, "--out", out)
        assert (code, told) == (2, "")
        assert "exist already" in err


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
        assert out == "".join(f"{second:9.2f} s  dog 100%\n" for second in (1, 2, 3))

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


class TestInfo:
    def test_a_bundle(self, run: Run, made: Path) -> None:
        code, out, _ = run("info", made)
        told = dict(line.split(maxsplit=1) for line in out.splitlines())
        assert code == 0
        assert told["labels"] == "3: dog, rain, clock tick"
        assert told["audio.onnx"].endswith("opset 18, recommended")
        code, out, _ = run("info", made, "--json")
        assert json.loads(out) == json.loads((made / "bundle.json").read_text())

    def test_a_run(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "recipe.yaml").write_text("")
        (tmp_path / "env.json").write_text("{}")
        (tmp_path / "summary.json").write_text('{"task": "distill", "student": {"parameters": 1234}}')
        code, out, _ = run("info", tmp_path)
        assert (code, "1.23 k" in out) == (0, True)
        assert json.loads(run("info", tmp_path, "--json")[1])["summary"]["student"] == {"parameters": 1234}

    def test_neither(self, run: Run, tmp_path: Path) -> None:
        code, out, err = run("info", tmp_path)
        assert (code, out) == (2, "")
        assert err.startswith(f"error: {tmp_path} is no bundle (it holds no bundle.json), and {tmp_path} is not a run")


class TestSelftest:
    def test_passes(self, run: Run, made: Path) -> None:
        code, out, err = run("selftest", made)
        assert (code, err) == (0, "")
        assert [line.split(";")[0] for line in out.splitlines()] == [
            "audio.onnx: passed",
            "audio_int8.onnx: passed",
            *(["text.onnx: passed"] if read_manifest(made).text else []),
        ]

    def test_fails(self, run: Run, made: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(made, tmp_path / "bundle")
        with np.load(folder / "test_vectors.npz") as vectors:
            wrong = dict(vectors) | {name: -vectors[name] for name in ("embedding", "embedding_int8")}
        np.savez(folder / "test_vectors.npz", **wrong)
        write_manifest(folder, read_manifest(made))
        code, out, err = run("selftest", folder, "--json")
        assert code == 1
        assert [entry["passed"] for entry in json.loads(out)["graphs"]] == [False, False]
        assert err.startswith(f"error: {folder}: audio.onnx, audio_int8.onnx does not compute here what was exported")
