"""The event-heap driver: a whole network in one process and one loop.

Events are tuples (time, number, kind, a, b, c); numbers are given in the order of pushing, so equal times
are served in a defined order. `Network` is also what the broker of the TCP driver runs, with
the node rules called in other processes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

from qcrs.errors import ConfigError, InputError
from qcrs.qnp import network as qnp
from qcrs.qnp.control.plan import CircuitPlan, plan_all
from qcrs.qnp.control.plan import plan as plan_circuit
from qcrs.qnp.control.routing import route
from qcrs.qnp.drivers.agenda import Agenda
from qcrs.qnp.drivers.plant import Link, Plant
from qcrs.qnp.drivers.records import CircuitStats, Delivery, RequestLog
from qcrs.qnp.drivers.trace import Trace
from qcrs.qnp.network.actions import Action, EndRequest, Reason, RoutingEntry, Status
from qcrs.qnp.network.frames import EARLY, KEEP, MEASURE
from qcrs.qnp.physical.belldiag import BellDiagonalHardware
from qcrs.qnp.physical.hardware import Hardware
from qcrs.qnp.topology.model import CircuitSpec, Topology, WorkloadSpec

__all__ = ["Network", "Port"]

FRAME, HERALD, TIMER, SWAPPED, REQUEST, CALL = range(6)
SEND, SWAP, FREE, DELIVER, SET_TIMER, LINK_START, LINK_STOP, STATUS, PURIFY = range(9)
FORMS = {"keep": KEEP, "early": EARLY, "measure": MEASURE}
SECOND = 1_000_000_000


class Port:
    """One circuit at one node: its rules, its neighbours, its links."""

    __slots__ = (
        "circuit",
        "delivered",
        "index",
        "is_head",
        "left",
        "left_delay_ns",
        "links",
        "node",
        "on_cancel",
        "on_frame",
        "on_lost",
        "on_pair",
        "on_purified",
        "on_request",
        "on_swap",
        "on_timer",
        "right",
        "right_delay_ns",
        "state",
        "swap_ns",
    )

    def __init__(self, index: int, entry: RoutingEntry, node: int) -> None:
        self.index = index
        self.circuit = entry.circuit
        self.node = node
        self.is_head = entry.previous is None
        self.swap_ns = entry.swap_ns
        self.left: Port | None = None
        self.right: Port | None = None
        self.left_delay_ns = self.right_delay_ns = 0
        self.links: list[tuple[int, int] | None] = [None, None]
        self.state: Any = None
        self.delivered: list[tuple[int, int]] | None = None
        self.on_pair: Callable[..., list[Action]]
        self.on_swap: Callable[..., list[Action]]
        self.on_frame: Callable[..., list[Action]]
        self.on_timer: Callable[..., list[Action]]
        self.on_lost: Callable[..., list[Action]]
        self.on_purified: Callable[..., list[Action]]
        self.on_request: Callable[..., list[Action]]
        self.on_cancel: Callable[..., list[Action]]

    @property
    def neighbours(self) -> tuple[Port | None, Port | None]:
        """The same circuit at the nodes before and after."""
        return self.left, self.right


class Network:
    """A network that runs. `request` asks, `run` lets time pass, `deliveries` and `requests` tell.

    `backend` is "belldiag" (fast), "dm" or "qiskit" (4×4 density matrices), or a `Hardware`. With
    `record=False` deliveries are only counted, so that memory stays bounded. `on_delivery` is called for
    each pair; a pair it holds (`hold`) is not freed until `release`. A `trace` gets a line for every call
    of a rule.
    """

    def __init__(
        self,
        topology: Topology,
        seed: int = 0,
        *,
        backend: str | Hardware = "belldiag",
        record: bool = True,
        plans: Sequence[CircuitPlan] | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.topology = topology
        self.trace = trace
        self.seed = seed
        self.now = 0
        self.events = 0
        self.deliveries: list[Delivery] = []
        self.requests: dict[int, RequestLog] = {}
        self.stats: dict[int, CircuitStats] = {}
        self.plans: dict[int, CircuitPlan] = {}
        self.on_delivery: Callable[[Delivery], None] | None = None
        self.on_early: Callable[[int, int, int, int], None] | None = None
        self.on_status: Callable[[RequestLog], None] | None = None
        self._record = record
        self._agenda = Agenda()
        self._later = self._agenda.push
        self._number = 0
        self._next_request = 1
        self._early: set[int] = set()
        self._ended: dict[int, int] = {}
        self.purifications = 0
        self._open: dict[tuple[int, int, int], tuple[int, int, int, int]] = {}
        self._held: set[int] = set()
        self._ports: dict[tuple[int, int], Port] = {}
        self._by_link: dict[tuple[int, int], tuple[tuple[Port, int], tuple[Port, int]]] = {}
        hardware = _backend(topology, backend, seed)
        self.hardware = hardware
        self.plant = Plant(topology, hardware, seed, self._schedule_herald)
        for plan in plan_all(topology) if plans is None else plans:
            self.open_circuit(plan)
        for workload in topology.workloads:
            self.submit(workload)

    # ------------------------------------------------------------------ circuits

    def open_circuit(self, plan: CircuitPlan) -> None:
        """Install a circuit's routing entries at all its nodes; again, to open it afresh after an abort."""
        number = plan.number
        self.plans[number] = plan
        self.stats.setdefault(number, CircuitStats())
        ports = [
            Port(len(self._ports), entry, node) for entry, node in zip(plan.entries, plan.path, strict=True)
        ]
        for port, entry in zip(ports, plan.entries, strict=True):
            self._ports[number, port.node] = port
            self._bind(port, entry)
        for i, setting in enumerate(plan.settings):
            left, right = ports[i], ports[i + 1]
            link = self.plant.links[setting.link]
            end = 0 if link.nodes[0] == left.node else 1
            delay = self.topology.links[setting.link].frame_delay_ns
            left.right, left.right_delay_ns = right, delay
            right.left, right.left_delay_ns = left, delay
            left.links[1], right.links[0] = (setting.link, end), (setting.link, 1 - end)
            stream = self.plant.install(setting.link, number, setting.source, plan.spec.weight)
            stream.hops = (left, 1, right, 0) if end == 0 else (right, 0, left, 1)
            hops = ((left, 1), (right, 0))
            self._by_link[setting.link, number] = hops if end == 0 else hops[::-1]

    def _bind(self, port: Port, entry: RoutingEntry) -> None:
        """Attach the rules of a fresh state to a port."""
        state = port.state = qnp.install(entry)
        port.on_pair = state.on_pair
        port.on_frame = state.on_frame
        port.on_timer = state.on_timer
        port.on_lost = state.on_lost
        if isinstance(state, qnp.Repeater):
            port.on_swap = state.on_swap
        else:
            port.on_purified = state.on_purified
        if isinstance(state, qnp.Head):
            port.on_request = state.on_request
            port.on_cancel = state.on_cancel
        if self.trace is not None:
            self.trace.watch(port)

    def circuit(self, name: str) -> int:
        """The number of a circuit by name."""
        for number, plan in self.plans.items():
            if plan.spec.name == name:
                return number
        raise ConfigError("no such circuit", field="circuit", value=name)

    def connect(self, head: str, tail: str, fidelity: float, **fields: Any) -> int:
        """A circuit between two nodes at a fidelity: the one open with these, else a new one.

        So requests that agree in both are aggregated. Fields are those of `CircuitSpec`. `ConfigError` where
        no path reaches the fidelity.
        """
        for number, plan in self.plans.items():
            spec = plan.spec
            if (spec.head, spec.tail, spec.fidelity) == (head, tail, fidelity) and self.circuit(
                spec.name
            ) == number:
                return number
        number = max(self.plans, default=0) + 1
        path = route(self.topology, head, tail)
        busy = [set(pairwise(p.path)) for p in self.plans.values()]
        sharing = 1 + max(sum(hop in one for one in busy) for hop in pairwise(path))
        spec = CircuitSpec(f"{head}-{tail}@{fidelity:g}", head, tail, fidelity, **fields)
        self.open_circuit(plan_circuit(self.topology, spec, number, sharing))
        return number

    def port(self, circuit: int, node: int) -> Port:
        """A circuit at a node."""
        return self._ports[circuit, node]

    # ------------------------------------------------------------------ an end's own words

    def keep(self, circuit: int) -> None:
        """From now on both ends of a circuit remember each test round and each delivered pair."""
        path = self.plans[circuit].path
        for node in (path[0], path[-1]):
            port = self._ports[circuit, node]
            port.delivered = []
            self._keep(port)

    def _keep(self, port: Port) -> None:
        port.state.tests.kept = []

    def kept(self, circuit: int, node: int) -> tuple[list[tuple[int, ...]], list[tuple[int, int]]]:
        """What one end remembers since `keep`: its test rounds (own sequence, the other end's, axis, Bell
        index, own bit, the other end's) and the sequences (own, other) of the pairs that it delivered.
        """
        port = self._ports[circuit, node]
        return self._kept(port), list(port.delivered or ())

    def _kept(self, port: Port) -> list[tuple[int, ...]]:
        return list(port.state.tests.kept or ())

    # ------------------------------------------------------------------ requests

    def request(self, circuit: int | str, *, at_ns: int | None = None, **fields: Any) -> int:
        """Ask for pairs; fields are those of `EndRequest` but `id`. Returns the request's number."""
        number = self.circuit(circuit) if isinstance(circuit, str) else circuit
        if number not in self.plans:
            raise InputError("no such circuit", field="circuit", value=circuit)
        request = EndRequest(self._next_request, **fields)
        self._next_request += 1
        time = self.now if at_ns is None else max(self.now, at_ns)
        self.requests[request.id] = RequestLog(request.id, number, time)
        self._push(time, REQUEST, number, request, None)
        return request.id

    def submit(self, workload: WorkloadSpec) -> list[int]:
        """Issue a workload: one request, or the same again and again."""
        found = []
        for turn in range(max(1, workload.repeat)):
            shift = turn * workload.every_ns
            found.append(
                self.request(
                    workload.circuit,
                    at_ns=workload.start_ns + shift,
                    form=FORMS[workload.type],
                    number=workload.number,
                    rate=round(workload.rate * 1000),
                    deadline_ns=workload.by_ns + shift if workload.by_ns else 0,
                    window_ms=-(-workload.within_ns // 1_000_000),
                    head_basis=workload.head_basis,
                    tail_basis=workload.tail_basis,
                    final=workload.final,
                    purify=workload.purify,
                )
            )
        return found

    def cancel(self, request: int) -> None:
        """The application has enough of a request."""
        log = self.requests[request]
        port = self._ports[log.circuit, self.plans[log.circuit].path[0]]
        self._call(self.now, lambda now: self._perform(now, port, port.on_cancel(now, request)))

    def call_at(self, time_ns: int, what: Callable[[int], None]) -> None:
        """Call an application's function at a time."""
        self._push(max(self.now, time_ns), CALL, what, None, None)

    def _call(self, time: int, what: Callable[[int], None]) -> None:
        self._push(time, CALL, what, None, None)

    # ------------------------------------------------------------------ time

    def _push(self, time: int, kind: int, a: Any, b: Any, c: Any) -> None:
        self._number = number = self._number + 1
        self._later((time, number, kind, a, b, c))

    def _schedule_herald(self, time: int, link: Link, token: int) -> None:
        self._number = number = self._number + 1
        self._later((time, number, HERALD, link, token, None))

    def run(
        self, until_ns: int | None = None, *, max_events: int | None = None, max_deliveries: int | None = None
    ) -> int:
        """Serve events until a time, a number of events or deliveries, or until nothing is left.

        Returns the number of events served. Without any bound an endless request never lets it end.
        """
        thresholds = gc.get_threshold()
        gc.set_threshold(max(50_000, thresholds[0]), *thresholds[1:])  # events are no garbage that has cycles
        try:
            return self._serve(
                1 << 62 if until_ns is None else until_ns,
                1 << 62 if max_events is None else max_events,
                1 << 62 if max_deliveries is None else self.delivered + max_deliveries,
            )
        finally:
            gc.set_threshold(*thresholds)

    def _serve(self, end: int, budget: int, goal: int) -> int:
        """The loop of `run`: until a time, so many events, so many pairs in all."""
        agenda, perform = self._agenda, self._perform
        heap = agenda.heap
        done = 0
        now = self.now
        while done < budget and self.delivered < goal:
            if not heap and not agenda.advance():
                if end < 1 << 62:
                    now = end
                break
            event = heappop(heap)
            now = event[0]
            if now > end:
                heappush(heap, event)
                now = end
                break
            done += 1
            self.now = now
            kind = event[2]
            if kind == FRAME:
                port = event[3]
                actions = port.on_frame(now, event[4], event[5])
                if actions:
                    perform(now, port, actions)
            elif kind == HERALD:
                link = event[3]
                if link.token == event[4] and link.busy:
                    self._herald(now, link)
            elif kind == TIMER:
                port = event[3]
                actions = port.on_timer(now, event[4])
                if actions:
                    perform(now, port, actions)
            elif kind == SWAPPED:
                self._swapped(now, event[3], event[4])
            elif kind == REQUEST:
                self._requested(now, event[3], event[4])
            else:
                event[3](now)
        self.now = now
        self.events += done
        return done

    delivered = 0
    """Pairs delivered at both ends."""

    def _herald(self, now: int, link: Link) -> None:
        """A link made a pair: tell both ends, then begin the next."""
        made = self.plant.herald(now, link)
        if made is not None:
            label, sequence, bell, one, two, seen1, seen2 = made
            first, side1, second, side2 = label.hops
            actions = first.on_pair(now, side1, sequence, one, bell, seen1)
            if actions:
                self._perform(now, first, actions)
            actions = second.on_pair(now, side2, sequence, two, bell, seen2)
            if actions:
                self._perform(now, second, actions)
        self.plant.attempt(now, link)

    def _swapped(self, now: int, port: Port, action: Action) -> None:
        _, left, left_handle, left_bell, right, right_handle, right_bell = action
        outcome = self.plant.swap(now, port.node, left_handle, right_handle)
        actions = port.on_swap(now, left, left_bell, right, right_bell, outcome)
        if actions:
            self._perform(now, port, actions)

    def _requested(self, now: int, circuit: int, request: EndRequest) -> None:
        port = self._ports[circuit, self.plans[circuit].path[0]]
        self._perform(now, port, port.on_request(now, request))

    def _perform(self, now: int, port: Port, actions: Iterable[Action]) -> None:
        """Carry out what a rule asked for, in order."""
        agenda = self._agenda
        for action in actions:
            kind = action[0]
            if kind == SEND:
                self._number = number = self._number + 1
                if action[1]:
                    event = (now + port.right_delay_ns, number, FRAME, port.right, 0, action[2])
                else:
                    event = (now + port.left_delay_ns, number, FRAME, port.left, 1, action[2])
                if event[0] < agenda.edge:
                    heappush(agenda.heap, event)
                else:
                    self._later(event)
            elif kind == SWAP:
                if port.swap_ns:
                    self._push(now + port.swap_ns, SWAPPED, port, action, None)
                else:
                    self._swapped(now, port, action)
            elif kind == DELIVER:
                self._deliver(now, port, action)
            elif kind == FREE:
                self.plant.free(now, action[1])
                self._early.discard(action[1])
            elif kind == SET_TIMER:
                self._push(max(now, action[1]), TIMER, port, action[2], None)
            elif kind == LINK_START:
                link, end = port.links[action[1]]  # type: ignore[misc]  # rules name only sides of the path
                self.plant.start(now, link, port.circuit, end, action[2])
            elif kind == LINK_STOP:
                link, end = port.links[action[1]]  # type: ignore[misc]
                self.plant.stop(now, link, port.circuit, end)
            elif kind == PURIFY:
                self._purify(now, port, action)
            else:
                self._status(now, port, action)

    def _purify(self, now: int, port: Port, action: Action) -> None:
        """An end's part of a purification takes as long as a swap."""
        if port.swap_ns:
            self._call(now + port.swap_ns, lambda t: self._purified(t, port, action))
        else:
            self._purified(now, port, action)

    def _purified(self, now: int, port: Port, action: Action) -> None:
        _, kept, handle, sacrificed, *turns = action
        self.purifications += port.is_head
        bit = self.hardware.purify(now, port.node, handle, sacrificed, (turns[0], turns[1]))
        self.plant.free(now, sacrificed)
        actions = port.on_purified(now, kept, handle, bit)
        if actions:
            self._perform(now, port, actions)

    # ------------------------------------------------------------------ what applications see

    def _deliver(self, now: int, port: Port, action: Action) -> None:
        """Join the deliveries of both ends."""
        _, request, handle, bell, own, other, outcome, pauli = action
        if bell < 0:
            self._early.add(handle)
            if self.on_early is not None:
                self.on_early(now, port.circuit, request, handle)
            return
        self._early.discard(handle)
        if port.delivered is not None:
            port.delivered.append((own, other))
        if pauli and outcome < 0:
            self.hardware.correct(handle, pauli)
        elif pauli:
            outcome ^= _flip(outcome >> 1, pauli)
            self.hardware.correct(handle, pauli)
        key = (port.circuit, own, other) if port.is_head else (port.circuit, other, own)
        first = self._open.pop(key, None)
        if first is None:
            self._open[key] = (handle, bell, outcome, request)
            return
        other_handle, other_bell, other_outcome, other_request = first
        stats = self.stats[port.circuit]
        stats.delivered += 1
        self.delivered += 1
        hardware = self.hardware
        if bell != other_bell or hardware.frame(handle) != bell or request != other_request:
            stats.wrong_bell += 1
        fidelity = None
        if outcome < 0 and other_outcome < 0:
            fidelity = hardware.fidelity(now, handle, bell)
        if fidelity is not None:
            stats.fidelity_n += 1
            stats.fidelity_sum += fidelity
            stats.fidelity_sum2 += fidelity * fidelity
            if fidelity >= self.plans[port.circuit].spec.fidelity:
                stats.useful += 1
        if stats.first_ns < 0:
            stats.first_ns = now
        else:
            gap = now - stats.last_ns
            stats.gap_sum2 += float(gap) * gap
        stats.last_ns = now
        if self._record or self.on_delivery is not None:
            pair = Delivery(
                now,
                port.circuit,
                request,
                (key[1], key[2]),
                bell,
                fidelity,
                handle if port.is_head else other_handle,
                other_handle if port.is_head else handle,
                outcome if port.is_head else other_outcome,
                other_outcome if port.is_head else outcome,
            )
            if self._record:
                self.deliveries.append(pair)
            if self.on_delivery is not None:
                self.on_delivery(pair)
        if handle not in self._held:
            self.plant.free(now, handle)
        if other_handle not in self._held:
            self.plant.free(now, other_handle)

    def hold(self, *handles: int) -> None:
        """Called from `on_delivery`: the application keeps these qubits."""
        self._held.update(handles)

    def release(self, *handles: int) -> None:
        """The application gives qubits back; those that a crash took are gone already."""
        for handle in handles:
            if handle in self._held:
                self._held.discard(handle)
                self.plant.free(self.now, handle)

    def holds(self, handle: int) -> bool:
        """Whether an application still holds a qubit: a crash of its node ends that."""
        return handle in self._held

    def used(self, handle: int) -> None:
        """A held qubit that the hardware ended by itself, as in a Bell measurement."""
        self._held.discard(handle)
        self.plant.used(self.now, handle)

    def _status(self, now: int, port: Port, action: Action) -> None:
        _, request, status, reason, delivered = action
        log = self.requests.get(request)
        if log is None:
            return
        log.history.append((now, Status(status), Reason(reason)))
        if port.is_head:
            log.status, log.reason, log.delivered = Status(status), Reason(reason), delivered
            if status in (Status.COMPLETED, Status.REFUSED, Status.ABORTED):
                log.finished_ns = now
            if self.on_status is not None:
                self.on_status(log)
        if status in (Status.COMPLETED, Status.ABORTED):
            self._ended_at(now, port, request)

    def _ended_at(self, now: int, port: Port, request: int) -> None:
        """An end has ended a request. Once both have, what only one of them delivered belongs to nobody."""
        ends = self._ended.pop(request, 0) | (1 if port.is_head else 2)
        if ends != 3:
            self._ended[request] = ends
            return
        for key in [k for k, entry in self._open.items() if entry[3] == request and k[0] == port.circuit]:
            handle = self._open.pop(key)[0]
            self._early.discard(handle)
            self.plant.free(now, handle)

    def is_cut(self, link: int) -> bool:
        """Whether no message passes a link now; never, in a network without faults."""
        del link
        return False

    def is_down(self, node: int) -> bool:
        """Whether a node is down now."""
        del node
        return False

    def leaked(self) -> int:
        """Qubits that nobody answers for: 0 once all requests ended and all cutoffs passed."""
        return self.plant.leaked() - 2 * len(self._held)


def _flip(axis: int, pauli: int) -> int:
    """Whether XˣZᶻ turns the bit along an axis round (axes X, Y, Z; others have no such rule)."""
    x, z = pauli >> 1 & 1, pauli & 1
    if axis > 2:
        raise InputError(
            "a final state cannot be asked of measurements along tilted axes", field="axis", value=axis
        )
    return (z, x ^ z, x)[axis]


def _backend(topology: Topology, backend: str | Hardware, seed: int) -> Hardware:
    if not isinstance(backend, str):
        return backend
    noises = [node.hardware.noise for node in topology.nodes]
    if backend == "belldiag":
        return BellDiagonalHardware(noises, seed)
    if backend == "dm":
        from qcrs.qnp.physical.dm import DensityMatrixHardware

        return DensityMatrixHardware(noises, seed)
    if backend == "qiskit":
        from qcrs.qnp.physical.qiskit_backend import QiskitHardware

        return QiskitHardware(noises, seed)
    raise ConfigError(
        "no such backend", field="backend", value=backend, solution="one of belldiag, dm, qiskit"
    )
