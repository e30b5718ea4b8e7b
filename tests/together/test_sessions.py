"""Sessions from PLAN to DONE, and what becomes of them when somebody is missing, weak or lying."""

from __future__ import annotations

from dataclasses import replace

import pytest
from together_world import World, ghz, measured, star

from qcrs.chain.bindings import AbortCode, SessionState
from qcrs.distributed import Effort, Network, plan
from qcrs.distributed.plan import Plan
from qcrs.errors import ContractError
from qcrs.together.agent import NOTHING
from qcrs.together.check import check_session
from qcrs.together.conductor import PartyLostError
from qcrs.together.plan import Planned, document_of

QUICK = Effort(tries=4, kept=1, moves=1000)


def shared(parties: int = 2, qubits: int = 4) -> Plan:
    return plan(measured(ghz(qubits)), Network.of([qubits // parties] * parties), QUICK)


def test_a_job_goes_through_its_session(any_world: World) -> None:
    world = any_world
    conductor = world.conductor(star(), seed=3)
    channel = conductor.open("ada-bea")
    before = world.money()
    made = shared()
    done = conductor.run(7, [Planned(made, 60, (1, 2))], epochs=2, seed=1)
    session = conductor.coordinator.book().session(done.session)
    assert session.state is SessionState.DONE
    assert session.trail == conductor.coordinator.session(done.session).trail
    assert sorted({barrier for barrier, _ in session.arrivals}) == [0, 1, 2, 3]
    assert done.samples[0].program.shape == (60, 4)
    # Executed pairs are planned pairs, and those are what was delivered, attested by both ends and paid.
    assert done.pairs == {channel: 60 * made.pairs}
    settled = conductor.coordinator.book().channel(channel).settled[2]
    assert settled.pairs == 60 * made.pairs
    after = world.money()
    fee, price = conductor.offer.fee_per_party, conductor.offer.pair_price
    earned = fee + settled.pairs * price // 2 - conductor.offer.party_deposit + conductor.offer.party_deposit
    assert {name: after[name] - before[name] for name in ("ada", "bea")} == {"ada": earned, "bea": earned}
    assert after["client"] == before["client"] - 2 * fee


def test_the_missing_party_is_named_and_everybody_else_gets_all_back(any_world: World) -> None:
    world = any_world
    conductor = world.conductor(star(), seed=4)
    conductor.open("ada-bea")
    conductor.open("ada-cy")
    before = world.money()
    dead = world.agents["bea"]
    conductor.between = lambda: _until_bea_held_her_pairs(world, dead)
    with pytest.raises(PartyLostError, match="processor 2") as lost:
        conductor.run(7, [Planned(shared(), 40, (1, 2))], seed=1)
    assert lost.value.processors == (2,)
    session = conductor.coordinator.book().session(lost.value.session)
    assert (session.state, session.code) == (SessionState.ABORTED, AbortCode.PEER_SILENT)
    assert session.blamed == (2,)
    offer = conductor.offer
    penalty = offer.party_deposit // 10
    assert session.paid == penalty
    after = world.money()
    pay = conductor.coordinator.book().channel(1).settled  # the pairs were delivered: these stay paid
    paid = sum(one.pairs for epoch, one in pay.items() if epoch > 1) * offer.pair_price // 2
    assert after["bea"] - before["bea"] == paid - penalty
    assert after["ada"] - before["ada"] + after["client"] - before["client"] == paid + penalty
    assert (
        sum(after.values()) == sum(before.values()) + 2 * paid
    )  # from the channel's deposit, and to the unit
    # The job is done again without her, as the next attempt of the same job.
    conductor.between = world.tick
    world.agents.pop("bea")
    done = conductor.run(7, [Planned(shared(), 40, (1, 3))], seed=1)
    again = conductor.coordinator.book().session(done.session)
    assert (again.state, again.request.attempt) == (SessionState.DONE, 1)
    final = world.money()
    assert sum(final.values()) - sum(after.values()) == done_pay(conductor, 2)


def done_pay(conductor: object, channel: int) -> int:
    book = conductor.coordinator.book()  # type: ignore[attr-defined]
    pairs = sum(one.pairs for epoch, one in book.channel(channel).settled.items() if epoch > 1)
    return int(pairs * conductor.offer.pair_price)  # type: ignore[attr-defined]


def _until_bea_held_her_pairs(world: World, dead: object) -> None:
    """Everybody acts; once bea has reached GO her agent does no more and time passes."""
    book = world.agents["ada"].coordinator.book()
    for name, agent in world.agents.items():
        silent = any(s.state is SessionState.GO for s in book.sessions.values()) and agent is dead
        if not silent:
            agent.tick()
        del name
    running = [s for s in book.sessions.values() if s.state is SessionState.GO]
    if running and (running[0].barrier, 1) in running[0].arrivals:
        late = running[0].deadline - world.chain.now() + 1
        if late > 0:
            world.travel(late)


def test_a_plan_whose_pairs_do_not_add_up_is_not_accepted(world: World) -> None:
    conductor = world.conductor(star(), seed=4)
    conductor.open("ada-bea")
    made = document_of(7, [Planned(shared(), 40, (1, 2))], conductor.channels)
    cheap = replace(made, ebits=(made.ebits[0] + 1,))
    conductor.between = lambda: (world.tick(), world.travel(20))[0]
    with pytest.raises(PartyLostError, match="timeout") as lost:
        conductor.session(cheap, lambda *_: [])
    assert lost.value.processors == (1, 2)  # neither accepted, and neither pays
    session = conductor.coordinator.book().session(lost.value.session)
    assert (session.code, session.paid) == (AbortCode.TIMEOUT, 0)
    assert any("does not add up" in words for _, words in world.heard)


def test_weak_pairs_are_declined_and_nobody_pays(world: World) -> None:
    conductor = world.conductor(star(0.99), seed=4)
    conductor.open("ada-bea")
    before = world.money()
    conductor.topology = star(0.85)
    with pytest.raises(PartyLostError, match="fidelity low"):
        conductor.run(7, [Planned(shared(), 40, (1, 2))], seed=1)
    after = world.money()
    assert after == before


def test_a_client_that_hands_over_nothing_blames_nobody(world: World) -> None:
    conductor = world.conductor(star(), seed=4)
    conductor.open("ada-bea")
    before = world.money()
    made = document_of(7, [Planned(shared(), 40, (1, 2))], conductor.channels)

    def silent(*_: object) -> list[object]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # it dies after READY, before it gives the members their bits
        conductor.session(made, silent)  # type: ignore[arg-type]
    (session,) = conductor.coordinator.book().sessions.values()
    while session.running:
        world.travel(max(1, session.barrier_seconds // 8))
        world.tick()
        conductor.coordinator.book()
    assert session.state is SessionState.DONE
    assert {word for (barrier, _), word in session.arrivals.items() if barrier == 2} == {NOTHING}
    after = world.money()
    fee = conductor.offer.fee_per_party
    paid = conductor.coordinator.book().channel(1).settled[2].record.paid_a
    assert after["ada"] - before["ada"] == after["bea"] - before["bea"] == fee + paid
    found = check_session(conductor.coordinator.book(), session.id, world.store)
    assert not found.ok  # and whoever looks sees that there are no transcripts


def test_without_pairs_members_decline(world: World) -> None:
    conductor = world.conductor(star(), seed=4)
    conductor.open("ada-bea")
    before = world.money()
    made = document_of(7, [Planned(shared(), 40, (1, 2))], conductor.channels)
    world.store.put(made.data)
    number = conductor._open(made)
    session = conductor.coordinator.book().session(number)
    while session.running:
        world.tick()
        world.travel(max(1, session.barrier_seconds // 4))
        conductor.coordinator.book()
    assert (session.state, session.code) == (SessionState.ABORTED, AbortCode.LINK_LOST)
    assert world.money() == before


def test_opening_is_idempotent_by_job_and_attempt(world: World) -> None:
    conductor = world.conductor(star(), seed=4)
    conductor.open("ada-bea")
    planned = [Planned(shared(), 40, (1, 2))]
    made = document_of(7, planned, conductor.channels)
    first = conductor._open(made)
    again = world.conductor(star(), seed=4)  # a conductor that was started anew
    again.open("ada-bea")
    assert again._open(made) == first
    done = again.run(7, planned, seed=1)
    assert done.session == first
    with pytest.raises(ContractError, match="AttemptRunning"):
        again.run(7, planned, seed=1)  # what is done is not done again


def test_retries_are_bounded(world: World) -> None:
    conductor = world.conductor(star(), seed=4)
    conductor.open("ada-bea")
    world.agents.clear()
    conductor.between = lambda: world.travel(20)
    made = document_of(7, [Planned(shared(), 40, (1, 2))], conductor.channels)
    for _ in range(conductor.coordinator.parameters().max_attempts):
        with pytest.raises(PartyLostError):
            conductor.session(made, lambda *_: [])
    with pytest.raises(ContractError, match="NoAttemptsLeft"):
        conductor.session(made, lambda *_: [])
