"""The C that `tinyclap export --c` writes, beside ONNX Runtime: size, memory, instructions, time, accuracy.

    python -m benchmarks.device.c_code NAME=RUN [NAME=RUN ...] [--emx PATH]

RUN is a finished run whose recipe names labelled test clips: accuracy, and the cosine to torch, are of these. Times are
of this machine, one thread, all forms taking turns. Instructions are those of the emulated Cortex-M7 of `tinyclap
bench`, not cycles. --emx names the program of emx-onnx-cgen (PyPI, 1.4.0): as that writes the QOperator graph of the
same network, it runs on the same emulated machine. Needs gcc, arm-none-eabi-gcc and qemu-system-arm.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from tinyclap.bench.compiled_c import FAST, CompiledC
from tinyclap.bench.emulator import BOARDS, SELFTEST, emulated
from tinyclap.bench.timing import interleaved_ms, median_ratio, ratio_interval
from tinyclap.common.files import write_json
from tinyclap.common.machine import environment
from tinyclap.data import build_dataset
from tinyclap.embeddings import similarity, zero_shot
from tinyclap.exporters.calibration import CalibrationSet, logmels, windows
from tinyclap.exporters.onnx.student import static_graph
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student import Student
from tinyclap.pipelines.distilled_run import load_distilled_run
from tinyclap.pipelines.export import export_c, export_run, run_sounds
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import GRAPHS
from tinyclap.runtime.session import embeddings_of, open_session

RESULT = Path(__file__).parents[1] / "results" / "c_code.json"
(M7,) = (board for board in BOARDS if board.core == "Cortex-M7")
ROUNDS = 200
COUNTING = """
#include <stdio.h>
unsigned long tinyclap_ticks(void);
static float in[FRAMES][MELS], out[DIM];
int main(void) {
    unsigned long before;
    int t, m;
    for (t = 0; t < FRAMES; t++) for (m = 0; m < MELS; m++) in[t][m] = -40.0f + (float)((t * 7 + m * 13) % 37);
    before = tinyclap_ticks();
    CALL;
    printf("signal 0: %lu instructions, 0 bytes of stack\\n", (tinyclap_ticks() - before) * TINYCLAP_TICKS);
    return 0;
}
"""
EMX = ("void model(const float in[1][1][FRAMES][MELS], float out[1][DIM]);", "model((void *)in, (void *)out)")
OURS = ("void tinyclap_embed_logmel(const float *logmel, float *embedding);", "tinyclap_embed_logmel(in[0], out)")


def network_alone(folder: Path, student: Student, form: tuple[str, str], source: str) -> int:
    """Instructions from a spectrogram to the embedding, in C of this folder that has such a function."""
    frames = student.config.frontend.n_frames(student.config.window_samples)
    declared, call = form
    sizes = {"FRAMES": frames, "MELS": student.config.frontend.n_mels, "DIM": student.embed_dim}
    macros = "".join(f"#define {key} {value}\n" for key, value in sizes.items())
    (folder / "count.c").write_text(macros + declared + COUNTING.replace("CALL", call))
    return emulated(folder, M7, sources=(source, "count.c")).instructions


def emx_instructions(program: str, student: Student, sounds: CalibrationSet, folder: Path) -> int:
    """The network as emx-onnx-cgen writes its QOperator graph; it needs a stack of megabytes."""
    source, rounded = folder / "float.onnx", folder / "int8.onnx"
    onnx.save(static_graph(student, student.config.window_s), source)
    batches = iter(list(logmels(student, sounds.train, sounds.calibration[:16], student.config.window_s)))

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(batches, None)
            return None if batch is None else {"logmel": batch}

    kinds = {"quant_format": QuantFormat.QOperator, "activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    quantize_static(source, rounded, Reader(), per_channel=True, op_types_to_quantize=["Conv", "Gemm"], **kinds)
    options = ["--large-weight-threshold", "0", "--model-name", "model"]
    subprocess.run([program, "compile", rounded, "emx.c", *options], cwd=folder, check=True)
    script = folder / M7.script
    larger = script.read_text().replace("ORIGIN = 0x20000000, LENGTH = 4M", "ORIGIN = 0x60000000, LENGTH = 15M")
    script.write_text(larger.replace("0x40000", "0xE00000"))
    return network_alone(folder, student, EMX, "emx.c")


def of_run(run: Path, emx: str | None) -> dict[str, Any]:
    """All forms of one student."""
    finished = load_distilled_run(run, "export")
    student, sounds = finished.student, run_sounds(finished.recipe, finished.student.sample_rate)
    assert sounds.test is not None
    assert finished.recipe.data.test is not None
    costs = student_costs(student.config)
    facts = {"run": run.name, "parameters": costs.parameters, "macs": costs.macs, "clips": len(sounds.test)}
    with tempfile.TemporaryDirectory() as temporary:
        root, forms = Path(temporary), dict[str, dict[str, Any]]()
        manifest = export_run(run, root / "bundle", int8=True)
        forms["torch float32"] = {}
        embedders: dict[str, Callable[[np.ndarray], np.ndarray]] = {"torch float32": torch_embedder(student)}
        for precision in ("float32", "int8"):
            name, folder = f"C {precision}", root / precision
            report = export_c(run, folder, int8=precision == "int8", min_agreement=0.0)
            counted = emulated(folder, M7)
            forms[name] = {
                "arena_bytes": report.arena_bytes,
                "counted_ram_bytes": report.counted_ram_bytes,
                **counted.as_dict(),
                "network_instructions": network_alone(folder, student, OURS, SELFTEST[0]),
            }
            source = folder / "src" / "tinyclap.c"
            code = CompiledC(source, root / f"{precision}.so", student.config.window_samples, student.embed_dim, FAST)
            embedders[name] = code.embed
        for graph in ("float", "int8"):
            name = f"ONNX Runtime {graph}"
            forms[name] = {"file_bytes": manifest.files[GRAPHS[graph]]["size_bytes"]}
            embedders[name] = graph_embedder(root / "bundle" / GRAPHS[graph])
        if emx:
            taken = emx_instructions(emx, student, sounds, root / "int8")
            forms["emx-onnx-cgen QOperator"] = {"network_instructions": taken}
            facts["c_int8_over_emx"] = forms["C int8"]["network_instructions"] / taken
        vectors, clips = (
            Bundle.load(root / "bundle").label_table().embeddings,
            build_dataset(finished.recipe.data.test).clips,
        )
        truth = np.array([sounds.labels.index(str(clips[window.clip].label)) for window in sounds.test.windows])
        heard = [sound for batch in windows(student, sounds.test, range(len(sounds.test))) for sound in batch]
        embedded = {name: np.stack([embed(sound) for sound in heard]) for name, embed in embedders.items()}
        for name, rows in embedded.items():
            forms[name] |= {
                "cosine": similarity.mean_cosine(rows, embedded["torch float32"]),
                "accuracy": float(np.mean(zero_shot.predict(rows, vectors) == truth)),
            }
        calls = {name: partial(embed, heard[0]) for name, embed in embedders.items()}
        ms = interleaved_ms(calls, ROUNDS)
    for name, samples in ms.items():
        base = ms["ONNX Runtime float"]
        forms[name] |= {"p50_ms": float(np.median(samples))}
        forms[name] |= {"ratio": median_ratio(samples, base), "ratio_ci95": ratio_interval(samples, base)}
    return {**facts, "forms": forms}


def torch_embedder(student: Student) -> Callable[[np.ndarray], np.ndarray]:
    """The student in torch."""

    def embed(sound: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            rows: np.ndarray = student(torch.from_numpy(sound)[None]).numpy()
            return rows[0]

    return embed


def graph_embedder(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """A bundle's graph, which takes a waveform, on one thread."""
    session = open_session(path, inputs=["waveform"], output="embedding", providers=None, threads=1)

    def embed(sound: np.ndarray) -> np.ndarray:
        return embeddings_of(session, {"waveform": sound[None]})[0]

    return embed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN")
    parser.add_argument("--emx", help="program of emx-onnx-cgen")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    named = dict(one.split("=", 1) for one in asked.runs)
    students = {name: of_run(Path(run), asked.emx) for name, run in named.items()}
    write_json(RESULT, {"environment": environment(), "board": asdict(M7), "students": students})


if __name__ == "__main__":
    main()
