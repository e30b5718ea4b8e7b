"""A node clears its own way: dead entries in front of what it waits for are skimmed.

Nobody else has to: where all that a processor could be given stands behind more dead entries than the
contract looks at, its node would wait until those jobs' deadlines have passed and somebody expires them.
"""

from __future__ import annotations

import time
from itertools import islice

from qcrs.chain.bindings import Reason
from qcrs.client.journal import Journal
from qcrs.client.participant import Participant
from qcrs.client.skimming import SKIM_GAS, dead_ahead, direct_queue, flow_queues, queue_name
from qcrs.node.ledger import Ledger

__all__ = ["Skimmer"]

HIDING = (Reason.BACKLOG, Reason.UNSUITABLE)
"""Answers behind which a job may be hidden: dead entries alone, or with live ones among them."""
QUEUES_A_LOOK = 4
EVERY_S = 15.0
"""Between two looks, where the one before found nothing to drop."""


class Skimmer:
    """Skims for one processor. `skim` never reverts, so whoever is slower than another drops nothing."""

    def __init__(self, party: Participant, ledger: Ledger, processor: int, journal: Journal) -> None:
        self._party, self._ledger, self._processor, self._journal = party, ledger, processor, journal
        self._sent: list[str] = []
        self._idle_since = float("-inf")

    def look(self, reason: Reason) -> int:
        """Send what takes dead entries away, its own queue's first; how many transactions that were."""
        if reason not in HIDING or self._under_way() or time.monotonic() - self._idle_since < EVERY_S:
            return 0
        allocator, sender = self._party.contracts.allocator, self._party.address
        queues = [direct_queue(self._processor), *flow_queues(allocator)]
        self._sent = []
        for dead in islice(dead_ahead(allocator, queues, sender), QUEUES_A_LOOK):
            key = f"skim/{self._processor}/{dead.queue}/{self._ledger.advance('skims')}"
            entry = self._party.post(key, dead.call, SKIM_GAS)
            self._sent.append(key)
            self._journal.write(
                "skimmed",
                queue=queue_name(dead.queue),
                dead=dead.count,
                transaction="0x" + entry.hash.hex(),
            )
        if not self._sent:
            self._idle_since = time.monotonic()
        return len(self._sent)

    def _under_way(self) -> bool:
        entries = (self._party.outbox.entry(key) for key in self._sent)
        return any(entry is not None and entry.state in ("signed", "sent") for entry in entries)
