"""Tags for the files of a library, from labels in words."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinyclap.common.files import write_text
from tinyclap.library.catalogue import Catalogue
from tinyclap.library.where import Conditions
from tinyclap.runtime.judge import Judge

if TYPE_CHECKING:
    from tinyclap.library.library import Library

SIDECAR = ".tags.txt"  # kick.wav.tags.txt: a tag a line, best first
AT_ONCE = 1000


@dataclass(frozen=True)
class Tagged:
    """A file and its tags with their cosines, best first."""

    path: Path
    tags: tuple[tuple[str, float], ...]


def tag(library: "Library", judge: Judge, top: int, where: Conditions | None) -> list[Tagged]:
    """Judge the files of a library, all rows of each that has one for which `where` holds, store and return their tags.

    Within `Library.alone`.
    """
    catalogue, entries, some = library.catalogue, list[Tagged](), []
    chosen, values = "", []
    if where is not None:
        chosen = "AND file IN (SELECT file FROM rows JOIN files ON files.id = file WHERE NOT dead AND "
        chosen, values = f"{chosen}{where.clause})", where.values
    found = catalogue.run(
        f"SELECT file, path, row FROM rows JOIN files ON files.id = file WHERE NOT dead {chosen} ORDER BY file, row",
        values,
    )
    for number, rows in itertools.groupby(found, key=lambda row: row[0]):
        of_file = list(rows)
        tags: dict[str, float] = {}
        for embedding in library.embeddings([row[2] for row in of_file]):
            answer = judge(embedding, 0.0)  # how loud it was is not known any more
            if answer.outcome == "label":
                tags |= {label: max(cosine, tags.get(label, -1.0)) for label, cosine, _ in answer}
        order = sorted(tags.items(), key=lambda entry: (-entry[1], entry[0]))[:top]
        some.append((number, Tagged(Path(of_file[0][1]), tuple(order))))
        if len(some) == AT_ONCE:
            entries += _kept(catalogue, some)
            some = []
    return entries + _kept(catalogue, some)


def write_sidecar(entry: Tagged) -> Path:
    """Write a file's tags beside it, and return where."""
    path = entry.path.with_name(entry.path.name + SIDECAR)
    write_text(path, "".join(f"{tag}\n" for tag, _ in entry.tags))
    return path


def _kept(catalogue: Catalogue, some: list[tuple[int, Tagged]]) -> list[Tagged]:
    """Store the tags of files in place of those they had."""
    with catalogue.transaction():
        catalogue.run_many("DELETE FROM tags WHERE file = ?", [(number,) for number, _ in some])
        rows = [(number, *one) for number, entry in some for one in entry.tags]
        catalogue.run_many("INSERT INTO tags VALUES (?, ?, ?)", rows)
    return [entry for _, entry in some]
