"""The quantum side of a network: links that make pairs, memories that hold them, and the hardware behind.

Shared by both drivers: the event heap calls it directly, the broker process on behalf of nodes. Time comes
in as an argument; random numbers are the physical layer's, one stream a link.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, log1p
from typing import Any

from qcrs.errors import InputError
from qcrs.qnp.link.stream import LinkLayer
from qcrs.qnp.link.stream import Stream as Label
from qcrs.qnp.physical.hardware import BASIS_SETS, KEEP, Hardware, Source
from qcrs.qnp.physical.streams import Stream
from qcrs.qnp.topology.model import Topology

__all__ = ["Link", "Plant", "Pool"]


class Pool:
    """Communication qubits: of one end of a link, or of a whole node. `waiting` are links that want one."""

    __slots__ = ("free", "size", "waiting")

    def __init__(self, size: int) -> None:
        self.size = size
        self.free = size
        self.waiting: list[Link] = []


class Link:
    """A link: its layer, the pools at both ends, and the attempt under way."""

    __slots__ = (
        "busy",
        "down",
        "draws",
        "index",
        "label",
        "layer",
        "nodes",
        "pools",
        "token",
        "waits",
    )

    def __init__(
        self, index: int, nodes: tuple[int, int], pools: tuple[Pool, Pool], layer: LinkLayer, draws: Stream
    ) -> None:
        self.index = index
        self.nodes = nodes
        self.pools = pools
        self.layer = layer
        self.draws = draws
        self.label: Label | None = None
        self.busy = False
        self.down = False
        self.waits = False
        self.token = 0


class Plant:
    """All links, pools and pairs. `schedule(time, link, token)` asks for `herald` to be called then."""

    def __init__(
        self,
        topology: Topology,
        hardware: Hardware,
        seed: int,
        schedule: Callable[[int, Link, int], None],
    ) -> None:
        self.hardware = hardware
        self.links: list[Link] = []
        self.pairs_made = 0
        self._schedule = schedule
        self._inverse: dict[float, float] = {}
        self._pool_of: dict[int, Pool] = {}
        self._measured: dict[int, int] = {}
        self._axes = [Stream(seed, f"axes/{i}") for i in range(len(topology.nodes))]
        self._shared = [Pool(n.hardware.qubits) if n.hardware.qubits else None for n in topology.nodes]
        self.pools: list[Pool] = [p for p in self._shared if p is not None]
        coordinated = topology.control.labels == "coordinated"
        for index, spec in enumerate(topology.links):
            nodes = (topology.index(spec.a), topology.index(spec.b))
            pools = [
                self._shared[n] or self._own_pool(topology.nodes[n].hardware.qubits_per_link) for n in nodes
            ]
            layer = LinkLayer(coordinated=coordinated)
            link = Link(index, nodes, (pools[0], pools[1]), layer, Stream(seed, f"link/{index}"))
            self.links.append(link)

    def _own_pool(self, size: int) -> Pool:
        pool = Pool(size)
        self.pools.append(pool)
        return pool

    # ------------------------------------------------------------------ streams

    def install(self, link: int, label: int, source: Source, weight: int) -> Label:
        """Let a link serve a label with this setting of its source; the label's stream."""
        if source.p not in self._inverse:
            self._inverse[source.p] = 0.0 if source.p >= 1.0 else 1 / log1p(-source.p)
        inverse = self._inverse[source.p]
        stream = self.links[link].layer.install(label, weight)
        stream.source, stream.inverse = source, inverse
        return stream

    def start(self, now: int, link: int, label: int, end: int, mode: int) -> None:
        """CREATE from one end."""
        if mode >= 0 and mode not in BASIS_SETS:
            raise InputError("no such basis", field="basis", value=mode)
        one = self.links[link]
        if one.layer.create(label, end, mode) and not one.busy:
            self.attempt(now, one)

    def stop(self, now: int, link: int, label: int, end: int) -> None:
        """One end stops a label; an attempt for it is given up."""
        one = self.links[link]
        one.layer.stop(label, end)
        if one.busy and one.label is not None and one.label.label == label:
            self.cancel(now, one)
            self.attempt(now, one)

    def cancel(self, now: int, link: Link) -> None:
        """Give up the attempt under way."""
        if link.busy:
            link.busy = False
            link.token += 1
            link.label = None
            for pool in link.pools:
                self.give(now, pool)

    def set_down(self, now: int, link: int, down: bool) -> None:
        """A link stops or resumes working."""
        one = self.links[link]
        one.down = down
        if down:
            self.cancel(now, one)
        else:
            self.attempt(now, one)

    # ------------------------------------------------------------------ pairs

    def attempt(self, now: int, link: Link) -> None:
        """Begin to make the next pair if there is somebody to make it for and memory at both ends.

        One draw of the geometric distribution stands for all attempts until the first success.
        """
        if link.busy or link.down or link.waits:
            return
        first, second = link.pools
        if not (first.free and second.free) or (first is second and first.free < 2):
            if link.layer.is_open:
                link.waits = True
                for pool in link.pools:
                    pool.waiting.append(link)
            return
        label: Label | None
        draws, layer = link.draws, link.layer
        if layer.coordinated:
            position = layer.position
            if position < len(layer.order):  # as `turn`, without the call: this is done for every pair
                layer.position = position + 1
                label = layer.order[position]
            else:
                label = layer.turn()
        else:
            label = layer.turn(draws.uniform() if layer.wants_draw() else 0.0)
        if label is None:
            return
        first.free -= 1
        second.free -= 1
        link.label = label
        link.busy = True
        attempts = 1 + int(log(draws.uniform()) * label.inverse)
        self._schedule(now + attempts * label.source.attempt_ns, link, link.token)

    def herald(self, now: int, link: Link) -> tuple[Label, int, int, int, int, int, int] | None:
        """The attempt under way succeeds: stream, sequence, Bell index, both handles, both outcomes.

        An end that measures gets its memory back at once.
        """
        label = link.label
        link.busy = False
        link.label = None
        if label is None:
            return None
        label.sequence += 1
        self.pairs_made += 1
        source = label.source
        bells = source.bells
        count = len(bells)
        bell = bells[min(int(link.draws.uniform() * count), count - 1)] if count > 1 else bells[0]
        nodes, pools = link.nodes, link.pools
        one, two = self.hardware.create(now, source, nodes[0], nodes[1], bell)
        first, second = label.modes
        seen1 = seen2 = -1
        if first == KEEP:
            self._pool_of[one] = pools[0]
        else:
            seen1 = self._measured_at_once(now, nodes[0], one, first, pools[0])
        if second == KEEP:
            self._pool_of[two] = pools[1]
        else:
            seen2 = self._measured_at_once(now, nodes[1], two, second, pools[1])
        return label, label.sequence, bell, one, two, seen1, seen2

    def _measured_at_once(self, now: int, node: int, handle: int, mode: int | None, pool: Pool) -> int:
        """Measure along one of the mode's axes: 2·axis + bit."""
        axes = BASIS_SETS[mode or 0]
        axis = axes[self._axes[node].below(len(axes))] if len(axes) > 1 else axes[0]
        bit = self.hardware.measure(now, node, handle, axis)
        self._measured[handle] = node
        self.give(now, pool)
        return 2 * axis + bit

    def swap(self, now: int, node: int, left: int, right: int) -> int:
        """Bell measurement: both qubits are free again."""
        outcome = self.hardware.swap(now, node, left, right)
        pop = self._pool_of.pop
        for handle in (left, right):
            pool = pop(handle)
            pool.free += 1
            if pool.waiting:
                self._wake(now, pool)
        return outcome

    def used(self, now: int, handle: int) -> None:
        """The hardware ended a handle by itself, as in a Bell measurement: only its memory is given back."""
        self.give(now, self._pool_of.pop(handle))

    def free(self, now: int, handle: int) -> None:
        """Give up a qubit, or the record of a measured one."""
        self.hardware.free(handle)
        pool = self._pool_of.pop(handle, None)
        if pool is None:
            del self._measured[handle]
        else:
            self.give(now, pool)

    def give(self, now: int, pool: Pool) -> None:
        """A qubit of a pool is free again: links that waited for it try."""
        pool.free += 1
        if pool.waiting:
            self._wake(now, pool)

    def _wake(self, now: int, pool: Pool) -> None:
        links, pool.waiting = pool.waiting, []
        for link in links:
            for other in link.pools:
                if other is not pool and link in other.waiting:
                    other.waiting.remove(link)
            link.waits = False
            self.attempt(now, link)

    # ------------------------------------------------------------------ accounts

    def leaked(self) -> int:
        """Qubits in use beyond attempts under way, plus handles: 0 when a network is at rest."""
        used = sum(pool.size - pool.free for pool in self.pools)
        attempting = 2 * sum(link.busy for link in self.links)
        return used - attempting + self.hardware.held()

    def pools_of(self, node: int) -> list[Pool]:
        """The memories at a node."""
        shared = self._shared[node]
        if shared is not None:
            return [shared]
        return [link.pools[link.nodes.index(node)] for link in self.links if node in link.nodes]

    def handles_at(self, node: int) -> list[int]:
        """Handles of the qubits, and of the measured ones not yet accounted for, at a node."""
        pools = self.pools_of(node)
        kept = [h for h, pool in self._pool_of.items() if any(pool is p for p in pools)]
        return kept + [h for h, where in self._measured.items() if where == node]

    def label_state(self) -> dict[str, Any]:
        """Open labels of each link, for displays."""
        return {str(link.index): link.layer.open_labels for link in self.links}
