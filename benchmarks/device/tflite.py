"""What `tinyclap export --tflite` writes, in TensorFlow Lite Micro: size, arena, accuracy beside torch and C.

    python -m benchmarks.device.tflite RUN

RUN is a finished run with a test set. The interpreter is PyPI's tflite-micro on this machine (pointers of 8 bytes: what
is not for maps takes about half on a microcontroller). `planned_by_it_bytes` is the arena without the file's own plan.
"""

import argparse
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinyclap.bench.compiled_c import CompiledC
from tinyclap.common.files import write_json
from tinyclap.data import build_dataset
from tinyclap.embeddings import similarity, zero_shot
from tinyclap.exporters.c.fixed_point import Affine
from tinyclap.exporters.c.write_folder import CExporter
from tinyclap.exporters.tflite.interpreter import MicroInterpreter
from tinyclap.exporters.tflite.memory import OFFLINE_PLAN
from tinyclap.exporters.tflite.network import Image
from tinyclap.exporters.tflite.write_file import TfliteExporter, read_facts
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.pipelines.distilled_run import load_distilled_run
from tinyclap.pipelines.export import Materials, materials

RESULT = Path(__file__).parents[1] / "results" / "tflite.json"
IMAGES: tuple[Image, ...] = ("int8", "int16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    made, data = materials(run), load_distilled_run(run, "export").recipe.data.test
    decoded = made.calibration_set.test
    assert data is not None
    assert decoded is not None
    test = build_dataset(data)
    window = made.student.config.window_samples
    sounds = [np.resize(decoded.waveform(row), window).astype(np.float32) for row in range(len(decoded))]
    truth = np.array([test.labels.index(test.clips[one.clip].label or "") for one in decoded.windows])
    with torch.no_grad():
        logmels = [made.student.frontend(torch.from_numpy(sound)[None]).numpy()[0, 0] for sound in sounds]
        floats = np.concatenate([made.student(torch.from_numpy(sound)[None]).numpy() for sound in sounds])

    def beside(embed: Callable[[int], np.ndarray]) -> dict[str, Any]:
        ints = np.stack([embed(row) for row in range(len(sounds))])
        assert made.labels.vectors is not None
        predicted, known = (zero_shot.predict(one, made.labels.vectors) for one in (ints, floats))
        return {
            "cosine": similarity.mean_cosine(ints, floats),
            "least_cosine": float((ints * floats).sum(1).min()),
            "agreement": float(np.mean(predicted == known)),
            "accuracy": float(np.mean(predicted == truth)),
        }

    found: dict[str, Any] = {
        "command": "python -m benchmarks.device.tflite RUN",
        "run": f"{run.parent.name}/{run.name}",
        "tflite_micro": version("tflite-micro"),
        "macs": student_costs(made.student.config).macs,
        "clips": len(sounds),
        "torch_float32": {"accuracy": beside(lambda row: floats[row])["accuracy"]},
    }
    for image in IMAGES:
        found[f"tflite_{image}_input"] = of_file(made, image, logmels, beside)
    found["c_int8"] = of_c(made, sounds, beside)
    write_json(RESULT, found)
    print(found)


def of_file(
    made: Materials, image: Image, logmels: list[np.ndarray], beside: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """The .tflite with this input."""
    exporter = TfliteExporter(**vars(made), image=image, min_agreement=0.0, min_cosine=0.0)
    content, runner, report = exporter.built()
    how = read_facts(content)["input"]
    unplanned = content.replace(OFFLINE_PLAN.encode(), b"x" * len(OFFLINE_PLAN))
    alone = MicroInterpreter(unplanned, 4 * report.arena_bytes, Affine(how["scale"], how["zero"]), image)
    alone.embed_logmel(logmels[0])
    return {
        "size_bytes": report.size_bytes,
        "arena_bytes": report.arena_bytes,
        "maps_bytes": report.maps_bytes,
        "planned_by_it_bytes": sum(alone.arena_bytes()),
        "counted_ram_bytes": report.counted_ram_bytes,
        "operators": report.operators,
        **beside(lambda row: runner.embed_logmel(logmels[row])),
    }


def of_c(made: Materials, sounds: list[np.ndarray], beside: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The generated C in INT8."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "c"
        report = CExporter(**vars(made), int8=True, min_agreement=0.0, min_cosine=0.0).write(folder)
        code = CompiledC(folder / "src" / "tinyclap.c", folder / "c.so", len(sounds[0]), made.student.embed_dim)
        return {"arena_bytes": report.arena_bytes, **beside(lambda row: code.embed(sounds[row]))}


if __name__ == "__main__":
    main()
