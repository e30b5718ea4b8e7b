"""Messages between a node and its link layer: CREATE, ACK, OK-K, OK-M and ERR, with their bits.

Field sizes after Dahlberg et al., *The Link Layer service in a Quantum Internet*
(draft-dahlberg-ll-quantum): CREATE has remote 32, minimum fidelity 16, time unit 2 and maximum time 14,
purpose 16, number 16, priority 3, keep or measure 1, atomic 1, consecutive 1, random basis 2 + 2, basis
probabilities 4 × 8, rotations 6 × 8. A purpose is a link label here, and number 0 asks for a continuous
stream, which a second CREATE of the same label replaces and one with minimum fidelity 0 ends.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from qcrs.errors import InputError

__all__ = ["Ack", "Create", "Err", "ErrCode", "LinkMessage", "OkKeep", "OkMeasure", "decode", "encode"]

_HEADER = struct.Struct(">BB")
_CREATE = struct.Struct(">IHHHHBBBB4s6s")
_ACK = struct.Struct(">I")
_OK_KEEP = struct.Struct(">IHHIQHQBB")
_OK_MEASURE = struct.Struct(">IHHIBBHQB")
_ERR = struct.Struct(">IBHII")


class ErrCode(IntEnum):
    """Why a link layer gave up."""

    UNSUPPORTED = 1
    CREATE = 2
    REJECTED = 3
    OTHER = 4
    EXPIRE = 5
    TIMEOUT = 6


@dataclass(frozen=True, slots=True)
class Create:
    """Ask for pairs. `min_fidelity` is n/65535; `mode` is a basis code, or KEEP (−1)."""

    remote: int
    label: int
    min_fidelity: int
    mode: int
    number: int = 0
    priority: int = 0
    max_time: int = 0
    time_unit: int = 0
    atomic: bool = False
    consecutive: bool = True
    random_basis: tuple[int, int] = (0, 0)
    basis_probabilities: bytes = bytes(4)
    rotations: bytes = bytes(6)

    @property
    def ends(self) -> bool:
        """Whether it ends the stream."""
        return self.min_fidelity == 0


@dataclass(frozen=True, slots=True)
class Ack:
    """A CREATE was taken, under this number."""

    create_id: int


@dataclass(frozen=True, slots=True)
class OkKeep:
    """A pair to keep: the qubit's handle, the Bell state, n/65535 and time of its goodness."""

    create_id: int
    label: int
    directionality: int
    sequence: int
    handle: int
    goodness: int
    goodness_time: int
    bell: int


@dataclass(frozen=True, slots=True)
class OkMeasure:
    """A pair measured at once: axis and bit."""

    create_id: int
    label: int
    directionality: int
    sequence: int
    axis: int
    bit: int
    goodness: int
    goodness_time: int
    bell: int


@dataclass(frozen=True, slots=True)
class Err:
    """No pair: why, and for EXPIRE which sequence numbers are void."""

    create_id: int
    code: ErrCode
    label: int = 0
    first: int = 0
    last: int = 0


LinkMessage = Create | Ack | OkKeep | OkMeasure | Err


def encode(message: LinkMessage) -> bytes:
    """The bytes of a message: kind, a spare byte, its fields."""
    if isinstance(message, Create):
        flags = message.atomic << 1 | message.consecutive
        bases = message.random_basis[0] << 2 | message.random_basis[1]
        body = _CREATE.pack(
            message.remote,
            message.min_fidelity,
            message.time_unit << 14 | message.max_time,
            message.label,
            message.number,
            message.priority << 5 | (message.mode < 0) << 4 | flags,
            message.mode & 0xFF,
            bases,
            0,
            message.basis_probabilities,
            message.rotations,
        )
        return _HEADER.pack(0, 0) + body
    if isinstance(message, Ack):
        return _HEADER.pack(1, 0) + _ACK.pack(message.create_id)
    if isinstance(message, OkKeep):
        m = message
        return _HEADER.pack(2, 0) + _OK_KEEP.pack(
            m.create_id,
            m.label,
            m.directionality,
            m.sequence,
            m.handle,
            m.goodness,
            m.goodness_time,
            m.bell,
            0,
        )
    if isinstance(message, OkMeasure):
        o = message
        return _HEADER.pack(3, 0) + _OK_MEASURE.pack(
            o.create_id,
            o.label,
            o.directionality,
            o.sequence,
            o.axis,
            o.bit,
            o.goodness,
            o.goodness_time,
            o.bell,
        )
    return _HEADER.pack(4, 0) + _ERR.pack(
        message.create_id, message.code, message.label, message.first, message.last
    )


def decode(data: bytes) -> LinkMessage:
    """The message in these bytes; `InputError` where they are none."""
    try:
        kind, spare = _HEADER.unpack_from(data)
        if spare:
            raise InputError("the spare byte of a link message is zero", field="spare", value=spare)
        body = data[_HEADER.size :]
        if kind == 0:
            remote, fidelity, time, label, number, flags, mode, bases, _, chances, turns = _CREATE.unpack(
                body
            )
            return Create(
                remote,
                label,
                fidelity,
                -1 if flags >> 4 & 1 else mode,
                number,
                flags >> 5,
                time & 0x3FFF,
                time >> 14,
                bool(flags >> 1 & 1),
                bool(flags & 1),
                (bases >> 2, bases & 3),
                chances,
                turns,
            )
        if kind == 1:
            return Ack(*_ACK.unpack(body))
        if kind == 2:
            return OkKeep(*_OK_KEEP.unpack(body)[:8])
        if kind == 3:
            return OkMeasure(*_OK_MEASURE.unpack(body))
        if kind == 4:
            number, code, label, first, last = _ERR.unpack(body)
            return Err(number, ErrCode(code), label, first, last)
    except (struct.error, ValueError) as error:
        raise InputError(f"these bytes are no link message: {error}", field="message") from error
    raise InputError("no such link message", field="kind", value=kind)
