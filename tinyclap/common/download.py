"""Files from the web: resumed where they stopped, verified, and never seen half finished; and stretches of them."""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyclap.common.progress import Progress
from tinyclap.errors import TinyclapError

CHUNK_BYTES = 2**18
TIMEOUT_S = 30.0
MAX_FAILURES = 6  # in a row, without getting further than ever before
FIRST_WAIT_S = 1.0  # before trying again, doubled every time
WHOLE_FILES = "download it, and name the file on the disk instead"
RANGE_NOT_SATISFIABLE = 416
WORTH_RETRYING = (408, 425, 429, 500, 502, 503, 504)


class _DroppedError(Exception):
    """The transfer stopped early; trying again may help."""


class _UnreachableError(_DroppedError):
    """No connection at all: worth trying again only if there was one a moment ago."""


@dataclass(frozen=True)
class WebFile:
    """A file on the web, of which stretches can be read.

    Attributes:
        url: its address.
        size: bytes of it.
        stamp: what the server says to tell one state of it from another (its ETag, or when it was changed).
    """

    url: str
    size: int
    stamp: str


@dataclass
class _Transfer:
    """What a server announced for the rest of a file."""

    response: http.client.HTTPResponse
    offset: int  # bytes of the file before it
    total: int | None  # bytes of the whole file


def download(
    url: str, target: Path | str, *, sha256: str | None = None, md5: str | None = None, size: int | None = None
) -> Path:
    """Fetch `url` to the file `target` and return its path; a target that is already there is only verified.

    Bytes go to `<target>.part`, which a later call continues (HTTP Range; from the start if the server cannot), and
    which is renamed once it is complete and its checksums (hex) and size (bytes) are right. Dropped connections are
    retried as long as the download advances.

    Raises TinyclapError without network, for an address that does not exist, for a connection that keeps breaking
    (what was fetched is kept), a full disk and a wrong checksum or size (what was fetched is removed).
    """
    target = Path(target)
    if target.exists():
        wrong = _mismatch(target, sha256, md5, size)
        if wrong:
            raise TinyclapError(f"{target} is there already, but {wrong}: remove it to download {url} anew")
        return target
    if not url.startswith(("https://", "http://")):
        raise TinyclapError(f"cannot download {url}: the address must begin with https:// or http://")
    part = part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_all(url, part)
        wrong = _mismatch(part, sha256, md5, size)
        if wrong:
            part.unlink()
            raise TinyclapError(f"{url}: {wrong}; the download was removed, try again or check the address")
        part.replace(target)
    except OSError as error:
        raise TinyclapError(
            f"cannot write {part}: {error.strerror or error}; free some space or choose another folder"
        ) from error
    return target


def look_up(url: str) -> WebFile:
    """How long a file on the web is, and in which state.

    Raises TinyclapError as `download` does, and for a server that sends files only as a whole.
    """
    found: list[WebFile] = []

    def ask() -> None:
        with _ranged(url, 0, 0) as response:
            size = response.headers.get("Content-Range", "").rpartition("/")[2]
            if not size.isdecimal():
                raise TinyclapError(f"{url}: the server does not say how long it is; {WHOLE_FILES}")
            found.append(WebFile(url, int(size), _stamp(response)))

    _persist(url, ask, lambda: 0, lambda: "check the network, then run the same command again")
    return found[0]


def read_range(file: WebFile, offset: int, size: int) -> bytes:
    """`size` bytes of a file on the web from `offset` on.

    What breaks off goes on where it stopped, as in `download`. Raises TinyclapError as `look_up` does, and for a file
    that is in another state than it was.
    """
    content = bytearray()

    def ask() -> None:
        try:
            with _ranged(file.url, offset + len(content), offset + size - 1) as response:
                if _stamp(response) != file.stamp:
                    raise TinyclapError(f"{file.url} changed on the server while it was read; run the command again")
                while len(content) < size and (chunk := _receive(response)):
                    content.extend(chunk)
        except _UnreachableError as error:  # it could be reached a moment ago
            raise _DroppedError(str(error)) from error
        if len(content) < size:
            raise _DroppedError(f"{len(content):,} of {size:,} bytes from byte {offset:,} on arrived")

    if size:
        _persist(file.url, ask, lambda: len(content), lambda: "check the network, then run the same command again")
    return bytes(content[:size])


def part_of(target: Path) -> Path:
    """Where a file lies until it is complete."""
    return target.with_name(target.name + ".part")


def _fetch_all(url: str, part: Path) -> None:
    """Complete `part`, trying again while that makes it longer than it ever was."""

    def kept() -> str:
        return f"{_size(part):,} bytes are kept in {part}, the same command goes on from there"

    _persist(url, lambda: _fetch(url, part), lambda: _size(part), kept)


