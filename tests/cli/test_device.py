"""The commands of a device: results on stdout, one message for each failure, exit codes."""

import csv
import io
import json
import os
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.commands import RATE, Run
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import read_manifest, write_manifest


class TestClassify:
    def test_text(self, run: Run, made: Path, sound: Path) -> None:
        expected = Bundle.load(made).classify(sound)[0]
        lines = [f"  {label:<10}  {share:6.1%}  cosine {cosine:+.3f}" for label, cosine, share in expected]
        assert run("classify", sound, "--bundle", made) == (0, "\n".join([str(sound), *lines, ""]), "")

    def test_prompts_and_several_names(self, run: Run, judged: Path, sound: Path) -> None:
        labels, templates = ["dog | cow", "rain"], ["the {}", "sound of {}"]
        expected = Bundle.load(judged).classify(sound, labels, prompts=templates)[0]
        given = ["--labels", ", ".join(labels), "--prompts", templates[0], "--prompts", templates[1], "--csv"]
        code, out, err = run("classify", sound, "--bundle", judged, *given)
        assert (code, err) == (0, "")
        rows = list(csv.DictReader(io.StringIO(out)))
        assert [(row["label"], row["cosine"]) for row in rows] == [(one.label, f"{one.cosine:.6f}") for one in expected]
        assert {row["label"] for row in rows} == {"dog", "rain"}
        code, out, err = run("classify", sound, "--bundle", judged, "--prompts", "sound")
        assert (code, out) == (2, "")
        assert "has no {}, the place of the label" in err

    def test_json_and_csv(self, run: Run, made: Path, sound: Path) -> None:
        expected = Bundle.load(made).classify(sound, ["rain", "dog"])[0]
        code, out, err = run("classify", sound, sound.parent, "--bundle", made, "--labels", "rain, dog", "--json")
        assert (code, err) == (0, "")
        told = json.loads(out)
        predictions = [{**entry._asdict(), "score": None} for entry in expected]
        level = round(expected.level_dbfs, 1)
        assert told["results"] == [
            {"file": str(sound), "outcome": "label", "level_dbfs": level, "predictions": predictions},
        ]
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
            "score": "",
            "outcome": "label",
            "level_dbfs": f"{level}",
        }
        assert run("classify", sound, "--bundle", made, "--json", "--csv")[0] == 2

    def test_silence(self, run: Run, made: Path, tmp_path: Path) -> None:
        path = tmp_path / "silence.wav"
        soundfile.write(path, np.zeros(RATE), RATE)
        assert run("classify", path, "--bundle", made)[1] == f"{path}\n  silence, or too quiet to tell: -180.0 dBFS\n"
        (told,) = json.loads(run("classify", path, "--bundle", made, "--json")[1])["results"]
        assert told == {"file": str(path), "outcome": "silence", "level_dbfs": -180.0, "predictions": []}
        _, out, _ = run("classify", path, "--bundle", made, "--csv")
        assert out.splitlines()[1] == f"{path},,,,,,silence,-180.0"
        assert "dog" in run("classify", path, "--bundle", made, "--silence-below", "-200")[1]
        code, _, err = run("classify", path, "--bundle", made, "--silence-below", "3")
        assert (code, err) == (2, "error: silence_dbfs is 3.0: it must be 0 or less, in dB of full scale\n")

    @pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG"])
    def test_standard_input(
        self, run: Run, made: Path, sound: Path, form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        made_of_it = io.BytesIO()
        soundfile.write(made_of_it, soundfile.read(sound)[0], RATE, format=form)
        (tmp_path / "same").write_bytes(made_of_it.getvalue())
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(made_of_it.getvalue())))
        code, out, err = run("classify", "-", "--bundle", made)
        assert (code, err) == (0, "")
        expected = run("classify", tmp_path / "same", "--bundle", made)[1]
        assert out.splitlines() == ["-", *expected.splitlines()[1:]]
        code, _, err = run("classify", "-", "--bundle", made)  # all of it was read
        assert (code, err) == (1, "error: -: empty; was it read before?\n")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
    def test_a_pipe_with_a_name(self, run: Run, made: Path, sound: Path, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[sound.read_bytes()])
        writer.start()
        code, out, _ = run("classify", tmp_path / "pipe", "--bundle", made)
        writer.join()
        assert (code, out.splitlines()[1:]) == (0, run("classify", sound, "--bundle", made)[1].splitlines()[1:])

    def test_a_threshold(self, run: Run, judged: Path, sound: Path) -> None:
        arguments = ("classify", sound, "--bundle", judged, "--labels", "cow, dog")
        answer = Bundle.load(judged).classify(sound, ["cow", "dog"], threshold=0.95)[0]
        assert (answer.outcome, answer.scores is not None) == ("unknown", True)
        told = json.loads(run(*arguments, "--threshold", 0.95, "--json")[1])["results"][0]
        assert (told["outcome"], told["predictions"][0]["score"]) == ("unknown", answer.scores and answer.scores[0])
        lines = run(*arguments, "--threshold", 0.95)[1].splitlines()
        assert lines[1] == "  unknown: no label has a score of 0.95; the nearest:"
        assert [line.split()[0] for line in lines[2:]] == [entry.label for entry in answer]
        assert "unknown" not in run(*arguments)[1]
        _, out, _ = run(*arguments, "--threshold", 0.9, "--multi-label", "--csv")
        assert [row["outcome"] for row in csv.DictReader(io.StringIO(out))] == ["unknown"]
        assert "  unknown: no label has a score of 0.9\n" in run(*arguments, "--threshold", 0.9, "--multi-label")[1]

    def test_a_threshold_of_an_older_bundle(self, run: Run, made: Path, sound: Path) -> None:
        code, out, err = run("classify", sound, "--bundle", made, "--threshold", 0.9)
        assert (code, out) == (2, "")
        assert err.startswith("error: threshold is given, but this bundle was made without the background sounds")

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
        assert run("classify", empty, "--bundle", made) == (1, "", f"error: {empty}: empty\n")

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


