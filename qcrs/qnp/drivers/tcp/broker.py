"""The broker in logical time: the event heap with rules that run in other processes.

It owns pairs, memories, links and the clock. At each event it tells the node concerned, waits for its
actions, and goes on. Frames do not pass through it: the sender writes them to its neighbour's socket and
the broker only knows that the next frame of a circuit is due at a time.
"""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

from qcrs.errors import NetworkError
from qcrs.qnp.drivers.faults import FaultyNetwork
from qcrs.qnp.drivers.port import Port
from qcrs.qnp.drivers.tcp.lines import as_line
from qcrs.qnp.drivers.tcp.processes import Processes
from qcrs.qnp.drivers.trace import RULES
from qcrs.qnp.network.actions import Action, EndRequest, RoutingEntry
from qcrs.qnp.network.frames import Frame
from qcrs.qnp.topology.model import Topology

__all__ = ["RemoteNetwork"]

LOCAL = "127.0.0.1"
PATIENCE_S = 60.0


class _Line:
    """JSON lines with one node."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._file = connection.makefile("rb")

    def tell(self, *message: Any) -> None:
        self._socket.sendall(as_line(message))

    def hear(self) -> list[Any]:
        try:
            data = self._file.readline()
        except TimeoutError:
            data = b""
        if not data:
            raise NetworkError(
                "a node's process does not answer", solution="look for its error above; run it again"
            )
        found = json.loads(data)
        return list(found)

    def ask(self, *message: Any) -> list[Any]:
        self.tell(*message)
        return list(self.hear()[1])

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class RemoteNetwork(FaultyNetwork):
    """`FaultyNetwork` whose nodes are processes. Use as a context manager; `trace_text` after the run."""

    def __init__(self, topology: Topology, seed: int = 0, **named: Any) -> None:
        self._calls = 0
        self._folder = tempfile.TemporaryDirectory(prefix="qcrs-qnp-")
        self._server = socket.create_server((LOCAL, 0))
        self._server.settimeout(PATIENCE_S)
        self._processes = Processes(LOCAL, self._server.getsockname()[1])
        self._lines: dict[int, _Line] = {}
        self._addresses: dict[int, int] = {}
        self._between: dict[tuple[int, int], int] = {}
        self._around: dict[int, set[int]] = {i: set() for i in range(len(topology.nodes))}
        for link in topology.links:
            a, b = topology.index(link.a), topology.index(link.b)
            self._around[a].add(b)
            self._around[b].add(a)
        try:
            for node in self._around:
                self._processes.start(node)
            for _ in self._around:
                self._admit()
            for node in self._around:
                self._introduce(node)
            for node in self._around:
                self._await_links(node)
            super().__init__(topology, seed, **named)
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------------ processes

    def _admit(self) -> int:
        connection, _ = self._server.accept()
        line = _Line(connection)
        _, node, _, port = line.hear()
        self._lines[node] = line
        self._addresses[node] = port
        line.tell("setup", False, 0, 0, str(Path(self._folder.name, f"node-{node}")))
        return int(node)

    def _introduce(self, node: int) -> None:
        """Lower numbers dial higher ones."""
        higher = [(n, self._addresses[n]) for n in sorted(self._around[node]) if n > node]
        self._lines[node].tell("peers", higher)

    def _await_links(self, node: int) -> None:
        wanted = [(n, self._processes.incarnations[n]) for n in sorted(self._around[node])]
        self._lines[node].ask("linked", wanted)

    def _stopped(self, node: int) -> None:
        """Kill the process once its neighbours hold all that it sent."""
        for other in self._around[node]:
            if other in self._lines:
                self._lines[other].ask("drain", node, self._between.get((node, other), 0))
        self._processes.kill(node)
        self._lines.pop(node).close()
        for other in self._around[node]:
            self._between[node, other] = self._between[other, node] = 0

    def _started(self, node: int) -> None:
        self._processes.start(node)
        self._admit()
        self._introduce(node)
        for other in sorted(self._around[node]):
            if other < node and other in self._lines:
                self._lines[other].tell("peers", [(node, self._addresses[node])])
        for other in self._around[node]:
            if other in self._lines:
                self._lines[other].ask("linked", [(node, self._processes.incarnations[node])])

    def close(self) -> None:
        """End all processes."""
        for line in self._lines.values():
            line.close()
        self._lines.clear()
        self._processes.close()
        self._server.close()

    def __enter__(self) -> RemoteNetwork:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._folder.cleanup()

    def trace_text(self) -> str:
        """The lines of all nodes in the order of their calls."""
        found: list[str] = []
        for path in Path(self._folder.name).glob("node-*"):
            found += path.read_text(encoding="utf-8").splitlines()
        return "".join(f"{one}\n" for one in sorted(found, key=lambda one: int(one.split(" ", 1)[0])))

    # ------------------------------------------------------------------ rules elsewhere

    def _bind(self, port: Port, entry: RoutingEntry) -> None:
        self._lines[port.node].tell("open", astuple(entry))
        for rule in RULES:
            setattr(port, rule, self._remote(port, rule))

    def _remote(self, port: Port, rule: str) -> Callable[..., list[Action]]:
        def call(now: int, *arguments: Any) -> list[Action]:
            self._calls += 1
            given = arguments[:1] if rule == "on_frame" else arguments
            if rule == "on_request":
                request: EndRequest = arguments[0]
                given = astuple(request)
            found = self._lines[port.node].ask("call", self._calls, now, port.circuit, rule, given)
            return [tuple(action) for action in found]

        return call

    def _keep(self, port: Port) -> None:
        self._lines[port.node].tell("keep", port.circuit)

    def _kept(self, port: Port) -> list[tuple[int, ...]]:
        return [tuple(one) for one in self._lines[port.node].ask("kept", port.circuit)]

    def _perform(self, now: int, port: Port, actions: Any) -> None:
        super()._perform(now, port, [(*a, ()) if a[0] == 0 and len(a) == 2 else a for a in actions])

    def _send(self, now: int, port: Port, side: int, frame: Frame) -> None:
        peer = port.neighbours[side]
        if peer is not None:
            key = (port.node, peer.node)
            self._between[key] = self._between.get(key, 0) + 1
        super()._send(now, port, side, frame)
