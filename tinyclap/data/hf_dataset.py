"""Sounds of the Hugging Face hub, or in a folder as its `datasets` package writes them, through that package.

It lists and fetches; sounds are decoded by tinyclap itself, as those of any other data set. What is said of each row is
looked up once and kept in the cache until the data changes: no row is read again for it, which a stream would fetch.
"""

import json
import threading
from collections.abc import Hashable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinyclap.common.install import extra_line
from tinyclap.common.progress import counted
from tinyclap.data.dataset import Clip, digest
from tinyclap.data.shards.dataset import clip_of, tags_are_labels
from tinyclap.data.shards.described import CAPTIONS, Described
from tinyclap.data.shards.index import Sample, kept_samples
from tinyclap.data.shards.packed import Packed, Place
from tinyclap.errors import TinyclapError, first_line, listed

VERSION = 1
LABEL = "label"


@dataclass(frozen=True)
class Wanted:
    """Which data, as the recipe's section `hf_dataset` says."""

    source: str
    config: str | None = None
    split: str = "train"
    revision: str | None = None
    streaming: bool = False
    audio: str | None = None
    label: str | None = None
    caption: str | None = None


class HfDataset(Packed):
    """Clips that are rows of a `datasets` data set.

    Args:
        wanted: which.
        column: of the sounds.
        clips: in the order of the rows.
        places: by clip name; an offset is a row.
    """

    def __init__(self, wanted: Wanted, column: str, clips: list[Clip], places: dict[str, Place]) -> None:
        super().__init__(wanted.source.rstrip("/").rpartition("/")[2] or wanted.source, clips, places)
        self._wanted, self._column = wanted, column
        self._opened = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _opened=threading.local())

    def _home(self, clip: Clip) -> Hashable:
        return self._wanted.source

    def _of(self, place: Place) -> Hashable:
        return self._wanted

    def _bytes(self, clip: Clip) -> bytes:
        place = self._places[clip.name]
        content = sound_of(self._cell(place.offset))
        if content is None or digest(content) != place.digest:
            raise TinyclapError(
                f"{self._wanted.source}: {clip.name} holds other bytes than when it was first read; run "
                "`tinyclap cache shards --clear`, then the command again"
            )
        return content

    def _cell(self, row: int) -> Any:
        """The sound of a row. A stream goes on from the row before, or begins again."""
        opened = self._opened
        if getattr(opened, "rows", None) is None:
            opened.rows = _loaded(self._wanted).select_columns([self._column])
        if not self._wanted.streaming:
            return opened.rows[row][self._column]
        if getattr(opened, "next", None) is None or opened.next > row:
            opened.stream, opened.next = iter(opened.rows), 0
        for found in opened.stream:
            opened.next += 1
            if opened.next > row:
                return found[self._column]
        raise TinyclapError(f"{self._wanted.source}: row {row} is not there any more; run the command again")


def hf_dataset(wanted: Wanted) -> HfDataset:
    """The rows of a data set on the hub or in a folder, each a clip named by its number and the name of its file.

    Several labels of a row are its caption where it has none, as tags in shards are. Raises TinyclapError where the
    package `datasets` is not installed, no such data set, configuration or split is there, or a column is not.
    """
    builder = _builder(wanted)
    rows = _loaded(wanted, builder)
    columns = _columns(wanted, rows)
    places = asdict(wanted) | {"streaming": False, "source": _absolute(wanted.source)}
    # Streamed or fetched, the rows are the same: each finds what the other has looked up.
    key = json.dumps([VERSION, places, columns, _stamp(builder)])
    samples = kept_samples(key, lambda: _samples(wanted, rows, columns))
    if not samples:
        raise TinyclapError(f"{wanted.source}: split {wanted.split} holds no rows")
    tagged = tags_are_labels(samples)
    clips = [clip_of(sample, sample.member, tags_are_labels=tagged) for sample in samples]
    found = {
        clip.name: Place(0, sample.offset, sample.size, bytes.fromhex(sample.digest), sample.fault)
        for clip, sample in zip(clips, samples, strict=True)
    }
    return HfDataset(wanted, columns["audio"], clips, found)


def _library() -> Any:
    try:
        import datasets
    except ModuleNotFoundError as error:
        if error.name != "datasets":
            raise
        raise TinyclapError(f"data of kind hf_dataset needs the package datasets: {extra_line('datasets')}") from error
    return datasets


def _as_stored() -> Any:
    """The type of a column whose sounds stay bytes and paths; that of `datasets` wants torchcodec even for this."""

    class AsStored(_library().Audio):  # type: ignore[misc]
        def encode_example(self, value: Any) -> Any:
            return value if isinstance(value, dict) else {"bytes": None, "path": str(value)}

    return AsStored


def _absolute(source: str) -> str:
    """A folder independent of the working folder; a name on the hub as it is."""
    path = Path(source).expanduser()
    return str(path.absolute()) if path.exists() else source


def _builder(wanted: Wanted) -> Any:
    """What `datasets` makes the rows with."""
    datasets = _library()
    try:
        made = datasets.load_dataset_builder(_absolute(wanted.source), wanted.config, revision=wanted.revision)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise TinyclapError(f"data.hf_dataset {wanted.source}: {_reason(error)}") from error
    if getattr(made, "BASE_FEATURE", None) is datasets.Audio:  # a folder of files
        made.BASE_FEATURE = _as_stored()
    return made


