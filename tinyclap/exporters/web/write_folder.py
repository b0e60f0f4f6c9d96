"""From a bundle to a folder that any static host serves: page, module, data, and the comparison with Python."""

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tinyclap.common.files import refuse_odd_name, sha256_of, whole_folder, write_bytes, write_text
from tinyclap.common.progress import silent
from tinyclap.errors import TinyclapError
from tinyclap.exporters import folders
from tinyclap.exporters.web.checked import node, run_selftest
from tinyclap.exporters.web.data import FACTS, WORDS, write_data, write_facts
from tinyclap.exporters.web.expected import write_expected
from tinyclap.exporters.web.report import WebReport, measured_lines
from tinyclap.exporters.web.vendored import NAME as RUNTIME
from tinyclap.exporters.web.vendored import TEMPLATES, runtime_files, write_runtime
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import TEXT_GRAPH
from tinyclap.version import __version__

MARKER, WORKER = "tinyclap.js", "sw.js"
BUNDLE, TEST, VENDOR = "bundle", "test", "vendor"
# What a browser never asks for.
NOT_LOADED = {"README.md", "tinyclap.d.ts", "package.json", "selftest.mjs", WORKER, "LICENSE"}
LATER = {TEXT_GRAPH, WORDS}  # when words are first asked for
IMAGES = (".png",)


@dataclass(frozen=True)
class WebExporter:
    """Writes a bundle as a page and a module for the web.

    Attributes:
        bundle: its folder.
        graph: "int8" or "float"; None for the one that the bundle recommends.
        head: of a bundle of several teachers the one whose words are used.
        runtime: folder of the npm package onnxruntime-web; None for the cache or npm.
        progress: called with a line on each step.
    """

    bundle: Path
    graph: Literal["float", "int8"] | None = None
    head: str | None = None
    runtime: Path | None = None
    progress: Callable[[str], None] = silent

    def write(self, folder: Path, *, overwrite: bool = False) -> WebReport:
        """Write the folder, whole or not at all.

        Raises:
            TinyclapError: the folder is taken, a bundle that a page cannot run, or no onnxruntime-web.
            MachineError: the page's code does not run in the Node.js that is here.
            GateError: the page does not compute what Python does; nothing is written.
        """
        refuse_taken(folder, overwrite)
        bundle = Bundle.load(self.bundle, graph=self.graph, head=self.head)
        _refuse_other_kinds(bundle)
        files = runtime_files(self.runtime, self.progress)
        with whole_folder(folder) as new:
            version = write_runtime(files, new / VENDOR / RUNTIME)
            facts = write_data(bundle, new / BUNDLE)
            _copy_templates(new, bundle)
            write_expected(bundle, new / TEST)
            first = [path for path in _loaded(new) if path.name not in LATER]
            facts["first_bytes"] = sum(path.stat().st_size for path in first if path.parent.name in (BUNDLE, RUNTIME))
            write_facts(new / BUNDLE, facts)
            _write_worker(new)
            packed = {path: _as_gzip(path) for path in [*_loaded(new), new / WORKER]}
            report = WebReport(
                name=bundle.manifest.name,
                graph=bundle.graph,
                labels=len(bundle.labels),
                words=facts["text"] is not None,
                words_left_out=facts["text"] is None and bundle.manifest.text is not None,
                runtime=version,
                transfer_bytes=sum(packed.values()),
                first_bytes=sum(size for path, size in packed.items() if path.name not in {*LATER, WORKER}),
            )
            report = self._checked(new, report)
            write_text(new / "README.md", _readme(bundle, report))
            return report

    def _checked(self, folder: Path, report: WebReport) -> WebReport:
        program = node()
        if program is None:
            return report
        self.progress("running the page's code in Node.js, and comparing it with Python")
        return replace(report, checked=run_selftest(program, folder))


def refuse_taken(folder: Path, overwrite: bool) -> None:
    """Only a folder of such a page is ever replaced, and only if asked to."""
    refuse_odd_name(folder)
    folders.refuse_taken(folder, overwrite, "--web", MARKER, "a page of tinyclap")


def _refuse_other_kinds(bundle: Bundle) -> None:
    if bundle.manifest.input != "waveform":
        raise TinyclapError(
            f"bundle {bundle.folder} takes log-mel spectrograms, which a page does not compute; export the run again "
            "without --input logmel"
        )
    if not bundle.labels and bundle.manifest.text is None:
        raise TinyclapError(
            f"bundle {bundle.folder} has neither labels nor words, so a page would have nothing to say; export the run "
            'again with --labels "dog, rain" or --text'
        )


def _copy_templates(folder: Path, bundle: Bundle) -> None:
    values = {
        "NAME_JSON": json.dumps(bundle.manifest.name)[1:-1],
        "NAME_HTML": html.escape(bundle.manifest.name),
        "PACKAGE": _package_name(bundle.manifest.name),
        "VERSION": __version__,
        "LICENCE": json.dumps(bundle.manifest.licence)[1:-1],
    }
    for path in sorted(TEMPLATES.rglob("*")):
        place = path.relative_to(TEMPLATES)
        if path.is_dir() or place.parts[0] == VENDOR or path.name in (WORKER, "folder_readme.txt"):
            continue
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in IMAGES:
            write_bytes(folder / place, path.read_bytes())
        else:
            write_text(folder / place, folders.filled(path, values))


def _package_name(name: str) -> str:
    """As npm has them."""
    plain = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in name.lower()).strip("-")
    return f"tinyclap-web-{plain or 'bundle'}"


def _loaded(folder: Path) -> list[Path]:
    """The files that a browser loads, but for the service worker itself."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in files if path.name not in NOT_LOADED and path.parent.name != TEST]


def _write_worker(folder: Path) -> None:
    """The service worker, which knows every file by its hash, and changes where one does."""
    files = [[path.relative_to(folder).as_posix(), f"sha256-{_sha256(path)}"] for path in _loaded(folder)]
    listed = json.dumps(files)
    version = hashlib.sha256(listed.encode()).hexdigest()[:16]
    values: dict[str, Any] = {"CACHE": version, "FILES": listed}
    write_text(folder / WORKER, folders.filled(TEMPLATES / WORKER, values))


def _sha256(path: Path) -> str:
    return base64.b64encode(bytes.fromhex(sha256_of(path))).decode()


def _as_gzip(path: Path) -> int:
    """Bytes of a file on its way to the browser; what is a gzip already stays as it is."""
    return path.stat().st_size if path.suffix == ".gz" else len(gzip.compress(path.read_bytes(), 9))


def _readme(bundle: Bundle, report: WebReport) -> str:
    words = 'await bundle.classify(samples, sampleRate, ["dog", "rain on a roof"]); // labels in your words'
    values = {
        "NAME": bundle.manifest.name,
        "SECONDS": f"{bundle.manifest.window_s:g}",
        "DIM": bundle.embed_dim,
        "VERSION": __version__,
        "RUNTIME": f"{RUNTIME} {report.runtime}",
        "LICENCE": bundle.manifest.licence,
        "MEASURED": "\n".join(measured_lines(report)),
        "WORDS": f"\n{words}" if report.words else "",
        "FACTS": f"{BUNDLE}/{FACTS}",
    }
    return folders.filled(TEMPLATES / "folder_readme.txt", values)
