"""What made a library's vectors: a bundle whose space is another one must neither ask nor add."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tinyclap.common.machine import shell_path
from tinyclap.errors import TinyclapError
from tinyclap.runtime import ready_made
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import GRAPHS, TEXT_FILES, read_manifest

MEANINGS = {
    "teacher": "teacher",
    "latent_map": "latent map",
    "embed_dim": "dimensions",
    "graph": "graph",
    "weights": "weights of the graph",
    "sample_rate": "sample rate",
    "window_s": "window",
    "frontend": "front end",
}


def identity_of(bundle: Bundle) -> dict[str, Any]:
    """All that decides an audio embedding, by the keys of MEANINGS; the words are no part of it."""
    manifest = bundle.manifest
    frontend = json.dumps(json.loads(manifest.to_json())["frontend"], sort_keys=True)
    return {
        "teacher": bundle.part.teacher["fingerprint"],
        "latent_map": manifest.latent_map and manifest.latent_map["fingerprint"],
        "embed_dim": bundle.embed_dim,
        "graph": bundle.graph,
        "weights": manifest.files[bundle.graph]["sha256"],
        "sample_rate": manifest.sample_rate,
        "window_s": manifest.window_s,
        "frontend": hashlib.blake2b(frontend.encode(), digest_size=16).hexdigest(),
    }


def place_of(bundle: Bundle) -> str:
    """Where a bundle can be loaded from again: the name of a ready-made one, else its folder."""
    for name in ready_made.READY_MADE:
        if bundle.folder == ready_made.place(name):
            return name
    return str(bundle.folder.absolute())


def refuse_other(folder: Path, made_by: dict[str, Any], bundle: Bundle) -> None:
    """Raise a TinyclapError unless a bundle is the one that made a library's vectors."""
    own = identity_of(bundle)
    differing = [meaning for key, meaning in MEANINGS.items() if own[key] != made_by.get(key)]
    if differing:
        raise TinyclapError(
            f"library {folder} was made by another bundle than {bundle.folder} (its {', '.join(differing)} differ), "
            f"and their embeddings must not be compared; embed its files again with this one: tinyclap index --again "
            f"--bundle {shell_path(bundle.folder)} --out {shell_path(folder)}"
        )


def load(folder: Path, place: str, made_by: dict[str, Any]) -> Bundle:
    """The bundle that a library was made with, from where it lay then.

    Raises:
        TinyclapError: it is not there any more.
    """
    where = ready_made.place(place) if place in ready_made.READY_MADE else Path(place)
    if not where.is_dir():
        raise TinyclapError(
            f"library {folder} was made with the bundle {place}, which is not there any more; name it with --bundle"
        )
    graph: Any = {file: name for name, file in GRAPHS.items()}.get(made_by.get("graph", ""))
    manifest = read_manifest(where, later=TEXT_FILES)
    chosen = graph if GRAPHS.get(graph) in manifest.graphs else None
    for head, facts in (manifest.heads or {}).items():
        if (facts["teacher"]["fingerprint"], facts["dim"]) == (made_by.get("teacher"), made_by["embed_dim"]):
            return Bundle.load(where, graph=chosen, head=head)
    dim = None if made_by["embed_dim"] >= manifest.embed_dim else made_by["embed_dim"]
    if dim is not None and not (manifest.latent_map and manifest.latent_map["nested"]):
        raise TinyclapError(
            f"library {folder} says that its embeddings have {dim} dimensions, and bundle {where} has "
            f"{manifest.embed_dim}: library.json is damaged, or the bundle another one; copy the library again, or "
            f"embed its files again: tinyclap index --again --bundle {shell_path(where)} --out {shell_path(folder)}"
        )
    return Bundle.load(where, graph=chosen, dim=dim)