def _loaded(wanted: Wanted, builder: Any = None) -> Any:
    """The rows, with sounds as they are stored."""
    datasets, builder = _library(), builder or _builder(wanted)
    try:
        if wanted.streaming:
            rows = builder.as_streaming_dataset(split=wanted.split)
            rows = rows if rows.features is not None else rows._resolve_features()
        else:
            builder.download_and_prepare()
            rows = builder.as_dataset(split=wanted.split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise TinyclapError(f"data.hf_dataset {wanted.source}, split {wanted.split}: {_reason(error)}") from error
    for name, feature in rows.features.items():
        if isinstance(feature, datasets.Audio):
            rows = rows.cast_column(name, _as_stored()(decode=False))
    return rows


def _stamp(builder: Any) -> list[Any]:
    """What changes with the data: commits or tags of its files on the hub, times of change on the disk."""
    files = builder.config.data_files or {}
    return [builder.hash, {str(split): [list(one) for one in of.origin_metadata] for split, of in files.items()}]


def _reason(error: BaseException) -> str:
    """The first line of what went wrong at the bottom."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


def _columns(wanted: Wanted, rows: Any) -> dict[str, str]:
    """The columns by what they hold."""
    there = list(rows.features)
    for key in ("audio", "label", "caption"):
        asked = getattr(wanted, key)
        if asked is not None and asked not in there:
            raise TinyclapError(
                f"{wanted.source}: there is no column {asked}, of {key}; the columns are {listed(there)}"
            )
    sounds = [name for name in there if _holds_sound(rows.features[name])]
    if wanted.audio is None and len(sounds) != 1:
        raise TinyclapError(
            f"{wanted.source}: {len(sounds)} columns hold sounds ({listed(sounds) or 'none'}, among {listed(there)}); "
            "say which with audio: COLUMN"
        )
    audio = wanted.audio or sounds[0]
    if audio not in sounds:
        raise TinyclapError(
            f"{wanted.source}: column {audio} holds no sounds; those that do: {listed(sounds) or 'none'}"
        )
    label = wanted.label or (LABEL if LABEL in there else None)
    caption = wanted.caption or next((name for name in CAPTIONS if name in there), None)
    return {"audio": audio} | {key: name for key, name in (("label", label), ("caption", caption)) if name}


def _holds_sound(feature: Any) -> bool:
    """Whether a column is of sounds, or of what parquet files without datasets' own notes hold for them."""
    return isinstance(feature, _library().Audio) or (isinstance(feature, dict) and {"bytes", "path"} <= set(feature))


def _samples(wanted: Wanted, rows: Any, columns: dict[str, str]) -> Iterator[Sample]:
    """What each row is; sounds are read once, for their hash."""
    names = getattr(rows.features[columns["label"]], "names", None) if "label" in columns else None
    few = rows.select_columns(list(columns.values()))
    for number, row in enumerate(counted(few, f"list {wanted.source}", _length(few), "row")):
        cell = row[columns["audio"]]
        said, fault = Described(split=wanted.split), None
        try:
            said = _said(wanted, row, columns, names)
            content = sound_of(cell)
        except (OSError, ValueError) as error:
            content, fault = None, _reason(error)
        if content is None:
            fault = fault or "a row without a sound"
        name = f"{number:08d}{_file_name(cell)}"
        yield Sample(
            name, number, len(content or b""), digest(content).hex() if content is not None else "", said, fault
        )


def _length(rows: Any) -> int | None:
    return len(rows) if hasattr(rows, "__len__") else None


def _file_name(cell: Any) -> str:
    """The name of a row's file, behind its number; of a file in an archive its own."""
    path = (cell or {}).get("path") or ""
    name = path.partition("::")[0].replace("\\", "/").rpartition("/")[2]
    return f"-{name}" if name else ""


def _said(wanted: Wanted, row: dict[str, Any], columns: dict[str, str], names: list[str] | None) -> Described:
    labels = [] if "label" not in columns else _words(row[columns["label"]], names)
    captions = [] if "caption" not in columns else _words(row[columns["caption"]], None)
    return Described(
        label=labels[0] if len(labels) == 1 else None,
        captions=tuple(dict.fromkeys(captions)),
        tags=tuple(dict.fromkeys(labels)) if len(labels) > 1 else (),
        split=wanted.split,
    )


def _words(value: Any, names: list[str] | None) -> list[str]:
    """One text or several; numbers by the names of their classes, where there are some. Raises ValueError."""
    found = []
    for one in value if isinstance(value, list) else [value]:
        if one is None or (names and one == -1):  # of a test set whose labels are kept back
            continue
        if not isinstance(one, str | int | float):
            raise ValueError(f"a label or caption must be text or a list of texts, got {str(one)[:60]}")
        found.append(names[one] if names and isinstance(one, int) else str(one).strip())
    return [word for word in found if word]


def sound_of(cell: Any) -> bytes | None:
    """The bytes of a sound: in its row, or in the file that the row names. Raises OSError."""
    if not cell or (cell.get("bytes") is None and not cell.get("path")):
        return None
    if cell.get("bytes") is not None:
        content: bytes = cell["bytes"]
        return content
    if "://" not in cell["path"]:
        return Path(cell["path"]).read_bytes()
    from datasets.utils.file_utils import xopen

    with xopen(cell["path"], "rb") as stream:
        content = stream.read()
    return content
