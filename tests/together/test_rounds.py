"""Records of ends: what is agreed, what is attested, and that the contract hashes the same leaf."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from together_world import World, star

from qcrs.chain import bindings
from qcrs.chain.bindings import EntanglementCoordinator
from qcrs.circuits.merkle import proves
from qcrs.distributed.noise import BellDiagonal
from qcrs.errors import EntanglementError, InputError
from qcrs.qnp import CircuitSpec, ControlSpec, HardwareSpec, LinkSpec, Topology
from qcrs.together.conductor import estimated
from qcrs.together.rounds import EndRecord, Round, agreed, attestation, leaf_of, opened, rates, tree
from qcrs.together.supply import supply

bits = st.integers(0, 1)
rounds = st.lists(
    st.builds(Round, st.tuples(st.integers(1, 99), st.integers(1, 99)), st.integers(0, 2), bits, bits),
    unique_by=lambda one: one.ids,
    min_size=1,
).map(lambda found: tuple(sorted(found)))


@given(rounds, rounds)
def test_records_survive_the_store_and_only_common_rounds_count(
    mine: tuple[Round, ...], other: tuple[Round, ...]
) -> None:
    record = EndRecord(0, mine, ((1, 1),))
    assert EndRecord.from_json(record.as_json()) == record
    both = agreed(record, EndRecord(1, other, ()).round_ids)
    assert [one.ids for one in both] == sorted({a.ids for a in mine} & {b.ids for b in other})


@given(rounds, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_every_round_opens_under_the_root(found: tuple[Round, ...], channel: int, epoch: int) -> None:
    root = tree(channel, epoch, found).root
    for index, one in enumerate(found):
        shown, proof = opened(channel, epoch, found, index)
        assert (shown.index, shown.basis, shown.outcome_a, shown.outcome_b) == (
            index,
            one.axis,
            one.head,
            one.tail,
        )
        assert proves(root, leaf_of(channel, epoch, index, one), index, len(found), proof)


def test_the_contract_hashes_the_same_leaf(world: World) -> None:
    contract = world.bind(EntanglementCoordinator, "EntanglementCoordinator")
    for one in (Round((5, 6), 2, 0, 1), Round((1, 9), 0, 1, 1)):
        wanted = contract.leaf_hash(7, 3, bindings.TestRound(11, one.axis, one.head, one.tail))
        assert leaf_of(7, 3, 11, one) == wanted


@given(st.integers(0, 3), st.integers(0, 2), bits, bits)
def test_the_bell_state_turns_the_tails_bit(bell: int, axis: int, head: int, error: int) -> None:
    x, z = bell >> 1, bell & 1
    correlated = (z, x ^ z ^ 1, x)[axis]
    one = Round.seen((1, 1), axis, bell, head, head ^ correlated ^ error)
    assert one.head ^ one.tail == error


def test_an_attestation_states_what_the_rounds_say() -> None:
    found = tuple(Round((i, i), i % 3, 0, int(i % 10 == 0)) for i in range(300))
    x, y, z = rates(found)
    stated = attestation(1, 2, found, 77)
    assert (stated.qber_x, stated.qber_z, stated.test_rounds, stated.pairs) == (100_000, 100_000, 300, 77)
    assert stated.fidelity == int((1 - (x + y + z) / 2) * 1_000_000)
    assert 2 * (1_000_000 - stated.fidelity) >= stated.qber_x + stated.qber_z - 2
    assert attestation(1, 2, (), 0).test_rounds == 0
    with pytest.raises(InputError, match="never measured"):
        rates([one for one in found if one.axis])


@pytest.mark.network
def test_node_processes_remember_what_the_event_heap_does() -> None:
    topology = star(nodes=("ada", "bea"))
    heap = supply(topology, {"ada-bea": 40}, seed=5, rounds=60)["ada-bea"]
    apart = supply(topology, {"ada-bea": 40}, seed=5, rounds=60, driver="tcp")["ada-bea"]
    assert heap == apart
    assert len(heap.head.pairs) == 40
    assert len(agreed(heap.head, heap.tail.round_ids)) >= 60
    assert heap.head.rounds != () != heap.tail.rounds


def test_test_rounds_estimate_the_state_that_the_hardware_has() -> None:
    link = LinkSpec("", "", kind="heralded", p=0.2, fidelity=0.93, attempt_ns=20_000, dephasing=0.7)
    circuit = CircuitSpec("c", "n0", "n2", 0.6, cutoff="none")
    control = ControlSpec(test_every=10, test_count=30)
    chain = Topology.chain(3, link, HardwareSpec(qubits_per_link=8), circuits=(circuit,), control=control)
    found = supply(chain, {"c": 1500}, seed=2)["c"]
    both = agreed(found.head, found.tail.round_ids)
    guess = estimated(rates(both))
    error = 3 * (0.25 / (len(both) / 3)) ** 0.5
    for name in ("i", "x", "y", "z"):
        assert getattr(guess, name) == pytest.approx(getattr(found.state, name), abs=error)
    werner = BellDiagonal.werner(found.state.i)
    assert abs(found.state.z - werner.z) > 0.02  # the state is not taken for a Werner state


def test_what_cannot_be_supplied_is_said() -> None:
    topology = star(nodes=("ada", "bea"))
    with pytest.raises(InputError, match="no such circuit"):
        supply(topology, {"ada-cy": 10}, seed=1)
    with pytest.raises(InputError, match="at least one pair"):
        supply(topology, {"ada-bea": 0}, seed=1)
    with pytest.raises(InputError, match="no such driver"):
        supply(topology, {"ada-bea": 10}, seed=1, driver="pigeon")
    strict = topology.with_(control=ControlSpec(test_every=4, test_count=40, max_error=0.001))
    with pytest.raises(EntanglementError, match="pairs were delivered"):
        supply(strict, {"ada-bea": 400}, seed=1)
