"""Work on a Ray cluster of two nodes on this machine: a killed node, a killed driver, and what a cluster cannot do."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.scale.conftest import embed, store_hash
from tests.support.commands import failure, run
from tests.support.sounds import noise, write
from tests.support.tiny_bundles import tiny_bundle
from tinyclap import Library
from tinyclap.common import row_store
from tinyclap.common.crew.crew import Crew
from tinyclap.common.crew.team import Team
from tinyclap.common.files import cache_root
from tinyclap.pipelines.scale import embed_teacher as module

ray = pytest.importorskip("ray", reason='pip install "tinyclap[ray]"', exc_type=ImportError)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings

MANY = ("data.train.n_clips=252", "views.per_clip=100")  # 24 clips: 5 parts
NODE = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and another node, of one core each; this process is connected by the commands alone."""
    os.environ.update(RAY_DEDUP_LOGS="0", RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0")  # else 15
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args=NODE)
    made.add_node(**NODE)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def two_nodes(cluster: Any) -> Any:
    """The cluster, with its second node where a test has killed it."""
    if len(cluster.worker_nodes) == 0:
        cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()


_quiet: list[str] = []


@pytest.fixture
def quiet(quick: Path, elsewhere: Callable[[str], None]) -> str:
    """The hash of the store that this process makes by itself, once; the cache is then an empty one."""
    if not _quiet:
        elsewhere("quiet")
        embed(quick, many=MANY)
        _quiet.append(store_hash())
    elsewhere("cluster")
    return _quiet[0]


def test_a_node_killed_in_the_middle(quick: Path, quiet: str, two_nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the first part is there, and both nodes have begun."""
    put, put_part, crews, killed = module._put, row_store.RowStore.put_part, list[Crew](), list[Any]()

    def note(store: Any, part: int, crew: Crew) -> None:
        crews.append(crew)
        put(store, part, crew)

    def kill_first(store: Any, part: int, content: bytes) -> bool:
        if not killed:
            killed.extend(two_nodes.worker_nodes)
            wait_for(lambda: crews[0].at_work == 2)
            two_nodes.remove_node(killed[0], allow_graceful=False)
        return put_part(store, part, content)

    monkeypatch.setattr(module, "_put", note)
    monkeypatch.setattr(row_store.RowStore, "put_part", kill_first)
    told = embed(quick, "--ray", two_nodes.address, many=MANY)
    assert killed
    assert (told["computed"], told["missing"], store_hash()) == (5, 0, quiet)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_killed_driver_is_run_again(quick: Path, quiet: str, two_nodes: Any) -> None:
    words = ["embed-teacher", str(quick), *MANY, "--ray", two_nodes.address]
    process = subprocess.Popen([sys.executable, "-m", "tinyclap", *words], stderr=subprocess.PIPE)
    parts = cache_root() / "embeddings"
    wait_for(lambda: process.poll() is not None or bool(list(parts.glob("*/parts/*.part"))))
    process.kill()
    process.communicate()
    told = embed(quick, "--ray", two_nodes.address, many=MANY)
    assert (told["missing"], store_hash()) == (0, quiet)


def test_nodes_without_the_sounds_say_so(
    quick: Path, elsewhere: Callable[[str], None], two_nodes: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere("cluster")
    fill = module._filled_by

    def without_sounds(team: Team, job: module.Job, *rest: Any) -> Any:
        return fill(team, replace(job, decoded=tmp_path / "nowhere"), *rest)

    monkeypatch.setattr(module, "_filled_by", without_sounds)
    message, code = failure("embed-teacher", str(quick), *MANY, "--ray", two_nodes.address)
    assert message.startswith("node ")
    assert f"there is no {tmp_path / 'nowhere'}, the sounds as this machine has decoded them; all nodes" in message
    assert code == 2


# ---- libraries


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("made") / "bundle")


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Good files, and a bad one in their midst."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number in range(12):
        write(folder / f"{number:02}.wav", noise(0.3 + 0.1 * number, number))
    (folder / "05.wav").write_bytes(b"no sound")
    return folder


def test_index_and_embed_are_as_without(
    bundle: Path, sounds: Path, two_nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = {}
    for name, options in {"alone": [], "workers": ["--workers", "2"], "ray": ["--ray", two_nodes.address]}.items():
        told = json.loads(run("index", "sounds", "--out", name, "--bundle", str(bundle), *options, "--json"))
        run("embed", "sounds", "--bundle", str(bundle), "--out", f"{name}.npy", "--windows", *options)
        library = Library.open(name)
        rows = [(hit.path, hit.start_s, hit.end_s) for hit in library.rows()]
        made[name] = (
            {key: value for key, value in told.items() if key not in ("library", "seconds")},
            rows,
            library.embeddings().tobytes(),
            Path(f"{name}.npy").read_bytes(),
            json.loads(Path(f"{name}.json").read_text()),
        )
    assert made["workers"] == made["alone"]
    assert made["ray"] == made["alone"]
