"""What an exported bundle is: its files, its manifest (bundle.json) and their checksums."""

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tinyclap.audio.log_mel.emphasised import spec_of
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.checks import LATER, arguments, exact_keys, is_count, is_number, require
from tinyclap.common.files import NOT_FETCHED, is_pointer, parse_json, refuse_pointer, sha256_of, write_text
from tinyclap.errors import TinyclapError
from tinyclap.version import __version__

FORMAT, SCHEMA_VERSION = "tinyclap-bundle", 1
MANIFEST, README = "bundle.json", "README.md"
FLOAT_GRAPH, INT8_GRAPH = "audio.onnx", "audio_int8.onnx"
STATIC_GRAPH, STATIC_INT8_GRAPH = "audio_static.onnx", "audio_static_int8.onnx"  # of a fixed shape
GRAPHS = {"float": FLOAT_GRAPH, "int8": INT8_GRAPH}  # that a bundle runs, by what one calls them
LABELS, LABEL_EMBEDDINGS = "labels.json", "labels.npy"
TEXT_GRAPH, TOKENIZER = "text.onnx", "tokenizer.json"
TEXT_FILES = (TEXT_GRAPH, TOKENIZER)  # large, and not needed where a label table is
METADATA_KEY = "tinyclap"  # of what a graph says of itself
TEST_VECTORS, BACKGROUND = "test_vectors.npz", "background.npz"
WHEEL_SUFFIX = ".whl"  # of tinyclap itself, where it comes with a bundle
INPUTS = ("waveform", "logmel")
LARGEST_DIM, LONGEST_WINDOW_S = 65_536, 600.0
MAP_KEYS = ("method", "full_dim", "nested", "fingerprint", "measured")  # the last: what fewer dimensions cost
TEXT_KEYS = {"max_tokens": 1, "pad_id": 0, "opset": 1}  # and the least that each can be
HEAD_KEYS = ("start", "dim", "logit_scale", "prompts", "teacher")
TEACHER_KEYS = ("name", "fingerprint", "licence")
TEXT_WORDS = ("precision", "words", "reader")  # how it was rounded, whose words it has, and what reads its tokens
WORDPIECE, PACKAGE = "wordpiece", "tokenizers"  # readers: tinyclap itself, or this package
FIXED = ("input", "sample_rate", "window_s", "frontend", "embed_dim")  # what a graph was made for
GRAPH_KEYS = {"precision", "opset", "parameters", "macs", "size_bytes"}


