"""A chain from end to end: pairs arrive at both ends with the right Bell state, nothing is left behind."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from qcrs.errors import ConfigError
from qcrs.qnp import (
    EARLY,
    KEEP,
    MEASURE,
    CircuitSpec,
    ControlSpec,
    Delivery,
    HardwareSpec,
    Network,
    Reason,
    Status,
    Topology,
    WorkloadSpec,
    simulate,
)

SECOND = 10**9
Chain = Callable[..., Topology]


@pytest.mark.parametrize("nodes", [2, 3, 5, 9])
def test_counted_request_delivers_exactly_its_number(chain: Chain, nodes: int) -> None:
    network = simulate(chain(nodes), (WorkloadSpec("c", number=200),), seed=nodes)
    (log,) = network.requests.values()
    assert log.status is Status.COMPLETED
    assert log.delivered == len(network.deliveries) == 200
    assert network.stats[1].wrong_bell == 0
    assert network.leaked() == 0
    assert len({d.sequence for d in network.deliveries}) == 200


def test_fidelity_lies_between_the_prediction_and_no_waiting(chain: Chain) -> None:
    topology = chain(4)
    network = simulate(topology, (WorkloadSpec("c", number=2000),), seed=3)
    w = (4 * 0.98 - 1) / 3
    fresh = (1 + 3 * w**3) / 4
    plan = network.plans[1]
    values = [d.fidelity for d in network.deliveries if d.fidelity is not None]
    assert len(values) == 2000
    assert all(plan.predicted_fidelity <= value <= fresh + 1e-12 for value in values)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(chain: Chain) -> None:
    runs = [simulate(chain(5), (WorkloadSpec("c", number=50),), seed=s).deliveries for s in (7, 7, 8)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.parametrize("final", [0, 1, 2, 3])
def test_a_final_state_is_corrected_at_the_head(chain: Chain, final: int) -> None:
    network = simulate(chain(3), (WorkloadSpec("c", number=100, final=final),), seed=1)
    assert {d.bell for d in network.deliveries} == {final}
    assert network.stats[1].wrong_bell == 0
    assert all(d.fidelity is not None and d.fidelity > 0.9 for d in network.deliveries)


@pytest.mark.parametrize(("basis", "correlator"), [(2, "zz"), (0, "xx"), (1, "yy")])
def test_measured_requests_have_the_correlations_of_the_state(
    chain: Chain, basis: int, correlator: str
) -> None:
    topology = chain(3, hardware=HardwareSpec())
    work = WorkloadSpec("c", type="measure", number=4000, head_basis=basis, tail_basis=basis)
    network = simulate(topology, (work,), seed=11)
    wrong = 0
    for d in network.deliveries:
        x, z = d.bell >> 1, d.bell & 1
        expected = (z, x ^ z ^ 1, x)[basis]
        assert d.head_outcome >> 1 == d.tail_outcome >> 1 == basis
        wrong += (d.head_outcome ^ d.tail_outcome) & 1 ^ expected
    w = (4 * 0.98 - 1) / 3
    error = (1 - w * w) / 2
    assert abs(wrong - 4000 * error) < 3 * math.sqrt(4000 * error * (1 - error)), correlator
    assert network.leaked() == 0


def test_bb84_bases_are_independent_and_disagree_half_the_time(chain: Chain) -> None:
    work = WorkloadSpec("c", type="measure", number=2000, head_basis=16, tail_basis=16)
    network = simulate(chain(3, hardware=HardwareSpec()), (work,), seed=5)
    same = [d for d in network.deliveries if d.head_outcome >> 1 == d.tail_outcome >> 1]
    assert abs(len(same) - 1000) < 3 * math.sqrt(500)
    other = [d for d in network.deliveries if d.head_outcome >> 1 != d.tail_outcome >> 1]
    equal = sum((d.head_outcome ^ d.tail_outcome) & 1 for d in other)
    assert abs(equal - len(other) / 2) < 3 * math.sqrt(len(other) / 4)


def test_early_qubits_are_announced_before_their_state(chain: Chain) -> None:
    network = Network(chain(3), 2)
    early: dict[int, int] = {}

    def on_early(now: int, circuit: int, request: int, handle: int) -> None:
        early[handle] = now

    network.on_early = on_early
    network.request("c", form=EARLY, number=50)
    network.run()
    assert len(network.deliveries) == 50
    for d in network.deliveries:
        assert early[d.head] < d.time_ns
        assert early[d.tail] < d.time_ns
    assert network.leaked() == 0


def test_all_pairs_of_a_window_are_alive_together(chain: Chain) -> None:
    topology = chain(3, hardware=HardwareSpec(t2_ns=SECOND, qubits_per_link=4))
    network = Network(topology, 4)
    request = network.request("c", form=KEEP, number=3, window_ms=4)
    network.run()
    log = network.requests[request]
    assert log.status is Status.COMPLETED
    assert log.delivered == len(network.deliveries) == 3
    assert network.leaked() == 0
    refused = network.request("c", number=5, window_ms=4)
    network.run()
    assert network.requests[refused].reason is Reason.MORE_THAN_MEMORY


def test_held_pairs_stay_until_released(chain: Chain) -> None:
    network = Network(chain(3), 4)
    kept: list[Delivery] = []

    def keep(pair: Delivery) -> None:
        network.hold(pair.head, pair.tail)
        kept.append(pair)

    network.on_delivery = keep
    network.request("c", number=1)
    network.run()
    (pair,) = kept
    assert network.leaked() == 0
    path = network.plans[1].path
    bit = network.hardware.measure(network.now, path[0], pair.head, 2)
    assert bit in (0, 1)
    network.release(pair.head, pair.tail)
    assert network.hardware.held() == 0


def test_test_rounds_measure_the_state(chain: Chain) -> None:
    topology = chain(3, hardware=HardwareSpec(), control=ControlSpec(test_every=20, test_count=20))
    network = Network(topology, 6)
    network.request("c", number=3000)
    network.run()
    head = network.port(1, 0).state
    tail = network.port(1, 2).state
    w = (4 * 0.98 - 1) / 3
    error = (1 - w * w) / 2
    assert head.tests.total > 2000
    assert abs(head.tests.total - tail.tests.total) <= 40
    for axis in range(3):
        n, wrong = head.tests.count[axis], head.tests.wrong[axis]
        assert n > 500
        assert abs(wrong - n * error) < 3 * math.sqrt(n * error * (1 - error))
    assert network.leaked() == 0


def test_two_requests_share_a_circuit_in_turns(chain: Chain) -> None:
    network = Network(chain(3, control=ControlSpec(slice_pairs=16)), 8)
    one = network.request("c", number=300)
    two = network.request("c", form=MEASURE, number=300)
    network.run()
    assert [network.requests[r].status for r in (one, two)] == [Status.COMPLETED] * 2
    order = [d.request for d in network.deliveries]
    assert set(order[:64]) == {one, two}
    head = network.port(1, 0).state
    assert head.mismatched < 100
    assert network.leaked() == 0


def test_deadlines_refusals_and_delays_give_reasons(chain: Chain) -> None:
    network = Network(chain(3), 9)
    eer = network.plans[1].eer
    late = network.request("c", number=10**6, deadline_ns=SECOND)
    fast = network.request("c", rate=int(eer * 1000) + 1)
    half = network.request("c", rate=int(eer * 600), deadline_ns=SECOND)
    waits = network.request("c", number=int(eer), deadline_ns=2 * SECOND)
    network.run()
    assert network.requests[late].reason is Reason.RATE_ABOVE_MAXIMUM
    assert network.requests[fast].status is Status.REFUSED
    assert network.requests[half].status is Status.COMPLETED
    assert network.requests[half].delivered >= 0.6 * eer
    log = network.requests[waits]
    assert next(entry[1] for entry in log.history) is Status.DELAYED
    assert log.status is Status.COMPLETED
    assert all(network.requests[r].reason.words for r in (late, fast))
    assert network.leaked() == 0


def test_a_cancelled_request_ends_and_frees_everything(chain: Chain) -> None:
    network = Network(chain(4), 10)
    request = network.request("c")
    network.run(max_deliveries=100)
    network.cancel(request)
    network.run()
    assert network.requests[request].status is Status.COMPLETED
    assert network.requests[request].reason is Reason.CANCELLED
    assert network.leaked() == 0


def test_circuits_that_cross_share_links(chain: Chain) -> None:
    topology = chain(5)
    circuits = (
        CircuitSpec("long", "n0", "n4", 0.8),
        CircuitSpec("back", "n3", "n1", 0.8),
        CircuitSpec("short", "n2", "n3", 0.9),
    )
    network = simulate(
        topology.with_(circuits=circuits), tuple(WorkloadSpec(c.name, number=100) for c in circuits), seed=2
    )
    assert [log.status for log in network.requests.values()] == [Status.COMPLETED] * 3
    assert sum(s.wrong_bell for s in network.stats.values()) == 0
    assert network.leaked() == 0


def test_slow_swaps_take_their_time(chain: Chain) -> None:
    slow = simulate(
        chain(4, hardware=HardwareSpec(swap_ns=500_000)), (WorkloadSpec("c", number=200),), seed=2
    )
    assert slow.requests[1].status is Status.COMPLETED
    assert slow.stats[1].wrong_bell == 0
    assert slow.leaked() == 0


def test_memory_shared_by_a_node_is_enough_for_progress(chain: Chain) -> None:
    topology = chain(5, hardware=HardwareSpec(qubits=2))
    network = simulate(topology, (WorkloadSpec("c", number=100),), seed=2)
    assert network.requests[1].status is Status.COMPLETED
    assert network.leaked() == 0


def test_requests_with_the_same_ends_and_fidelity_share_a_circuit(chain: Chain) -> None:
    network = Network(chain(4).with_(circuits=()), 1)
    one = network.connect("n0", "n3", 0.8)
    assert network.connect("n0", "n3", 0.8) == one
    other = network.connect("n0", "n3", 0.7)
    back = network.connect("n3", "n0", 0.8)
    assert len({one, other, back}) == 3
    requests = [network.request(c, number=40) for c in (one, one, other, back)]
    network.run()
    assert all(network.requests[r].status is Status.COMPLETED for r in requests)
    assert network.leaked() == 0
    with pytest.raises(ConfigError, match="reaches fidelity"):
        network.connect("n0", "n3", 0.999)


def test_frames_sent_again_change_nothing(chain: Chain) -> None:
    """Every frame of a run is shown to every rule a second time, later: no action, no change of counts."""
    topology = chain(4, control=ControlSpec(test_every=20, test_count=5))
    network = Network(topology, 4)
    request = network.request("c", number=100)
    seen: list[tuple[int, int, tuple[int, ...]]] = []
    for node in range(4):
        port = network.port(1, node)

        def watched(
            now: int, side: int, frame: tuple[int, ...], rule: object = port.on_frame, node: int = node
        ) -> object:
            seen.append((node, side, frame))
            return rule(now, side, frame)  # type: ignore[operator]  # the port's own rule

        port.on_frame = watched  # type: ignore[assignment]
    network.run(max_deliveries=60)
    tracks = [(n, s, f) for n, s, f in seen if f[0] == 3]
    assert len(tracks) > 300
    counts = [network.port(1, n).state.as_dict() for n in (0, 3)]
    for node, side, frame in tracks:
        assert network.port(1, node).state.on_frame(network.now, side, frame) == []
    assert [network.port(1, n).state.as_dict() for n in (0, 3)] == counts
    network.run()
    assert network.requests[request].delivered == 100
    assert network.leaked() == 0
