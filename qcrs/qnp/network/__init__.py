"""The protocol: frames, node rules, and what they ask for. No clock, socket or random generator.

``on_request | on_pair | on_swap | on_frame | on_timer | on_lost`` are the rules. Each takes the state of one
circuit at one node, the time, and what happened, and returns actions for the driver to carry out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcrs.qnp.network.actions import (
    ACTION_NAMES,
    DELIVER,
    FREE,
    LINK_START,
    LINK_STOP,
    SEND,
    SET_TIMER,
    STATUS,
    SWAP,
    Action,
    EndRequest,
    Reason,
    RoutingEntry,
    Status,
)
from qcrs.qnp.network.end import End
from qcrs.qnp.network.frames import Frame, decode, encode
from qcrs.qnp.network.head import Head
from qcrs.qnp.network.repeater import Repeater
from qcrs.qnp.network.rounds import TestRounds
from qcrs.qnp.network.served import Served
from qcrs.qnp.network.tail import Tail

if TYPE_CHECKING:
    State = Head | Tail | Repeater

__all__ = [
    "ACTION_NAMES",
    "DELIVER",
    "FREE",
    "LINK_START",
    "LINK_STOP",
    "SEND",
    "SET_TIMER",
    "STATUS",
    "SWAP",
    "Action",
    "End",
    "EndRequest",
    "Frame",
    "Head",
    "Reason",
    "Repeater",
    "RoutingEntry",
    "Served",
    "Status",
    "Tail",
    "TestRounds",
    "decode",
    "encode",
    "install",
    "on_frame",
    "on_lost",
    "on_pair",
    "on_request",
    "on_swap",
    "on_timer",
]


def install(entry: RoutingEntry) -> State:
    """The fresh state of a circuit at one node: head, tail or repeater by its neighbours."""
    if entry.previous is None:
        return Head(entry)
    return Tail(entry) if entry.next is None else Repeater(entry)


def on_request(state: Head, now: int, request: EndRequest) -> list[Action]:
    """An application asks for pairs at the head."""
    return state.on_request(now, request)


def on_pair(
    state: State, now: int, side: int, sequence: int, handle: int, bell: int, outcome: int = -1
) -> list[Action]:
    """The link on `side` made a pair; `outcome` is 2·axis + bit if it was measured at once."""
    return state.on_pair(now, side, sequence, handle, bell, outcome)


def on_swap(
    state: Repeater, now: int, left: int, left_bell: int, right: int, right_bell: int, outcome: int
) -> list[Action]:
    """The hardware made a swap that was asked for."""
    return state.on_swap(now, left, left_bell, right, right_bell, outcome)


def on_frame(state: State, now: int, side: int, frame: Frame) -> list[Action]:
    """A frame from the neighbour on `side`."""
    return state.on_frame(now, side, frame)


def on_timer(state: State, now: int, tag: int) -> list[Action]:
    """A timer that was set."""
    return state.on_timer(now, tag)


def on_lost(state: State, now: int, side: int, reason: Reason = Reason.KEEPALIVE_LOST) -> list[Action]:
    """The neighbour on `side` is gone."""
    return state.on_lost(now, side, reason)
