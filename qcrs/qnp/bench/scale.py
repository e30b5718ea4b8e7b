"""How large a network fits: nodes, circuits and events in one process, its memory and its speed."""

from __future__ import annotations

import resource
import time
from dataclasses import asdict, dataclass
from typing import Any

from qcrs.qnp.drivers.heap import Network
from qcrs.qnp.physical.streams import Stream
from qcrs.qnp.topology.model import CircuitSpec, ControlSpec, HardwareSpec, LinkSpec, NodeSpec, Topology

__all__ = ["ScaleResult", "grid", "measure"]


@dataclass(frozen=True, slots=True)
class ScaleResult:
    """One run: what it served, how long it took (processor and wall seconds), and its peak memory."""

    nodes: int
    circuits: int
    events: int
    delivered: int
    wrong_bell: int
    setup_cpu_s: float
    cpu_s: float
    wall_s: float
    peak_mib: float

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)


def grid(nodes: int, circuits: int, *, seed: int = 1, reach: int = 4) -> Topology:
    """A grid of nodes, and circuits between nodes at most `reach` rows and columns apart.

    Each link end has eight qubits, memories last ten seconds, and a tenth of the pairs are test rounds.
    """
    width = max(1, round(nodes**0.5))
    kind = HardwareSpec(t2_ns=10_000_000_000, gate_error=0.001, qubits_per_link=8)
    names = [f"n{i}" for i in range(nodes)]
    joined = []
    for i in range(nodes):
        if (i + 1) % width and i + 1 < nodes:
            joined.append((i, i + 1))
        if i + width < nodes:
            joined.append((i, i + width))
    links = tuple(
        LinkSpec(names[a], names[b], 10_000.0, "heralded", 1.0, 60_000, 0.05, 0.99, 0.0, 50_000)
        for a, b in joined
    )
    draws = Stream(seed, "grid")
    specs: list[CircuitSpec] = []
    while len(specs) < circuits:
        head = draws.below(nodes)
        row, column = divmod(head, width)
        row += draws.below(2 * reach + 1) - reach
        column += draws.below(2 * reach + 1) - reach
        tail = row * width + column
        if tail != head and 0 <= column < width and 0 <= tail < nodes:
            specs.append(CircuitSpec(f"c{len(specs)}", names[head], names[tail], fidelity=0.7))
    control = ControlSpec(test_every=90, test_count=10)
    return Topology(tuple(NodeSpec(n, kind) for n in names), links, control, tuple(specs), name="grid")


def measure(nodes: int = 200, circuits: int = 1000, events: int = 10_000_000, seed: int = 1) -> ScaleResult:
    """Run a grid with an endless request on each circuit for a number of events."""
    begun = time.process_time()
    network = Network(grid(nodes, circuits, seed=seed), seed, record=False)
    for number in list(network.plans):
        network.request(number)
    ready, wall = time.process_time(), time.perf_counter()
    network.run(max_events=events)
    return ScaleResult(
        nodes,
        circuits,
        network.events,
        network.delivered,
        sum(s.wrong_bell for s in network.stats.values()),
        ready - begun,
        time.process_time() - ready,
        time.perf_counter() - wall,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )
