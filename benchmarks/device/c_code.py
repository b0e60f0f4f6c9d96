"""The C that `tinyclap export --c` writes: size, memory, instructions on an emulated Cortex-M7, time on this machine.

    python -m benchmarks.device.c_code RUN [--emx PATH]

RUN is a finished run. Beside it stand ONNX Runtime on one thread here, and the QOperator graph of the same network as
`emx-onnx-cgen compile` writes it (PyPI, 1.4.0; --emx names its program) on the same emulated machine. Instructions are
QEMU's with -icount shift=0, not cycles. Needs gcc, arm-none-eabi-gcc and qemu-system-arm.
"""

import argparse
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime import InferenceSession, SessionOptions
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from tinyclap.common.files import write_json
from tinyclap.exporters.c.compiled import CompiledC
from tinyclap.exporters.calibration import CalibrationSet, logmels
from tinyclap.exporters.onnx.graph import join
from tinyclap.exporters.onnx.student import encoder_graph, frontend_graph, static_graph
from tinyclap.hardware.macs_ram_flash import student_costs
from tinyclap.models.student import Student
from tinyclap.pipelines.distilled_run import load_distilled_run
from tinyclap.pipelines.export import run_sounds
from tinyclap.pipelines.export_device import export_c

RESULT = Path(__file__).parents[1] / "results" / "c_code.json"
CPU = ("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16")
TICK = 40
FAST = ("-std=c99", "-O3", "-march=native", "-fPIC", "-shared")
ROUNDS = 200
EMX_MAIN = """
#include <stdio.h>
void model(const float in[1][1][FRAMES][MELS], float out[1][DIM]);
unsigned long tinyclap_ticks(void);
static float in[1][1][FRAMES][MELS], out[1][DIM];
int main(void) {
    unsigned long before;
    int t, m;
    for (t = 0; t < FRAMES; t++) for (m = 0; m < MELS; m++) in[0][0][t][m] = -40.0f + (float)((t * 7 + m * 13) % 37);
    before = tinyclap_ticks();
    model(in, out);
    printf("signal 0: %lu instructions, 0 bytes of stack\\n", (tinyclap_ticks() - before) * TINYCLAP_TICKS);
    return 0;
}
"""


