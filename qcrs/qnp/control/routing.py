"""Routing: the path of a circuit."""

from __future__ import annotations

import heapq

from qcrs.errors import ConfigError
from qcrs.qnp.topology.model import Topology

__all__ = ["neighbours", "route"]


def neighbours(topology: Topology) -> dict[int, list[tuple[int, float]]]:
    """Each node's neighbours with the length of the link in metres."""
    found: dict[int, list[tuple[int, float]]] = {}
    for link in topology.links:
        a, b = topology.index(link.a), topology.index(link.b)
        found.setdefault(a, []).append((b, link.length_m))
        found.setdefault(b, []).append((a, link.length_m))
    return found


def route(
    topology: Topology, head: str, tail: str, around: dict[int, list[tuple[int, float]]] | None = None
) -> tuple[int, ...]:
    """The path with the fewest hops, then the shortest, as node numbers (`around`: see `neighbours`)."""
    start, goal = topology.index(head), topology.index(tail)
    around = neighbours(topology) if around is None else around
    heap: list[tuple[int, float, int, tuple[int, ...]]] = [(0, 0.0, start, (start,))]
    done: set[int] = set()
    while heap:
        hops, length, node, path = heapq.heappop(heap)
        if node == goal:
            return path
        if node in done:
            continue
        done.add(node)
        for other, metres in around.get(node, ()):
            if other not in done:
                heapq.heappush(heap, (hops + 1, length + metres, other, (*path, other)))
    raise ConfigError(
        "no path joins these nodes",
        field="circuit",
        value=f"{head}-{tail}",
        solution="add links between them",
    )
