"""Who is answered: this machine, or who knows the secret; never the page of another site."""

from email.message import Message

import pytest

from tinyclap.errors import TinyclapError
from tinyclap.library.browse.address import Address, is_loopback, token_for

HERE, SECRET = Address("127.0.0.1", 8642), Address("0.0.0.0", 8642, "s3cret")


def headers(**named: str) -> Message:
    made = Message()
    for name, value in named.items():
        made[name.replace("_", "-")] = value
    return made


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1"])
def test_this_machine_needs_no_secret(host: str) -> None:
    assert is_loopback(host)
    assert token_for(host, allow_remote=True) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "raspberrypi", "", "localhost.evil.example"])
def test_other_addresses_are_refused_unless_allowed_and_get_a_secret_of_their_own(host: str) -> None:
    with pytest.raises(TinyclapError, match=r"--allow-remote .* without --host, to this machine alone"):
        token_for(host, allow_remote=False)
    tokens = {token_for(host, allow_remote=True) for _ in range(10)}
    assert len(tokens) == 10
    assert all(token is not None and len(token) >= 24 for token in tokens)


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost:8642", "LocalHost:8642"])
def test_its_own_names_are_answered(host: str) -> None:
    assert HERE.refusal([host], headers(), is_page=False) is None


@pytest.mark.parametrize(
    "hosts",
    [
        ["evil.example"],
        ["evil.example:8642"],  # a name that was bound to 127.0.0.1 after the page had been loaded
        ["127.0.0.1"],  # another port
        ["127.0.0.1:8643"],
        ["127.0.0.1.evil.example:8642"],
        [""],
        [],
        ["127.0.0.1:8642", "evil.example"],
    ],
)
def test_other_hosts_are_refused(hosts: list[str]) -> None:
    assert HERE.refusal(hosts, headers(), is_page=True)


@pytest.mark.parametrize("address", [HERE, SECRET])
@pytest.mark.parametrize("origin", ["http://evil.example", "https://127.0.0.1:8642", "http://127.0.0.1:1", "null"])
def test_other_origins_are_refused(address: Address, origin: str) -> None:
    host = ["127.0.0.1:8642"]
    assert address.refusal(host, headers(Origin=origin), is_page=False)
    assert address.refusal(host, headers(Origin="http://127.0.0.1:8642"), is_page=False) is None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_sites_are_refused_but_a_link_to_the_page_may_be_followed(site: str) -> None:
    host, asked = ["127.0.0.1:8642"], {"Sec_Fetch_Site": site}
    assert HERE.refusal(host, headers(**asked), is_page=True)
    followed = headers(**asked, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document")
    assert HERE.refusal(host, followed, is_page=True) is None
    assert HERE.refusal(host, followed, is_page=False)
    framed = headers(**asked, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe")
    assert HERE.refusal(host, framed, is_page=True)


@pytest.mark.parametrize("path", ["/", "/page.css", "/s3cre/", "/s3crett/", "/s3cret", "//s3cret/", "/S3CRET/", "/é/"])
def test_without_the_secret_there_is_nothing(path: str) -> None:
    assert SECRET.place(path) is None


def test_places_stand_below_the_root() -> None:
    assert SECRET.place("/s3cret/") == ""
    assert SECRET.place("/s3cret/sound/7") == "sound/7"
    assert HERE.place("/sound/7") == "sound/7"
    assert HERE.place("http://127.0.0.1:8642/") is None


def test_the_address_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "raspberrypi")
    assert HERE.url == HERE.local_url == "http://127.0.0.1:8642/"
    assert SECRET.url == "http://raspberrypi:8642/s3cret/"
    assert SECRET.local_url == "http://127.0.0.1:8642/s3cret/"
    assert Address("", 80, "s").local_url == "http://127.0.0.1:80/s/"
    assert Address("::", 80, "s").url == "http://raspberrypi:80/s/"
    assert Address("::", 80, "s").local_url == "http://[::1]:80/s/"
    assert Address("192.168.1.7", 80, "s").local_url == "http://192.168.1.7:80/s/"
    assert Address("::1", 80).url == Address("::1", 80).local_url == "http://[::1]:80/"
    assert Address("::1", 80).refusal(["[::1]"], headers(), is_page=False) is None
