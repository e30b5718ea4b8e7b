"""The classical line of an application: numbered messages, and a transcript that both ends sign.

A message that was received before is dropped, so repeated and late copies change nothing. What was sent
and received goes into a running hash at each end; before a key is made each end signs it, and an end whose
own hash the other did not sign makes none. So nobody in between can have changed, added or left out a
message. `Signer` and `Verifier` are the seam: `drivers.apps.signatures` has ML-DSA-65.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Protocol

from qcrs.errors import InputError

__all__ = ["Line", "Signer", "Verifier"]

_HEAD = struct.Struct(">BI")
HEADER_BYTES = _HEAD.size


class Signer(Protocol):
    """Signs as one end."""

    def sign(self, message: bytes) -> bytes:
        """The signature of a message."""


class Verifier(Protocol):
    """Knows the other end's public key."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the other end signed this."""


class Line:
    """One end (0 head, 1 tail) of the line of a session."""

    __slots__ = ("_end", "_hashes", "_session", "_signer", "_verifier", "received", "repeated", "sent")

    def __init__(self, session: bytes, end: int, signer: Signer, verifier: Verifier) -> None:
        self._session = session
        self._end = end
        self._signer = signer
        self._verifier = verifier
        self._hashes = [hashlib.sha3_256(session + bytes([way])) for way in (0, 1)]
        self.sent = self.received = self.repeated = 0

    def seal(self, kind: int, body: bytes) -> bytes:
        """The bytes of the next message."""
        self.sent += 1
        data = _HEAD.pack(kind, self.sent) + body
        self._note(self._end, data)
        return data

    def open(self, data: bytes) -> tuple[int, bytes] | None:
        """Kind and body of the next message, None for one that was received before.

        `InputError` where one is missing before it: the transport keeps order, so somebody took it.
        """
        if len(data) < HEADER_BYTES:
            raise InputError("a message has a kind and a number", field="length", value=len(data))
        kind, number = _HEAD.unpack_from(data)
        if number <= self.received:
            self.repeated += 1
            return None
        if number != self.received + 1:
            raise InputError("a message is missing before this one", field="number", value=number)
        self.received = number
        self._note(1 - self._end, data)
        return kind, data[HEADER_BYTES:]

    def _note(self, way: int, data: bytes) -> None:
        self._hashes[way].update(len(data).to_bytes(4, "big") + data)

    def _transcript(self, signer: int) -> bytes:
        both = b"".join(one.digest() for one in self._hashes)
        return hashlib.sha3_256(b"qcrs/qnp/transcript" + bytes([signer]) + both).digest()

    def signature(self) -> bytes:
        """This end's signature of all that passed so far."""
        return self._signer.sign(self._transcript(self._end))

    def transcript(self) -> bytes:
        """What the other end has to have signed, taken before its signature arrives."""
        return self._transcript(1 - self._end)

    def signed(self, transcript: bytes, signature: bytes) -> bool:
        """Whether the other end signed that transcript."""
        return self._verifier.verify(transcript, signature)
