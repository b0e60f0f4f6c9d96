"""What `--ray` says where there is no Ray, no cluster, or no address; and how it is typed."""

import socket
import sys

import pytest

from tinyclap.cli.teams import with_address
from tinyclap.common.crew import on_ray
from tinyclap.common.crew.team import ALONE, Team
from tinyclap.common.crew.work import Job, Make
from tinyclap.errors import TinyclapError


def job(turn: int) -> Make:
    return str


def test_where_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    asked: Job = job
    with pytest.raises(TinyclapError, match=r'--ray needs the package ray: pip install "tinyclap\[ray\]"'):
        Team(ray="auto").crew(asked, str)


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "head:99999", "ray://head:10001", "head:port"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(TinyclapError, match=rf"--ray {address}: this is no address; give HOST:PORT of the head node"):
        on_ray._refuse_unreachable(address)


def test_where_nothing_answers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        expected = rf"--ray 127\.0\.0\.1:{port}: nothing answers there \(Connection refused\); is the head node running"
        with pytest.raises(TinyclapError, match=expected):
            on_ray._refuse_unreachable(f"127.0.0.1:{port}")
        taken.listen()
        on_ray._refuse_unreachable(f"127.0.0.1:{port}")
    with pytest.raises(TinyclapError, match=r"--ray no-such-host\.invalid:6379: nothing answers there"):
        on_ray._refuse_unreachable("no-such-host.invalid:6379")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("recipe --ray", "recipe --ray=auto"),
        ("recipe --ray head:6379", "recipe --ray head:6379"),
        ("recipe --ray=head:6379 --json", "recipe --ray=head:6379 --json"),
        ("recipe --ray --json", "recipe --ray=auto --json"),
        ("recipe --ray data.train.root=sounds", "recipe --ray=auto data.train.root=sounds"),
        ("--ray my_sounds", "--ray=auto my_sounds"),
        ("recipe --workers 3", "recipe --workers 3"),
        ("", ""),
    ],
)
def test_an_address_may_be_left_out(typed: str, meant: str) -> None:
    assert with_address(typed.split()) == meant.split()


def test_threads_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes share the cores, an actor has one; what the environment says stands."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("tinyclap.common.crew.team.usable_cores", lambda: 12)
    assert [team.threads_each for team in (Team(4), Team(24), Team(ray="auto"))] == [3, 1, 1]
    assert (ALONE.threads_here, Team(threads=3).threads_here) == (8, 3)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert Team(4).threads_each is None
    assert [team.is_alone for team in (ALONE, Team(1), Team(2), Team(1, "auto"))] == [True, True, False, False]
