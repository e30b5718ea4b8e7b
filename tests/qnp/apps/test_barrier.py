"""Barriers: all go on, or nobody does and the missing are named; also while the network breaks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.errors import ConfigError, InputError
from qcrs.qnp import ControlSpec, FaultSpec, HardwareSpec, LinkSpec, Network, Topology
from qcrs.qnp.apps import barrier
from qcrs.qnp.apps.barrier import Coordinator, Ended, Member, Say, State
from qcrs.qnp.drivers.apps.barrier import BarrierResult, BarrierRun
from qcrs.qnp.drivers.apps.post import Post
from qcrs.qnp.drivers.faults import FaultyNetwork

MS = 1_000_000
NAMES = ["n1", "n2", "n3", "n4"]
ALL = {name: (i + 1) * MS for i, name in enumerate(["n0", *NAMES])}


def line(*faults: FaultSpec) -> FaultyNetwork:
    link = LinkSpec("", "", kind="heralded", p=0.2, fidelity=0.95, attempt_ns=50_000, frame_delay_ns=100_000)
    control = ControlSpec(keepalive_ns=1000 * MS)
    topology = Topology.chain(
        5, link, HardwareSpec(t2_ns=10**9, qubits_per_link=6), faults=faults, control=control
    )
    return FaultyNetwork(topology, 1)


def run(network: Network, **named: object) -> BarrierResult:
    fields: dict[str, object] = {"deadline_ns": 20 * MS, "ready_at": ALL, **named}
    result = BarrierRun(network, "n0", NAMES, **fields).run()  # type: ignore[arg-type]
    network.run()
    assert network.leaked() == 0
    return result


def test_all_pass_soon_after_the_last_is_ready() -> None:
    result = run(line())
    assert result.passed
    assert result.reason == ""
    assert all(passed for _, passed in result.ended.values())
    last = max(ALL.values())
    assert all(last < at < last + 2 * MS for at, _ in result.ended.values())


def test_pairs_make_nodes_ready_and_are_held_until_then() -> None:
    network = line()
    held: list[int] = []
    watch = network.hold
    network.hold = lambda *handles: (held.extend(handles), watch(*handles))  # type: ignore[method-assign,func-returns-value,assignment]
    result = run(network, ready_at=None, deadline_ns=400 * MS)
    assert result.passed
    assert len(held) == 2 * len(NAMES)


@pytest.mark.parametrize("late", ["n0", "n2"])
def test_whoever_is_late_is_named_and_nobody_goes_on(late: str) -> None:
    ready = {name: at for name, at in ALL.items() if name != late}
    for times in (ready, {**ready, late: 30 * MS}):
        result = run(line(), ready_at=times)
        assert (result.passed, result.missing) == (False, (late,))
        assert result.reason == f"not ready in time: {late}"
        assert not any(passed for _, passed in result.ended.values())


def test_a_partition_before_all_are_ready_names_who_is_behind_it() -> None:
    result = run(line(FaultSpec("partition", MS, link="n2-n3", for_ns=60 * MS)))
    assert (result.passed, result.missing) == (False, ("n3", "n4"))
    assert result.reason == "not ready in time: n3, n4"
    assert not any(passed for _, passed in result.ended.values())
    assert set(result.ended) == {"n0", *NAMES}  # those behind it end by themselves


def test_a_short_partition_costs_time_alone() -> None:
    result = run(line(FaultSpec("partition", MS, link="n2-n3", for_ns=15 * MS)))
    assert result.passed
    assert all(passed for _, passed in result.ended.values())


def test_a_partition_while_go_is_said_names_who_did_not_answer() -> None:
    """n4's READY got through at 5.4 ms; then the line breaks before GO reaches n3 and n4."""
    result = run(line(FaultSpec("partition", 5_450_000, link="n2-n3", for_ns=200 * MS)))
    assert (result.passed, result.missing) == (False, ("n3", "n4"))
    assert result.reason == "not heard after all were ready: n3, n4"
    assert not any(passed for _, passed in result.ended.values())


def test_a_crash_is_named() -> None:
    result = run(line(FaultSpec("crash", 2_500_000, node="n4", for_ns=500 * MS)))
    assert (result.passed, result.missing) == (False, ("n4",))
    assert not any(passed for name, (_, passed) in result.ended.items() if name != "n4")


def test_repeated_messages_change_nothing() -> None:
    plain, network = run(line()), line()
    again = run(network, post=Post(network, copies=3))
    assert again.passed
    assert again.ended == plain.ended


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nobody_goes_on_unless_all_were_ready_whatever_is_lost_or_doubled(data: st.DataObject) -> None:
    """Random schedules of the rules alone: messages lost, doubled, late, in any order."""
    count = data.draw(st.integers(1, 4))
    head = Coordinator(0, range(count + 1), 7, 100, 20, 5)
    parties: dict[int, Coordinator | Member] = {0: head}
    parties |= {m: Member(m, 0, 7, 100, 20, 5) for m in range(1, count + 1)}
    ready: set[int] = set()
    passed: dict[int, frozenset[int]] = {}
    mail: list[tuple[int, bytes]] = []

    def act(who: int, actions: list[barrier.Action]) -> None:
        for action in actions:
            if isinstance(action, Say):
                mail.extend([(action.to, action.data)] * data.draw(st.sampled_from([0, 1, 1, 2])))
            elif isinstance(action, Ended) and action.passed:
                passed[who] = frozenset(ready)

    for who, party in parties.items():
        act(who, party.start(0))
    now = 0
    for _ in range(data.draw(st.integers(5, 60))):
        now += data.draw(st.integers(0, 6))
        what = data.draw(st.integers(0, 2))
        who = data.draw(st.integers(0, count))
        if what == 0 and not parties[who].ended:
            ready.add(who)
            act(who, parties[who].on_ready(now))
        elif what == 1 and mail:
            to, message = mail.pop(data.draw(st.integers(0, len(mail) - 1)))
            act(to, parties[to].on_message(now, message))
        else:
            act(who, parties[who].on_timer(now))
    for who in parties:
        act(who, parties[who].on_timer(1000))
    assert all(all_ready == set(parties) for all_ready in passed.values())
    if head.state is State.PASSED:
        assert all(m.state is State.PASSED for m in parties.values())
    assert all(party.ended for party in parties.values())


def test_bytes_that_are_no_message_are_refused() -> None:
    for bad in (b"", bytes(15), barrier.encode(1, 1, 1) + b"x", barrier.encode(9, 1, 1)):
        with pytest.raises(InputError):
            barrier.decode(bad)
    other = Member(1, 0, 7, 100, 20, 5)
    other.on_ready(0)
    assert other.on_message(1, barrier.encode(2, 8, 0)) == []  # another session
    assert other.on_message(1, barrier.encode(2, 7, 3)) == []  # not the coordinator
    with pytest.raises(ConfigError):
        BarrierRun(line(), "n0", ["n0"], deadline_ns=1)
