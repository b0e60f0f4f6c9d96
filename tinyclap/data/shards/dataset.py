"""A data set of WebDataset tars: clips by their place in a shard, in any order, the same every time."""

import threading
from collections.abc import Hashable, Sequence
from typing import Any

from tinyclap.common.machine import usable_cores
from tinyclap.common.parallel import prepared_ahead
from tinyclap.common.progress import counted
from tinyclap.data.dataset import Clip, digest
from tinyclap.data.shards.addresses import absolute, expand, is_remote, set_name, short_names
from tinyclap.data.shards.index import Sample, index_of
from tinyclap.data.shards.packed import Packed, Place
from tinyclap.data.shards.sources import Shard, open_shard
from tinyclap.errors import TinyclapError, listed

READERS = 4  # shards that are looked at at the same time
MOST_LISTED = 20


class Shards(Packed):
    """Clips that lie in shards.

    Args:
        name: of the data set.
        clips: in the order of the shards.
        places: by clip name.
        addresses: of the shards, absolute, each with its stamp.
    """

    def __init__(
        self, name: str, clips: list[Clip], places: dict[str, Place], addresses: list[tuple[str, str]]
    ) -> None:
        super().__init__(name, clips, places)
        self._addresses = addresses
        self._opened = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _opened=threading.local())

    @property
    def readers(self) -> int:
        """One where shards are fetched: each thread would fetch ahead for itself."""
        return 1 if any(is_remote(address) for address, _ in self._addresses) else usable_cores()

    def _home(self, clip: Clip) -> Hashable:
        return self._addresses[self._places[clip.name].shard][0].rpartition("/")[0]

    def _of(self, place: Place) -> Hashable:
        return self._addresses[place.shard]

    def _bytes(self, clip: Clip) -> bytes:
        place = self._places[clip.name]
        content = self._shard(place.shard).read(place.offset, place.size)
        if place.digest and digest(content) != place.digest:
            raise TinyclapError(
                f"{self._addresses[place.shard][0]}: {clip.name} holds other bytes than when the shard was first read; "
                "run `tinyclap cache shards --clear`, then the command again"
            )
        return content

    def _shard(self, number: int) -> Shard:
        """The shard that this thread reads; the one before it is let go."""
        latest: tuple[int, Shard] | None = getattr(self._opened, "latest", None)
        if latest is None or latest[0] != number:
            address, stamp = self._addresses[number]
            shard = open_shard(address)
            if shard.stamp != stamp:
                raise TinyclapError(f"{address} changed since the command began; run it again")
            latest = self._opened.latest = number, shard
        return latest[1]


def shards(urls: str | Sequence[str]) -> Shards:
    """The clips of WebDataset tars: here, on the web (which must send ranges), or in any store that fsspec knows.

    A clip is a sound, `N.flac` or of any other suffix that can be decoded here, with what `N.json` or `N.txt` beside it
    say of it (`described`). It is named by `clip` in its JSON, as `tinyclap shard` writes it, else by shard and member.
    Tags are labels where no clip has a label and none several tags; elsewhere they are the caption of clips without.

    Args:
        urls: addresses; `data-{0000..0999}.tar` is a thousand of them.

    Raises:
        TinyclapError: shards that are not there or damaged, all at once; two clips of one name.
    """
    patterns = [urls] if isinstance(urls, str) else list(urls)
    addresses = [absolute(address) for address in expand(patterns)]
    read = list(counted(prepared_ahead(_looked_at, addresses, READERS), "list shards", len(addresses), "shard"))
    _refuse_faulty([result for result in read if isinstance(result, str)], len(addresses))
    found = [result for result in read if not isinstance(result, str)]
    names = short_names(addresses)
    tagged = tags_are_labels([sample for _, samples in found for sample in samples])
    clips: list[Clip] = []
    places: dict[str, Place] = {}
    twice: list[str] = []
    for number, (_, samples) in enumerate(found):
        for sample in samples:
            clip = clip_of(sample, f"{names[number]}/{sample.member}", tags_are_labels=tagged)
            if clip.name in places:
                twice.append(
                    f"{clip.name} ({' and '.join(dict.fromkeys([names[places[clip.name].shard], names[number]]))})"
                )
            clips.append(clip)
            digest_bytes = bytes.fromhex(sample.digest)
            places[clip.name] = Place(number, sample.offset, sample.size, digest_bytes, sample.fault)
    if twice:
        raise TinyclapError(f"{len(twice)} clips have the name of another one: {listed(twice)}; leave one of each out")
    stamped = [(address, stamp) for address, (stamp, _) in zip(addresses, found, strict=True)]
    return Shards(set_name(patterns), clips, places, stamped)


def _looked_at(address: str) -> tuple[str, list[Sample]] | str:
    """A shard's stamp and its samples, or what is wrong with it."""
    try:
        shard = open_shard(address)
        return shard.stamp, index_of(shard)
    except TinyclapError as error:
        return str(error)


def _refuse_faulty(problems: list[str], count: int) -> None:
    if problems:
        more = [f"... and {len(problems) - MOST_LISTED} more"] if len(problems) > MOST_LISTED else []
        raise TinyclapError(
            "\n  ".join([f"{len(problems)} of {count} shards cannot be used:", *problems[:MOST_LISTED], *more])
        )


def tags_are_labels(samples: Sequence[Sample]) -> bool:
    """Whether no clip has a label and none several tags."""
    return all(sample.said.label is None and len(sample.said.tags) <= 1 for sample in samples)


def clip_of(sample: Sample, place: str, *, tags_are_labels: bool) -> Clip:
    """A clip, named as it is said, else by its place."""
    said = sample.said
    label, captions = said.label, said.captions
    if tags_are_labels:
        label = said.tags[0] if said.tags else None
    elif said.tags and not captions:
        captions = (", ".join(said.tags),)
    return Clip(said.name or place, label, captions, said.fold, said.split, said.source)
