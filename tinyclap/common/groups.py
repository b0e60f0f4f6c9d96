"""What links connect (union-find: Galler & Fischer 1964, doi:10.1145/364099.364331)."""

from collections.abc import Iterable


def connected(count: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups of `count` things, numbered from 0, that pairs connect, directly or by others.

    Also of one thing alone; in the order of their first things, and in each group ascending.
    """
    parent = list(range(count))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = at = parent[parent[at]]
        return at

    for one, other in links:
        parent[root(other)] = root(one)
    groups: dict[int, list[int]] = {}
    for at in range(count):
        groups.setdefault(root(at), []).append(at)
    return list(groups.values())
