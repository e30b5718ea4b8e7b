"""The paper's evaluation: rates alone and shared, congestion collapse and its cures, cutoff and oracle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qcrs.qnp import CircuitSpec, ControlSpec, HardwareSpec, LinkSpec, Network, Topology

SECOND = 10**9
LINK = LinkSpec("", "", eta=0.0101)
"""10.12 µs attempts; this efficiency makes F = 0.95 take 10 ms and F = 0.977 take 21.8 ms on average."""

ENDS = (("A0", "B0"), ("A1", "B1"), ("A0", "B1"), ("A1", "B0"))


def dumbbell(
    circuits: int,
    cutoff: str | int,
    *,
    link_fidelity: float = 0.0,
    fidelity: float = 0.5,
    labels: str = "coordinated",
    t2_s: float = 60,
    seconds: int = 60,
) -> Network:
    specs = tuple(
        CircuitSpec(f"c{i}", *ENDS[i], fidelity=fidelity, cutoff=cutoff, link_fidelity=link_fidelity)
        for i in range(circuits)
    )
    topology = Topology.dumbbell(
        LINK, HardwareSpec(t2_ns=int(t2_s * SECOND)), control=ControlSpec(labels=labels), circuits=specs
    )
    network = Network(topology, 1, record=False)
    for spec in specs:
        network.request(spec.name)
    network.run(until_ns=seconds * SECOND)
    return network


def rate(network: Network) -> float:
    return network.delivered * SECOND / network.now


def useful(network: Network) -> int:
    return sum(s.useful for s in network.stats.values())


def test_rates_alone_and_shared() -> None:
    """Fig. 9. The declared parameter is the link fidelity 0.977."""
    alone = dumbbell(1, "short", link_fidelity=0.977, seconds=120)
    shared = dumbbell(2, "short", link_fidelity=0.977, seconds=120)
    assert rate(alone) == pytest.approx(27, rel=0.1)
    for stats in shared.stats.values():
        assert stats.delivered / 120 == pytest.approx(18, rel=0.1)


def test_congestion_collapse_its_cure_and_its_absence() -> None:
    """Fig. 8 with four circuits."""
    two = rate(dumbbell(2, "long", link_fidelity=0.965, labels="independent"))
    collapsed = rate(dumbbell(4, "long", link_fidelity=0.965, labels="independent"))
    cured = rate(dumbbell(4, "short", link_fidelity=0.965, labels="independent"))
    coordinated = rate(dumbbell(4, "long", link_fidelity=0.965))
    assert collapsed < two / 5
    assert cured > 3 * collapsed
    assert coordinated > 0.9 * two


@pytest.mark.parametrize(("fidelity", "t2"), [(0.8, 0.25), (0.8, 0.5), (0.9, 0.5), (0.9, 1.6), (0.9, 5)])
def test_a_cutoff_gives_more_useful_pairs_than_an_oracle(fidelity: float, t2: float) -> None:
    """Fig. 10: the oracle knows every pair's fidelity and drops what is too low, but never cuts off."""
    ours = dumbbell(2, "auto", fidelity=fidelity, t2_s=t2)
    links = ours.plans[1].settings[0].fidelity
    oracle = dumbbell(2, "none", fidelity=fidelity, link_fidelity=links, t2_s=t2)
    assert useful(ours) == ours.delivered > 0
    assert useful(ours) > useful(oracle)


def test_message_delay_is_harmless_well_below_the_cutoff() -> None:
    """Fig. 10: up to a tenth of the cutoff it costs at most 5 %."""
    base = dumbbell(2, "auto", fidelity=0.8, t2_s=1.6)
    plan = base.plans[1]

    def delayed(delay_ns: int) -> float:
        link = replace(LINK, frame_delay_ns=delay_ns)
        specs = tuple(
            CircuitSpec(f"c{i}", *ENDS[i], cutoff=plan.cutoff_ns, link_fidelity=plan.settings[0].fidelity)
            for i in range(2)
        )
        topology = Topology.dumbbell(link, HardwareSpec(t2_ns=int(1.6 * SECOND)), circuits=specs)
        network = Network(topology, 1, record=False)
        for spec in specs:
            network.request(spec.name)
        network.run(until_ns=60 * SECOND)
        return rate(network)

    assert delayed(plan.cutoff_ns // 10) > 0.95 * rate(base)
    assert delayed(3 * plan.cutoff_ns) < 0.5 * rate(base)


def test_nothing_is_left_after_the_evaluation() -> None:
    network = dumbbell(4, "short", link_fidelity=0.965, seconds=10)
    for request in list(network.requests):
        network.cancel(request)
    network.run(until_ns=network.now + 2 * SECOND)
    assert network.leaked() == 0
    assert sum(s.wrong_bell for s in network.stats.values()) == 0
