"""Compiled C against the student in torch: kinds of students, streams, sanitizers, both compilers."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.generated_c import compiled, exporter, needs_an_emulator, tool
from tests.support.tiny_exports import LABELS, SPEC, TINY, clips
from tinyclap.audio.level import level_dbfs
from tinyclap.bench.compiled_c import CompiledC
from tinyclap.bench.emulator import BOARDS, Board, emulated
from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters.c.write_folder import CExporter
from tinyclap.exporters.calibration import CalibrationSet
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-O1")
RAISED = replace(TINY, frontend=replace(SPEC, raise_to_dbfs=-40.0))
KINDS = {
    "linear": TINY,
    "raised": RAISED,
    "relu": replace(TINY, phinet=PhiNetConfig(alpha=0.2, squeeze_excite=False, activation="relu"), pooling="mels"),
    "projection": replace(TINY, head="projection", pooling="mean_max"),
    # `amin` lies above float32's rounding of a pure tone, which untrained ones amplify.
    "reference": replace(
        TINY,
        frontend=replace(SPEC, amin=1e-4),
        phinet=PhiNetConfig(alpha=0.2, compatibility=True),
        head="projection",
    ),
    "no last": replace(TINY, features=0, phinet=PhiNetConfig(alpha=0.3, stem_stride=(4, 2), activation="relu6")),
    "other transform": replace(
        TINY, frontend=replace(SPEC, n_fft=240, win_length=200, hop_length=80, power=1.0, mel_scale="htk", n_mels=20)
    ),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", KINDS)
def test_float_c_is_the_student(kind: str, out: Path) -> None:
    made = exporter(KINDS[kind])
    report = made.write(out)  # its own gate: 64 sounds within 1e-4
    assert report.checked
    assert report.difference is not None
    assert report.difference <= 1e-4
    lanes = compiled(out, made.student, "-DTINYCLAP_LANES=4", "-Wall", "-Wextra", "-Werror")
    sound = clips(1).waveform(3)
    with torch.no_grad():
        expected = made.student(torch.from_numpy(sound)[None]).numpy()[0]
        logmel = made.student.frontend(torch.from_numpy(sound)[None]).numpy()[0, 0]
    np.testing.assert_allclose(lanes.embed(sound), expected, atol=1e-4)
    if made.student.config.frontend.lowest_rms is None:
        np.testing.assert_allclose(lanes.logmel(sound, *logmel.shape), logmel, atol=2e-3)
        np.testing.assert_allclose(lanes.embed_logmel(logmel), expected, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_int8_c_is_near_the_student(kind: str, out: Path) -> None:
    report = exporter(KINDS[kind], int8=True, min_agreement=0.0, min_cosine=0.9).write(out)
    assert report.cosine is not None
    assert report.cosine > 0.9  # untrained networks amplify rounding


@pytest.mark.parametrize("int8", [False, True])
def test_a_stream_says_what_each_window_says_alone(int8: bool, out: Path) -> None:
    made = exporter(RAISED, int8=int8, hop_s=0.3, min_agreement=0.0, min_cosine=0.9)
    made.write(out)
    code, window, hop = compiled(out, made.student), 8000, 2400
    sound = np.concatenate([clips(1).waveform(row) for row in range(3)])
    sound[10_000:19_500] = 1e-4 * np.random.default_rng(0).standard_normal(9500)  # a stretch of silence
    events = code.stream(sound, (1, 777, 160, 4001))
    assert [position for position, _ in events] == list(range(window, len(sound) + 1, hop))
    silent = 0
    for position, embedding in events:
        heard = sound[position - window : position]
        if level_dbfs(heard) < -70:
            assert embedding is None
            silent += 1
            continue
        assert embedding is not None
        alone = code.embed(heard)  # starts anew, but all events are there already
        np.testing.assert_allclose(embedding, alone, atol=2e-3 if int8 else 1e-5)
    assert 0 < silent < len(events)


@pytest.mark.parametrize("name", ["gcc", "clang"])
@pytest.mark.parametrize("int8", [False, True])
def test_compilers_and_sanitizers_are_content(name: str, int8: bool, out: Path) -> None:
    exporter(int8=int8, min_agreement=0.0, min_cosine=0.9).write(out)
    program, wav = out / "program", out / "sound.wav"
    sources = [str(out / "src" / "tinyclap.c"), "-I", str(out / "src"), "-I", str(out / "test")]
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if name == "gcc" else []
    for main in ("test/selftest.c", "examples/classify/classify.c"):
        subprocess.run([tool(name), *STRICT, *checks, *sources, str(out / main), "-lm", "-o", str(program)], check=True)
        if "selftest" in main:
            done = subprocess.run([program], capture_output=True, text=True, check=True)
            assert "passed" in done.stdout
    import soundfile

    soundfile.write(wav, np.tile(clips(1).waveform(0), 3), 8000, "PCM_16")
    told = subprocess.run([program, wav], capture_output=True, text=True, check=True).stdout
    assert len(told.splitlines()) == 3
    assert any(label in told for label in LABELS)
    soundfile.write(wav, np.zeros(8000), 16_000, "PCM_16")
    refused = subprocess.run([program, wav], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "of another sample rate; give a mono WAV of 16 bits at 8000 Hz" in refused.stderr


def test_another_sample_rate_does_not_compile(out: Path) -> None:
    exporter().write(out)
    for rate, fine in ((8000, True), (16_000, False)):
        file = out / f"{rate}.c"
        file.write_text(f'#include "tinyclap.h"\nTINYCLAP_CHECK_SAMPLE_RATE({rate});\nint main(void) {{ return 0; }}\n')
        done = subprocess.run([tool("gcc"), "-c", "-I", out / "src", file, "-o", out / "x.o"], capture_output=True)
        assert (done.returncode == 0) == fine
        assert fine or b"sample_rate_must_be_8000_Hz" in done.stderr


def test_code_that_is_not_the_student_is_not_written(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = np.eye(TINY.embed_dim, dtype=np.float32)[0]
    monkeypatch.setattr(CompiledC, "embed", lambda self, sound: wrong)
    with pytest.raises(GateError, match=r"tinyclap.c differs from torch"):
        exporter().write(out)
    with pytest.raises(GateError, match=r"mean cosine to float .* \(needed: 0.99\)"):
        exporter(int8=True).write(out)
    assert not out.exists()


def test_a_folder_of_others_and_a_small_device_are_refused(out: Path, tmp_path: Path) -> None:
    out.mkdir()
    (out / "mine").write_text("x")
    with pytest.raises(TinyclapError, match="is left alone"):
        exporter().write(out)
    big = CExporter(Student(StudentConfig()), CalibrationSet(clips(0)), device="esp32s3")
    with pytest.raises(TinyclapError, match=r"needs .* of RAM in float32, and .* are free .*tinyclap search RECIPE"):
        big.write(tmp_path / "other")


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.core)
@pytest.mark.parametrize("int8", [False, True])
def test_emulated_cortex_m_passes_the_selftest(board: Board, int8: bool, out: Path) -> None:
    needs_an_emulator()
    exporter(int8=int8, min_agreement=0.0, min_cosine=0.9).write(out)
    found = emulated(out, board)
    assert "passed" in found.said
    assert 1e6 < found.instructions < 1e9
