"""Whole students in TensorFlow Lite Micro: near torch, in the memory that is said, refused where they do not fit."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.exporters.c.test_computed import KINDS
from tests.support.tiny_exports import LABELS, TINY, clips, settled
from tinyclap.audio.log_mel.emphasised import EmphasisedSpec
from tinyclap.audio.log_mel.in_numpy import NumpyLogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import GateError, TinyclapError
from tinyclap.exporters.c.calibrate import calibrated
from tinyclap.exporters.c.fixed_point import Affine
from tinyclap.exporters.c.layers import network_of
from tinyclap.exporters.c.source import Labels
from tinyclap.exporters.calibration import CalibrationSet, logmels
from tinyclap.exporters.tflite.interpreter import MicroInterpreter
from tinyclap.exporters.tflite.memory import IN_PLACE, OFFLINE_PLAN, as_metadata, memory_plan
from tinyclap.exporters.tflite.network import NetworkWriter
from tinyclap.exporters.tflite.write_file import TfliteExporter, read_facts
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig


def exporter(config: StudentConfig = TINY, **options: object) -> TfliteExporter:
    vectors = torch.nn.functional.normalize(torch.randn(4, config.embed_dim, generator=torch.manual_seed(1))).numpy()
    sounds = CalibrationSet(clips(0), clips(1), LABELS)
    labels = Labels(LABELS, vectors, 14.0)
    return TfliteExporter(settled(config), sounds, labels, "tiny", **options)  # type: ignore[arg-type]


def written(config: StudentConfig) -> NetworkWriter:
    made = exporter(config)
    network, sounds = network_of(made.student), made.calibration_set
    found = calibrated(network, list(logmels(made.student, sounds.train, sounds.calibration)))
    return NetworkWriter(network, found)


@pytest.mark.parametrize("image", ["int8", "int16"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_interpreter_is_near_the_student(kind: str, image: str, tmp_path: Path) -> None:
    report = exporter(KINDS[kind], image=image, min_cosine=0.9, min_agreement=0.0).write(tmp_path / "a.tflite")
    # An untrained student of the reference's kind amplifies rounding; in C too.
    assert report.cosine > (0.9 if kind == "reference" else 0.9998)
    assert report.size_bytes == (tmp_path / "a.tflite").stat().st_size
    assert report.maps_bytes <= report.arena_bytes
    assert report.input == image


def test_a_file_says_how_it_is_fed(tmp_path: Path) -> None:
    made, file = exporter(), tmp_path / "a.tflite"
    made.write(file)
    content = file.read_bytes()
    facts = read_facts(content)
    assert facts["name"] == "tiny"
    how, sound = facts["input"], clips(1).waveform(2)
    assert facts["window_samples"] == len(sound)
    spec = FrontendSpec(**facts["frontend"])
    assert how["shape"] == [1, spec.n_frames(len(sound)), spec.n_mels, 1]
    runner = MicroInterpreter(content, 2**20, Affine(how["scale"], how["zero"]), how["dtype"])
    embedding = runner.embed_logmel(NumpyLogMel(spec)(sound[None]).reshape(how["shape"][1:3]))
    with torch.no_grad():
        expected = made.student(torch.from_numpy(sound)[None]).numpy()[0]
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-4)
    assert embedding @ expected > 0.9998
    with pytest.raises(TinyclapError, match=r"not a .tflite that"):
        read_facts(b"abcdefgh" * 4)


@pytest.mark.parametrize("kind", ["linear", "projection"])
def test_writing_over_what_is_read_changes_nothing_and_takes_less(kind: str) -> None:
    writer = written(KINDS[kind])
    source, target = writer.write()
    plan, stored = memory_plan(writer.graph, source, target), source.stored
    assert stored is not None
    arenas, embeddings = [], []
    for metadata in ({}, {OFFLINE_PLAN: as_metadata(writer.graph, plan)}):
        content = writer.graph.packed(source, target, "tiny", metadata)
        runner = MicroInterpreter(content, 2**22, stored, source.dtype)
        batch = next(logmels(settled(KINDS[kind]), clips(1), range(4)))
        embeddings.append([runner.embed_logmel(logmel[0]) for logmel in batch])
        arenas.append(runner.arena_bytes())
    np.testing.assert_array_equal(embeddings[0], embeddings[1])
    (own, rest), (ours, _) = arenas
    assert ours == plan.size_bytes
    assert ours < 0.75 * own
    with pytest.raises(RuntimeError):
        MicroInterpreter(content, ours + rest - 4096, stored, source.dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_that_live_together_share_no_bytes(kind: str) -> None:
    writer = written(KINDS[kind])
    source, target = writer.write()
    graph = writer.graph
    plan = memory_plan(graph, source, target)
    owner: dict[int, int] = {}  # of each byte, the map that was written there last
    for tensor, step in ((source, None), *((step.output, step) for step in graph.steps)):
        places = {}
        for read in step.inputs if step else ():
            if read.index not in graph.constants:
                start = plan.places[read.name]
                places[read.index] = range(start, start + read.size_bytes)
                assert all(owner[byte] == read.index for byte in places[read.index]), f"{read.name} was overwritten"
        start = plan.places[tensor.name]
        for byte in range(start, start + tensor.size_bytes):
            owner[byte] = tensor.index
        shared = [place for place in places.values() if set(place) & set(range(start, start + tensor.size_bytes))]
        assert not shared or (step is not None and step.kind in IN_PLACE and all(p[0] == start for p in shared))
    start = plan.places[target.name]
    assert all(owner[byte] == target.index for byte in range(start, start + target.size_bytes))


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.tflite"
    with pytest.raises(TinyclapError, match=r"ends in .tflite, e.g. --tflite .*a.onnx.tflite"):
        exporter().write(tmp_path / "a.onnx")
    file.mkdir()
    with pytest.raises(TinyclapError, match="is a folder"):
        exporter().write(file)
    file.rmdir()
    file.write_text("mine")
    with pytest.raises(TinyclapError, match="is there already; replace it with --overwrite"):
        exporter().write(file)
    with pytest.raises(GateError, match=r"the .tflite in INT8: mean cosine to float .* --tflite-input int16"):
        exporter(min_cosine=0.9999999, min_agreement=0.0).write(file, overwrite=True)
    other = Student(TINY)
    other.config = dataclasses.replace(TINY, frontend=EmphasisedSpec())
    with pytest.raises(TinyclapError, match=r"EmphasisedSpec is not written in C yet, nor described in a .tflite"):
        TfliteExporter(other, CalibrationSet(clips(0))).write(file, overwrite=True)
    assert file.read_text() == "mine"
    exporter(min_agreement=0.0).write(file, overwrite=True)
    assert file.read_bytes()[4:8] == b"TFL3"


def test_a_small_device_is_refused(tmp_path: Path) -> None:
    device = tmp_path / "small.yaml"
    device.write_text(
        "title: small\nprecision: int8\nflash: {size: 1 MiB, reserved: 0 MiB, source: none}\n"
        "ram: {size: 32 KiB, reserved: 8 KiB, source: none}\nreserved_source: none\n"
    )
    with pytest.raises(TinyclapError, match=r"needs .* of RAM in int8, and 24 KiB are free .*tinyclap search RECIPE"):
        exporter(device=str(device), min_agreement=0.0).write(tmp_path / "a.tflite")
    assert not (tmp_path / "a.tflite").exists()


def test_without_the_package_the_line_that_installs_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tflite_micro"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    with pytest.raises(TinyclapError, match=r'Linux on x86-64: pip install "tinyclap\[tflite\]"'):
        exporter().write(tmp_path / "a.tflite")
