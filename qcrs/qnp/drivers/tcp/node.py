"""A node's process: the rules of its circuits, channels to its neighbours, a line to the broker.

Started as ``python -m qcrs.qnp.drivers.tcp.node HOST PORT NODE INCARNATION``. It holds handles, never states.
With the broker it speaks JSON lines; with neighbours the channel's messages. In logical time it calls a
rule when the broker says so and answers with the actions; in wall time it acts by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import deque
from typing import Any, cast

from qcrs.errors import InputError
from qcrs.qnp import network as qnp
from qcrs.qnp.drivers.tcp.channel import MESSAGE_BYTES, Channel, peer_of
from qcrs.qnp.drivers.tcp.lines import as_line
from qcrs.qnp.drivers.trace import line
from qcrs.qnp.network.actions import SEND, SET_TIMER, Action, EndRequest, Reason, RoutingEntry
from qcrs.qnp.network.frames import Frame

__all__ = ["NodeProcess", "main"]

LOCAL = "127.0.0.1"
RETRY_S = 0.01
MOST_EARLY = 256


class Neighbour:
    """A channel and the connection under it, if there is one."""

    def __init__(self, node: int, channel: Channel) -> None:
        self.node = node
        self.channel = channel
        self.transport: asyncio.Transport | None = None
        self.heard = 0
        self.dialling: asyncio.Task[None] | None = None
        self.cut_after = -1

    def flush(self) -> None:
        """Write what the channel has to say."""
        data = self.channel.take()
        if not data or self.transport is None:
            return
        if self.cut_after >= 0:  # a fault: part of a message, then no connection
            self.transport.write(data[: self.cut_after])
            self.cut_after = -1
            self.transport.close()
            return
        self.transport.write(data)


class _Connection(asyncio.Protocol):
    """One connection with a neighbour: known if we dialled, told by its first message otherwise."""

    def __init__(self, node: NodeProcess, neighbour: Neighbour | None = None) -> None:
        self._node = node
        self._neighbour = neighbour
        self._first = b""
        self._transport: asyncio.Transport
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._neighbour is not None:
            self._begin(self._neighbour)

    def _begin(self, neighbour: Neighbour) -> None:
        if neighbour.transport is not None:
            neighbour.transport.close()
        neighbour.channel.connect()
        neighbour.transport = self._transport
        neighbour.flush()

    def data_received(self, data: bytes) -> None:
        try:
            if self._neighbour is None:
                self._first += data
                if len(self._first) < MESSAGE_BYTES:
                    return
                data = self._first
                self._neighbour = self._node.neighbour(peer_of(data[:MESSAGE_BYTES]))
                self._begin(self._neighbour)
            if self._neighbour.transport is self._transport:
                self._node.heard(self._neighbour, data)
        except InputError:  # not our protocol, or a frame is missing: a new connection sends it again
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        del error
        neighbour = self._neighbour
        if neighbour is not None and neighbour.transport is self._transport:
            neighbour.transport = None
            neighbour.channel.disconnect()
        if not self.ended.done():
            self.ended.set_result(None)


class NodeProcess:
    """Everything one node does."""

    def __init__(self, node: int, incarnation: int) -> None:
        self.node = node
        self.incarnation = incarnation
        self.wall = False
        self.keepalive_ns = 0
        self.epoch_ns = 0
        self.states: dict[int, Any] = {}
        self.opened: dict[int, int] = {}
        self.neighbours: dict[int, Neighbour] = {}
        self.inbox: dict[tuple[int, int], deque[Frame]] = {}
        self.early: dict[int, list[tuple[int, Frame]]] = {}
        self.arrived = asyncio.Event()
        self.trace = -1
        self.broker: asyncio.StreamWriter
        self._tasks: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------ life

    async def run(self, host: str, port: int) -> None:
        """Until the broker goes."""
        server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), LOCAL, 0)
        reader, self.broker = await asyncio.open_connection(host, port, limit=1 << 24)
        self._tell("hello", self.node, self.incarnation, server.sockets[0].getsockname()[1])
        try:
            while data := await reader.readline():
                await self._told(json.loads(data))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the broker is gone, and so are we
        finally:
            for task in list(self._tasks):
                task.cancel()
            server.close()

    def _tell(self, *message: Any) -> None:
        self.broker.write(as_line(message))

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def now(self) -> int:
        """Wall time since the network began."""
        return time.monotonic_ns() - self.epoch_ns

    # ------------------------------------------------------------------ what the broker says

    async def _told(self, message: list[Any]) -> None:
        what, rest = message[0], message[1:]
        if what == "call":
            await self._call(*rest)
        elif what == "event":
            self._event(*rest)
        elif what == "open":
            self._open(*rest)
        elif what == "setup":
            self._setup(*rest)
        elif what == "peers":
            for node, port in rest[0]:
                self._dial(node, port)
        elif what == "close":
            self._close(rest[0])
        elif what == "keep":
            self.states[rest[0]].tests.kept = []
        elif what == "kept":
            self._tell("done", self.states[rest[0]].tests.kept)
        elif what == "drain":
            await self._until(lambda: self._channel(rest[0]).received >= rest[1])
            self._tell("done", [])
        elif what == "linked":
            await self._until(
                lambda: all(
                    self._channel(n).up and self._channel(n).peer_incarnation == i for n, i in rest[0]
                )
            )
            self._tell("done", [])
        elif what == "fault":
            self._fault(*rest)

    def _setup(self, wall: bool, keepalive_ns: int, epoch_ns: int, trace: str) -> None:
        self.wall, self.keepalive_ns, self.epoch_ns = wall, keepalive_ns, epoch_ns
        if trace:
            self.trace = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if wall:
            self._spawn(self._keep_alive())

    def _open(self, fields: list[Any], around: list[list[int]] | None = None) -> None:
        """Install a circuit. `around`: incarnations of its neighbours, who may have restarted unnoticed."""
        for node, incarnation in around or ():
            if self._channel(node).expect(incarnation):
                self._hang_up(self.neighbour(node))
                self._lost(node, Reason.NODE_CRASHED)
        values: list[Any] = [tuple(f) if isinstance(f, list) else f for f in fields]
        entry = RoutingEntry(*values)
        self.opened[entry.circuit] = self.now()
        self.states[entry.circuit] = qnp.install(entry)
        for node, frame in self.early.pop(entry.circuit, []):
            self._frame(node, frame)
        self.arrived.set()

    def _close(self, circuit: int) -> None:
        state = self.states.get(circuit)
        if state is not None:
            side = 1 if isinstance(state, qnp.Head) else 0
            self._perform(circuit, state, state.on_lost(self.now(), side, Reason.CIRCUIT_DOWN))

    async def _until(self, true: Any) -> None:
        while not true():
            self.arrived.clear()
            await self.arrived.wait()

    async def _call(self, number: int, now: int, circuit: int, rule: str, arguments: list[Any]) -> None:
        """Logical time: call a rule, send its frames, report the other actions."""
        state = self.states[circuit]
        given: list[Any] = list(arguments)
        if rule == "on_frame":
            key = (circuit, given[0])
            await self._until(lambda: self.inbox.get(key))
            given.append(self.inbox[key].popleft())
        elif rule == "on_request":
            given = [EndRequest(*arguments)]
        elif rule == "on_lost":
            given[1] = Reason(given[1])
        actions = getattr(state, rule)(now, *given)
        if self.trace >= 0:
            text = line(number, now, self.node, circuit, rule, given, actions)
            os.write(self.trace, text.encode() + b"\n")
        report = []
        for action in actions:
            if action[0] == SEND:
                self._send(state, action[1], action[2])
                report.append(action[:2])
            else:
                report.append(action)
        self._tell("done", report)

    def _event(self, circuit: int, rule: str, arguments: list[Any]) -> None:
        """Wall time: something happened at the hardware or an application."""
        state = self.states.get(circuit)
        if state is not None:
            given = [EndRequest(*arguments)] if rule == "on_request" else arguments
            self._perform(circuit, state, getattr(state, rule)(self.now(), *given))

    # ------------------------------------------------------------------ acting

    def _send(self, state: Any, side: int, frame: Frame) -> None:
        node = state.entry.next if side else state.entry.previous
        neighbour = self.neighbour(node)
        neighbour.channel.send(frame)
        neighbour.flush()

    def _perform(self, circuit: int, state: Any, actions: list[Action]) -> None:
        """Wall time: frames to neighbours, timers to the loop, all else to the broker."""
        report = []
        for action in actions:
            if action[0] == SEND:
                self._send(state, action[1], action[2])
            elif action[0] == SET_TIMER:
                self._timer(circuit, state, action[1], action[2])
            else:
                report.append(action)
        if report:
            self._tell("do", circuit, report)

    def _timer(self, circuit: int, state: Any, at: int, tag: int) -> None:
        def fire() -> None:
            if self.states.get(circuit) is state is not None:
                self._perform(circuit, state, state.on_timer(max(at, self.now()), tag))

        delay = min((at - self.now()) / 1e9, 1e6)
        asyncio.get_running_loop().call_later(max(0.0, delay), fire)

    # ------------------------------------------------------------------ neighbours

    def neighbour(self, node: int) -> Neighbour:
        """The neighbour of this number, new if it is."""
        if node not in self.neighbours:
            self.neighbours[node] = Neighbour(node, Channel(self.node, self.incarnation))
        return self.neighbours[node]

    @staticmethod
    def _hang_up(neighbour: Neighbour) -> None:
        """Forget the connection with a process that is gone."""
        if neighbour.transport is not None:
            neighbour.transport.close()
            neighbour.transport = None

    def _channel(self, node: int) -> Channel:
        return self.neighbour(node).channel

    def _dial(self, node: int, port: int) -> None:
        neighbour = self.neighbour(node)
        if neighbour.dialling is not None:
            neighbour.dialling.cancel()
        neighbour.dialling = self._spawn(self._dialled(neighbour, port))

    async def _dialled(self, neighbour: Neighbour, port: int) -> None:
        """Connect again and again; a broken connection costs nothing but time."""
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(OSError):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self, neighbour), LOCAL, port
                )
                await connection.ended
            await asyncio.sleep(RETRY_S)

    def heard(self, neighbour: Neighbour, data: bytes) -> None:
        """Bytes from a neighbour: frames to the rules at once."""
        neighbour.heard = self.now()
        frames, restarted = neighbour.channel.feed(data)
        neighbour.flush()
        if restarted:
            self._lost(neighbour.node, Reason.NODE_CRASHED)
        for frame in frames:
            self._frame(neighbour.node, frame)
        self.arrived.set()

    def _frame(self, node: int, frame: Frame) -> None:
        state = self.states.get(frame[1])
        if state is None:  # a neighbour may hear of a new circuit before us
            frames = self.early.setdefault(frame[1], [])
            if len(frames) < MOST_EARLY and len(self.early) < MOST_EARLY:
                frames.append((node, frame))
            return
        side = 0 if state.entry.previous == node else 1
        if self.wall:
            self._perform(frame[1], state, state.on_frame(self.now(), side, frame))
        else:
            self.inbox.setdefault((frame[1], side), deque()).append(frame)

    # ------------------------------------------------------------------ failure

    def _lost(self, node: int, reason: Reason, silent_since: int | None = None) -> None:
        """A neighbour is gone: every circuit over it ends. In logical time the broker says so.

        With `silent_since` only those end that were opened before, if nothing was heard of it since then.
        """
        if not self.wall or (silent_since is not None and self.neighbour(node).heard >= silent_since):
            return
        for circuit, state in self.states.items():
            if silent_since is not None and self.opened[circuit] >= silent_since:
                continue
            for side, other in enumerate((state.entry.previous, state.entry.next)):
                if other == node:
                    self._perform(circuit, state, state.on_lost(self.now(), side, reason))

    async def _keep_alive(self) -> None:
        period = self.keepalive_ns / 4e9
        while True:
            await asyncio.sleep(period)
            for neighbour in list(self.neighbours.values()):
                neighbour.channel.keepalive()
                neighbour.flush()
                self._lost(neighbour.node, Reason.KEEPALIVE_LOST, self.now() - self.keepalive_ns)

    def _fault(self, kind: str, node: int, count: int) -> None:
        """Break a connection in the middle of a message, or send a frame twice."""
        neighbour = self.neighbour(node)
        if kind == "cut":
            neighbour.cut_after = count
        else:
            neighbour.channel.repeat()
            neighbour.flush()


def main() -> None:
    """Entry point of the process."""
    host, port, node, incarnation = sys.argv[1:5]
    asyncio.run(NodeProcess(int(node), int(incarnation)).run(host, int(port)))


if __name__ == "__main__":
    main()
