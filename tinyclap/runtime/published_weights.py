"""Weights, word lists and a runtime that publishers offer for download: which there are, and how one is fetched."""

from dataclasses import dataclass
from pathlib import Path

from tinyclap.common.cache_lock import use_cache
from tinyclap.common.download import download, part_of
from tinyclap.common.files import cache_root, refuse_pointer, sha256_of
from tinyclap.errors import TinyclapError

RELEASE = "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1"


@dataclass(frozen=True)
class PublishedFile:
    """A file at its publisher's; size in bytes and sha256 where they are known.

    `folder` parts files of one name where they are kept.
    """

    url: str
    size: int | None
    sha256: str | None
    folder: str = ""

    @property
    def place(self) -> Path:
        """Where it is kept once it has been fetched."""
        return cache_root() / "weights" / self.folder / self.url.rpartition("/")[2]

    @property
    def part(self) -> Path:
        """Where it is kept while it is being fetched."""
        return part_of(self.place)

    @property
    def unpacked(self) -> Path:
        """The folder of what it holds, of an archive."""
        return self.place.with_name(f"{self.place.name}-unpacked")


AUDIOSET_ONTOLOGY = PublishedFile(
    "https://raw.githubusercontent.com/audioset/ontology/master/ontology.json", None, None, "audioset"
)
ORT_WEB_VERSION = "1.30.0"
ORT_WEB = PublishedFile(
    f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{ORT_WEB_VERSION}.tgz", 33_106_585, None, "npm"
)
WORDNET = PublishedFile("https://wordnetcode.princeton.edu/3.0/WNdb-3.0.tar.gz", None, None, "wordnet")


@dataclass(frozen=True)
class Published:
    """A tagger of EfficientAT's release; size in bytes and sha256 where they are known."""

    file: str
    size: int | None = None
    sha256: str | None = None
    hop_length: int = 320
    n_mels: int = 128

    @property
    def weights(self) -> PublishedFile:
        """The file itself."""
        return PublishedFile(f"{RELEASE}/{self.file}", self.size, self.sha256)


PUBLISHED = {
    "mn01_as": Published("mn01_as_mAP_298.pt"),
    "mn02_as": Published("mn02_as_mAP_378.pt"),
    "mn04_as": Published(
        "mn04_as_mAP_432.pt", 4_066_513, "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c"
    ),
    "mn05_as": Published("mn05_as_mAP_443.pt"),
    "mn10_as": Published("mn10_as_mAP_471.pt"),
    "mn20_as": Published("mn20_as_mAP_478.pt"),
    "mn30_as": Published("mn30_as_mAP_482.pt"),
    "mn40_as": Published("mn40_as_mAP_484.pt"),
    "mn40_as_ext": Published("mn40_as_ext_mAP_487.pt"),
    "mn10_as_hop_5": Published("mn10_as_hop_5_mAP_475.pt", hop_length=160),
    "mn10_as_hop_15": Published("mn10_as_hop_15_mAP_463.pt", hop_length=480),
    "mn10_as_hop_20": Published("mn10_as_hop_20_mAP_456.pt", hop_length=640),
    "mn10_as_hop_25": Published("mn10_as_hop_25_mAP_447.pt", hop_length=800),
    "mn10_as_mels_40": Published("mn10_as_mels_40_mAP_453.pt", n_mels=40),
    "mn10_as_mels_64": Published("mn10_as_mels_64_mAP_461.pt", n_mels=64),
    "mn10_as_mels_256": Published("mn10_as_mels_256_mAP_474.pt", n_mels=256),
}


def given_or_fetched(file: PublishedFile, given: Path | None, option: str, remedy: str) -> Path:
    """A published file: the given one if it is that, or from the cache, or fetched.

    Args:
        file: which.
        given: where it is there already.
        option: which named `given`, for messages.
        remedy: what to do with a file that was fetched elsewhere, for messages.

    Raises:
        TinyclapError: no such file, another one, or no network.
    """
    if given is None:
        return fetched(file, remedy)
    if not given.is_file():
        raise TinyclapError(f"{option}: there is no file {given}; it is {file.url}")
    refuse_pointer(given)
    found = sha256_of(given)
    if found != file.sha256:
        raise TinyclapError(
            f"{given} is not the published file: sha256 {found}, expected {file.sha256}; fetch {file.url} again"
        )
    return given


def fetched(file: PublishedFile, remedy: str) -> Path:
    """A published file, from the cache or fetched, and checked.

    Args:
        file: which.
        remedy: what to do with a file that was fetched elsewhere, for the message.

    Raises:
        TinyclapError: no network, or another file than the published one.
    """
    use_cache()
    try:
        return download(file.url, file.place, size=file.size, sha256=file.sha256)
    except TinyclapError as error:
        known = f" ({file.size:,} bytes, sha256 {file.sha256})" if file.size else ""
        raise TinyclapError(f"{error}\nfetch {file.url}{known} elsewhere and {remedy}") from error
