"""What the server of a library's page refuses."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.library.browse.client import Client
from tests.library.browse.conftest import serving
from tinyclap.errors import MachineError, TinyclapError
from tinyclap.library.browse.api import MOST_HITS
from tinyclap.library.browse.server import MOST_BODY_BYTES, BrowseServer
from tinyclap.library.library import Library

PAGES = ["", "page.css", "page.js", "map.js", "icon.svg"]


@pytest.fixture(scope="module")
def remote(library: Path) -> Iterator[Client]:
    with serving(library, "0.0.0.0", allow_remote=True) as client:
        yield client


@pytest.mark.parametrize(
    "place",
    [
        "sound/../../../../etc/passwd",
        "sound/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "../server.py",
        "server.py",
        "page.html",
        "sound/1",
        "sound/0-1/",
        "sound/0--1",
        "sound/-1",
        "sound/0-1e3",
        "sound/0-0x1",
        "sound/0-\u0661".encode().decode("latin-1"),
        "sound/0-" + "9" * 40,
        "/etc/passwd",
        "api/find",
    ],
)
def test_nothing_is_reached_by_a_path(client: Client, place: str) -> None:
    head = (
        f"GET {client.address.root}{place} HTTP/1.1\r\nHost: 127.0.0.1:{client.address.port}\r\nConnection: close\r\n"
    )
    answer = client.raw(head.encode("latin-1") + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"root:" not in answer


def test_a_malformed_address_is_refused(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    host = f"Host: 127.0.0.1:{client.address.port}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode()
    for method in (b"GET", b"POST"):
        answer = client.raw(method + b" http://[ HTTP/1.1\r\n" + host)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"the address is malformed" in answer
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("row", [9, 10**11])
def test_rows_that_do_not_exist(client: Client, row: int) -> None:
    status, answer = client.json("GET", f"sound/0-{row}")
    assert status == 404
    assert str(row) in answer["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 50_000, "nested too deeply"),
        (b"[1]", "a question is a JSON object"),
        (b"null", "a question is a JSON object"),
        (b"{}", "write some words"),
        (b'{"text": "   "}', "write some words"),
        (b'{"text": 7}', "text must be text"),
        (b'{"text": ["dog"]}', "text must be text"),
        (b'{"text": "dog", "where": "duration<3"}', "unknown keys"),
        (b'{"text": "dog", "n": 0}', "n must be a whole number"),
        (b'{"text": "dog", "n": 1e400}', "n must be a whole number"),
        (b'{"text": "dog", "n": ' + b"9" * 6000 + b"}", "n must be a whole number"),
        (b'{"text": "dog", "n": true}', "n must be a whole number"),
        (json.dumps({"text": "dog", "n": MOST_HITS + 1}).encode(), "n must be a whole number"),
        (json.dumps({"text": "dog " * 300}).encode(), "1000 at most"),
    ],
)
def test_questions_that_are_none(client: Client, body: bytes, message: str) -> None:
    status, _, content = client.send("POST", "api/find", body, Content_Type="application/json")
    assert status == 400
    assert message in json.loads(content)["error"]


@pytest.mark.parametrize(
    ("id", "message"),
    [
        *[(id, "id must be GENERATION-ROW") for id in (-1, 1.5, "1", "0--1", "0-" + "9" * 30, None, True, ["0-1"])],
        ("0-9", "has no row 9"),
        ("1-0", "reload the page"),
    ],
)
def test_sounds_similar_to_none(client: Client, id: object, message: str) -> None:
    status, answer = client.json("POST", "api/similar", {"id": id})
    assert status == 400
    assert message in answer["error"]


def test_a_question_needs_its_type_and_length(client: Client) -> None:
    assert (
        client.send("POST", "api/find", b"{}", Content_Type="text/plain")[0] == 415
    )  # what a form of another site sends
    assert client.send("POST", "api/find", b" " * (MOST_BODY_BYTES + 1), Content_Type="application/json")[0] == 413
    host = f"Host: 127.0.0.1:{client.address.port}\r\n".encode()
    for stated in (b"", b"Content-Length: -5\r\n", b"Content-Length: many\r\n", b"Transfer-Encoding: chunked\r\n"):
        answer = client.raw(b"POST /api/find HTTP/1.1\r\n" + host + stated + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 411 ")
    assert client.json("POST", "api/other", {})[0] == 404
    assert client.send("PUT", "api/find", b"{}")[0] == 501


def test_other_hosts_and_origins_are_refused(client: Client) -> None:
    for place in [*PAGES, "api/map", "sound/0-0"]:
        assert client.send("GET", place, Host="evil.example")[0] == 403
        assert client.send("GET", place, Origin="http://evil.example")[0] == 403
    assert client.json("POST", "api/find", {"text": "dog"}, Origin="null")[0] == 403
    assert client.json("POST", "api/find", {"text": "dog"}, Sec_Fetch_Site="cross-site")[0] == 403
    own = f"http://127.0.0.1:{client.address.port}"
    assert client.json("POST", "api/find", {"text": "dog"}, Origin=own, Sec_Fetch_Site="same-origin")[0] == 200
    two = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{client.address.port}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert client.raw(two.encode()).startswith(b"HTTP/1.1 403 ")


def test_others_need_the_secret(remote: Client) -> None:
    token = remote.address.token
    assert token is not None
    for root in ("/", f"/{token[:-1]}/", f"/{token}x/", "//"):
        for place in (*PAGES, "api/library", "sound/0-0"):
            assert remote.send("GET", place, root=root)[0] == 404
        assert remote.json("POST", "api/find", {"text": "dog"}, Host="192.168.1.7:80")[0] == 200
        assert remote.send("POST", "api/find", b"{}", root=root, Content_Type="application/json")[0] == 404
    assert remote.send("GET", "", Host="raspberrypi:8642")[0] == 200
    assert remote.send("GET", "api/map", Origin="http://evil.example")[0] == 403


def test_a_host_that_others_reach_must_be_allowed(library: Path) -> None:
    with pytest.raises(TinyclapError, match="--allow-remote"):
        BrowseServer(lambda: Library.open(library), "0.0.0.0", 0)
    with pytest.raises(MachineError, match=r"cannot serve on 203\.0\.113\.1"):
        BrowseServer(lambda: Library.open(library), "203.0.113.1", 0, allow_remote=True)


def test_a_port_that_is_taken_and_a_library_that_is_none(client: Client, library: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="--port 0 takes any"):
        BrowseServer(lambda: Library.open(library), "127.0.0.1", client.address.port)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TinyclapError, match="is not a library"):
        BrowseServer(lambda: Library.open(tmp_path), "127.0.0.1", port)
    BrowseServer(lambda: Library.open(library), "127.0.0.1", port).close()  # the refused one gave its port back
