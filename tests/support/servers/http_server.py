"""A local server that drops, refuses and lies."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

PAYLOAD = np.random.default_rng(0).bytes(1_000_000)


class Server(ThreadingHTTPServer):
    """Serves one file, or the one asked for of several.

    `drops` holds, per request, after how many bytes the connection breaks (None: not at all).
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.payload = PAYLOAD
        self.files: dict[str, bytes] = {}  # by name, in place of the payload
        self.absent: set[str] = set()  # names that are not found
        self.drops: list[int | None] = []
        self.statuses: list[int] = []  # refusals, before anything is served
        self.knows_ranges = True
        self.announces_length = True
        self.etag: str | None = None
        self.shift = 0  # a faulty server: the range it sends begins this much later
        self.asked: list[str | None] = []  # the Range header of every request

    @property
    def url(self) -> str:
        return self.url_of("file.zip")

    def url_of(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        name = self.path.rpartition("/")[2]
        payload = server.files.get(name, server.payload)
        server.asked.append(self.headers["Range"])
        if name in server.absent:
            self.send_error(404)
            return
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        asked = self.headers["Range"] if server.knows_ranges else None
        first, _, last = (asked or "bytes=0-")[6:].partition("-")
        start, stop = int(first), min(len(payload), int(last) + 1) if last else len(payload)
        if start >= len(payload):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(payload)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start += server.shift if start else 0
        is_part = start > 0 or stop < len(payload) or bool(last)
        self.send_response(206 if is_part else 200)
        if is_part:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(payload)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        self._send_body(payload[start:stop], server.drops.pop(0) if server.drops else None)

    def _send_body(self, body: bytes, drop: int | None) -> None:
        chunked = not self.server.announces_length
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        sent = body if drop is None else body[:drop]
        if chunked:
            for first in range(0, len(sent), 50_000):
                piece = sent[first : first + 50_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if drop is None:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(sent)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""
