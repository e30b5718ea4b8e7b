"""The exchange's history, kept up to date from the event index.

The index on disk is read once per process and then only from where it ended. When blocks were
reorganised under it, the history is folded anew from what is left.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from qcrs.chain.index import EventIndex, EventRow
from qcrs.client.history import History, Logged
from qcrs.config.home import NetworkFile
from qcrs.errors import ChainError

if TYPE_CHECKING:
    from qcrs.chain.networks import Chain

__all__ = ["EVENT_CONTRACTS", "EventSource", "catch_up"]

EVENT_CONTRACTS = ("ComputationAllocator", "ProcessorRegistry", "ResultVerifier", "OracleQuorum")
"""Contracts whose events make up the history."""

_ATTEMPTS = 8
_PAGE = 2_000


def _logged(row: EventRow) -> Logged:
    return Logged(row.event, row.block, row.timestamp, row.log_index, "0x" + row.transaction.hex())


def catch_up(index: EventIndex) -> None:
    """Read up to the head. Of processes that read into one file at once, the slower looks again."""
    for _ in range(_ATTEMPTS):
        try:
            index.advance()
        except sqlite3.IntegrityError:
            continue
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise  # a full disk is not mended by looking again
            continue
        return
    raise ChainError(
        "the event index is used by too many processes at once",
        field="index",
        solution="try again, or give each process a home of its own",
    )


class EventSource:
    """A `History` that follows the chain. Not thread-safe; its owner holds a lock."""

    def __init__(self, chain: Chain, network: NetworkFile, folder: Path) -> None:
        genesis = (chain.block_hash(0) or b"").hex()[:8]
        allocator = network.contracts["ComputationAllocator"][2:10].lower()
        self._index = EventIndex(
            folder / f"events-{chain.chain_id}-{genesis}-{allocator}.sqlite",
            chain,
            {name: network.contracts[name] for name in EVENT_CONTRACTS if name in network.contracts},
        )
        self._history = History()
        self._last = 0
        self._rewinds = self._index.rewinds

    def history(self) -> History:
        """The fold of all events up to the head."""
        catch_up(self._index)
        if self._index.rewinds != self._rewinds:
            self._rewinds = self._index.rewinds
            self._history, self._last = History(), 0
        while rows := self._index.events(after=self._last, limit=_PAGE):
            for row in rows:
                self._history.apply(_logged(row))
                self._last = row.seq
        return self._history

    def history_at(self, block: int) -> History:
        """A fold of its own of the events up to a block, that block included."""
        catch_up(self._index)
        found, last = History(), 0
        while rows := self._index.events(after=last, limit=_PAGE):
            for row in rows:
                if row.block > block:
                    return found
                found.apply(_logged(row))
                last = row.seq
        return found

    def named(self, name: str, contract: str) -> list[EventRow]:
        """Every event of one name, in chain order."""
        catch_up(self._index)
        return self._index.events(name=name, contract=contract)

    def close(self) -> None:
        """Release the file."""
        self._index.close()