class TestEmbed:
    def test_writes_the_array_and_names(self, run: Run, made: Path, sound: Path, tmp_path: Path) -> None:
        (tmp_path / "bad.wav").write_bytes(b"")
        out = tmp_path / "out" / "emb.npy"
        code, told, err = run("embed", tmp_path, "--bundle", made, "--out", out, "--threads", 2)
        assert (code, told) == (0, f"{out}: 1 x 16, float32, 64 bytes a clip\n")
        assert f"1 file left out; {tmp_path / 'out' / 'emb.json'} names them:\n  {tmp_path / 'bad.wav'}: " in err
        np.testing.assert_array_equal(np.load(out), Bundle.load(made).embed(sound))
        code, told, err = run("embed", sound, "--bundle", made, "--out", out)
        assert (code, told) == (2, "")
        assert "exist already" in err

    def test_windows(self, run: Run, made: Path, sound: Path, tmp_path: Path) -> None:
        out = tmp_path / "emb.npy"
        told = run("embed", sound, "--bundle", made, "--out", out, "--windows", "--hop", 0.5)
        assert told == (0, f"{out}: 5 x 16, float32, 64 bytes a window\n", "")
        assert json.loads((tmp_path / "emb.json").read_text())["start_s"] == [0.0, 0.5, 1.0, 1.5, 2.0]
        code, _, err = run("embed", "-", "--bundle", made, "--out", tmp_path / "other.npy")
        assert (code, "an array names its files" in err) == (2, True)

    def test_hop_and_channel(self, run: Run, made: Path, tmp_path: Path) -> None:
        sound, out = tmp_path / "two.wav", tmp_path / "emb.npy"
        samples = np.random.default_rng(0).uniform(-0.5, 0.5, (48_000, 2)).astype(np.float32)
        soundfile.write(sound, samples, 16_000)
        options = ["--bundle", made, "--hop", 0.25, "--channel", 2]
        assert run("embed", sound, "--out", out, *options)[0] == 0
        expected = Bundle.load(made).embed(samples[:, 1], sample_rate=16_000, hop_s=0.25)
        np.testing.assert_allclose(np.load(out), expected, atol=1e-4)
        again = ["embed", sound, "--out", out, "--bundle", made]
        assert (run(*again, "--channel", 2)[0], run(*again, *options[2:])[0]) == (2, 0), "other settings, and the same"
        code, told, _ = run("classify", sound, "--json", *options)
        assert (code, len(json.loads(told)["results"])) == (0, 1)
        code, _, err = run("classify", sound, "--bundle", made, "--channel", 3)
        assert (code, "channel is 3; it has 2 channels, counted from 1" in err) == (1, True)
        code, _, err = run("classify", sound, "--bundle", made, "--hop", 60)
        assert (code, "it must be above 0 and at most a window" in err) == (2, True)


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
        (tmp_path / "recipe.yaml").write_text("task: distill")
        (tmp_path / "env.json").write_text("{}")
        (tmp_path / "summary.json").write_text('{"task": "distill", "student": {"parameters": 1234}}')
        code, out, _ = run("info", tmp_path)
        assert (code, "1.23 k" in out) == (0, True)
        assert json.loads(run("info", tmp_path, "--json")[1])["summary"]["student"] == {"parameters": 1234}

    def test_neither(self, run: Run, tmp_path: Path) -> None:
        code, out, err = run("info", tmp_path)
        assert (code, out) == (2, "")
        assert err.startswith(f"error: {tmp_path} is neither a bundle (it holds no bundle.json) nor a run (it holds")


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
