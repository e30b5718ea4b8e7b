"""A reliable, ordered channel of frames over connections that may break, without I/O.

Messages have 29 bytes: kind, number, 24 bytes of content. DATA carries a numbered frame; ACK and KEEPALIVE
the last number received; HELLO opens a connection with node, incarnation and last number received, and the
other side sends again what came after it. A number that was received before is dropped. A new incarnation
of the peer means that it restarted and lost its state: both directions begin again.
"""

from __future__ import annotations

import struct
from collections import deque

from qcrs.errors import InputError
from qcrs.qnp.network.frames import Frame, decode, encode

__all__ = ["MESSAGE_BYTES", "Channel", "peer_of"]

DATA, ACK, HELLO, KEEPALIVE = 1, 2, 3, 4
_HEAD = struct.Struct(">BI")
_HELLO = struct.Struct(">IQ12x")
MESSAGE_BYTES = 29
_ACK_EVERY = 16


def _message(kind: int, number: int, content: bytes = bytes(24)) -> bytes:
    return _HEAD.pack(kind, number) + content


class Channel:
    """One neighbour, over any number of connections. `outgoing` is what should be written next."""

    def __init__(self, node: int, incarnation: int) -> None:
        self.node = node
        self.incarnation = incarnation
        self.peer: int | None = None
        self.peer_incarnation: int | None = None
        self.sent = 0
        self.received = 0
        self.duplicates = 0
        self.outgoing = b""
        self.up = False
        self._unacked: deque[tuple[int, bytes]] = deque()
        self._buffer = b""
        self._since_ack = 0

    def connect(self) -> None:
        """A new connection: half a message of the old one is forgotten, HELLO goes first."""
        self._buffer = b""
        self.up = False
        self.outgoing = _message(HELLO, self.received, _HELLO.pack(self.node, self.incarnation))

    def expect(self, incarnation: int) -> bool:
        """The peer is said to run as this incarnation; whether that is news, so that it restarted.

        What is sent from now on is for the new one: its HELLO, still to come, will not discard it.
        """
        if self.peer_incarnation is None or incarnation <= self.peer_incarnation:
            return False
        self._begin_again(incarnation)
        self.disconnect()
        return True

    def _begin_again(self, incarnation: int) -> None:
        self.sent = self.received = self._since_ack = 0
        self._unacked.clear()
        self.peer_incarnation = incarnation

    def disconnect(self) -> None:
        """The connection broke; frames are kept until the next."""
        self.up = False
        self.outgoing = b""

    def send(self, frame: Frame) -> None:
        """Queue a frame."""
        self.sent += 1
        message = _message(DATA, self.sent, encode(frame))
        self._unacked.append((self.sent, message))
        if self.up:
            self.outgoing += message

    def keepalive(self) -> None:
        """Say that we are here."""
        if self.up:
            self.outgoing += _message(KEEPALIVE, self.received)
            self._since_ack = 0

    def repeat(self) -> None:
        """Send the newest frame once more, as a faulty network would."""
        if self.up and self._unacked:
            self.outgoing += self._unacked[-1][1]

    def take(self) -> bytes:
        """What to write now."""
        data, self.outgoing = self.outgoing, b""
        return data

    def feed(self, data: bytes) -> tuple[list[Frame], bool]:
        """Bytes that came: frames in order, each once, and whether the peer turned out to have restarted.

        `InputError` where the bytes are no messages: the connection is to be closed.
        """
        self._buffer += data
        frames: list[Frame] = []
        restarted = False
        while len(self._buffer) >= MESSAGE_BYTES:
            message, self._buffer = self._buffer[:MESSAGE_BYTES], self._buffer[MESSAGE_BYTES:]
            kind, number = _HEAD.unpack_from(message)
            content = message[_HEAD.size :]
            if kind == HELLO:
                restarted |= self._hello(number, *_HELLO.unpack(content))
            elif self.peer is None:
                raise InputError("a connection begins with HELLO", field="kind", value=kind)
            elif kind == DATA:
                if number == self.received + 1:
                    frames.append(decode(content))
                    self.received = number
                    self._since_ack += 1
                elif number <= self.received:
                    self.duplicates += 1
                else:
                    raise InputError("a frame is missing before this one", field="number", value=number)
            elif kind in (ACK, KEEPALIVE):
                self._acknowledged(number)
            else:
                raise InputError("no such message", field="kind", value=kind)
        if self._since_ack >= _ACK_EVERY and self.up:
            self.outgoing += _message(ACK, self.received)
            self._since_ack = 0
        return frames, restarted

    def _hello(self, number: int, node: int, incarnation: int) -> bool:
        if self.peer is not None and node != self.peer:
            raise InputError("another node answers on this connection", field="node", value=node)
        restarted = self.peer_incarnation is not None and incarnation != self.peer_incarnation
        if restarted:
            self._begin_again(incarnation)
            number = 0
        self.peer, self.peer_incarnation = node, incarnation
        self.up = True
        self._acknowledged(number)
        self.outgoing += b"".join(message for _, message in self._unacked)
        return restarted

    def _acknowledged(self, number: int) -> None:
        while self._unacked and self._unacked[0][0] <= number:
            self._unacked.popleft()


def peer_of(message: bytes) -> int:
    """Who opens a connection, by its first message; `InputError` where that is no HELLO."""
    probe = Channel(0, 0)
    probe.feed(message)
    if probe.peer is None:
        raise InputError("a connection begins with HELLO", field="message", value=message.hex())
    return probe.peer
