"""What goes wrong is survived: the run goes on, nothing leaks, and whoever asked is told why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from qcrs.qnp import ControlSpec, FaultSpec, HardwareSpec, LinkSpec, Reason, Status, Topology
from qcrs.qnp.drivers.faults import FaultyNetwork
from qcrs.qnp.drivers.trace import Trace

Chain = Callable[..., Topology]
MS = 1_000_000


def run(topology: Topology, *faults: FaultSpec, number: int = 300, **request: object) -> FaultyNetwork:
    network = FaultyNetwork(topology.with_(faults=faults), 3, trace=Trace())
    network.request("c", number=number, **request)
    network.run()
    assert sum(s.wrong_bell for s in network.stats.values()) == 0
    return network


def again(network: FaultyNetwork, number: int = 50) -> None:
    """A new request on the circuit, reopened if it had to be, is served to its end."""
    request = network.request("c", number=number)
    network.run()
    assert network.requests[request].status is Status.COMPLETED
    assert network.leaked() == 0


@pytest.mark.parametrize("form", [0, 1, 2])
@pytest.mark.parametrize(
    "fault",
    [
        FaultSpec("reply_loss", 20 * MS, link="n0-n1", node="n1", count=5),
        FaultSpec("reply_loss", 20 * MS, link="n0-n1", node="n0", count=5),
        FaultSpec("reply_loss", 20 * MS, link="n1-n2", node="n1", count=5),
        FaultSpec("reply_loss", 20 * MS, link="n2-n3", node="n3", count=5),
        FaultSpec("duplicate", 20 * MS, link="n1-n2", count=50),
        FaultSpec("late", 20 * MS, link="n1-n2", count=20, for_ns=30 * MS),
        FaultSpec("lost_frame", 20 * MS, link="n0-n1", count=5),
        FaultSpec("partition", 20 * MS, link="n1-n2", for_ns=30 * MS),
        FaultSpec("flap", 20 * MS, link="n1-n2", for_ns=30 * MS),
        FaultSpec("skew", 20 * MS, node="n1", skew_ns=7 * MS),
        FaultSpec("skew", 20 * MS, node="n2", skew_ns=-7 * MS),
        FaultSpec("full_memory", 20 * MS, node="n1", for_ns=50 * MS),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.link or fault.node}-{fault.node}" if fault else "",
)
def test_a_passing_fault_costs_time_alone(chain: Chain, fault: FaultSpec, form: int) -> None:
    network = run(chain(4), fault, form=form)
    assert network.requests[1].status is Status.COMPLETED
    assert network.requests[1].delivered == 300
    assert network.leaked() == 0
    again(network)


def test_duplicates_are_noticed_and_change_nothing(chain: Chain) -> None:
    fault = FaultSpec("duplicate", 20 * MS, link="n1-n2", count=50)
    plain, doubled = run(chain(4), number=200), run(chain(4), fault, number=200)
    assert doubled.duplicates_dropped == 100
    assert plain.deliveries == doubled.deliveries


@pytest.mark.parametrize("form", [0, 1, 2])
@pytest.mark.parametrize("node", ["n0", "n1", "n2", "n3"])
@pytest.mark.parametrize("outage", [10 * MS, 300 * MS])
def test_a_crash_aborts_with_a_reason_and_the_circuit_opens_again(
    chain: Chain, node: str, outage: int, form: int
) -> None:
    fault = FaultSpec("crash", 50 * MS, node=node, for_ns=outage)
    network = run(chain(4), fault, number=10_000, form=form)
    log = network.requests[1]
    assert log.status is Status.ABORTED
    assert log.reason is Reason.NODE_CRASHED
    assert 0 < network.delivered < 10_000
    assert network.leaked() == 0
    assert network.circuit("c") != 1
    again(network)


@pytest.mark.parametrize("kind", ["partition", "flap"])
@pytest.mark.parametrize("link", ["n0-n1", "n1-n2"])
def test_a_long_silence_loses_the_keepalive(chain: Chain, kind: str, link: str) -> None:
    network = run(chain(4), FaultSpec(kind, 50 * MS, link=link, for_ns=400 * MS), number=10_000)
    log = network.requests[1]
    assert (log.status, log.reason) == (Status.ABORTED, Reason.KEEPALIVE_LOST)
    assert network.leaked() == 0
    again(network)


def test_a_lie_about_test_rounds_closes_the_circuit(chain: Chain) -> None:
    control = ControlSpec(test_every=20, test_count=10)
    fault = FaultSpec("lying_tests", 0, circuit="c", count=500)
    network = run(chain(3, control=control), fault, number=200)
    tail = network.port(1, 2).state
    assert tail.closed is Reason.COUNTS_DIFFER
    assert network.port(1, 0).state.closed is Reason.COUNTS_DIFFER
    assert network.requests[1].history[-1][1:] in (
        (Status.COMPLETED, Reason.NONE),
        (Status.ABORTED, Reason.COUNTS_DIFFER),
    )
    assert network.leaked() == 0
    refused = network.request(1, number=1)
    network.run()
    assert network.requests[refused].reason is Reason.CIRCUIT_DOWN


def test_bad_quality_closes_the_circuit(chain: Chain) -> None:
    control = ControlSpec(test_every=10, test_count=20, max_error=0.01)
    network = run(chain(4, control=control), number=10_000)
    assert network.requests[1].reason is Reason.QUALITY_TOO_LOW
    assert network.leaked() == 0


def test_pairs_that_expire_leave_nothing(chain: Chain) -> None:
    topology = chain(5, cutoff=300_000)
    network = run(topology, number=20)
    assert network.requests[1].status is Status.COMPLETED
    discards = sum(network.port(1, n).state.discards for n in (1, 2, 3))
    assert discards > 100
    assert network.leaked() == 0


def test_many_faults_at_once(chain: Chain) -> None:
    faults = (
        FaultSpec("reply_loss", 10 * MS, link="n1-n2", node="n2", count=3),
        FaultSpec("late", 15 * MS, link="n0-n1", count=9, for_ns=9 * MS),
        FaultSpec("duplicate", 17 * MS, link="n2-n3", count=9),
        FaultSpec("crash", 60 * MS, node="n2", for_ns=20 * MS),
        FaultSpec("flap", 70 * MS, link="n0-n1", for_ns=200 * MS),
        FaultSpec("skew", 200 * MS, node="n1", skew_ns=3 * MS),
        FaultSpec("full_memory", 300 * MS, node="n3", for_ns=30 * MS),
    )
    topology = chain(5, hardware=HardwareSpec(t2_ns=10**9, swap_ns=200_000))
    network = run(topology, *faults, number=10_000)
    assert network.requests[1].status is Status.ABORTED
    assert network.leaked() == 0
    again(network)


def test_records_stay_bounded_in_a_long_run(chain: Chain) -> None:
    topology = chain(4, cutoff=500_000)
    network = FaultyNetwork(topology, 1, record=False)
    network.request("c")
    sizes = []
    for second in range(1, 9):
        network.run(until_ns=second * 10**9 // 2)
        sizes.append(sum(network.port(1, n).state.records for n in (1, 2)))
    assert max(sizes[4:]) < 1.5 * max(sizes[:4])


@pytest.mark.parametrize("form", [0, 1, 2])
@pytest.mark.parametrize("end_by", ["deadline", "cancel"])
def test_what_one_end_delivered_while_the_other_gave_up_is_nobodys(
    chain: Chain, form: int, end_by: str
) -> None:
    """News of the end takes 3 ms here: meanwhile the tail delivers pairs that the head has dropped."""
    link = LinkSpec(
        "", "", kind="heralded", p=0.1, fidelity=0.98, attempt_ns=100_000, frame_delay_ns=1_000_000
    )
    topology = chain(4, link=link, hardware=HardwareSpec(t2_ns=10**9, qubits_per_link=8), cutoff=50 * MS)
    network = FaultyNetwork(topology, 1)
    request = network.request("c", form=form, deadline_ns=200 * MS if end_by == "deadline" else 0)
    network.run(until_ns=200 * MS)
    if end_by == "cancel":
        network.cancel(request)
    network.run()
    assert network.requests[request].status is Status.COMPLETED
    assert network.delivered > 10
    assert network.leaked() == 0
