"""QNP: entanglement between processors, as a connection-oriented network protocol.

Virtual circuits over link-layer entanglement, swaps at every repeater, lazy tracking; after Kozlowski,
Dahlberg, Wehner, *Designing a Quantum Network Protocol*, CoNEXT 2020 (arXiv 2010.02575).

::

    from qcrs.qnp import CircuitSpec, HardwareSpec, LinkSpec, Network, Topology, simulate
    from qcrs.qnp.topology.reader import load_topology          # needs PyYAML

    link = LinkSpec("", "", kind="heralded", p=0.01, fidelity=0.98, attempt_ns=100_000)
    chain = Topology.chain(3, link, HardwareSpec(t2_ns=10**9),
                           circuits=(CircuitSpec("c", "n0", "n2", fidelity=0.9),))

    network = Network(chain, seed=1)               # or Network(load_topology(path), seed)
    circuit = network.connect("n0", "n2", 0.9)     # the open circuit with these ends, or a new one
    request = network.request("c", number=100)     # form=KEEP | EARLY | MEASURE, rate, deadline_ns,
    network.run()                                  #   window_ms, head_basis, tail_basis, final, at_ns
    network.requests[request].status               # Status.COMPLETED, with .reason.words and .delivered
    network.deliveries[0]                          # Delivery: sequence, bell, fidelity, handles, outcomes

Applications set `network.on_delivery`; a pair they `network.hold(head, tail)` stays in memory, is used with
`network.hardware.measure(now, node, handle, axis)`, `.correct(handle, pauli)`, `.fidelity(now, handle, …)`,
and is given back with `network.release(handle, …)`. With `on_early` they hear of qubits before their
TRACK. `network.call_at(time, function)` runs their own steps in simulated time, `network.cancel(request)`
ends an endless request, `network.run(until_ns=…, max_events=…, max_deliveries=…)` returns early.

Layers: `physical` (pairs, noise, hardware backends), `link` (CREATE, OK, ERR; streams), `network` (frames
and node rules, without clock, socket or randomness), `control` (routing, fidelities, cutoffs, rates),
`topology` (networks as values and files), `drivers` (event heap; TCP with a process for each node).
"""

from qcrs.qnp.control import CircuitPlan, plan, plan_all
from qcrs.qnp.drivers.heap import Network
from qcrs.qnp.drivers.records import CircuitStats, Delivery, RequestLog
from qcrs.qnp.network import EndRequest, Reason, Status
from qcrs.qnp.network.frames import EARLY, KEEP, MEASURE
from qcrs.qnp.physical import AXES, BASIS_SETS, BELL_NAMES, BellPair
from qcrs.qnp.topology import (
    CircuitSpec,
    ControlSpec,
    FaultSpec,
    HardwareSpec,
    LinkSpec,
    NodeSpec,
    Topology,
    WorkloadSpec,
)

__all__ = [
    "AXES",
    "BASIS_SETS",
    "BELL_NAMES",
    "EARLY",
    "KEEP",
    "MEASURE",
    "BellPair",
    "CircuitPlan",
    "CircuitSpec",
    "CircuitStats",
    "ControlSpec",
    "Delivery",
    "EndRequest",
    "FaultSpec",
    "HardwareSpec",
    "LinkSpec",
    "Network",
    "NodeSpec",
    "Reason",
    "RequestLog",
    "Status",
    "Topology",
    "WorkloadSpec",
    "plan",
    "plan_all",
    "simulate",
]


def simulate(
    topology: Topology,
    requests: tuple[WorkloadSpec, ...] = (),
    seed: int = 0,
    *,
    until_ns: int | None = None,
    backend: str = "belldiag",
    record: bool = True,
) -> Network:
    """Run a topology's own workloads and these requests to their end (or a time); the network afterwards."""
    network = Network(topology, seed, backend=backend, record=record)
    for workload in requests:
        network.submit(workload)
    network.run(until_ns)
    return network