def _persist(url: str, attempt: Callable[[], None], received: Callable[[], int], kept: Callable[[], str]) -> None:
    """Attempt it until it succeeds, while more is received than ever before; `kept` says what there is of it."""
    first = furthest = received()
    failures = 0
    while True:
        try:
            attempt()
            return
        except _DroppedError as error:
            failures = 0 if received() > furthest else failures + 1
            furthest = max(furthest, received())
            if isinstance(error, _UnreachableError) and furthest == first:
                remedy = f"; {kept()}" if first else ""
                raise TinyclapError(
                    f"cannot reach {url}: {error}; check the network and the address{remedy}"
                ) from error
            if failures == MAX_FAILURES:
                raise TinyclapError(f"{url}: the connection keeps breaking ({error}); {kept()}") from error
            time.sleep(FIRST_WAIT_S * 2**failures)


def _fetch(url: str, part: Path) -> None:
    """One connection: append what is missing to `part`, or begin it anew where the server cannot resume."""
    transfer = _connect(url, _size(part))
    if transfer is None:
        return
    received = transfer.offset
    counter = Progress(url.rsplit("/")[-1], transfer.total, "B", done=received)
    with transfer.response, counter, part.open("ab" if received else "wb") as file:
        while received != transfer.total and (chunk := _receive(transfer.response)):
            file.write(chunk)
            received += len(chunk)
            counter.update(len(chunk))
    if transfer.total is not None and received < transfer.total:
        raise _DroppedError(f"{received:,} of {transfer.total:,} bytes arrived")


def _connect(url: str, offset: int) -> _Transfer | None:
    """Ask for the bytes from `offset` on; None when there are none left."""
    try:
        response = _request(url, f"bytes={offset}-" if offset else None)
    except urllib.error.HTTPError as error:
        with error:
            return _refused(url, offset, error)
    length = int(response.headers["Content-Length"]) if response.headers["Content-Length"] else None
    resumed = response.status == http.client.PARTIAL_CONTENT
    if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        response.close()
        return _connect(url, 0)
    first = offset if resumed else 0
    return _Transfer(response, first, None if length is None else first + length)


def _request(url: str, wanted: str | None) -> http.client.HTTPResponse:
    """Ask for a file, or for a range of it. Raises HTTPError for what is no success."""
    headers = {"User-Agent": "tinyclap"} | ({"Range": wanted} if wanted else {})
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S
        )
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:
        raise _UnreachableError(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _DroppedError(repr(error)) from error
    return response


def _ranged(url: str, first: int, last: int) -> http.client.HTTPResponse:
    """An answer with the bytes [first, last] of a file, and nothing else."""
    try:
        response = _request(url, f"bytes={first}-{last}")
    except urllib.error.HTTPError as error:
        with error:
            if error.code in WORTH_RETRYING:
                raise _DroppedError(f"HTTP {error.code} {error.reason}") from error
            raise TinyclapError(f"{url}: the server answers {error.code} {error.reason}; check the address") from error
    content = response.headers.get("Content-Range", "")
    if response.status != http.client.PARTIAL_CONTENT or not content.startswith(f"bytes {first}-"):
        response.close()
        raise TinyclapError(f"{url}: the server sends no part of a file (it ignores range requests); {WHOLE_FILES}")
    return response


def _stamp(response: http.client.HTTPResponse) -> str:
    return response.headers["ETag"] or response.headers["Last-Modified"] or ""


def _refused(url: str, offset: int, error: urllib.error.HTTPError) -> _Transfer | None:
    if error.code == RANGE_NOT_SATISFIABLE and offset:
        complete = error.headers.get("Content-Range", "") == f"bytes */{offset}"
        return None if complete else _connect(url, 0)
    if error.code in WORTH_RETRYING:
        raise _DroppedError(f"HTTP {error.code} {error.reason}")
    raise TinyclapError(f"{url}: the server answers {error.code} {error.reason}; check the address")


def _receive(response: http.client.HTTPResponse) -> bytes:
    """The next bytes, empty at the end. Network errors are set apart from those of the disk, which are OSError too."""
    try:
        return response.read1(CHUNK_BYTES)  # what is there: nothing is lost when the connection breaks
    except (OSError, http.client.HTTPException) as error:
        raise _DroppedError(repr(error)) from error


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _mismatch(path: Path, sha256: str | None, md5: str | None, size: int | None) -> str | None:
    """How the file differs from what was announced, None if it does not."""
    if size is not None and path.stat().st_size != size:
        return f"size: expected {size:,} bytes, got {path.stat().st_size:,}"
    for name, expected in (("sha256", sha256), ("md5", md5)):
        if expected is None:
            continue
        with path.open("rb") as file:
            got = hashlib.file_digest(file, name).hexdigest()
        if got != expected.lower():
            return f"{name}: expected {expected.lower()}, got {got}"
    return None
