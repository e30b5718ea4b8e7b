"""Real processes and sockets: the same trace as the event heap, and faults that only a network has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from qcrs.qnp import (
    CircuitSpec,
    ControlSpec,
    FaultSpec,
    HardwareSpec,
    LinkSpec,
    Reason,
    Status,
    Topology,
    WorkloadSpec,
)
from qcrs.qnp.drivers.faults import FaultyNetwork
from qcrs.qnp.drivers.tcp.broker import RemoteNetwork
from qcrs.qnp.drivers.tcp.live import LiveNetwork
from qcrs.qnp.drivers.trace import Trace

Chain = Callable[..., Topology]
MS = 1_000_000
pytestmark = pytest.mark.network


def _keep(chain: Chain) -> Topology:
    return chain(3).with_(workloads=(WorkloadSpec("c", number=40),))


def _measured_with_tests(chain: Chain) -> Topology:
    topology = chain(4, control=ControlSpec(test_every=10, test_count=6))
    work = WorkloadSpec("c", type="measure", number=40, head_basis=16, tail_basis=17)
    return topology.with_(workloads=(work,))


def _two_circuits(chain: Chain) -> Topology:
    circuits = (CircuitSpec("x", "A0", "B0", 0.8), CircuitSpec("y", "B1", "A1", 0.8))
    work = (
        WorkloadSpec("x", number=15, final=0),
        WorkloadSpec("y", type="early", number=15),
        WorkloadSpec("x", type="measure", number=10, start_ns=5 * MS),
    )
    link = LinkSpec("", "", kind="heralded", p=0.1, fidelity=0.97, attempt_ns=100_000, frame_delay_ns=5000)
    return Topology.dumbbell(link, HardwareSpec(t2_ns=10**9), circuits=circuits, workloads=work)


def _slow_swaps_and_windows(chain: Chain) -> Topology:
    topology = chain(3, hardware=HardwareSpec(t2_ns=10**9, swap_ns=300_000, qubits_per_link=4))
    work = (WorkloadSpec("c", number=3, within_ns=8 * MS), WorkloadSpec("c", by_ns=30 * MS))
    return topology.with_(workloads=work)


def _faulty(chain: Chain) -> Topology:
    faults = (
        FaultSpec("late", 5 * MS, link="n1-n2", count=5, for_ns=3 * MS),
        FaultSpec("reply_loss", 8 * MS, link="n0-n1", node="n1", count=2),
        FaultSpec("duplicate", 9 * MS, link="n0-n1", count=5),
        FaultSpec("skew", 10 * MS, node="n1", skew_ns=2 * MS),
        FaultSpec("crash", 20 * MS, node="n2", for_ns=30 * MS),
        FaultSpec("full_memory", 70 * MS, node="n0", for_ns=10 * MS),
    )
    work = (WorkloadSpec("c", number=100), WorkloadSpec("c", type="measure", number=20, start_ns=60 * MS))
    return chain(4).with_(faults=faults, workloads=work)


@pytest.mark.parametrize(
    "scenario", [_keep, _measured_with_tests, _two_circuits, _slow_swaps_and_windows, _faulty]
)
def test_processes_and_event_heap_give_the_same_trace(
    chain: Chain, scenario: Callable[[Chain], Topology]
) -> None:
    topology = scenario(chain)
    heap = FaultyNetwork(topology, 3, trace=Trace())
    heap.run()
    with RemoteNetwork(topology, 3) as remote:
        remote.run()
        text = remote.trace_text()
    assert heap.trace is not None
    assert text.encode() == heap.trace.text().encode()
    assert len(heap.trace.lines) > 100
    assert remote.deliveries == heap.deliveries
    assert remote.leaked() == heap.leaked() == 0


LIVE = LinkSpec("", "", kind="heralded", p=0.02, fidelity=0.98, attempt_ns=100_000)


def _live(chain: Chain) -> Topology:
    control = ControlSpec(keepalive_ns=2000 * MS)
    return chain(4, link=LIVE, hardware=HardwareSpec(t2_ns=10**11), control=control, cutoff=500 * MS)


def test_connections_cut_inside_a_frame_and_frames_sent_twice_change_nothing(chain: Chain) -> None:
    async def scenario() -> None:
        network = await LiveNetwork.start(_live(chain), 1)
        try:
            request = network.request("c", number=120)
            for step in range(6):
                await network.hub.until(lambda n=step: network.delivered >= 15 * n + 1)  # type: ignore[misc]
                network.fault(1, "cut", 2, 7 + step)
                network.fault(2, "repeat", 1)
            await network.finished(request)
            log = network.requests[request]
            assert (log.status, log.delivered) == (Status.COMPLETED, 120)
            await network.hub.until(lambda: network.delivered == 120 and network.leaked() == 0)
            assert network.stats[1].wrong_bell == 0
        finally:
            await network.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("victim", [0, 2])
def test_a_killed_process_is_told_of_and_the_circuit_opens_again(chain: Chain, victim: int) -> None:
    async def scenario() -> None:
        network = await LiveNetwork.start(_live(chain), 1)
        try:
            request = network.request("c", number=100_000)
            await network.hub.until(lambda: network.delivered >= 10)
            network.kill(victim, 300 * MS)
            await network.finished(request)
            log = network.requests[request]
            assert log.status is Status.ABORTED
            assert log.reason in (Reason.NODE_CRASHED, Reason.KEEPALIVE_LOST)
            await network.hub.until(lambda: network.circuit("c") != 1)
            second = network.request("c", number=10)
            await network.finished(second)
            assert network.requests[second].status is Status.COMPLETED
            await network.hub.until(lambda: network.leaked() == 0)
            assert sum(s.wrong_bell for s in network.stats.values()) == 0
        finally:
            await network.close()

    asyncio.run(scenario())


def test_ends_remember_the_same_in_one_process_and_in_many(chain: Chain) -> None:
    topology = chain(3, control=ControlSpec(test_every=10, test_count=6))
    found = []
    with RemoteNetwork(topology, seed=3) as remote:
        for network in (FaultyNetwork(topology, seed=3), remote):
            network.keep(1)
            network.request("c", number=30)
            network.run()
            found.append([network.kept(1, node) for node in (0, 2)])
    assert found[0] == found[1]
    (head, pairs), (tail, other) = found[0]
    assert len(pairs) == 30
    assert pairs == [(b, a) for a, b in other]
    seen = {(a, b): (axis, bell, one, two) for b, a, axis, bell, two, one in tail}
    assert len(head) >= 6
    assert {(a, b): rest for a, b, *rest in map(list, head) if (a, b) in seen} == {
        key: list(value) for key, value in seen.items()
    }