@dataclass(frozen=True)
class Manifest:
    """All that a device must know about a bundle.

    Attributes:
        name: of the run or model.
        licence: of the weights.
        teacher: its `name`, `fingerprint` and `licence`.
        embed_dim: size of the embedding.
        sample_rate: of the waveforms, Hz.
        window_s: longer audio is embedded in windows of this length, shorter audio is repeated up to it.
        input: of the audio graphs: "waveform" (batch, samples) or "logmel" (batch, 1, frames, n_mels).
        frontend: of the log-mel spectrogram, within the graphs or in front of them.
        prompts: templates with `{}`, the place of the class name.
        logit_scale: the factor between cosine similarity and logits.
        graphs: of each audio graph, by file name, at least GRAPH_KEYS.
        recommended: the graph to run unless another one is asked for.
        text: TEXT_KEYS and TEXT_WORDS of the text side; None without one.
        latent_map: MAP_KEYS of the map that pruned the teacher's space; None where all its dimensions are there.
        heads: of each of several teachers, by name, HEAD_KEYS: its dimensions, and what the manifest says of one
            teacher; None, and no key of the file, for one teacher.
        parity: what the export measured.
        files: `sha256` and `size_bytes` of every other file of the bundle, by name.
        tinyclap: the version that wrote it.
        created: when, ISO 8601.

    Raises:
        TinyclapError: naming the first bad field, its value and what is allowed.
    """

    name: str
    licence: str
    teacher: Mapping[str, str]
    embed_dim: int
    sample_rate: int
    window_s: float
    input: str
    frontend: FrontendSpec
    prompts: tuple[str, ...]
    logit_scale: float
    graphs: Mapping[str, Mapping[str, Any]]
    recommended: str = FLOAT_GRAPH
    text: Mapping[str, Any] | None = None
    latent_map: Mapping[str, Any] | None = None
    heads: Mapping[str, Mapping[str, Any]] | None = field(default=None, metadata=LATER)
    parity: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tinyclap: str = __version__
    created: str = field(default_factory=lambda: datetime.now().astimezone().isoformat(timespec="seconds"))

    def __post_init__(self) -> None:
        where = "bundle"
        for name in ("name", "licence", "tinyclap", "created"):
            require(self, where, name, isinstance(getattr(self, name), str), "a text")
        for name in ("graphs", "parity", "files"):
            require(self, where, name, isinstance(getattr(self, name), Mapping), "an object")
        exact_keys(self.teacher, TEACHER_KEYS, "bundle: teacher")
        sized = is_count(self.embed_dim) and self.embed_dim <= LARGEST_DIM
        require(self, where, "embed_dim", sized, f"a whole number from 1 to {LARGEST_DIM}")
        same_rate = self.sample_rate == self.frontend.sample_rate
        require(self, where, "sample_rate", same_rate, f"the front end's, {self.frontend.sample_rate} Hz")
        shortest = self.frontend.shortest_s
        lasting = is_number(self.window_s) and shortest <= self.window_s <= LONGEST_WINDOW_S
        require(self, where, "window_s", lasting, f"{shortest:g} to {LONGEST_WINDOW_S:g} seconds")
        require(self, where, "input", self.input in INPUTS, f"one of {', '.join(INPUTS)}")
        listed = isinstance(self.prompts, tuple) and all(isinstance(text, str) for text in self.prompts)
        templates = listed and len(self.prompts) > 0 and all("{}" in text for text in self.prompts)
        require(self, where, "prompts", templates, "a list of texts with {}, the place of the class name")
        require(self, where, "logit_scale", is_number(self.logit_scale) and self.logit_scale > 0, "a number above 0")
        described = all(isinstance(facts, Mapping) and set(facts) >= GRAPH_KEYS for facts in self.graphs.values())
        complete = bool({FLOAT_GRAPH, INT8_GRAPH} & set(self.graphs)) and described
        rule = f"{FLOAT_GRAPH} or {INT8_GRAPH}, and others, each with {', '.join(sorted(GRAPH_KEYS))}"
        require(self, where, "graphs", complete, rule)
        require(self, where, "recommended", self.recommended in list(self.graphs), f"one of {', '.join(self.graphs)}")
        if self.latent_map is not None:
            mapped = exact_keys(self.latent_map, MAP_KEYS, "bundle: latent_map")
            narrower = is_count(mapped["full_dim"], self.embed_dim) and type(mapped["nested"]) is bool
            require(self, where, "latent_map", narrower, "null or an object from a wider space")
        fitting = self.heads is None or _heads_fit(self.heads, self.embed_dim)
        require(
            self, where, "heads", fitting, f"null or an object of heads within the embedding: {', '.join(HEAD_KEYS)}"
        )
        if self.text is not None:
            said = exact_keys(self.text, (*TEXT_KEYS, *TEXT_WORDS), "bundle: text", TEXT_WORDS)
            known = all(is_count(said[key], at_least) for key, at_least in TEXT_KEYS.items())
            known &= all(isinstance(said.get(key, ""), str) for key in TEXT_WORDS)
            allowed = f"null or an object: {', '.join(TEXT_KEYS)} whole numbers, {', '.join(TEXT_WORDS)} texts"
            require(self, where, "text", known, allowed)

    @property
    def window_samples(self) -> int:
        """Samples in one window of `window_s`."""
        return round(self.window_s * self.sample_rate)

    def to_json(self) -> str:
        """The text of bundle.json."""
        values = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}
        if self.heads is None:
            del values["heads"]
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    def graph_metadata(self) -> str:
        """JSON text for a graph's `metadata_props` under the key "tinyclap": all but `files` and `parity`."""
        values = json.loads(self.to_json())
        return json.dumps({key: values[key] for key in values if key not in ("files", "parity")})

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """The inverse of `to_json`.

        Raises:
            TinyclapError: no JSON, another format or schema version, missing or unknown keys, values not allowed.
        """
        try:
            values = parse_json(text)
        except ValueError as error:
            raise TinyclapError(f"damaged ({error})") from error
        if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
            raise TinyclapError(f"no manifest of a bundle: its format must be {FORMAT!r}")
        version = values.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise TinyclapError(
                f"schema_version is {version!r}, this tinyclap reads {SCHEMA_VERSION}; "
                "update tinyclap, or export the bundle again"
            )
        values = arguments(values, cls, "the bundle")
        values["frontend"] = spec_of(values["frontend"], "frontend")
        values["prompts"] = tuple(values["prompts"]) if isinstance(values["prompts"], list) else values["prompts"]
        return cls(**values)


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write bundle.json into a folder that holds all the other files, and return what it says.

    `files` is filled with the checksum and size of every file in the folder but bundle.json.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)
    paths = {name: folder / name for name in names}
    listed = {name: {"sha256": sha256_of(path), "size_bytes": path.stat().st_size} for name, path in paths.items()}
    complete = dataclasses.replace(manifest, files=listed)
    write_text(folder / MANIFEST, complete.to_json())
    return complete


