"""The chain's events in SQLite: read once, in order, undone where the chain undid them.

A cursor (block, hash) says how far the index has read. `advance` asks for the logs of the blocks after it
and stores them with the new cursor in one transaction, so a crash leaves no gap and no double. When the
block under the cursor has another hash than remembered, blocks were reorganised: the index goes back to
the last remembered block that is still there. No filters on the node, and never from the beginning again.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcrs.chain import bindings
from qcrs.chain.abi import Event, Parameter, Struct, decode_log
from qcrs.chain.networks import Block, Chain, Log
from qcrs.errors import ChainError

__all__ = ["EventIndex", "EventRow"]

_SPAN_BLOCKS = 2_000
"""Most blocks in one request for logs; halved where a node refuses that many."""

_CHECKPOINTS = 512
"""Remembered (block, hash) pairs: how far back a reorganisation is found without reading all anew."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (block INTEGER PRIMARY KEY, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, block INTEGER NOT NULL, log_index INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    tx BLOB NOT NULL, contract TEXT NOT NULL, name TEXT NOT NULL, job TEXT, args TEXT NOT NULL,
    topics BLOB NOT NULL, data BLOB NOT NULL, UNIQUE (block, log_index)
);
CREATE INDEX IF NOT EXISTS events_by_job ON events (job, seq);
CREATE INDEX IF NOT EXISTS events_by_name ON events (name, seq);
"""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event. `seq` grows and is never used twice; `args` are JSON values by name."""

    seq: int
    block: int
    log_index: int
    timestamp: int
    transaction: bytes
    contract: str
    name: str
    args: dict[str, Any]
    topics: tuple[bytes, ...]
    data: bytes

    @property
    def event(self) -> Event:
        """The typed event of `qcrs.chain.bindings`."""
        kind = bindings.EVENTS.get((self.contract, self.topics[0]))
        if kind is None:
            raise ChainError(
                "the bindings do not know this event", field="event", value=f"{self.contract}.{self.name}"
            )
        found: Event = kind.from_log(self.topics, self.data)
        return found


