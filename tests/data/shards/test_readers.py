"""Clips decoded by several threads: the bytes of one, in its order."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.test_decoded import RATE, noise, write
from tinyclap.common.files import cache_root
from tinyclap.data.dataset import Concat
from tinyclap.data.decoded import decode
from tinyclap.data.folder import folder
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.data.shards.dataset import shards
from tinyclap.data.shards.writing import write_shards


@pytest.mark.parametrize("kind", ["folder", "shards", "both"])
def test_several_threads_write_what_one_does(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sounds = tmp_path / "sounds"
    for seed in range(12):
        write(sounds / f"{seed}.wav", noise(0.2 + 0.1 * seed, seed=seed))
    write(sounds / "long.wav", noise(2.5, seed=99))
    write(sounds / "silent.wav", np.zeros(RATE, np.float32))
    (sounds / "text.mp3").write_text("this is no music")
    plain = folder(sounds)
    write_shards(plain, str(tmp_path / "s-%d.tar"), clips=8)
    packed = shards(str(tmp_path / "s-{0..1}.tar"))
    dataset = {"folder": plain, "shards": packed, "both": Concat([plain, packed])}[kind]
    made = []
    for cores in (1, 5):
        monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path / f"cache-{cores}"))
        for module in ("tinyclap.data.dataset", "tinyclap.data.shards.dataset"):
            monkeypatch.setattr(f"{module}.usable_cores", lambda cores=cores: cores)
        assert dataset.readers == cores
        decode(dataset, RATE // 2, max_clip_s=1.0, max_bad_share=0.7)
        (store,) = (cache_root() / "audio").iterdir()
        made.append({path.name: path.read_bytes() for path in store.iterdir()})
    assert made[0] == made[1]


def test_what_cannot_be_read_by_several_threads_is_read_by_one() -> None:
    assert Procedural(2).readers == 1
    assert Concat([Procedural(2), Procedural(2, seed=1)]).readers == 1
