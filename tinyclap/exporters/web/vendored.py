"""onnxruntime-web, which computes in the page: from npm, with a pinned hash, or from a folder on the disk."""

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from tinyclap.common.cache_lock import use_cache
from tinyclap.common.files import cached_folder, parse_json, write_bytes
from tinyclap.common.progress import silent
from tinyclap.errors import TinyclapError
from tinyclap.runtime.published_weights import ORT_WEB, ORT_WEB_VERSION

NAME = "onnxruntime-web"
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="  # sha512
MODULE, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
PACKED = f"{WASM}.gz"  # so that it is small on every host, also on one that compresses nothing
ABOUT, LICENCE = "package.json", "LICENSE"
WANTED = (ABOUT, f"dist/{MODULE}", f"dist/{WASM}")
TEMPLATES = Path(__file__).parent / "templates"
OTHERWISE = "or name a folder that has it, --ort-web FOLDER (e.g. node_modules/onnxruntime-web of another project)"
PATIENCE_S = 600.0


def runtime_files(package: Path | None, progress: Callable[[str], None] = silent) -> dict[str, bytes]:
    """The files of onnxruntime-web that a page needs, by name: its module, its wasm as gzip, its licence, its version.

    Args:
        package: folder of the npm package; None for the cache or, where it is not there yet, npm.
        progress: called with a line on each step.

    Raises:
        TinyclapError: no such package, no npm, no network, or another archive than the pinned one.
    """
    if package is not None:
        return _of_package({name: _file(package, name) for name in WANTED}, str(package))
    use_cache()
    place = ORT_WEB.unpacked
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        progress(f"fetching {NAME} {ORT_WEB_VERSION} with npm (33 MB, once)")
        files = _of_package(_fetched(), NAME)
        with cached_folder(place) as new:
            for name, content in files.items():
                write_bytes(new / name, content)
    return {name: (place / name).read_bytes() for name in (ABOUT, LICENCE, MODULE, PACKED)}


def _file(package: Path, name: str) -> bytes:
    path = package / name
    if not path.is_file():
        raise TinyclapError(f"--ort-web {package}: it holds no {name}; give the folder of the npm package {NAME}")
    return path.read_bytes()


def _of_package(found: dict[str, bytes], where: str) -> dict[str, bytes]:
    try:
        about = parse_json(found[ABOUT])
    except ValueError as error:
        raise TinyclapError(f"{where}: its {ABOUT} is damaged ({error})") from error
    if not isinstance(about, dict) or about.get("name") != NAME or not isinstance(about.get("version"), str):
        raise TinyclapError(f"{where}: its {ABOUT} is not that of {NAME}; give the folder of that npm package")
    told = {key: about[key] for key in ("name", "version", "license", "repository") if key in about}
    return {
        ABOUT: (json.dumps(told, indent=2) + "\n").encode(),
        LICENCE: (TEMPLATES / "vendor" / "LICENSE").read_bytes(),
        MODULE: found[f"dist/{MODULE}"],
        PACKED: gzip.compress(found[f"dist/{WASM}"], 9, mtime=0),
    }


def _fetched() -> dict[str, bytes]:
    """The wanted files of the pinned archive, got by npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise TinyclapError(f"npm is not installed, which fetches {NAME}: install Node.js, {OTHERWISE}")
    with tempfile.TemporaryDirectory(prefix="tinyclap-npm-") as folder:
        wanted = f"{NAME}@{ORT_WEB_VERSION}"
        command = [npm, "pack", wanted, "--pack-destination", folder, "--silent", "--ignore-scripts"]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise TinyclapError(
                f"npm did not fetch {wanted} within {PATIENCE_S:g} s: try again, {OTHERWISE}"
            ) from error
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
            raise TinyclapError(f"npm cannot fetch {wanted} ({said[0][:200]}): check the network, {OTHERWISE}")
        return _unpacked(archives[0])


def _unpacked(archive: Path) -> dict[str, bytes]:
    """The wanted files of an archive with the pinned hash."""
    with archive.open("rb") as stream:
        found = base64.b64encode(hashlib.file_digest(stream, "sha512").digest()).decode()
    if found != INTEGRITY:
        raise TinyclapError(
            f"npm fetched another {NAME} {ORT_WEB_VERSION} than the known one (sha512-{found}): {OTHERWISE}"
        )
    files = {}
    with tarfile.open(archive) as opened:
        for name in WANTED:
            member = opened.extractfile(f"package/{name}")
            assert member is not None  # the archive is the pinned one
            files[name] = member.read()
    return files


def write_runtime(files: dict[str, bytes], folder: Path) -> str:
    """Write what `runtime_files` gave into a folder, and return its version."""
    for name, content in files.items():
        write_bytes(folder / name, content)
    return str(parse_json(files[ABOUT])["version"])
