"""Which library is meant, and what it says of itself: the bundle that made it and how its vectors are stored."""

import os
import re
from pathlib import Path
from typing import Any

from tinyclap.common.checks import is_count
from tinyclap.common.files import read_json, write_json
from tinyclap.embeddings import quantization
from tinyclap.errors import TinyclapError
from tinyclap.library import identity, locks
from tinyclap.library.catalogue import Catalogue, make_again
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.embed_sound import hop_samples
from tinyclap.version import __version__

FORMAT, VERSION = "tinyclap-library", 1
FACTS, CATALOGUE = "library.json", "catalogue.sqlite"
AGAIN = "again-"  # and a number: the folder within a library where all is embedded again
VARIABLE, NAME = "TINYCLAP_LIBRARY", "library"  # of a library that nobody names
THERE = "{} is a library already; open it, or choose another folder"


def is_library(folder: Path) -> bool:
    """Whether a folder is one, whole or not."""
    return (folder / FACTS).is_file()


def data_folder(folder: Path, facts: dict[str, Any]) -> Path:
    """Where the database and the vectors of a library lie: in its folder, or after `index --again` in one within."""
    return folder / facts.get("data", "")


def new_facts(bundle: Bundle, codes: str, windows: bool, hop_s: float | None) -> dict[str, Any]:
    """What a new library says of itself; arguments and errors as for `Library.create`."""
    quantization.refuse_unknown(codes)
    hop_samples(bundle, hop_s, at_most_window=not windows)
    return {
        "format": FORMAT,
        "version": VERSION,
        "codes": codes,
        "windows": windows,
        "hop_s": hop_s,
        "bundle": {"name": bundle.manifest.name, "place": identity.place_of(bundle)},
        "made_by": identity.identity_of(bundle),
        "tinyclap": __version__,
    }


def make_library(folder: Path, facts: dict[str, Any]) -> None:
    """Make the folder of an empty library; errors as for `Library.create`."""
    others = [path.name for path in folder.iterdir() if path.name not in locks.LEFT] if folder.is_dir() else []
    if is_library(folder):
        raise TinyclapError(THERE.format(folder))
    if others or folder.is_file():
        if any(name.startswith("vectors-") for name in others):
            raise TinyclapError(f"{folder} is a library without its {FACTS}; {make_again(folder)}")
        what = "is a file" if folder.is_file() else f"is no library and holds {others[0]}"
        raise TinyclapError(f"{folder} {what}; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    with locks.alone(folder):
        if is_library(folder):  # which another process has made just now
            raise TinyclapError(THERE.format(folder))
        make_data(folder)
        write_json(folder / FACTS, facts)


def make_data(folder: Path) -> None:
    """The database of an empty library, in place of what a process left that was killed here."""
    (folder / CATALOGUE).unlink(missing_ok=True)
    catalogue = Catalogue(folder / CATALOGUE, new=True)
    catalogue.make_tables()
    catalogue.close()


def read_facts(folder: Path) -> dict[str, Any]:
    """What the library in a folder says of itself; errors as for `Library.open`."""
    if not is_library(folder):
        what = "there is no such folder" if not folder.exists() else f"it holds no {FACTS}"
        raise TinyclapError(f"{folder} is not a library: {what}; make one with `tinyclap index FOLDER --out LIBRARY`")
    return _checked(folder / FACTS)


def _checked(path: Path) -> dict[str, Any]:
    """What library.json says, if this version can read it."""
    try:
        facts: dict[str, Any] = read_json(path, {})
    except TinyclapError as error:
        said = str(error).partition("; ")[0]
        raise TinyclapError(f"{said}; {make_again(path.parent)}") from error
    version: Any = facts.get("version")
    if facts.get("format") == FORMAT and is_count(version) and version > VERSION:
        raise TinyclapError(
            f"{path.parent} is a library of a newer tinyclap ({facts.get('tinyclap')}, version {version} of its files; "
            f"this one reads {VERSION}); update tinyclap"
        )
    whole = isinstance(facts.get("made_by"), dict) and isinstance(facts.get("bundle"), dict)
    whole &= facts.get("codes") in quantization.DTYPES and {"windows", "hop_s"} <= set(facts)
    whole &= bool(re.fullmatch(f"({AGAIN}[0-9]+)?", str(facts.get("data", ""))))
    whole &= whole and is_count(facts["made_by"].get("embed_dim")) and "place" in facts["bundle"]
    if facts.get("format") != FORMAT or version != VERSION or not whole:
        raise TinyclapError(f"{path} is damaged; {make_again(path.parent)}")
    return facts


def chosen(asked: Path | None) -> Path:
    """The library that was asked for, else that of $TINYCLAP_LIBRARY, else the folder `library` here.

    Raises:
        TinyclapError: none was asked for, and there is none.
    """
    if asked is not None:
        return asked
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    if is_library(Path(NAME)):
        return Path(NAME)
    raise TinyclapError(
        f"no library is named, ${VARIABLE} is not set, and there is none in ./{NAME}; name it with --lib, or make it: "
        "tinyclap index FOLDER"
    )


def to_make(asked: Path | None) -> Path:
    """Where `tinyclap index` writes: what was asked for, else $TINYCLAP_LIBRARY, else the folder `library` here."""
    return asked or Path(os.environ.get(VARIABLE) or NAME)
