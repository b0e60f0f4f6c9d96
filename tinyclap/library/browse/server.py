"""The page's server: a few fixed names, the sounds by their id, and JSON; nothing is reached by a path."""

import importlib.resources
import json
import os
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tinyclap.common.files import parse_json
from tinyclap.errors import MachineError, TinyclapError
from tinyclap.library.browse.address import Address, token_for
from tinyclap.library.browse.api import LibraryApi, MapKind, OneThread
from tinyclap.library.browse.playable import Playable, playable
from tinyclap.library.browse.ranges import NoSuchRangeError, Span, asked_span

if TYPE_CHECKING:
    from tinyclap.library.library import Library

PAGE = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "map.js": ("map.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
SOUND = re.compile(r"sound/([0-9]{1,12}-[0-9]{1,12})(\.wav)?")
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
MOST_BODY_BYTES = 2**16
MOST_CONNECTIONS = 64
PATIENCE_S = 60.0  # with a client that neither reads nor writes


class BrowseServer(ThreadingHTTPServer):
    """Serves the page of a library. Make one, `serve_forever`, then `close`.

    Args:
        open_library: opens it; called in the thread that will ask it.
        host: loopback, or with `allow_remote` another address of this machine.
        port: 0 for any that is free.
        allow_remote: serve others too, under an address that holds a secret.
        map_kind: "neighbours" or "pca".

    Raises:
        TinyclapError: a host that is not allowed, and whatever `open_library` raises.
        MachineError: the address is taken or is not one of this machine.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 32
    allow_reuse_address = os.name != "nt"  # there it would share a port that is in use

    def __init__(
        self,
        open_library: "Callable[[], Library]",
        host: str,
        port: int,
        *,
        allow_remote: bool = False,
        map_kind: MapKind = "neighbours",
    ) -> None:
        token = token_for(host, allow_remote=allow_remote)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        folder = importlib.resources.files(__package__)
        self.page = {place: ((folder / name).read_bytes(), kind) for place, (name, kind) in PAGE.items()}
        self._connections = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise MachineError(
                f"cannot serve on {host}, port {port}: {getattr(error, 'strerror', None) or error}; another --port may "
                f"be free, --port 0 takes any"
            ) from error
        self.address = Address(host, self.server_address[1], token)
        self.library_thread = OneThread()
        try:
            self.api = LibraryApi(self.library_thread.call(open_library), map_kind)
        except BaseException:
            self.close()
            raise

    def ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """The answer of the thread that holds the library."""
        return self.library_thread.call(question, *arguments)

    def map(self) -> dict[str, Any]:
        """The map; drawn beside the thread that holds the library, which goes on answering."""
        return self.api.map(self.ask(self.api.shown))

    def close(self) -> None:
        """Give the port back; sounds that still play end with the process."""
        self.server_close()
        self.library_thread.close()

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of the machine's full name, which may wait for a network."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, while there are not too many."""
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, with all its requests."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers one request after the other of a connection."""

    server: BrowseServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tinyclap", ""
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        """The page's files, what is known of the library, and sounds."""
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body that nobody reads would be taken for the next request
        place = self._place()
        if place is None:
            return
        sound = SOUND.fullmatch(place)
        if place in self.server.page:
            self._send(HTTPStatus.OK, *self.server.page[place])
        elif place == "api/library":
            self._answer(self.server.ask, self.server.api.about)
        elif place == "api/map":
            self._answer(self.server.map)
        elif sound is not None:
            self._sound(sound[1], as_wav=sound[2] is not None)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Questions: a JSON object each."""
        body = self._body()
        place = self._place()
        if place is None or body is None:
            return
        api = self.server.api
        questions = {"api/find": api.find, "api/similar": api.similar, "api/some": api.some}
        if place not in questions:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such question")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "questions are application/json")
        else:
            try:
                asked = parse_json(body)
            except ValueError as error:
                self._refuse(HTTPStatus.BAD_REQUEST, f"the question is no JSON: {error}")
                return
            if isinstance(asked, dict):
                self._answer(self.server.ask, questions[place], asked)
            else:
                self._refuse(HTTPStatus.BAD_REQUEST, "a question is a JSON object")

    def _place(self) -> str | None:
        """What is asked for, below the root; None once the request is refused."""
        address = self.server.address
        try:
            path = urlsplit(self.path).path
        except ValueError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"the address is malformed: {error}")
            return None
        reason = address.refusal(self.headers.get_all("Host", []), self.headers, is_page=path == address.root)
        if reason is not None:
            self._refuse(HTTPStatus.FORBIDDEN, reason)
            return None
        place = address.place(path)
        if place is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
        return place

    def _body(self) -> bytes | None:
        """The body; None once the request is refused, and the connection ends since it stays unread."""
        stated = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not re.fullmatch("[0-9]{1,12}", stated):
            status, reason = HTTPStatus.LENGTH_REQUIRED, "a question has a Content-Length"
        elif int(stated) > MOST_BODY_BYTES:
            status, reason = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a question has {MOST_BODY_BYTES} bytes at most"
        else:
            return self.rfile.read(int(stated))
        self.close_connection = True
        self._refuse(status, reason)
        return None

    def _answer(self, question: Callable[..., dict[str, Any]], *arguments: Any) -> None:
        try:
            answer = question(*arguments)
        except MachineError as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except TinyclapError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"the library cannot be read: {error}")
        else:
            self._send_json(HTTPStatus.OK, answer)

    # ---- sounds

    def _sound(self, name: str, *, as_wav: bool) -> None:
        try:
            path = self.server.ask(self.server.api.path, name)
        except TinyclapError as error:
            self._refuse(HTTPStatus.NOT_FOUND, str(error))
            return
        try:
            found = playable(path, as_wav=as_wav)
            span = None if self._has_changed(found) else asked_span(self.headers.get("Range"), found.size)
            pieces = found.pieces(*((0, found.size) if span is None else (span.first, span.last)))
            first = next(pieces, b"") if self.command != "HEAD" else b""  # a fault shows before anything is promised
        except (TinyclapError, OSError) as error:
            self._refuse(
                HTTPStatus.NOT_FOUND if not os.path.exists(path) else HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)
            )
        except NoSuchRangeError:
            headers = {"Content-Range": f"bytes */{found.size}"}
            self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", found.media_type, headers)
        else:
            self._play(found, span, first, pieces)

    def _has_changed(self, found: Playable) -> bool:
        """Whether the player holds the beginning of another file."""
        return self.headers.get("If-Range", found.tag) != found.tag

    def _play(self, found: Playable, span: Span | None, first: bytes, pieces: Iterator[bytes]) -> None:
        self.send_response(HTTPStatus.OK if span is None else HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", found.media_type)
        self.send_header("Content-Length", str(found.size if span is None else span.last - span.first))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", found.tag)
        if span is not None:
            self.send_header("Content-Range", span.content_range)
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            self.wfile.write(first)
            for piece in pieces:
                self.wfile.write(piece)
        except TinyclapError as error:  # too late for another status: the player finds the sound cut
            self.close_connection = True
            print(f"warning: {error}", file=sys.stderr)

    # ---- sending

    def _send_json(self, status: HTTPStatus, value: dict[str, Any]) -> None:
        self._send(status, json.dumps(value, allow_nan=False).encode(), "application/json")

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._send_json(status, {"error": reason})

    def _send(self, status: HTTPStatus, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self) -> None:
        """With those that keep the page to itself."""
        for name, value in SECURITY.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""
