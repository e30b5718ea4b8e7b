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
from qcrs.qnp.control.plan import CircuitPlan, plan_all
from qcrs.qnp.control.plan import plan as plan_circuit
from qcrs.qnp.control.routing import route
from qcrs.qnp.drivers.agenda import Agenda
from qcrs.qnp.drivers.deliveries import Deliveries
from qcrs.qnp.drivers.plant import Link, Plant
from qcrs.qnp.drivers.port import Port
from qcrs.qnp.drivers.records import CircuitStats, Delivery, RequestLog
from qcrs.qnp.drivers.trace import Trace
from qcrs.qnp.network import install
from qcrs.qnp.network.actions import (
    DELIVER,
    FREE,
    LINK_START,
    LINK_STOP,
    PURIFY,
    SEND,
    SET_TIMER,
    SWAP,
    Action,
    EndRequest,
    Reason,
    RoutingEntry,
    Status,
)
from qcrs.qnp.network.frames import EARLY, KEEP, MEASURE
from qcrs.qnp.physical.backends import hardware_named
from qcrs.qnp.physical.hardware import Hardware
from qcrs.qnp.topology.model import CircuitSpec, Topology, WorkloadSpec

__all__ = ["Network"]

FRAME, HERALD, TIMER, SWAPPED, REQUEST, CALL = range(6)
FORMS = {"keep": KEEP, "early": EARLY, "measure": MEASURE}


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
        self.purifications = 0
        self.requests: dict[int, RequestLog] = {}
        self.plans: dict[int, CircuitPlan] = {}
        self.on_delivery: Callable[[Delivery], None] | None = None
        self.on_early: Callable[[int, int, int, int], None] | None = None
        self.on_status: Callable[[RequestLog], None] | None = None
        self._agenda = Agenda()
        self._later = self._agenda.push
        self._number = 0
        self._next_request = 1
        self._ports: dict[tuple[int, int], Port] = {}
        self._by_link: dict[tuple[int, int], tuple[tuple[Port, int], tuple[Port, int]]] = {}
        noises = [node.hardware.noise for node in topology.nodes]
        self.hardware = hardware_named(backend, noises, seed) if isinstance(backend, str) else backend
        self.plant = Plant(topology, self.hardware, seed, self._schedule_herald)
        self._joined = Deliveries(self.plant, self.plans, record=record)
        self.deliveries, self.stats = self._joined.pairs, self._joined.stats
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
            left.lead_to(right, setting.link, end, self.topology.links[setting.link].frame_delay_ns)
            stream = self.plant.install(setting.link, number, setting.source, plan.spec.weight)
            stream.hops = (left, 1, right, 0) if end == 0 else (right, 0, left, 1)
            hops = ((left, 1), (right, 0))
            self._by_link[setting.link, number] = hops if end == 0 else hops[::-1]

    def _bind(self, port: Port, entry: RoutingEntry) -> None:
        """Attach the rules of a fresh state to a port."""
        port.follow(install(entry))
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
        agenda, perform, joined = self._agenda, self._perform, self._joined
        heap = agenda.heap
        done = 0
        now = self.now
        while done < budget and joined.count < goal:
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

    @property
    def delivered(self) -> int:
        """Pairs delivered at both ends."""
        return self._joined.count

    def _deliver(self, now: int, port: Port, action: Action) -> None:
        """An end hands over a qubit: early, or once its Bell state is known."""
        if action[3] >= 0:
            self._joined.join(now, port, action, self.on_delivery)
        elif self.on_early is not None:
            self.on_early(now, port.circuit, action[1], action[2])

    def hold(self, *handles: int) -> None:
        """Called from `on_delivery`: the application keeps these qubits."""
        self._joined.hold(handles)

    def release(self, *handles: int) -> None:
        """The application gives qubits back; those that a crash took are gone already."""
        self._joined.release(self.now, handles)

    def holds(self, handle: int) -> bool:
        """Whether an application still holds a qubit: a crash of its node ends that."""
        return self._joined.holds(handle)

    def used(self, handle: int) -> None:
        """A held qubit that the hardware ended by itself, as in a Bell measurement."""
        self._joined.used(self.now, handle)

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
            self._joined.ended(now, port, request)

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
        return self.plant.leaked() - 2 * self._joined.held
