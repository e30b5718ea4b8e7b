"""Which past results count: a pure function of what chain and evidence say."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

from qcrs.circuits import frame, lower
from qcrs.verification.archive import OTHERS, OWN, Judged, PastExecution, circuit_key, counted

TESTED = Judged(job=50, provider="me", committed_block=100, beacon_block=102, keys=("k", "l"))
PAST = PastExecution(7, 0, "me", 90, 95, 96, ("k",))


def test_only_what_was_over_before_the_beacon_counts() -> None:
    assert counted([PAST], TESTED) == (PAST,)
    last = replace(PAST, committed_block=99, accepted_block=102, closed_block=102)
    assert counted([last], TESTED) == (last,)
    for later in (
        replace(PAST, committed_block=100),
        replace(PAST, accepted_block=103),
        replace(PAST, closed_block=103),
        replace(PAST, job=50),
        replace(PAST, keys=("m",)),
    ):
        assert counted([later], TESTED) == ()


def test_the_latest_of_the_provider_and_of_others_count() -> None:
    mine = [replace(PAST, job=i, committed_block=i) for i in range(1, 10)]
    theirs = [replace(PAST, job=20 + i, provider="you", committed_block=50 + i) for i in range(9)]
    found = counted([*mine, *theirs], TESTED)
    assert [one.job for one in found] == [9, 8, 7, 6, 28, 27, 26, 25]
    assert len(found) == OWN + OTHERS


entries = st.builds(
    PastExecution,
    st.integers(1, 60),
    st.integers(0, 2),
    st.sampled_from(["me", "you", "them"]),
    st.integers(80, 110),
    st.integers(80, 110),
    st.integers(80, 110),
    st.lists(st.sampled_from(["k", "l", "m"]), max_size=3).map(tuple),
)


@given(st.lists(entries, max_size=30, unique_by=lambda one: (one.job, one.execution)), st.randoms())
def test_the_order_in_which_they_are_read_does_not_matter(past: list[PastExecution], random: object) -> None:
    mixed = list(past)
    random.shuffle(mixed)  # type: ignore[attr-defined] # hypothesis's Random
    assert counted(mixed, TESTED) == counted(past, TESTED)
    for one in counted(past, TESTED):
        assert counted([one], TESTED) == (one,)


def test_the_key_is_that_of_the_circuit_not_of_its_frames_or_register_names() -> None:
    def circuit(name: str, angle: float) -> QuantumCircuit:
        bits, qubits = ClassicalRegister(2, name), QuantumRegister(2)
        out = QuantumCircuit(qubits, bits)
        out.ry(angle, 0)
        out.cx(0, 1)
        out.measure([0, 1], [0, 1])
        return out

    one, other = lower(circuit("a", 0.4)).document, lower(circuit("b", 0.4)).document
    assert circuit_key(one) == circuit_key(other)
    assert circuit_key(one) != circuit_key(lower(circuit("a", 0.5)).document)
    framed = frame(one, bytes(31) + b"\x01", 0, 0).circuit
    assert framed != one
    assert circuit_key(framed) != circuit_key(one)
    read = circuit("a", 0.4)
    with read.if_test((0, 1)):
        read.x(1)
    named = circuit("b", 0.4)
    with named.if_test((0, 1)):
        named.x(1)
    assert circuit_key(lower(read).document) != circuit_key(lower(named).document)
