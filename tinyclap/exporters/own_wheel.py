"""tinyclap itself as a wheel, to be installed where a bundle is used; made without a network.

It is made of the files that run here, of a wheel or a checkout alike, and of what their installation says of them.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import tinyclap
from tinyclap.common.files import write_bytes
from tinyclap.common.requirements import installed
from tinyclap.errors import TinyclapError
from tinyclap.version import __version__

WHEEL = f"tinyclap-{__version__}-py3-none-any.whl"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same files make the same wheel
AGAIN = "install it again, from its folder: pip install -e ."
LABEL = "Wheel-Version: 1.0\nGenerator: tinyclap\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path) -> Path:
    """Write WHEEL into a folder, and return its path.

    Raises:
        TinyclapError: tinyclap is not installed, or what is installed is of another version than what runs.
    """
    said = installed()
    if said.version != __version__:
        raise TinyclapError(f"what runs is tinyclap {__version__}, and what is installed says {said.version}; {AGAIN}")
    about = f"tinyclap-{__version__}.dist-info"
    files = {**dict(sorted(_package())), **{f"{about}/{name}": content for name, content in _metadata(said)}}
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.external_attr, entry.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    write_bytes(folder / WHEEL, packed.getbuffer())
    return folder / WHEEL


def _package() -> Iterator[tuple[str, bytes]]:
    """The package's files by their names in the wheel; in a checkout the recipes lie beside it."""
    root = Path(tinyclap.__file__).parent
    folders = {"tinyclap": root, "tinyclap/recipes": root.parent / "recipes"}
    if (root / "recipes").is_dir():
        del folders["tinyclap/recipes"]
    for place, folder in folders.items():
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            hidden = any(part.startswith((".", "__pycache__")) for part in parts)
            if path.is_file() and not hidden:
                yield f"{place}/{'/'.join(parts)}", path.read_bytes()


def _metadata(said: metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    """What the installation says, by the names of its files."""
    licences = said.metadata.get_all("License-File") or []
    for name in ("METADATA", "entry_points.txt", *(f"licenses/{licence}" for licence in licences)):
        content = said.read_text(name)
        if content is None:
            raise TinyclapError(f"the installed tinyclap lacks {name}; {AGAIN}")
        yield name, content.encode("utf-8")
    yield "WHEEL", LABEL.encode()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
