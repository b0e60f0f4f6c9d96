"""C++ and Java that use the generated C: they build as their READMEs say, and hear what the C hears."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.generated_c import compiled, exporter, needs_a_compiler, tool
from tests.support.tiny_exports import LABELS, clips

EXPORT = Path(__file__).parents[2] / "export"
JAVA = """
import tinyclap.Tinyclap;
public class Main {
    public static void main(String[] given) throws Exception {
        byte[] raw = System.in.readAllBytes();
        short[] samples = new short[raw.length / 2];
        java.nio.ByteBuffer.wrap(raw).order(java.nio.ByteOrder.LITTLE_ENDIAN).asShortBuffer().get(samples);
        float[] embedding = new float[Tinyclap.embedDim()], probabilities = new float[Tinyclap.labels()];
        Tinyclap.start();
        for (int[] from = {0}; from[0] < samples.length; ) {
            int event = Tinyclap.push(samples, from, samples.length, embedding);
            if (event == Tinyclap.EMBEDDING) {
                int best = Tinyclap.classify(embedding, probabilities);
                System.out.println(from[0] + " " + Tinyclap.label(best) + " " + embedding[0]);
            } else if (event == Tinyclap.SILENCE) System.out.println(from[0] + " silence");
        }
        for (Runnable wrong : new Runnable[] {
            () -> Tinyclap.push(samples, new int[1], samples.length + 1, embedding), () -> Tinyclap.label(-1),
            () -> Tinyclap.push(samples, new int[1], 1, new float[1]),
            () -> Tinyclap.classify(embedding, new float[1]),
            () -> Tinyclap.push(null, new int[1], 1, embedding), () -> Tinyclap.classify(null, null)})
            try { wrong.run(); } catch (IllegalArgumentException refused) { System.out.println(refused.getMessage()); }
    }
}
"""


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_a_compiler()
    folder = tmp_path_factory.mktemp("native") / "firmware"
    exporter(hop_s=0.25).write(folder)
    return folder


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """Two clips, and silence."""
    waveforms = [*(clips(1).waveform(row) for row in (3, 1)), np.zeros(16_000, np.float32)]
    return np.round(32_767 * np.concatenate(waveforms)).clip(-32_768, 32_767).astype("<i2")


def built(source: Path, firmware: Path, folder: Path) -> Path:
    """A project of CMake, built."""
    make, build = tool("cmake"), folder / "build"
    options = ["-S", str(source), "-B", str(build), f"-DTINYCLAP_C={firmware}"]
    for command in ([make, *options], [make, "--build", str(build)]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return build


def expected(firmware: Path, sound: np.ndarray) -> list[tuple[int, np.ndarray | None]]:
    """The events of the C itself, in blocks of another size."""
    return compiled(firmware, exporter().student).stream(sound.astype(np.float32) / 32_768, [333])


def test_cpp(firmware: Path, sound: np.ndarray, tmp_path: Path) -> None:
    build = built(EXPORT / "cpp", firmware, tmp_path)
    done = subprocess.run([build / "classify"], input=sound.tobytes(), capture_output=True)
    told, events = done.stdout.decode().splitlines(), expected(firmware, sound)
    assert len(told) == len(events) > 4
    for line, (position, embedding) in zip(told, events, strict=True):
        assert line.startswith(f"{position / 8_000:7.1f} s  ")
        assert line.endswith("(silence)") == (embedding is None)
        assert embedding is None or line.split()[2] in {label.split()[0] for label in LABELS}
    done = subprocess.run([build / "classify"], input=sound[:100].tobytes(), capture_output=True, text=False)
    assert done.returncode == 1
    assert b"less than a window of sound" in done.stderr


def test_the_header_compiles_without_warnings_and_refuses_another_window(firmware: Path, tmp_path: Path) -> None:
    program = tmp_path / "main.cpp"
    program.write_text(
        '#include "tinyclap.hpp"\n#include <iostream>\nint main() {\n'
        "    const auto made = tinyclap::embed(std::vector<float>(TINYCLAP_WINDOW, 0.1f));\n"
        "    float sum = 0;\n    for (float x : made) sum += x * x;\n    std::cout << sum << '\\n';\n"
        "    float total = 0;\n    for (auto one : tinyclap::classify(made)) total += one.probability;\n"
        "    std::cout << total << '\\n';\n"
        "    try { tinyclap::embed({1.0f}); } catch (const std::invalid_argument &e) { std::cout << e.what(); }\n}\n"
    )
    include = ["-I", str(firmware / "src"), "-I", str(EXPORT / "cpp")]
    subprocess.run([tool("gcc"), "-c", firmware / "src" / "tinyclap.c", "-o", tmp_path / "c.o"], check=True)
    strict = ["-std=c++17", "-Wall", "-Wextra", "-Werror", *include, str(program), str(EXPORT / "cpp" / "classify.cpp")]
    subprocess.run([tool("g++"), *strict, "-fsyntax-only"], check=True)
    subprocess.run(
        [tool("g++"), "-std=c++17", *include, str(program), str(tmp_path / "c.o"), "-o", str(tmp_path / "main")],
        check=True,
    )
    told = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [float(one) for one in told[:2]] == pytest.approx([1, 1], abs=1e-5)
    assert told[2] == "a window has 8000 samples, got 1"


def test_java(firmware: Path, sound: np.ndarray, tmp_path: Path) -> None:
    java, javac = tool("java"), tool("javac")
    build = built(EXPORT / "android", firmware, tmp_path)
    (tmp_path / "tinyclap").mkdir()
    shutil.copy(EXPORT / "android" / "Tinyclap.java", tmp_path / "tinyclap")
    (tmp_path / "Main.java").write_text(JAVA)
    subprocess.run([javac, "Main.java", "tinyclap/Tinyclap.java"], cwd=tmp_path, check=True)
    command = [java, f"-Djava.library.path={build}", "-Xcheck:jni", "-cp", ".", "Main"]
    done = subprocess.run(command, cwd=tmp_path, input=sound.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    *told, _, _, _, _, _, _ = lines = done.stdout.decode().splitlines()
    assert lines[-6:] == [
        "from and end: not within the samples",
        "there is no such label",
        "embedding: expected an array of embedDim() numbers",
        "expected arrays of embedDim() and labels() numbers",
        *("expected arrays, got null",) * 2,
    ]
    events = expected(firmware, sound)
    assert len(told) == len(events)
    for line, (position, embedding) in zip(told, events, strict=True):
        at, *rest = line.split(" ")
        assert int(at) == position
        assert (rest == ["silence"]) == (embedding is None)
        assert embedding is None or float(rest[-1]) == pytest.approx(embedding[0], abs=1e-5)
