"""Frames and link messages survive their bytes; bytes that are none are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.qnp import link
from qcrs.qnp.network import decode, encode
from qcrs.qnp.network.frames import COMPLETE, EXPIRE, FORWARD, FRAME_BYTES, PURIFY, TRACK

u8, u16, u32 = st.integers(0, 255), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
frames = st.one_of(
    st.tuples(st.just(TRACK), u16, u32, u32, u32, u32, st.integers(0, 15), u32),
    st.tuples(st.just(EXPIRE), u16, u32),
    st.tuples(st.just(COMPLETE), u16, u32, u32, u8, u32, u32, u32),
    st.tuples(
        st.just(FORWARD),
        u16,
        u32,
        u32,
        st.integers(0, 2),
        u8,
        u8,
        st.integers(0, 4),
        u32,
        u32,
        u16,
        st.integers(0, 2),
    ),
    st.tuples(st.just(PURIFY), u16, u32, u32, u32, u32, u32, st.integers(0, 3)),
)


@given(frames)
def test_a_frame_has_24_bytes_and_comes_back(frame: tuple[int, ...]) -> None:
    data = encode(frame)
    assert len(data) == FRAME_BYTES == 24
    assert decode(data) == frame


@given(st.binary(min_size=24, max_size=24))
def test_bytes_decode_to_a_frame_that_encodes_to_them_or_are_refused(data: bytes) -> None:
    try:
        frame = decode(data)
    except InputError:
        return
    assert encode(frame) == data


@pytest.mark.parametrize("data", [b"", bytes(23), bytes(25), bytes(24), b"\x09" + bytes(23)])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        decode(data)


@pytest.mark.parametrize("frame", [(TRACK, 2**16, 0, 0, 0, 0, 0, 0), (TRACK, 1, -1, 0, 0, 0, 0, 0), (9,)])
def test_fields_that_do_not_fit_are_refused(frame: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        encode(frame)


messages = st.one_of(
    st.builds(
        link.Create,
        u32,
        u16,
        u16,
        st.integers(-1, 127),
        u16,
        st.integers(0, 7),
        st.integers(0, 2**14 - 1),
        st.integers(0, 3),
        st.booleans(),
        st.booleans(),
        st.tuples(st.integers(0, 3), st.integers(0, 3)),
        st.binary(min_size=4, max_size=4),
        st.binary(min_size=6, max_size=6),
    ),
    st.builds(link.Ack, u32),
    st.builds(link.OkKeep, u32, u16, u16, u32, u64, u16, u64, u8),
    st.builds(link.OkMeasure, u32, u16, u16, u32, u8, u8, u16, u64, u8),
    st.builds(link.Err, u32, st.sampled_from(link.ErrCode), u16, u32, u32),
)


@given(messages)
def test_a_link_message_comes_back(message: link.LinkMessage) -> None:
    assert link.decode(link.encode(message)) == message


@given(st.binary(max_size=60))
def test_bytes_that_are_no_link_message_are_refused(data: bytes) -> None:
    try:
        message = link.decode(data)
    except InputError:
        return
    assert link.decode(link.encode(message)) == message
