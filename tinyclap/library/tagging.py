"""Tags for the files of a library, from labels in words."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinyclap.common.files import as_name, write_text
from tinyclap.errors import TinyclapError, listed
from tinyclap.library.catalogue import Catalogue
from tinyclap.library.where import Conditions
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.judge import Judge

if TYPE_CHECKING:
    from tinyclap.library.library import Library

SIDECAR = ".tags.txt"  # kick.wav.tags.txt: MARK, then a tag a line, best first
MARK = "# written by tinyclap tag"
AT_ONCE = 1000


@dataclass(frozen=True)
class Tagged:
    """A file and its tags with their cosines, best first; `replaced` are those of before that it has no more."""

    path: Path
    tags: tuple[tuple[str, float], ...]
    replaced: tuple[str, ...] = ()


def judge_of(bundle: Bundle, labels: Sequence[str] | None, top: int, threshold: float | None) -> Judge:
    """What says which labels fit; without background sounds the best one always does. Arguments as `Library.tag`."""
    known = bundle.background is not None
    return bundle.judge(labels, top_k=top if known else 1, threshold=threshold, multi_label=known)


def tag(
    library: "Library", judge: Judge, top: int, where: Conditions | None, *, add: bool = False, sidecars: bool = False
) -> list[Tagged]:
    """Judge the files of a library, all rows of each that has one for which `where` holds, store and return their tags.

    Within `Library.alone`. Arguments and errors as `Library.tag`.
    """
    catalogue, entries, some = library.catalogue, list[Tagged](), list[tuple[int, Tagged]]()
    chosen, values = "", list[str | float]()
    if where is not None:
        chosen = "AND file IN (SELECT file FROM rows JOIN files ON files.id = file WHERE NOT dead AND "
        chosen, values = f"{chosen}{where.clause})", where.values
    found = catalogue.run(
        f"SELECT file, path, row FROM rows JOIN files ON files.id = file WHERE NOT dead {chosen} ORDER BY file, row",
        values,
    )
    if sidecars:
        _refuse_others(Path(as_name(path)) for path in dict.fromkeys(row[1] for row in found))
    for number, rows in itertools.groupby(found, key=lambda row: row[0]):
        of_file = list(rows)
        tags: dict[str, float] = {}
        for embedding in library.embeddings([row[2] for row in of_file]):
            answer = judge(embedding, 0.0)  # how loud it was is not known any more
            if answer.outcome == "label":
                tags |= {label: max(cosine, tags.get(label, -1.0)) for label, cosine, _ in answer}
        best = sorted(tags.items(), key=lambda entry: (-entry[1], entry[0]))[:top]
        some.append((number, Tagged(Path(of_file[0][1]), tuple(best))))
        if len(some) == AT_ONCE:
            entries += _kept(catalogue, some, add=add)
            some = []
    entries += _kept(catalogue, some, add=add)
    if sidecars:
        for entry in entries:
            _write_sidecar(entry)
    return entries


def sidecar_of(path: Path) -> Path:
    """Where the tags of a sound are written beside it."""
    return path.with_name(path.name + SIDECAR)


def _refuse_others(sounds: Iterable[Path]) -> None:
    """Raise a TinyclapError for files beside sounds that are called as their sidecars are and are none."""
    others = [path for sound in sounds if (path := sidecar_of(sound)).exists() and not _is_ours(path)]
    if others:
        raise TinyclapError(
            f"--sidecars would replace {len(others)} files that tinyclap has not written: {listed(others)}; move them, "
            "or leave --sidecars out; nothing was changed"
        )


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(MARK)) == MARK.encode()


def _write_sidecar(entry: Tagged) -> None:
    """Write a file's tags beside it, unless it is not there: nor is its folder then, perhaps."""
    path = Path(as_name(str(entry.path)))
    if path.is_file():
        write_text(sidecar_of(path), "".join(f"{line}\n" for line in (MARK, *(tag for tag, _ in entry.tags))))


def _kept(catalogue: Catalogue, some: list[tuple[int, Tagged]], *, add: bool) -> list[Tagged]:
    """Store the tags of files in place of those they had or, to `add`, beside these; with what each has then."""
    kept = []
    with catalogue.transaction():
        for number, entry in some:
            before, tags = (
                dict(catalogue.run("SELECT tag, score FROM tags WHERE file = ?", (number,))),
                dict(entry.tags),
            )
            now = {**before, **tags} if add else tags
            order = sorted(now.items(), key=lambda one: (-one[1], one[0]))
            catalogue.run("DELETE FROM tags WHERE file = ?", (number,))
            catalogue.run_many("INSERT INTO tags VALUES (?, ?, ?)", [(number, *one) for one in order])
            kept.append(Tagged(entry.path, tuple(order), tuple(name for name in before if name not in now)))
    return kept
