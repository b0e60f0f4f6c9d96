"""A client of the server of a library's page, that can say what no browser would."""

import http.client
import json
import socket
from dataclasses import dataclass
from email.message import Message
from typing import Any

from tinyclap.library.browse.address import Address


@dataclass(frozen=True)
class Client:
    """Talks to a server on this machine; a connection a question."""

    address: Address

    def send(
        self, method: str, place: str, body: bytes | None = None, *, root: str | None = None, **headers: str
    ) -> tuple[int, Message, bytes]:
        """Status, headers and body. `place` stands below the root; header names have _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.address.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, (self.address.root if root is None else root) + place, body, named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def json(self, method: str, place: str, question: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and the object that is answered to a question, or to none."""
        body = None if question is None else json.dumps(question).encode()
        kind = {} if question is None else {"Content_Type": "application/json"}
        status, _, content = self.send(method, place, body, **{**kind, **headers})
        return status, json.loads(content)

    def raw(self, content: bytes) -> bytes:
        """All that comes back for these bytes until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.address.port), timeout=30) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while piece := connection.recv(2**16):
                received += piece
        return received
