"""Pages in tests: onnxruntime-web from npm, once for all tests, and folders served as a static host does."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tinyclap.common.files import claimed
from tinyclap.errors import TinyclapError
from tinyclap.exporters.web.report import WebReport
from tinyclap.exporters.web.vendored import runtime_files, write_runtime
from tinyclap.exporters.web.write_folder import WebExporter
from tinyclap.runtime.published_weights import ORT_WEB

GIVEN = "TINYCLAP_ORT_WEB"  # folder of the npm package onnxruntime-web, where it is there already


def runtime_cache(shared: Path) -> Path:
    """A cache that holds onnxruntime-web, got with npm, in a folder that all processes of a test run share.

    Skips the test where npm or its registry is not there.
    """
    cache = shared / "with-onnxruntime-web"
    with claimed(shared / "npm.lock", wait=True), pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYCLAP_CACHE", str(cache))
        try:
            if GIVEN in os.environ and not ORT_WEB.unpacked.is_dir():
                write_runtime(runtime_files(Path(os.environ[GIVEN])), ORT_WEB.unpacked)
            runtime_files(None)
        except TinyclapError as error:
            pytest.skip(f"{error}; for tests, {GIVEN}=FOLDER")
    return cache


def write_page(cache: Path, bundle: Path, folder: Path, **options: Any) -> WebReport:
    """The page of a bundle, with the runtime of such a cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYCLAP_CACHE", str(cache))
        return WebExporter(bundle, **options).write(folder, overwrite=True)


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def copyfile(self, *files: Any) -> None:
        """A browser may hang up while it is answered."""
        try:
            super().copyfile(*files)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """The address of a plain static host of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
