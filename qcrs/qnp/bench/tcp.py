"""How long a pair takes from its last swap to its delivery at both ends, with a process for each node.

A chain in wall time: all TRACKs travel over real sockets between real processes. What is measured is the
protocol and how the machine schedules processes; one that does other things too shows in the tail.
"""

from __future__ import annotations

import asyncio
import math
import os
from dataclasses import asdict, dataclass
from typing import Any

from qcrs.qnp.drivers.tcp.live import LiveNetwork
from qcrs.qnp.network.actions import Status
from qcrs.qnp.topology.model import CircuitSpec, ControlSpec, HardwareSpec, LinkSpec, Topology

__all__ = ["TcpResult", "chain", "measure"]

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class TcpResult:
    """One run: times in ms; `load` is the machine's load average at its end, `cpu_s` of all its processes."""

    nodes: int
    pairs: int
    wrong_bell: int
    leaked: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    most_ms: float
    cpu_s: float
    load: float

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)


def chain(nodes: int) -> Topology:
    """Nodes in a row, each link making about 200 pairs a second, memories of 100 s."""
    link = LinkSpec("", "", kind="heralded", p=0.02, fidelity=0.99, attempt_ns=100_000)
    circuit = CircuitSpec("c", "n0", f"n{nodes - 1}", cutoff=500 * MS)
    control = ControlSpec(keepalive_ns=5000 * MS)
    return Topology.chain(nodes, link, HardwareSpec(t2_ns=10**11), circuits=(circuit,), control=control)


def measure(nodes: int = 9, pairs: int = 1000, seed: int = 1) -> TcpResult:
    """Deliver `pairs` pairs over a chain of node processes."""
    return asyncio.run(_measure(nodes, pairs, seed))


async def _measure(nodes: int, pairs: int, seed: int) -> TcpResult:
    before = _cpu_s()
    network = await LiveNetwork.start(chain(nodes), seed, record=False)
    try:
        request = network.request("c", number=pairs)
        await network.finished(request, patience_s=60 + pairs / 5)
        await network.hub.until(lambda: network.leaked() == 0)
        done = network.requests[request].status is Status.COMPLETED
        times = sorted(network.latencies_ns) if done else []
        wrong = sum(s.wrong_bell for s in network.stats.values())
        leaked = network.leaked()
    finally:
        await network.close()

    def share(part: float) -> float:
        return times[min(len(times) - 1, math.ceil(part * len(times)) - 1)] / MS if times else math.nan

    return TcpResult(
        nodes,
        len(times),
        wrong,
        leaked,
        share(0.5),
        share(0.9),
        share(0.99),
        share(1.0),
        _cpu_s() - before,
        os.getloadavg()[0],
    )


def _cpu_s() -> float:
    """Processor time of this process and of those that it started and that ended."""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system