def on_cortex_m7(folder: Path, files: list[str], stack: int | None = None) -> dict[str, Any]:
    """Instructions, stack and code size of a program in a folder of generated C."""
    script = folder / "qemu" / "an500.ld"
    if stack is not None:  # in the board's largest memory
        larger = script.read_text().replace(
            "ORIGIN = 0x20000000, LENGTH = 4M", f"ORIGIN = 0x60000000, LENGTH = {stack}"
        )
        script.write_text(larger.replace("0x40000", hex(stack - 2**20)))
    flags = ["-std=gnu99", "-O3", *CPU, f"-DTINYCLAP_TICKS={TICK}", "-Isrc", "-Itest"]
    link = ["qemu/start.c", "-T", "qemu/an500.ld", "--specs=rdimon.specs", "-nostartfiles", "-lm", "-o", "m7.elf"]
    subprocess.run(["arm-none-eabi-gcc", *flags, *files, *link], cwd=folder, check=True)
    command = ["qemu-system-arm", "-M", "mps2-an500", "-nographic", "-icount", "shift=0", "-kernel", "m7.elf"]
    command += ["-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=True)
    counted = re.findall(r": (\d+) instructions, (\d+) bytes of stack", done.stdout)
    size = subprocess.run(["arm-none-eabi-size", "m7.elf"], cwd=folder, capture_output=True, text=True, check=True)
    return {
        "instructions": int(counted[0][0]),
        "stack_bytes": int(counted[-1][1]),
        "text_bytes": int(size.stdout.splitlines()[1].split()[0]),
    }


def without_front_end(folder: Path) -> None:
    """A program that counts the network alone, on a spectrogram."""
    text = EMX_MAIN.replace(
        "void model(const float in[1][1][FRAMES][MELS], float out[1][DIM]);", '#include "tinyclap.h"'
    )
    text = text.replace("model(in, out)", "tinyclap_embed_logmel(in[0][0][0], out[0])").replace(
        "FRAMES", "TINYCLAP_FRAMES"
    )
    (folder / "network.c").write_text(
        text.replace("MELS", "TINYCLAP_MELS")
        .replace("TINYCLAP_TINYCLAP", "TINYCLAP")
        .replace("DIM", "TINYCLAP_EMBED_DIM")
    )


def emx(program: str, student: Student, sounds: CalibrationSet, folder: Path) -> dict[str, Any]:
    """The network as emx-onnx-cgen writes its QOperator graph, on the same machine."""
    graph = static_graph(student, student.config.window_s)
    source, rounded = folder / "float.onnx", folder / "int8.onnx"
    onnx.save(graph, source)
    batches = iter(list(logmels(student, sounds.train, sounds.calibration[:16], student.config.window_s)))

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(batches, None)
            return None if batch is None else {"logmel": batch}

    kinds = {"quant_format": QuantFormat.QOperator, "activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    quantize_static(source, rounded, Reader(), per_channel=True, op_types_to_quantize=["Conv", "Gemm"], **kinds)
    subprocess.run(
        [program, "compile", rounded, "emx.c", "--large-weight-threshold", "0", "--model-name", "model"],
        cwd=folder,
        check=True,
    )
    frames, mels = (dim.dim_value for dim in graph.graph.input[0].type.tensor_type.shape.dim[2:])
    sizes = {"FRAMES": frames, "MELS": mels, "DIM": student.embed_dim}
    (folder / "main.c").write_text("".join(f"#define {key} {value}\n" for key, value in sizes.items()) + EMX_MAIN)
    return on_cortex_m7(folder, ["emx.c", "main.c"], stack=15 * 2**20)


def host_ms(calls: dict[str, Callable[[], object]]) -> dict[str, np.ndarray]:
    """Processor time of interleaved calls, milliseconds (this machine does other work besides)."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.thread_time()
            call()
            taken[name].append(1e3 * (time.thread_time() - start))
    return {name: np.array(values) for name, values in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("run", type=Path)
    parser.add_argument("--emx", help="program of emx-onnx-cgen")
    asked = parser.parse_args()
    finished = load_distilled_run(asked.run, "export")
    student, sounds = finished.student, run_sounds(finished.recipe, finished.student.sample_rate)
    found: dict[str, Any] = {"run": asked.run.name, "macs": student_costs(student.config).macs}
    calls: dict[str, Callable[[], object]] = {}
    sound = np.resize(sounds.train.waveform(0), student.config.window_samples).astype(np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        for precision in ("int8", "float32"):
            folder = Path(temporary) / precision
            report = export_c(asked.run, folder, int8=precision == "int8", min_agreement=0.0)
            measured = on_cortex_m7(folder, ["src/tinyclap.c", "test/selftest.c"])
            without_front_end(folder)
            network = on_cortex_m7(folder, ["src/tinyclap.c", "network.c"])["instructions"]
            found[precision] = {**vars(report), **measured, "network_instructions": network}
            code = CompiledC(folder / "src" / "tinyclap.c", folder / "c.so", len(sound), student.embed_dim, FAST)
            calls[f"c_{precision}"] = lambda code=code: code.embed(sound)  # type: ignore[misc]
        if asked.emx:
            found["emx_qoperator"] = emx(asked.emx, student, sounds, Path(temporary) / "int8")
            found["int8_over_emx"] = found["int8"]["network_instructions"] / found["emx_qoperator"]["instructions"]
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        whole = join(frontend_graph(student.frontend, len(sound)), encoder_graph(student))
        session = InferenceSession(whole.SerializeToString(), options)
        calls["onnxruntime"] = lambda: session.run(None, {"waveform": sound[None]})
        taken = host_ms(calls)
    found["host_ms"] = {name: float(np.median(values)) for name, values in taken.items()}
    found["c_float_over_onnxruntime"] = float(np.median(taken["c_float32"] / taken["onnxruntime"]))
    write_json(RESULT, found)
    print(found)


if __name__ == "__main__":
    main()
