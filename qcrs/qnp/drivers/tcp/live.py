"""The broker in wall time: hardware paced by the machine's clock, nodes that act by themselves.

The broker makes pairs, carries out swaps, keeps memories and hears what is delivered; everything classical
happens between the node processes. A process that dies is a crash like any other: its qubits are given back,
its neighbours notice, requests end with a reason, and circuits open again once it is back.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import astuple, replace
from typing import Any

from qcrs.errors import NetworkError
from qcrs.qnp.drivers.faults import FaultyNetwork
from qcrs.qnp.drivers.heap import CALL, HERALD, REQUEST, SWAPPED, Network
from qcrs.qnp.drivers.plant import Link
from qcrs.qnp.drivers.port import Port
from qcrs.qnp.drivers.tcp.lines import as_line
from qcrs.qnp.drivers.tcp.processes import Processes
from qcrs.qnp.network.actions import Action, EndRequest, RoutingEntry
from qcrs.qnp.physical.belldiag import BellDiagonalHardware
from qcrs.qnp.topology.model import Topology

__all__ = ["LiveNetwork"]

LOCAL = "127.0.0.1"
PATIENCE_S = 30.0


class _Hub:
    """Processes and the broker's lines to them."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.epoch_ns = time.monotonic_ns()
        self.around: dict[int, set[int]] = {i: set() for i in range(len(topology.nodes))}
        for link in topology.links:
            a, b = topology.index(link.a), topology.index(link.b)
            self.around[a].add(b)
            self.around[b].add(a)
        self.writers: dict[int, asyncio.StreamWriter] = {}
        self.ports: dict[int, int] = {}
        self.on_message: Callable[[int, list[Any]], None] = lambda _node, _message: None
        self.on_gone: Callable[[int], None] = lambda _node: None
        self.changed = asyncio.Event()
        self.closing = False
        self.processes: Processes
        self._server: asyncio.Server

    async def start(self) -> None:
        """Start all processes and wait until they are connected with each other."""
        self._server = await asyncio.start_server(self._serve, LOCAL, 0, limit=1 << 24)
        self.processes = Processes(LOCAL, self._server.sockets[0].getsockname()[1])
        for node in self.around:
            self.processes.start(node)
        await self.until(lambda: len(self.ports) == len(self.around))
        for node in self.around:
            self.tell(node, "peers", [(n, self.ports[n]) for n in self.around[node] if n > node])

    async def until(self, true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Wait for a condition that messages make true."""
        async with asyncio.timeout(patience_s):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    def tell(self, node: int, *message: Any) -> None:
        """A message to a node; one that is not there hears nothing."""
        writer = self.writers.get(node)
        if writer is not None:
            writer.write(as_line(message))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node = -1
        try:
            while data := await reader.readline():
                message = json.loads(data)
                if message[0] == "hello":
                    node = message[1]
                    self._admit(node, message[3], writer)
                else:
                    self.on_message(node, message)
                self.changed.set()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the process ended, or we do
        finally:
            writer.close()
            if self.writers.get(node) is writer:
                del self.writers[node]
                if not self.closing:
                    self.on_gone(node)
                self.changed.set()

    def _admit(self, node: int, port: int, writer: asyncio.StreamWriter) -> None:
        again = node in self.ports
        self.writers[node] = writer
        self.ports[node] = port
        self.tell(node, "setup", True, self.topology.control.keepalive_ns, self.epoch_ns, "")
        if again:
            self.tell(node, "peers", [(n, self.ports[n]) for n in self.around[node] if n > node])
            for other in self.around[node]:
                if other < node:
                    self.tell(other, "peers", [(node, port)])

    async def close(self) -> None:
        """End everything."""
        self.closing = True
        for writer in list(self.writers.values()):
            writer.close()
        await asyncio.to_thread(self.processes.close)
        self._server.close()


class LiveNetwork(FaultyNetwork):
    """A network in wall time. `start` and `close` it; `finished` waits for requests."""

    def __init__(self, topology: Topology, seed: int, *, hub: _Hub, **named: Any) -> None:
        self.hub = hub
        self.latencies_ns: list[int] = []
        self._loop = asyncio.get_running_loop()
        hub.on_message = self._message
        hub.on_gone = self._gone
        super().__init__(topology, seed, **named)

    @classmethod
    async def start(cls, topology: Topology, seed: int = 0, **named: Any) -> LiveNetwork:
        """Start processes, install circuits, issue the topology's workloads."""
        hub = _Hub(topology)
        try:
            await hub.start()
            return cls(topology, seed, hub=hub, **named)
        except TimeoutError:
            await hub.close()
            raise NetworkError(
                "the node processes did not start in time", solution="look for their errors above"
            ) from None

    async def close(self) -> None:
        """End all processes."""
        await self.hub.close()

    async def finished(self, *requests: int, patience_s: float = PATIENCE_S) -> None:
        """Wait until these requests (all without any) have ended."""
        wanted = [self.requests[r] for r in requests or self.requests]
        await self.hub.until(lambda: all(log.finished_ns >= 0 for log in wanted), patience_s)

    # ------------------------------------------------------------------ time is the machine's

    def clock(self) -> int:
        """Nanoseconds since the network began."""
        return time.monotonic_ns() - self.hub.epoch_ns

    def _push(self, time: int, kind: int, a: Any, b: Any, c: Any) -> None:
        del c
        delay = max(0.0, (time - self.clock()) / 1e9)
        self._loop.call_later(min(delay, 1e6), self._due, kind, a, b)

    def _schedule_herald(self, time: int, link: Link, token: int) -> None:
        self._push(time, HERALD, link, token, None)

    def _due(self, kind: int, a: Any, b: Any) -> None:
        self.now = now = self.clock()
        self.events += 1
        if kind == HERALD:
            if a.token == b and a.busy:
                self._herald(now, a)
        elif kind == SWAPPED:
            self._swapped(now, a, b)
        elif kind == REQUEST:
            self._requested(now, a, b)
        elif kind == CALL:
            a(now)
        self.hub.changed.set()

    # ------------------------------------------------------------------ nodes act

    def _bind(self, port: Port, entry: RoutingEntry) -> None:
        # the broker answers a swap later, so the node has to reckon with frames in between
        alive = self.hub.processes.incarnations
        around = [(node, alive[node]) for node in (entry.previous, entry.next) if node is not None]
        self.hub.tell(port.node, "open", astuple(replace(entry, swap_ns=max(1, entry.swap_ns))), around)
        for rule in ("on_request", "on_cancel", "on_pair", "on_swap", "on_purified", "on_lost"):
            setattr(port, rule, self._told(port, rule))

    def _told(self, port: Port, rule: str) -> Callable[..., list[Action]]:
        def call(now: int, *arguments: Any) -> list[Action]:
            del now  # the node has a clock
            if rule == "on_request":
                request: EndRequest = arguments[0]
                arguments = astuple(request)
            self.hub.tell(port.node, "event", port.circuit, rule, arguments)
            return []

        return call

    def _message(self, node: int, message: list[Any]) -> None:
        if message[0] == "do":
            self.now = now = self.clock()
            port = self._ports[message[1], node]
            self._perform(now, port, message[2])

    def _perform(self, now: int, port: Port, actions: Iterable[Action]) -> None:
        if port not in self._dead:
            Network._perform(self, now, port, actions)

    def _deliver(self, now: int, port: Port, action: Action) -> None:
        if port.circuit in self._replaced:  # news from a circuit that was closed meanwhile
            self.plant.free(now, action[2])
            return
        formed = self.hardware.formed(action[2]) if isinstance(self.hardware, BellDiagonalHardware) else now
        before = self.delivered
        super()._deliver(now, port, action)
        if self.delivered > before:
            self.latencies_ns.append(now - formed)

    # ------------------------------------------------------------------ processes end

    def kill(self, node: int, for_ns: int) -> None:
        """End a node's process without warning; start it again after a time."""
        self._crash(self.clock(), node, self.clock() + for_ns)

    def fault(self, node: int, kind: str, neighbour: int, count: int = 0) -> None:
        """Make a node "cut" its connection after `count` bytes of its next message, or "repeat" a frame."""
        self.hub.tell(node, "fault", kind, neighbour, count)

    def _gone(self, node: int) -> None:
        """A process ended by itself."""
        if not any(p.node == node for p in self._dead):
            now = self.clock()
            self._crash(now, node, now + self.topology.control.keepalive_ns)

    def _stopped(self, node: int) -> None:
        self.hub.writers.pop(node, None)
        self.hub.processes.kill(node)

    def _started(self, node: int) -> None:
        self.hub.processes.start(node)

    def _reopen(self, now: int, circuit: int) -> None:
        """Once all nodes of the path are there; until then, later."""
        if all(node in self.hub.writers for node in self.plans[circuit].path):
            super()._reopen(now, circuit)
        else:
            self.call_at(now + 10_000_000, lambda t: self._reopen(t, circuit))
