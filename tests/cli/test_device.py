"""The commands of a device: results on stdout, one message for each failure, exit codes."""

import csv
import io
import json
import shutil
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
