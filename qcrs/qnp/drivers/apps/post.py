"""Messages of applications: hop by hop over the classical channels of a network's links, in its time.

`send` keeps a message at a hop that is cut and tries again for as long as the network's keep-alive
lets a neighbour be silent; `cast` loses it there, as a datagram. Nothing arrives at a node that is down.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from qcrs.qnp.control.routing import neighbours, route
from qcrs.qnp.drivers.heap import Network

__all__ = ["Post"]

AGAIN_NS = 1_000_000
Arrived = Callable[[int], None]


class Post:
    """The post of one network. `copies` makes each message arrive so many times."""

    def __init__(self, network: Network, *, copies: int = 1) -> None:
        self.network = network
        self.copies = copies
        self.lost = 0
        self._around = neighbours(network.topology)
        self._routes: dict[tuple[int, int], tuple[int, ...]] = {}

    def path(self, source: int, target: int) -> tuple[int, ...]:
        """The nodes a message passes."""
        key = (source, target)
        if key not in self._routes:
            nodes = self.network.topology.nodes
            names = nodes[source].name, nodes[target].name
            self._routes[key] = route(self.network.topology, *names, self._around)
        return self._routes[key]

    def delay_ns(self, source: int, target: int) -> int:
        """How long a message takes if nothing is in its way."""
        topology = self.network.topology
        names = [topology.nodes[n].name for n in self.path(source, target)]
        return sum(topology.links[topology.link_between(a, b)].frame_delay_ns for a, b in pairwise(names))

    def send(
        self, now: int, source: int, target: int, arrived: Arrived, failed: Arrived | None = None
    ) -> None:
        """Carry a message; `arrived` is called with the time at the target, or `failed` when given up."""
        self._hop(now, self.path(source, target), 0, arrived, failed, now, keep=True)

    def cast(self, now: int, source: int, target: int, arrived: Arrived) -> None:
        """Carry a message that may get lost."""
        self._hop(now, self.path(source, target), 0, arrived, None, now, keep=False)

    def _hop(
        self,
        now: int,
        path: tuple[int, ...],
        at: int,
        arrived: Arrived,
        failed: Arrived | None,
        since: int,
        *,
        keep: bool,
    ) -> None:
        network = self.network
        if at == len(path) - 1:
            for _ in range(self.copies):
                arrived(now)
            return
        names = network.topology.nodes[path[at]].name, network.topology.nodes[path[at + 1]].name
        link = network.topology.link_between(*names)
        if network.is_cut(link) or network.is_down(path[at + 1]):
            if keep and now - since <= network.topology.control.keepalive_ns:
                network.call_at(
                    now + AGAIN_NS, lambda t: self._hop(t, path, at, arrived, failed, since, keep=keep)
                )
                return
            self.lost += 1
            if failed is not None:
                failed(now)
            return
        delay = network.topology.links[link].frame_delay_ns
        network.call_at(now + delay, lambda t: self._hop(t, path, at + 1, arrived, failed, t, keep=keep))
