"""A network in which things go wrong when its topology says so.

Crash of a node, link flap, partition, loss of a link's reply, frames that come twice, late or only when sent
again, clock skew, memory taken by others, an end that lies about test rounds. Frames go over *wires* here:
numbered, in order, each passed on once. Whatever broke a circuit, its requests end with a reason, its
qubits are given back, and it is opened again under a new number once its nodes can.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from qcrs.errors import ConfigError
from qcrs.qnp.drivers.heap import Network
from qcrs.qnp.drivers.plant import Link
from qcrs.qnp.drivers.port import Port
from qcrs.qnp.network.actions import SEND, SET_TIMER, Action, EndRequest, Reason, Status
from qcrs.qnp.network.frames import COMPLETE, Frame
from qcrs.qnp.topology.model import FaultSpec, Topology

__all__ = ["KINDS", "FaultyNetwork", "Wire", "network_of"]

KINDS = (
    "crash",
    "flap",
    "partition",
    "reply_loss",
    "duplicate",
    "late",
    "lost_frame",
    "skew",
    "full_memory",
    "lying_tests",
)
RESEND_NS = 20_000_000
"""When a frame that was lost is sent again."""
REOPEN_NS = 1_000_000
"""How long after the news of its end has passed along it a circuit is opened afresh."""


class Wire:
    """One direction of a link's classical channel: reliable and in order, whatever happens underneath."""

    __slots__ = ("blocked", "duplicate", "held", "last_arrival", "late_ns", "late_of", "received", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.last_arrival = 0
        self.blocked = False
        self.held: list[tuple[int, Port, int, Frame]] = []
        self.duplicate = 0
        self.late_of = 0
        self.late_ns = 0


class FaultyNetwork(Network):
    """`Network` with the faults of its topology."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._wires: dict[tuple[int, int], Wire] = {}
        self._skew: dict[int, int] = {}
        self._reply_loss: dict[int, list[int]] = {}
        self._liars: dict[int, int] = {}
        self._dead: set[Port] = set()
        self._down: set[int] = set()
        self._replaced: dict[int, int] = {}
        self.duplicates_dropped = 0
        super().__init__(*arguments, **named)
        for fault in self.topology.faults:
            if fault.kind not in KINDS:
                raise ConfigError(
                    "no such fault", field="kind", value=fault.kind, solution=f"one of {', '.join(KINDS)}"
                )
            self.call_at(fault.at_ns, lambda now, f=fault: self._strike(now, f))  # type: ignore[misc]

    # ------------------------------------------------------------------ faults

    def _strike(self, now: int, fault: FaultSpec) -> None:
        kind = fault.kind
        end = now + fault.for_ns
        if kind == "crash":
            self._crash(now, self.topology.index(fault.node), end)
        elif kind == "skew":
            self._skew[self.topology.index(fault.node)] = fault.skew_ns
        elif kind == "full_memory":
            self._fill(now, self.topology.index(fault.node), end)
        elif kind == "lying_tests":
            self._liars[self.circuit(fault.circuit)] = fault.count
        else:
            a, _, b = fault.link.partition("-")
            link = self.topology.link_between(a, b)
            if kind == "reply_loss":
                node = self.topology.index(fault.node or b)
                self._reply_loss.setdefault(link, []).extend([node] * fault.count)
            elif kind in ("flap", "partition"):
                self._cut(now, link, end, quantum=kind == "flap")
            else:
                for wire in (self._wire(link, 0), self._wire(link, 1)):
                    if kind == "duplicate":
                        wire.duplicate += fault.count
                    else:
                        wire.late_of += fault.count
                        wire.late_ns = fault.for_ns if kind == "late" else RESEND_NS

    def _wire(self, link: int, direction: int) -> Wire:
        return self._wires.setdefault((link, direction), Wire())

    def is_cut(self, link: int) -> bool:
        """Whether a flap or partition stops messages over a link now."""
        return self._wire(link, 0).blocked

    def is_down(self, node: int) -> bool:
        """Whether a node crashed and is not back."""
        return node in self._down

    def _fill(self, now: int, node: int, end: int) -> None:
        taken = [(pool, pool.free) for pool in self.plant.pools_of(node)]
        for pool, count in taken:
            pool.free -= count

        def give_back(later: int) -> None:
            for pool, count in taken:
                for _ in range(count):
                    self.plant.give(later, pool)

        del now
        self.call_at(end, give_back)

    def _cut(self, now: int, link: int, end: int, *, quantum: bool) -> None:
        """No frames over a link for a time; above the keep-alive time its circuits are lost."""
        wires = [self._wire(link, 0), self._wire(link, 1)]
        for wire in wires:
            wire.blocked = True
        if quantum:
            self.plant.set_down(now, link, True)
        keepalive = self.topology.control.keepalive_ns
        if end - now > keepalive:
            self.call_at(now + keepalive, lambda t: self._lose(t, link, end))

        def heal(later: int) -> None:
            if quantum:
                self.plant.set_down(later, link, False)
            for wire in wires:
                wire.blocked = False
                held, wire.held = wire.held, []
                for number, peer, side, frame in held:
                    self._travel(later, wire, number, peer, side, frame, 0)

        self.call_at(end, heal)

    def _lose(self, now: int, link: int, end: int) -> None:
        """Both ends of a link notice that keep-alives stopped; what was on the way is lost with them."""
        for direction in (0, 1):
            self._wire(link, direction).held.clear()
        for (where, circuit), hops in list(self._by_link.items()):
            if where == link and circuit not in self._replaced:
                for port, side in hops:
                    self._lost(now, port, side, Reason.KEEPALIVE_LOST)
                self._reopen_at(end, circuit)

    def _lost(self, now: int, port: Port, side: int, reason: Reason) -> None:
        if port not in self._dead:
            self._perform(now, port, port.on_lost(now + self._skew.get(port.node, 0), side, reason))

    def _crash(self, now: int, node: int, restart: int) -> None:
        """A node loses all state; its neighbours notice by keep-alive or when it comes back."""
        ports = [p for (c, n), p in self._ports.items() if n == node and c not in self._replaced]
        for port in ports:
            self._dead.add(port)
            self._kill(port)
            for hop in port.links:
                if hop is not None:
                    self.plant.stop(now, hop[0], port.circuit, hop[1])
        self._joined.lose(now, set(self.plant.handles_at(node)))
        self._down.add(node)
        self._stopped(node)
        noticed = min(restart, now + self.topology.control.keepalive_ns)
        for port in ports:
            for side, neighbour in enumerate(port.neighbours):
                if neighbour is not None:
                    back = 1 - side
                    self.call_at(
                        noticed,
                        lambda t, p=neighbour, s=back: self._lost(t, p, s, Reason.NODE_CRASHED),  # type: ignore[misc]
                    )
            if port.is_head:
                self._abort_logs(now, port.circuit)
        self.call_at(restart, lambda _: self._restarted(node))
        for port in ports:
            self._reopen_at(max(restart, noticed), port.circuit)

    def _restarted(self, node: int) -> None:
        self._down.discard(node)
        self._started(node)

    def _abort_logs(self, now: int, circuit: int) -> None:
        """A head that crashed can tell nobody; whoever asked sees that it is gone."""
        for log in self.requests.values():
            if log.circuit == circuit and log.finished_ns < 0 and log.submitted_ns <= now:
                log.status, log.reason, log.finished_ns = Status.ABORTED, Reason.NODE_CRASHED, now
                log.history.append((now, Status.ABORTED, Reason.NODE_CRASHED))

    def _kill(self, port: Port) -> None:
        """A port whose node is gone answers nothing."""

        def nothing(now: int, *arguments: Any) -> list[Action]:
            del now, arguments
            return []

        port.on_pair = port.on_swap = port.on_frame = port.on_timer = port.on_lost = port.on_purified = (
            nothing
        )
        port.on_request = port.on_cancel = nothing

    def _stopped(self, node: int) -> None:
        """A node's process is gone (a driver with processes ends one here)."""

    def _started(self, node: int) -> None:
        """A node's process is back."""

    # ------------------------------------------------------------------ opening again

    def _reopen_at(self, time: int, circuit: int) -> None:
        """Open a circuit afresh once the news of its end has passed along it."""
        plan = self.plans[circuit]
        delay = sum(self.topology.links[s.link].frame_delay_ns for s in plan.settings)
        self.call_at(time + 2 * delay + REOPEN_NS, lambda t: self._reopen(t, circuit))

    def _reopen(self, now: int, circuit: int) -> None:
        if circuit in self._replaced:
            return
        old = self.plans[circuit]
        for node in old.path:  # whom the news did not reach, for a second fault
            port = self._ports[circuit, node]
            self._lost(now, port, 1 if port.is_head else 0, Reason.KEEPALIVE_LOST)
        self._joined.close(now, circuit)
        number = max(self.plans) + 1
        entries = tuple(replace(entry, circuit=number) for entry in old.entries)
        self._replaced[circuit] = number
        self.open_circuit(replace(old, number=number, entries=entries))

    def circuit(self, name: str) -> int:
        """The number under which a circuit is open now."""
        return self._current(super().circuit(name))

    def _current(self, number: int) -> int:
        while number in self._replaced:
            number = self._replaced[number]
        return number

    def _requested(self, now: int, circuit: int, request: EndRequest) -> None:
        number = self._current(circuit)
        self.requests[request.id].circuit = number
        port = self._ports[number, self.plans[number].path[0]]
        if port in self._dead:
            self._abort_logs(now, number)
            return
        local = now + self._skew.get(port.node, 0)
        self._perform(now, port, port.on_request(local, request))

    # ------------------------------------------------------------------ events

    def _perform(self, now: int, port: Port, actions: Iterable[Action]) -> None:
        skew = self._skew.get(port.node, 0)
        for action in actions:
            if action[0] == SEND:
                self._send(now, port, action[1], action[2])
            elif action[0] == SET_TIMER:
                self.call_at(max(now, action[1] - skew), lambda t, tag=action[2]: self._timer(t, port, tag))  # type: ignore[misc]
            else:
                super()._perform(now, port, [action])

    def _timer(self, now: int, port: Port, tag: int) -> None:
        """A timer fires; the node reads its own clock."""
        self._perform(now, port, port.on_timer(now + self._skew.get(port.node, 0), tag))

    def _send(self, now: int, port: Port, side: int, frame: Frame) -> None:
        link, end = port.links[side]  # type: ignore[misc]  # rules send only where the path goes
        peer = port.neighbours[side]
        assert peer is not None  # noqa: S101 - rules send only where the path goes
        delay = port.right_delay_ns if side else port.left_delay_ns
        wire = self._wire(link, end)
        wire.sent += 1
        if frame and frame[0] == COMPLETE and port.circuit in self._liars and port.is_head:
            frame = (*frame[:7], frame[7] + self._liars[port.circuit])
        if wire.blocked:
            wire.held.append((wire.sent, peer, 1 - side, frame))
        else:
            self._travel(now, wire, wire.sent, peer, 1 - side, frame, delay)

    def _travel(
        self, now: int, wire: Wire, number: int, peer: Port, side: int, frame: Frame, delay: int
    ) -> None:
        arrival = now + delay
        if wire.late_of:
            wire.late_of -= 1
            arrival += wire.late_ns
        arrival = wire.last_arrival = max(arrival, wire.last_arrival)
        copies = 1
        if wire.duplicate:
            wire.duplicate -= 1
            copies = 2
        for _ in range(copies):
            self.call_at(arrival, lambda t: self._arrive(t, wire, number, peer, side, frame))

    def _arrive(self, now: int, wire: Wire, number: int, peer: Port, side: int, frame: Frame) -> None:
        if number <= wire.received:
            self.duplicates_dropped += 1
            return
        wire.received = number
        if peer not in self._dead:
            self._perform(now, peer, peer.on_frame(now + self._skew.get(peer.node, 0), side, frame))

    def _herald(self, now: int, link: Link) -> None:
        losses = self._reply_loss.get(link.index)
        if not losses and not self._skew:
            super()._herald(now, link)
            return
        made = self.plant.herald(now, link)
        if made is not None:
            label, sequence, bell, one, two, seen1, seen2 = made
            deaf = losses.pop(0) if losses else -1
            ends = (label.hops[:2], label.hops[2:])
            for (port, side), handle, outcome in zip(ends, (one, two), (seen1, seen2), strict=True):
                if port.node == deaf:
                    self.plant.free(now, handle)  # its controller never learned of the pair and goes on
                else:
                    local = now + self._skew.get(port.node, 0)
                    self._perform(now, port, port.on_pair(local, side, sequence, handle, bell, outcome))
        self.plant.attempt(now, link)

    def _swapped(self, now: int, port: Port, action: Action) -> None:
        if port not in self._dead:
            super()._swapped(now, port, action)

    def _purified(self, now: int, port: Port, action: Action) -> None:
        if port not in self._dead:
            super()._purified(now, port, action)


def network_of(topology: Topology, seed: int, **named: Any) -> Network:
    """A network that fails as its topology says; one without faults needs no wires and is faster."""
    kind = FaultyNetwork if topology.faults else Network
    return kind(topology, seed, **named)
