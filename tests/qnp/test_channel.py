"""The channel under connections that break anywhere: every frame once, in order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.qnp.drivers.tcp.channel import Channel
from qcrs.qnp.network.frames import EXPIRE, Frame


def frame(number: int) -> Frame:
    return (EXPIRE, 1, number)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 80))
def test_frames_arrive_once_and_in_order_whatever_breaks(seed: int, count: int) -> None:
    rng = random.Random(seed)
    ends = [Channel(0, 1), Channel(1, 1)]
    pipes = [b"", b""]
    got: list[list[Frame]] = [[], []]
    sent = [0, 0]
    for end in ends:
        end.connect()
    steps = 0
    while min(len(g) for g in got) < count:
        steps += 1
        assert steps < 100_000
        i = rng.randrange(2)
        pipes[1 - i] += ends[i].take()
        act = rng.random()
        if act < 0.3 and sent[i] < count:
            sent[i] += 1
            ends[i].send(frame(sent[i]))
        elif act < 0.35:
            ends[i].repeat()
        elif act < 0.4:
            ends[i].keepalive()
        elif act < 0.43:  # the connection breaks in the middle of whatever is on the way
            for end in ends:
                end.disconnect()
                end.connect()
            pipes = [b"", b""]
        elif pipes[i]:
            n = rng.randrange(1, len(pipes[i]) + 1)
            data, pipes[i] = pipes[i][:n], pipes[i][n:]
            frames, restarted = ends[i].feed(data)
            assert not restarted
            got[i] += frames
    assert got == [[frame(k) for k in range(1, count + 1)]] * 2


def test_a_restarted_peer_is_noticed_and_numbers_begin_again() -> None:
    one, two = Channel(0, 1), Channel(1, 1)
    for end in (one, two):
        end.connect()
    one.feed(two.take())
    two.feed(one.take())
    one.send(frame(1))
    two.feed(one.take())
    again = Channel(1, 2)
    one.disconnect()
    one.connect()
    again.connect()
    _, restarted = one.feed(again.take())
    assert restarted
    again.feed(one.take())
    one.send(frame(7))
    assert again.feed(one.take()) == ([frame(7)], False)


@pytest.mark.parametrize("kind", [0, 1, 9])
def test_strangers_are_refused(kind: int) -> None:
    channel = Channel(0, 1)
    channel.connect()
    with pytest.raises(InputError):
        channel.feed(bytes([kind]) + bytes(28))


def test_a_gap_is_refused_so_that_a_new_connection_sends_it_again() -> None:
    one, two = Channel(0, 1), Channel(1, 1)
    for end in (one, two):
        end.connect()
    one.feed(two.take())
    two.feed(one.take())
    one.send(frame(1))
    one.take()
    one.send(frame(2))
    with pytest.raises(InputError):
        two.feed(one.take())


def test_what_is_sent_to_a_peer_known_to_have_restarted_waits_for_its_hello() -> None:
    """The news of a restart may come before the new process connects: frames for it are not lost then."""
    one, old, new = Channel(0, 1), Channel(1, 1), Channel(1, 2)
    for end in (one, old):
        end.connect()
    one.feed(old.take())
    one.send(frame(1))  # for the old one, gone with it
    assert one.expect(2)
    assert not one.expect(2)
    assert not one.expect(1)
    one.send(frame(7))
    one.connect()
    new.connect()
    frames, restarted = one.feed(new.take())
    assert (frames, restarted) == ([], False)
    assert new.feed(one.take()) == ([frame(7)], False)
    assert not Channel(0, 1).expect(5)  # a peer never heard of has not restarted