def read_manifest(folder: Path, *, later: Collection[str] = ()) -> Manifest:
    """Read bundle.json and verify every file that it lists, but for the wheel of tinyclap.

    Args:
        folder: of the bundle.
        later: files whose checksums `verify` is going to compare; of these only the sizes are looked at now.

    Raises:
        TinyclapError: no bundle there, an unknown schema, or a file that is missing, truncated or changed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        what = "it holds no bundle.json" if folder.is_dir() else "there is no such folder"
        raise TinyclapError(f"{folder} is not a bundle: {what}; `tinyclap export --onnx` makes one, runs/NAME/bundle")
    refuse_pointer(path)
    try:
        manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
        missing = sorted({*manifest.graphs, *_optional(manifest)} - set(manifest.files))
        if missing:
            raise TinyclapError(f"files lacks {', '.join(missing)}")
    except (TinyclapError, UnicodeDecodeError) as error:
        raise TinyclapError(f"{path}: {error}") from error
    for name in manifest.files:
        if not name.endswith(WHEEL_SUFFIX):  # pip's to check, and of no use once it is installed
            verify(folder, manifest, name, checksum=name not in later)
    return manifest


def graph_to_run(folder: Path, manifest: Manifest, asked: str | None) -> str:
    """The file of the graph that is asked for, one of GRAPHS; None for the one that the export recommends.

    Raises:
        TinyclapError: the bundle has none such, or one of a fixed shape is named.
    """
    name = manifest.recommended if asked is None else GRAPHS.get(asked, asked)
    if name in ("static", STATIC_GRAPH, STATIC_INT8_GRAPH):
        raise TinyclapError(
            f"{name} takes log-mel spectrograms of one length, for the tool chains of microcontrollers, and "
            f"{folder / README} says how to compute them; a bundle runs its graphs float and int8"
        )
    if name not in manifest.graphs:
        there = ", ".join(key for key, file in GRAPHS.items() if file in manifest.graphs)
        raise TinyclapError(f"bundle {folder} has no {asked} graph, it has: {there}; export it with --int8")
    return name


def is_bundle(folder: Path) -> bool:
    """Whether a folder is one, whole or not."""
    return (folder / MANIFEST).is_file()


def verify(folder: Path, manifest: Manifest, name: str, *, checksum: bool = True) -> None:
    """Raise a TinyclapError if a listed file is missing, truncated or changed."""
    fault = _fault(folder, name, manifest.files[name], checksum=checksum)
    if fault:
        raise TinyclapError(f"bundle {folder}: {fault}; copy or export it again")


def refuse_other_graph(path: Path, own: Mapping[str, Any], manifest: Manifest) -> None:
    """Raise a TinyclapError where what a graph says of itself is of other sound or another space than bundle.json."""
    frontend = own.get("frontend")
    if frontend is not None and not isinstance(frontend, Mapping):
        raise TinyclapError(
            f"{path}: its metadata are damaged (frontend is {frontend!r}, expected an object); export the bundle again"
        )
    said = _fixed(json.loads(manifest.graph_metadata()))
    for key, value in _fixed(own).items():
        if said.get(key, value) != value:
            raise TinyclapError(
                f"{path.parent / MANIFEST}: {key} is {said[key]}, but {path.name} was exported with {value}; "
                "copy the whole bundle again, or export it again"
            )


def _fixed(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What was fixed at the export, by key; of the front end by frontend.KEY."""
    found = {key: metadata[key] for key in FIXED if key in metadata}
    frontend = found.pop("frontend", None) or {}
    return found | {f"frontend.{key}": value for key, value in frontend.items()}


def _heads_fit(heads: object, embed_dim: int) -> bool:
    """Whether heads are what a manifest may say of them."""
    if not isinstance(heads, Mapping) or not heads:
        return False
    for name, facts in heads.items():
        said = exact_keys(facts, HEAD_KEYS, f"bundle: heads: {name}")
        exact_keys(said["teacher"], TEACHER_KEYS, f"bundle: heads: {name}: teacher")
        inside = is_count(said["start"], 0) and is_count(said["dim"]) and said["start"] + said["dim"] <= embed_dim
        scaled = is_number(said["logit_scale"]) and said["logit_scale"] > 0
        prompts = said["prompts"]
        listed = isinstance(prompts, list | tuple) and len(prompts) > 0
        if not (inside and scaled and listed and all(isinstance(text, str) and "{}" in text for text in prompts)):
            return False
    return True


def _optional(manifest: Manifest) -> set[str]:
    """Files that must be there because something else is."""
    text = {TEXT_GRAPH, TOKENIZER} if manifest.text is not None else set()
    return text | ({LABELS, LABEL_EMBEDDINGS} if {LABELS, LABEL_EMBEDDINGS} & set(manifest.files) else set())


def _fault(folder: Path, name: str, facts: object, *, checksum: bool) -> str | None:
    """What is wrong with a listed file; None for nothing."""
    recorded = exact_keys(facts, ("sha256", "size_bytes"), f"bundle {folder}: files: {name}")
    path = folder / name
    if path.parent != folder or not path.is_file():  # a name is that of a file in the folder itself
        return f"{name} is missing"
    if is_pointer(path):
        return f"{name} is {NOT_FETCHED}"
    size_bytes = path.stat().st_size
    if size_bytes != recorded["size_bytes"]:
        return f"{name} holds {size_bytes} of {recorded['size_bytes']} bytes"
    if not checksum or sha256_of(path) == recorded["sha256"]:
        return None
    return f"{name} is not what was exported (its checksum differs)"
