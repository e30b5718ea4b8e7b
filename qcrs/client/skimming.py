"""Dead entries in front of queues: where they stand, and the calls that take them away.

A job that can no longer be run in time keeps its place until somebody closes it, and a queue is looked
through for 24 places only. Behind more dead ones in a row live jobs wait, for hours if need be, until anyone
calls `skim`. It is asked first what a call would drop, so nothing is sent for nothing.

Source: NatSpec of `IComputationAllocator`, "The fair queue".
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.chain.abi import Call
from qcrs.chain.bindings import ComputationAllocator
from qcrs.scheduling.words import DIRECT

if TYPE_CHECKING:
    from qcrs.client.ledger import Ledger

__all__ = [
    "SKIM_GAS",
    "SKIM_MOST",
    "Dead",
    "dead_ahead",
    "direct_queue",
    "flow_queues",
    "queue_name",
    "skim_queues",
]

SKIM_MOST = 128
"""Entries that one call looks at. One costs some 3,000 gas, or 7,000 where a link past it is written."""
SKIM_GAS = 1_000_000


@dataclass(frozen=True, slots=True)
class Dead:
    """A queue that begins with dead entries: how many of them `call` drops, at most `SKIM_MOST`."""

    queue: int
    count: int
    call: Call


def direct_queue(processor: int) -> int:
    """The queue of the jobs that name a processor as their only target (`directQueueOf`)."""
    return DIRECT | processor


def flow_queues(allocator: ComputationAllocator) -> list[int]:
    """The queues of flows that have entries, dead or live, as the fair queue ranks them."""
    lanes = {flow: allocator.lane(flow) for flow in range(allocator.flow_count())}
    return sorted((flow for flow in lanes if lanes[flow]), key=lambda flow: (lanes[flow] >> 24, flow))


def dead_ahead(allocator: ComputationAllocator, queues: Iterable[int], sender: str) -> Iterator[Dead]:
    """Those of the queues that begin with dead entries, found one by one as they are asked for."""
    for queue in queues:
        call = allocator.skim(queue, SKIM_MOST)
        count = int(allocator.chain.call(call, sender=sender))
        if count:
            yield Dead(queue, count, call)


def skim_queues(ledger: Ledger, queues: Iterable[int]) -> Iterator[Dead]:
    """Skim these queues with an account's transactions until each begins with a live entry; what was sent.

    Somebody else may have dropped some of an answer's entries first: then they are gone all the same.
    """
    allocator = ledger.contracts.allocator
    for queue in queues:
        while found := list(dead_ahead(allocator, [queue], ledger.address)):
            ledger.post(f"skim/{queue}/{secrets.token_hex(8)}", found[0].call)
            yield found[0]


def queue_name(queue: int) -> str:
    """A queue in words."""
    return f"flow {queue}" if queue < DIRECT else f"processor {queue - DIRECT}"