class EventIndex:
    """Events of some contracts of a chain, in a file. Thread-safe.

    `contracts` maps names to addresses; `interfaces` gives events of contracts that the bindings do not know
    (name → topic → (event name, parameters)). Only blocks at least `confirmations` deep are read, and of
    `topics` only, where any are given.
    """

    def __init__(
        self,
        path: Path,
        chain: Chain,
        contracts: Mapping[str, str],
        *,
        start: int = 0,
        confirmations: int = 0,
        interfaces: Mapping[str, Mapping[bytes, tuple[str, tuple[Parameter, ...]]]] | None = None,
        topics: Iterable[bytes] = (),
    ) -> None:
        self.chain = chain
        self.confirmations = confirmations
        self.contracts = dict(contracts)
        self._topics = sorted(set(topics))
        self._names = {address.lower(): name for name, address in contracts.items()}
        self._known = {
            (contract, topic): known
            for contract, events in (interfaces or {}).items()
            for topic, known in events.items()
        }
        self._lock = threading.RLock()
        self._span = _SPAN_BLOCKS
        self._seen: tuple[bytes, tuple[int, bytes] | None] = (b"", None)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path, check_same_thread=False, timeout=30.0)
        weakref.finalize(self, self._file.close)  # a reader that nobody closed leaves no open file behind
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")
        self._file.executescript(_SCHEMA)
        try:
            self._belongs(path, start)
        except BaseException:
            self._file.close()
            raise

    def _belongs(self, path: Path, start: int) -> None:
        genesis = (self.chain.block_hash(0) or b"").hex()
        watched = [topic.hex() for topic in self._topics]
        parts = [self.chain.chain_id, genesis, sorted(self._names.items()), *([watched] if watched else [])]
        identity = json.dumps(parts)
        with self._file:
            self._file.execute("INSERT OR IGNORE INTO meta VALUES ('identity', ?)", (identity,))
            self._file.execute("INSERT OR IGNORE INTO meta VALUES ('start', ?)", (str(start),))
            self._file.execute("INSERT OR IGNORE INTO meta VALUES ('rewinds', '0')")
        if self._meta("identity") != identity:
            raise ChainError(
                "this index was made for another chain or other contracts",
                field="path",
                value=str(path),
                solution="remove the file; it is made anew from the chain",
            )

    def _meta(self, key: str) -> str:
        return str(self._file.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])

    @property
    def cursor(self) -> int:
        """The last block read, or the one before the first."""
        with self._lock:
            top = self._top()
            return int(self._meta("start")) - 1 if top is None else top[0]

    @property
    def rewinds(self) -> int:
        """How often blocks were undone under the index."""
        with self._lock:
            return int(self._meta("rewinds"))

    # -- reading the chain ----------------------------------------------------------------------

    def advance(self) -> int:
        """Read up to the head; returns how many events are new."""
        with self._lock:
            head, top = self.chain.block(), self._top()
            if (head.hash, top) == self._seen:
                return 0  # one request while nothing happens
            if (head.parent, top) != self._seen:
                self._rewind()  # a child of the last head undoes nothing of what was read then
            added = 0
            while (first := self.cursor + 1) <= head.number - self.confirmations:
                read = self._read(first, min(head.number - self.confirmations, first + self._span - 1), head)
                if read is None:
                    return added  # blocks changed meanwhile; the next call finds out which
                added += read
            self._seen = head.hash, self._top()
            return added

    def _top(self) -> tuple[int, bytes] | None:
        """The file's last (block, hash); another process may have moved it since this one looked."""
        found: tuple[int, bytes] | None = self._file.execute(
            "SELECT block, hash FROM checkpoints ORDER BY block DESC LIMIT 1"
        ).fetchone()
        return found

    def _read(self, first: int, last: int, head: Block) -> int | None:
        """Store the events of some blocks and move the cursor, all or nothing (`None`)."""
        hash_ = head.hash if last == head.number else self.chain.block_hash(last)
        try:
            logs = self.chain.logs(first, last, self.contracts.values(), self._topics)
        except ChainError:
            if self._span == 1:
                raise
            self._span = max(1, self._span // 2)
            return 0
        if hash_ is None or self.chain.block_hash(last) != hash_:
            return None
        rows = [row for row in (self._row(log) for log in logs) if row is not None]
        with self._file:
            self._file.executemany(
                "INSERT INTO events"
                " (block, log_index, timestamp, tx, contract, name, job, args, topics, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._file.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?)", (last, hash_))
            self._file.execute(
                "DELETE FROM checkpoints WHERE block NOT IN"
                " (SELECT block FROM checkpoints ORDER BY block DESC LIMIT ?)",
                (_CHECKPOINTS,),
            )
        return len(rows)

    def _rewind(self) -> None:
        """Go back to the newest remembered block that is still part of the chain."""
        known = self._file.execute("SELECT block, hash FROM checkpoints ORDER BY block DESC").fetchall()
        keep = next((block for block, hash_ in known if self.chain.block_hash(block) == hash_), None)
        if not known or keep == known[0][0]:
            return
        if keep is None:
            keep = int(self._meta("start")) - 1
        with self._file:
            self._file.execute("DELETE FROM events WHERE block > ?", (keep,))
            self._file.execute("DELETE FROM checkpoints WHERE block > ?", (keep,))
            self._file.execute("UPDATE meta SET value = ? WHERE key = 'rewinds'", (str(self.rewinds + 1),))

    def _row(self, log: Log) -> tuple[Any, ...] | None:
        contract = self._names[log.address.lower()]
        if not log.topics:
            return None
        kind = bindings.EVENTS.get((contract, log.topics[0]))
        if kind is not None:
            name, fields = kind.NAME, kind.FIELDS
        elif (contract, log.topics[0]) in self._known:
            name, fields = self._known[contract, log.topics[0]]
        else:
            return None
        args = {key: _plain(value) for key, value in decode_log(fields, log.topics, log.data).items()}
        timestamp = log.timestamp if log.timestamp is not None else self.chain.block(log.block).timestamp
        job = args.get("job")
        return (
            log.block,
            log.index,
            timestamp,
            log.transaction,
            contract,
            name,
            None if job is None else str(job),
            json.dumps(args, separators=(",", ":")),
            b"".join(log.topics),
            log.data,
        )

    # -- questions --------------------------------------------------------------------------------

    def events(
        self,
        *,
        name: str | None = None,
        contract: str | None = None,
        job: int | None = None,
        after: int = 0,
        limit: int = -1,
    ) -> list[EventRow]:
        """Stored events in order: of a name, a contract, a job, with `seq` above `after`."""
        conditions, values = ["seq > ?"], [str(after)]
        for column, wanted in (
            ("name", name),
            ("contract", contract),
            ("job", None if job is None else str(job)),
        ):
            if wanted is not None:
                conditions.append(f"{column} = ?")
                values.append(wanted)
        query = (
            "SELECT seq, block, log_index, timestamp, tx, contract, name, args, topics, data FROM events"  # noqa: S608
            f" WHERE {' AND '.join(conditions)} ORDER BY seq LIMIT ?"
        )
        with self._lock:
            rows = self._file.execute(query, [*values, limit]).fetchall()
        return [_event_row(row) for row in rows]

    def follow(
        self, *, after: int = 0, stop: threading.Event | None = None, poll_s: float = 0.2
    ) -> Iterator[EventRow]:
        """All events above `after` as they come, until `stop`; after a rewind some come anew."""
        ended = stop or threading.Event()
        while not ended.is_set():
            self.advance()
            found = self.events(after=after, limit=1_000)
            for row in found:
                after = row.seq
                yield row
                if ended.is_set():
                    return
            if not found:
                ended.wait(poll_s)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> EventIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _event_row(row: tuple[Any, ...]) -> EventRow:
    seq, block, log_index, timestamp, transaction, contract, name, args, topics, data = row
    words = tuple(topics[at : at + 32] for at in range(0, len(topics), 32))
    return EventRow(
        seq, block, log_index, timestamp, transaction, contract, name, json.loads(args), words, data
    )


def _plain(value: Any) -> Any:
    """JSON values: bytes as hexadecimal text, structs as objects."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Struct):
        return {item.name: _plain(getattr(value, item.name)) for item in value.FIELDS}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
