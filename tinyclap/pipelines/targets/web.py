"""From a bundle, or a run that has or gets one, to a page for browsers: what `tinyclap export --web` does."""

from collections.abc import Callable
from pathlib import Path

from tinyclap.common.progress import silent
from tinyclap.exporters.web.report import WebReport
from tinyclap.exporters.web.write_folder import WebExporter, refuse_taken
from tinyclap.runs.folder import BUNDLE_FOLDER, is_run
from tinyclap.runs.results import TEXT_STUDENT
from tinyclap.runtime.bundle_contents import is_bundle
from tinyclap.workspace.bundles import named_bundle


def export_web(
    source: Path,
    out: Path,
    *,
    int8: bool = False,
    head: str | None = None,
    runtime: Path | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] = silent,
) -> WebReport:
    """Write a bundle as a page and a module for browsers; needs no torch.

    Args:
        source: a bundle, the name of a ready-made one, or a run; a run without a bundle gets one, with its own words.
        out: of the page.
        int8: take the INT8 graph; else the one that the bundle recommends.
        head: of a bundle of several teachers the one whose words are used.
        runtime: folder of the npm package onnxruntime-web; None for the cache or npm.
        overwrite: replace the page that is there.
        progress: called with a line on each step.

    Raises:
        TinyclapError: no such bundle, one that a page cannot run, the folder is taken, or no onnxruntime-web.
        GateError: the page does not compute what Python does; nothing is written.
    """
    refuse_taken(out, overwrite)
    if is_run(source) and not is_bundle(source) and not is_bundle(source / BUNDLE_FOLDER):
        from tinyclap.pipelines.export import export_run  # of no use to a bundle, and needs torch

        export_run(source, text=(source / TEXT_STUDENT).is_dir(), int8=int8, progress=progress)
    exporter = WebExporter(
        named_bundle(source), graph="int8" if int8 else None, head=head, runtime=runtime, progress=progress
    )
    return exporter.write(out, overwrite=overwrite)
