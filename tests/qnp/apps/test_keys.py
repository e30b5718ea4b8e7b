"""Keys from delivered pairs: equal at both ends, as long as the formula says, none after an abort."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from qcrs.qnp import (
    CircuitSpec,
    FaultSpec,
    HardwareSpec,
    LinkSpec,
    Network,
    Topology,
)
from qcrs.qnp.apps import keyrate
from qcrs.qnp.apps.keys import KeySettings, NoKey
from qcrs.qnp.apps.sifting import BB84, BBM92, E91, Scheme
from qcrs.qnp.drivers.apps.keys import KeyBlock, KeyRun
from qcrs.qnp.drivers.apps.post import Post
from qcrs.qnp.drivers.apps.signatures import SecretKey
from qcrs.qnp.drivers.faults import FaultyNetwork
from qcrs.qnp.drivers.tcp.broker import RemoteNetwork
from qcrs.qnp.physical.belldiag import BellDiagonalHardware
from qcrs.qnp.physical.eavesdropper import InterceptResend

MS = 1_000_000
KEYS = tuple(SecretKey(bytes([i]) * 32) for i in (1, 2))
PUBLIC = (KEYS[0].public, KEYS[1].public)


def topology(nodes: int = 3, fidelity: float = 0.985, **fields: object) -> Topology:
    link = LinkSpec(
        "", "", kind="heralded", p=0.1, fidelity=fidelity, attempt_ns=100_000, frame_delay_ns=10_000
    )
    circuit = CircuitSpec("c", "n0", f"n{nodes - 1}")
    return Topology.chain(nodes, link, HardwareSpec(t2_ns=10**9), circuits=(circuit,), **fields)


def distribute(
    network: Network,
    scheme: Scheme = BBM92,
    pairs: int = 8000,
    blocks: int = 1,
    expected: float = 0.03,
    **named: object,
) -> list[KeyBlock]:
    settings = KeySettings(scheme, expected)
    run = KeyRun(
        network,
        "c",
        settings,
        pairs=pairs,
        blocks=blocks,
        signers=KEYS,  # type: ignore[arg-type]
        verifiers=named.pop("verifiers", PUBLIC),
        **named,
    )
    return run.run()


def has_key(block: KeyBlock) -> bool:
    assert block.head.key is not None
    assert block.tail.key is not None
    assert np.array_equal(block.head.key, block.tail.key)
    return len(block.head.key) > 0


@pytest.mark.parametrize("scheme", [BBM92, BB84])
def test_keys_are_equal_and_as_long_as_the_formula_says(scheme: Scheme) -> None:
    network = Network(topology(), 1, record=False)
    for block in distribute(network, scheme, blocks=2):
        one = block.tail
        assert has_key(block)
        assert one.leaked == block.head.leaked
        assert one.qber is not None
        assert one.length == keyrate.key_length(one.sifted - one.sample, one.sample, one.qber, one.leaked)
        assert abs(one.sifted - 4000) < 5 * math.sqrt(2000)
        assert one.efficiency is not None
        assert 1.0 < one.efficiency < 1.3
        ones = int(np.sum(one.key))  # type: ignore[arg-type]
        assert abs(ones - one.length / 2) < 4 * math.sqrt(one.length / 4)
    assert network.leaked() == 0


def test_the_error_rate_is_that_of_the_pairs() -> None:
    network = Network(topology(2, fidelity=0.94), 5, record=False)
    (block,) = distribute(network, pairs=30_000)
    one = block.tail
    assert one.qber is not None
    expected = (1 - (4 * 0.94 - 1) / 3) / 2
    assert abs(one.qber - expected) < 3 * math.sqrt(expected / one.sample)
    assert one.corrected is not None
    n = one.sifted - one.sample
    assert abs(one.corrected / n - expected) < 3 * math.sqrt(expected / n)


def test_e91_violates_the_inequality_and_its_key_follows_from_that() -> None:
    network = Network(topology(2, fidelity=0.98), 3, record=False)
    (block,) = distribute(network, E91, pairs=60_000)
    one = block.tail
    assert has_key(block)
    assert one.chsh is not None
    assert one.chsh == block.head.chsh
    w = (4 * 0.98 - 1) / 3
    assert abs(one.chsh.value - 2 * math.sqrt(2) * w) < 3 * one.chsh.error
    assert one.chsh.error == pytest.approx(math.sqrt(4 * (1 - w * w / 2) / (one.chsh.rounds / 4)), rel=0.05)
    lower = one.chsh.lower(1e-10)
    assert one.length == keyrate.chsh_length(one.sifted - one.sample, lower, one.leaked)


def intercepted(fraction: float, nodes: int = 2, fidelity: float = 1.0) -> Network:
    made = topology(nodes, fidelity=fidelity)
    hardware = BellDiagonalHardware([n.hardware.noise for n in made.nodes], 1)
    return Network(made, 1, record=False, backend=InterceptResend(hardware, (0, 1), fraction, 1))


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25])
def test_intercept_and_resend_adds_a_quarter_of_its_fraction(fraction: float) -> None:
    (block,) = distribute(intercepted(fraction), pairs=40_000)
    one = block.tail
    assert one.qber is not None
    expected = fraction / 4
    assert abs(one.qber - expected) <= 3 * math.sqrt(max(expected, 1e-9) * (1 - expected) / one.sample)
    if fraction < 0.2:
        assert has_key(block)
    else:  # 6 % errors may be bad luck of an eavesdropper's 9 %, in a block of this length
        assert block.tail.reason is NoKey.TOO_FEW_PAIRS


@pytest.mark.parametrize("scheme", [BBM92, E91])
def test_whoever_listens_to_all_is_noticed_and_there_is_no_key(scheme: Scheme) -> None:
    (block,) = distribute(intercepted(1.0), scheme, pairs=20_000)
    for end in (block.head, block.tail):
        assert end.key is None
        assert end.length == 0
    assert block.length == 0
    assert block.tail.reason is (NoKey.NO_VIOLATION if scheme.chsh else NoKey.TOO_MANY_ERRORS)
    assert "listens" in block.reason
    assert block.tail.leaked == 0  # nothing was told about the bits that would have been key


def test_listening_behind_a_repeater_is_noticed_too() -> None:
    (block,) = distribute(intercepted(0.6, nodes=4, fidelity=0.99), pairs=20_000)
    assert block.tail.reason is NoKey.TOO_MANY_ERRORS


def test_too_few_pairs_give_no_key() -> None:
    (block,) = distribute(Network(topology(), 1, record=False), pairs=300)
    assert block.tail.reason is block.head.reason is NoKey.TOO_FEW_PAIRS
    assert block.length == 0


def test_repeated_frames_change_nothing() -> None:
    plain = distribute(Network(topology(), 4, record=False))
    network = Network(topology(), 4, record=False)
    repeated = distribute(network, post=Post(network, copies=3))
    assert has_key(plain[0])
    assert np.array_equal(plain[0].tail.key, repeated[0].tail.key)  # type: ignore[arg-type]


def test_replayed_frames_of_another_time_change_nothing() -> None:
    seen: list[tuple[int, bytes]] = []

    def replay(end: int, data: bytes) -> list[bytes]:
        old = [d for e, d in seen if e == end]
        seen.append((end, data))
        return [*old[-3:], data, *old[:2]]

    plain = distribute(Network(topology(), 4, record=False))
    replayed = distribute(Network(topology(), 4, record=False), tap=replay)
    assert np.array_equal(plain[0].tail.key, replayed[0].tail.key)  # type: ignore[arg-type]
    assert has_key(replayed[0])


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("kind", range(12))
def test_whatever_is_changed_on_the_line_gives_no_key(kind: int) -> None:
    """Each of the twelve kinds of message, altered in its last bit, or cut short, or replaced."""
    for change in (_flip, lambda d: d[:-1], lambda d: bytes([99]) + d[1:]):
        if kind in (6, 8, 11) and change is not _flip:
            continue  # those that carry nothing have nothing to cut

        def tap(end: int, data: bytes, alter: Callable[[bytes], bytes] = change) -> list[bytes]:
            if data[0] == kind and (kind != 10 or end == 1):
                data = alter(data if len(data) > 5 else data + b"x")
            return [data]

        (block,) = distribute(Network(topology(2), 4, record=False), pairs=6000, tap=tap)
        if kind == 11 and block.head.key is not None:  # an empty message: its content counts for nothing
            continue
        assert block.head.key is None
        assert block.head.reason is not NoKey.NONE


def test_a_message_that_is_taken_away_gives_no_key() -> None:
    def tap(end: int, data: bytes) -> list[bytes]:
        return [] if data[0] == 5 else [data]

    network = Network(topology(2), 4, record=False)
    run = distribute(network, pairs=6000, tap=tap)
    assert run == [] or run[0].length == 0


def test_a_stranger_cannot_be_one_of_the_ends() -> None:
    stranger = SecretKey(bytes(32))
    (block,) = distribute(
        Network(topology(2), 4, record=False), pairs=6000, verifiers=(KEYS[0].public, stranger.public)
    )
    assert block.head.reason is NoKey.NOT_SIGNED
    assert block.head.key is None
    assert block.tail.key is None


def test_blocks_go_on_after_a_crash_and_none_is_made_of_the_broken_one() -> None:
    faults = (FaultSpec("crash", 2000 * MS, node="n1", for_ns=20 * MS),)
    network = FaultyNetwork(topology(faults=faults), 2, record=False)
    blocks = distribute(network, blocks=3)
    assert [b.length > 0 for b in blocks] == [False, True, True]
    assert "restarted" in blocks[0].reason
    network.run()
    assert network.leaked() == 0


def test_a_partition_delays_messages_and_a_long_one_ends_the_block() -> None:
    measured = distribute(FaultyNetwork(topology(), 2, record=False))[0].measured_ns
    for length, key in ((50 * MS, True), (900 * MS, False)):
        fault = FaultSpec("partition", measured + 1, link="n1-n2", for_ns=length)
        (block,) = distribute(FaultyNetwork(topology(faults=(fault,)), 2, record=False))
        assert (block.length > 0) is key
        if not key:
            assert block.tail.reason is block.head.reason is NoKey.LINE_LOST


@pytest.mark.network
def test_processes_over_tcp_make_the_same_key() -> None:
    good = topology(2, fidelity=0.999)
    heap = distribute(Network(good, 6, record=False), pairs=3500, expected=0.001)
    with RemoteNetwork(good, 6, record=False) as remote:
        tcp = distribute(remote, pairs=3500, expected=0.001)
    assert has_key(heap[0])
    assert np.array_equal(heap[0].tail.key, tcp[0].tail.key)  # type: ignore[arg-type]
    assert heap[0].as_dict() == tcp[0].as_dict()
