"""The protocol's five frames, 24 bytes each, and their codec.

Inside a node a frame is a plain tuple whose first field is its kind; TRACK is made and read for every pair
at every hop, so nothing heavier would do. `encode` and `decode` are inverse on every tuple whose fields fit.

========  ==========================================================================================
FORWARD   kind, circuit, request, ends, type, basis at head, at tail, final state, number, rate, window,
          purification
COMPLETE  kind, circuit, request, ends, reason, rate, delivered, tests
TRACK     kind, circuit, request, ends, origin correlator, link correlator, outcome state, epoch
EXPIRE    kind, circuit, origin correlator
PURIFY    kind, circuit, request, ends, kept pair, sacrificed pair, origin correlator, word
========  ==========================================================================================

`ends` holds both end points, head · 65536 + tail. The outcome state of a TRACK has the Bell index in bits
0–1; bit 2 marks a test round and bit 3 is then the bit measured at the origin. Rates are in thousandths of
a pair per second. A PURIFY names pairs by the receiver's own sequence numbers, and the kept one also by the
sender's; its word has the sender's bit in bit 0, and bit 1 if that bit counts. FORWARD's window (all pairs
within Δt; 0 for none) is in milliseconds.
"""

from __future__ import annotations

import struct
from typing import Any

from qcrs.errors import InputError

__all__ = [
    "COMPLETE",
    "EARLY",
    "EXPIRE",
    "FORWARD",
    "FRAME_BYTES",
    "KEEP",
    "MEASURE",
    "NO_STATE",
    "PURIFY",
    "TEST_REQUEST",
    "TRACK",
    "Frame",
    "decode",
    "encode",
]

Frame = tuple[Any, ...]

FORWARD, COMPLETE, TRACK, EXPIRE, PURIFY = 1, 2, 3, 4, 5
KEEP, EARLY, MEASURE = 0, 1, 2
"""Types of a request: deliver after TRACK, hand over at once, measure at once."""

NO_STATE = 4
"""Final state of a request that takes any Bell state."""

TEST_REQUEST = 0xFFFFFFFF
"""The request number of test rounds."""

FRAME_BYTES = 24
_FORWARD = struct.Struct(">BBHIIBBHII")
_COMPLETE = struct.Struct(">BBHIIIII")
_TRACK = struct.Struct(">BBHIIIII")
_EXPIRE = struct.Struct(">BBHI16x")
_PURIFY = struct.Struct(">BBHIIIII")


def encode(frame: Frame) -> bytes:
    """The 24 bytes of a frame; `InputError` if a field does not fit."""
    kind = frame[0]
    try:
        if kind == TRACK:
            _, circuit, request, ends, origin, link, state, epoch = frame
            return _TRACK.pack(kind, state, circuit, request, ends, origin, link, epoch)
        if kind == EXPIRE:
            _, circuit, origin = frame
            return _EXPIRE.pack(kind, 0, circuit, origin)
        if kind == COMPLETE:
            _, circuit, request, ends, reason, rate, delivered, tests = frame
            return _COMPLETE.pack(kind, reason, circuit, request, ends, rate, delivered, tests)
        if kind == FORWARD:
            _, circuit, request, ends, form, head, tail, final, number, rate, window, purify = frame
            word = form | final << 2 | purify << 5
            return _FORWARD.pack(kind, word, circuit, request, ends, head, tail, window, number, rate)
        if kind == PURIFY:
            _, circuit, request, ends, kept, sacrificed, origin, word = frame
            return _PURIFY.pack(kind, word, circuit, request, ends, kept, sacrificed, origin)
    except (struct.error, ValueError) as error:
        raise InputError(f"a frame's field does not fit: {error}", field="frame", value=frame) from error
    raise InputError("no such frame", field="kind", value=kind)


def decode(data: bytes) -> Frame:
    """The frame in 24 bytes; `InputError` where they are none."""
    if len(data) != FRAME_BYTES:
        raise InputError("a frame has 24 bytes", field="length", value=len(data))
    kind = data[0]
    if kind == TRACK:
        _, state, circuit, request, ends, origin, link, epoch = _TRACK.unpack(data)
        if state > 15:
            raise InputError("a TRACK's state has four bits", field="state", value=state)
        return (TRACK, circuit, request, ends, origin, link, state, epoch)
    if kind == EXPIRE:
        _, spare, circuit, origin = _EXPIRE.unpack(data)
        if spare or any(data[8:]):
            raise InputError("an EXPIRE's spare bytes are zero", field="frame", value=data.hex())
        return (EXPIRE, circuit, origin)
    if kind == COMPLETE:
        _, reason, circuit, request, ends, rate, delivered, tests = _COMPLETE.unpack(data)
        return (COMPLETE, circuit, request, ends, reason, rate, delivered, tests)
    if kind == FORWARD:
        _, word, circuit, request, ends, head, tail, window, number, rate = _FORWARD.unpack(data)
        form, final, purify = word & 3, word >> 2 & 7, word >> 5
        if form > MEASURE or final > NO_STATE or purify > 2:
            raise InputError("no such request type, final state or purification", field="type", value=word)
        return (FORWARD, circuit, request, ends, form, head, tail, final, number, rate, window, purify)
    if kind == PURIFY:
        _, word, circuit, request, ends, kept, sacrificed, origin = _PURIFY.unpack(data)
        if word > 3:
            raise InputError("a PURIFY's word has two bits", field="word", value=word)
        return (PURIFY, circuit, request, ends, kept, sacrificed, origin, word)
    raise InputError("no such frame", field="kind", value=kind)
