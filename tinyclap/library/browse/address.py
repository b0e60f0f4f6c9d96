"""Where the page is served, and whom it answers.

By default it is this machine alone. A page of another site that the user has open must not reach it either: by the
name in Host (DNS rebinding), by Origin and by Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) such requests are
known and refused.
"""

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from email.message import Message

from tinyclap.errors import TinyclapError

PORT = 8642
LOOPBACK = "127.0.0.1"
TOKEN_BYTES = 18


@dataclass(frozen=True)
class Address:
    """Where it is served.

    Attributes:
        host: name or number that the server is bound to.
        port: the port.
        token: first part of every path; None where only this machine is served.
    """

    host: str
    port: int
    token: str | None = None

    @property
    def root(self) -> str:
        """What every path begins with."""
        return "/" if self.token is None else f"/{self.token}/"

    @property
    def url(self) -> str:
        """What to open in a browser; by the machine's name where all its interfaces are served."""
        return self._url(socket.gethostname() if is_any(self.host) else self.host)

    @property
    def local_url(self) -> str:
        """What to open in a browser of this machine, which need not find its own name."""
        loopback = "::1" if ":" in self.host else LOOPBACK
        return self._url(loopback if is_any(self.host) else self.host)

    def place(self, path: str) -> str | None:
        """What of a path follows the root; None where it does not begin with it."""
        if self.token is None:
            return path.removeprefix("/") if path.startswith("/") else None
        given, slash, rest = path.removeprefix("/").partition("/")
        right = hmac.compare_digest(given.encode(errors="replace"), self.token.encode())
        return rest if right and slash else None

    def refusal(self, hosts: list[str], headers: Message, *, is_page: bool) -> str | None:
        """Why a request is not answered, by its headers; None if it is.

        Args:
            hosts: the values of Host.
            headers: the others, by name in any case.
            is_page: whether it asks for the page, to which a link may lead from anywhere.
        """
        if len(hosts) != 1:
            return "one Host header is needed"
        host = hosts[0].strip().lower()
        if self.token is None and host not in self._names():
            return f"nothing is served for the host {host[:80]!r}; open {self.url}"
        origin = headers.get("Origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return f"pages of {origin[:80]!r} are not answered"
        site = headers.get("Sec-Fetch-Site", "none")
        followed = (
            is_page and headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
        )
        if site not in ("same-origin", "none") and not followed:
            return "other pages are not answered"
        return None

    def _url(self, host: str) -> str:
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{self.root}"

    def _names(self) -> set[str]:
        names = {LOOPBACK, "localhost", f"[{self.host}]" if ":" in self.host else self.host.lower()}
        return {f"{name}:{self.port}" for name in names} | (names if self.port == 80 else set())


def token_for(host: str, *, allow_remote: bool) -> str | None:
    """None for this machine alone; a secret of 144 bits for an address that others can reach.

    Raises:
        TinyclapError: others could reach it, which nobody has allowed.
    """
    if is_loopback(host):
        return None
    if not allow_remote:
        raise TinyclapError(
            f"--host {host} lets other machines listen to this library; with --allow-remote it is served under an "
            f"address that holds a secret, unencrypted; without --host, to this machine alone"
        )
    return secrets.token_urlsafe(TOKEN_BYTES)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. A name other than localhost counts as one that others reach."""
    number = _number(host)
    return host.lower() == "localhost" if number is None else number.is_loopback


def is_any(host: str) -> bool:
    """Whether it stands for all interfaces of the machine."""
    number = _number(host)
    return host == "" or (number is not None and number.is_unspecified)


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
