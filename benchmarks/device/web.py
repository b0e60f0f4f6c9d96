"""The page that `tinyclap export --web` writes, in Chromium: what it loads, how long a sound takes, how near to Python.

    python -m benchmarks.device.web [BUNDLE] [--ort-web FOLDER] [--pictures FOLDER]

BUNDLE is the ready-made "everyday" unless named. The milliseconds are of one window of sound, waveform to embedding, on
the one thread that a page has: as a person waits, and as the processor worked (this machine does other work besides).
Beside them stands ONNX Runtime in Python on one thread. Writes results/web.json; needs chromium, and npm or FOLDER.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.pages.chromium import Page, chromium
from tests.support.pages.served import serving_folder
from tinyclap.common.files import write_json
from tinyclap.exporters.web.expected import Reference
from tinyclap.exporters.web.write_folder import WebExporter
from tinyclap.runtime.bundle import Bundle
from tinyclap.workspace.bundles import named_bundle

RESULT = Path(__file__).parents[1] / "results" / "web.json"
BLOCKS, EACH = 25, 8
TEXTS = ("a dog barking far away", "rain on a tin roof", "somebody typing on a keyboard")
PREPARE = """
    (async () => {
        const { Bundle } = await import("./tinyclap.js"), bundle = (window.measured = await Bundle.load());
        const signal = (_, n) => 0.3 * Math.sin(n / 9) * Math.sin(n / 997);
        window.sound = Float32Array.from({ length: bundle.windowSamples }, signal);
        for (let n = 0; n < 5; n++) await bundle.encode(window.sound);
        if (bundle.hasWords) await bundle.embedText(["a dog"]);
        return bundle.hasWords;
    })()
"""
EMBED = """
    (async () => {
        const taken = [];
        for (let n = 0; n < %d; n++) {
            const start = performance.now();
            await window.measured.encode(window.sound);
            taken.push(performance.now() - start);
        }
        return taken;
    })()
"""
WORDS = """
    (async () => {
        const start = performance.now();
        for (const text of %s) await window.measured.embedText([text]);
        return (performance.now() - start) / %d;
    })()
"""
SIZES = (("desktop", 1200, 900, False), ("desktop_dark", 1200, 900, True), ("phone", 390, 844, False))


def thread_s(page: Page) -> float:
    """Processor time of the page's thread so far, seconds."""
    metrics = page.call("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "ThreadTime"))


def in_browser(page: Page, address: str) -> dict[str, Any]:
    """What is measured of a page that is served."""
    page.call("Performance.enable", timeDomain="threadTicks")
    start = time.perf_counter()
    page.open(address)
    page.wait("document.body?.dataset.ready")
    found: dict[str, Any] = {"browser": page.call("Browser.getVersion")["product"]}
    found["ready_s"] = time.perf_counter() - start
    found["parity"] = page.js("import('./selftest.mjs').then((module) => module.selftest())")
    has_words = page.js(PREPARE)
    waited: list[float] = []
    worked = []
    for _ in range(BLOCKS):
        before = thread_s(page)
        waited += page.js(EMBED % EACH)
        worked.append(1e3 * (thread_s(page) - before) / EACH)
    found["ms"] = {"median": float(np.median(waited)), "least": min(waited), "processor": float(np.median(worked))}
    if has_words:
        found["ms_a_text"] = page.js(WORDS % (list(TEXTS), len(TEXTS)))
    return found


def in_python(bundle: Bundle) -> dict[str, float]:
    """Milliseconds of one window on one thread."""
    at = np.arange(bundle.manifest.window_samples)
    window = (0.3 * np.sin(at / 9) * np.sin(at / 997)).astype(np.float32)[None]
    waited, worked = [], []
    for _ in range(BLOCKS * EACH):
        start = (time.perf_counter(), time.thread_time())
        bundle.encode(window)
        waited.append(1e3 * (time.perf_counter() - start[0]))
        worked.append(1e3 * (time.thread_time() - start[1]))
    return {"median": float(np.median(waited)), "least": min(waited), "processor": float(np.median(worked))}


def of_words(bundle: Bundle) -> dict[str, float] | None:
    """How far Python's own quick arithmetic of INT8 weights is from float32's, which pages have."""
    reference = Reference.of(bundle)
    if reference.words is None:
        return None
    exact, quick = reference.embed_text(TEXTS), bundle.embed_text(TEXTS)
    return {
        "largest": float(np.abs(exact - quick).max()),
        "cosine": float((exact * quick).sum(axis=1).min()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("everyday"))
    parser.add_argument("--ort-web", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for screenshots")
    asked = parser.parse_args()
    folder = named_bundle(asked.bundle)
    bundle = Bundle.load(folder)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        report = WebExporter(folder, runtime=asked.ort_web, progress=print).write(place / "page")
        found: dict[str, Any] = {
            "bundle": report.name,
            "graph": report.graph,
            "window_s": bundle.manifest.window_s,
            "macs": bundle.manifest.graphs[bundle.graph]["macs"],
            "runtime": f"onnxruntime-web {report.runtime}",
            "transfer_bytes": report.transfer_bytes,
            "first_bytes": report.first_bytes,
        }
        with serving_folder(place / "page") as address, chromium(place / "profile") as page:
            found |= in_browser(page, address)
            for name, width, height, dark in SIZES if asked.pictures else ():
                page.open(address, width=width, height=height, dark=dark)
                page.wait("document.body?.dataset.ready")
                asked.pictures.mkdir(parents=True, exist_ok=True)
                page.screenshot(asked.pictures / f"{name}.png", whole=True)
    found["python_ms"] = in_python(bundle)
    found["python_words_in_int8"] = of_words(bundle)
    write_json(RESULT, found)
    print(found)


if __name__ == "__main__":
    main()
