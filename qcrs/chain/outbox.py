"""Posting exactly once across crashes and reorganised blocks.

A job (say, the verdict on one execution) has a key. `post` signs its transaction once and writes it to
disk before any byte leaves; from then on only those same bytes are ever sent, so however often the
process dies and starts again the chain can take them at most once. `pump` sends what is in no block,
again after a block with it was undone, until it lies `confirmations` deep. One outbox per key file: a
second process is refused.

::

    signed ──send──▶ sent ──in a block──▶ mined ──k blocks later──▶ final (or failed)
       ▲               ▲                    │
       └── other ──────┴──── block undone ──┘
           nonce taken, k blocks deep: signed anew, since the old bytes can never be taken
"""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from qcrs.chain.abi import Call
from qcrs.chain.networks import Chain, Receipt
from qcrs.chain.sender import GAS_MARGIN_PERCENT, is_known_already, sign
from qcrs.errors import AccountError, ChainError, NetworkError

__all__ = ["Entry", "Outbox"]

State = Literal["signed", "sent", "mined", "final", "failed"]
_OPEN = ("signed", "sent", "mined")
_PAUSE_S = 0.1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, target TEXT NOT NULL, data BLOB NOT NULL, value TEXT NOT NULL,
    gas INTEGER NOT NULL, nonce INTEGER NOT NULL UNIQUE, raw BLOB NOT NULL, hash BLOB NOT NULL,
    state TEXT NOT NULL, block INTEGER, block_hash BLOB, error TEXT
);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One job: its key, transaction and state. `block` is where it was last seen."""

    key: str
    name: str
    nonce: int
    raw: bytes
    hash: bytes
    state: State
    block: int | None
    block_hash: bytes | None
    error: str | None

    @property
    def done(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.state not in _OPEN


class Outbox:
    """The jobs of one account on one chain, in a file. Thread-safe."""

    def __init__(
        self, path: Path, chain: Chain, account: LocalAccount, confirmations: int | None = None
    ) -> None:
        self.chain = chain
        self.account = account
        self.confirmations = chain.network.confirmations if confirmations is None else confirmations
        self._lock = threading.RLock()
        self._file = _open(path)
        try:
            self._belongs(path)
        except BaseException:
            self._file.close()
            raise

    def _belongs(self, path: Path) -> None:
        genesis = self.chain.block_hash(0) or b""
        expected = {"chain": f"{self.chain.chain_id}:{genesis.hex()}", "account": self.account.address}
        known = dict(self._file.execute("SELECT key, value FROM meta"))
        for key, value in expected.items():
            if known.setdefault(key, value) != value:
                raise ChainError(
                    f"this outbox was written for another {key}",
                    field="path",
                    value=str(path),
                    solution="use one outbox per account and chain; if the chain was reset, move it away",
                )
        with self._file:
            self._file.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", list(expected.items()))

    def post(self, key: str, call: Call, *, gas: int | None = None) -> Entry:
        """Take a job on, once: a key that is known keeps its first transaction, whatever `call` is now.

        Without `gas` it is estimated first, so what the contract would refuse raises and leaves no trace;
        nor does what the account cannot pay for (`AccountError`).
        """
        with self._lock:
            known = self.entry(key)
            if known is not None:
                return known
            limit = gas or self._gas(call)
            entry = self._signed(key, call, limit)
            try:
                self._send(entry)
            except AccountError:
                with self._file:  # no node took it
                    self._file.execute("DELETE FROM outbox WHERE key = ?", (key,))
                raise
            return self._required(key)

    def _gas(self, call: Call) -> int:
        if self.chain.network.gas_limit:
            return self.chain.network.gas_limit
        return self.chain.estimate(call, self.account.address) * (100 + GAS_MARGIN_PERCENT) // 100

    def _signed(self, key: str, call: Call, gas: int) -> Entry:
        """Sign with the next nonce and make that durable. The old bytes of a known key are replaced."""
        last = self._file.execute("SELECT MAX(nonce) FROM outbox").fetchone()[0]
        nonce = max(self.chain.nonce(self.account.address, "latest"), -1 if last is None else last + 1)
        most, tip = self.chain.fees()
        # Twice the usual room: the bytes cannot be changed when fees rise.
        raw, hash_ = sign(
            self.account, call, chain_id=self.chain.chain_id, nonce=nonce, gas=gas, fees=(2 * most, tip)
        )
        with self._file:
            self._file.execute(
                "REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'signed', NULL, NULL, NULL)",
                (key, call.name, call.to, call.data, str(call.value), gas, nonce, raw, hash_),
            )
        return self._required(key)

    def _send(self, entry: Entry) -> None:
        """Give the bytes to the node. What it answers decides nothing except that it has them."""
        try:
            self.chain.send_raw(entry.raw)
        except (ChainError, NetworkError) as error:
            if not is_known_already(error) if isinstance(error, ChainError) else True:
                self._note(entry.key, error.reason)
                return
        self._set(entry.key, "sent")

    def pump(self) -> int:
        """Look at every open job once, send what is missing; returns how many stay open."""
        with self._lock:
            rows = self._select(f"state IN {_OPEN} ORDER BY nonce")
            if not rows:
                return 0
            height = self.chain.height
            for entry in rows:
                self._advance(entry, height)
            return len(self._select(f"state IN {_OPEN}"))

    def _advance(self, entry: Entry, height: int) -> None:
        receipt = self.chain.receipt(entry.hash)
        if receipt is None:
            if not self._displaced(entry, height):
                self._send(entry)
            return
        if (entry.state, entry.block, entry.block_hash) != ("mined", receipt.block, receipt.block_hash):
            with self._file:
                self._file.execute(
                    "UPDATE outbox SET state = 'mined', error = NULL, block = ?, block_hash = ?"
                    " WHERE key = ?",
                    (receipt.block, receipt.block_hash, entry.key),
                )
        if height - receipt.block >= self.confirmations:
            if receipt.ok:
                self._set(entry.key, "final")
            else:
                self._note(entry.key, self.chain.failure(receipt, self._call(entry.key)).reason)
                self._set(entry.key, "failed")

    def _displaced(self, entry: Entry, height: int) -> bool:
        """Whether another transaction took the nonce for good; the job is then signed anew."""
        if not self._taken(entry, height) or self.chain.receipt(entry.hash) is not None:
            return False
        gas = self._file.execute("SELECT gas FROM outbox WHERE key = ?", (entry.key,)).fetchone()[0]
        self._send(self._signed(entry.key, self._call(entry.key), gas))
        return True

    def _taken(self, entry: Entry, height: int) -> bool:
        """Whether a block deep enough used the nonce; of the last block only its own list is believed.

        A node may count the transactions of the block that it is making before it shows that block.
        """
        me = self.account.address
        deep = max(0, height - max(1, self.confirmations))
        if int(self.chain.request("eth_getTransactionCount", me, hex(deep)), 16) > entry.nonce:
            return True
        if self.confirmations:
            return False
        head = self.chain.request("eth_getBlockByNumber", hex(height), True)
        return any(
            int(sent["nonce"], 16) == entry.nonce and sent["hash"] != "0x" + entry.hash.hex()
            for sent in (head or {}).get("transactions", ())
            if to_checksum_address(sent["from"]) == me
        )

    def wait(self, key: str, timeout_s: float = 120.0) -> Receipt:
        """Pump until the job is final; raises the contract's error where it failed."""
        until = time.monotonic() + timeout_s
        while True:
            self.pump()
            entry = self._required(key)
            if entry.done:
                receipt = self.chain.receipt(entry.hash)
                if receipt is None:
                    raise ChainError(
                        "a final transaction is gone: the chain was reset", field="key", value=key
                    )
                if entry.state == "failed":
                    raise self.chain.failure(receipt, self._call(key))
                return receipt
            if time.monotonic() >= until:
                raise ChainError(
                    f"the job is not final after {timeout_s:g} s",
                    field="key",
                    value=key,
                    solution=entry.error or "it stays in the outbox and goes on at the next start",
                )
            time.sleep(_PAUSE_S)

    def entry(self, key: str) -> Entry | None:
        """A job by its key."""
        with self._lock:
            rows = self._select("key = ?", key)
            return rows[0] if rows else None

    def entries(self) -> list[Entry]:
        """All jobs in the order of their nonces."""
        with self._lock:
            return self._select("1 ORDER BY nonce")

    def forget(self, key: str) -> None:
        """Drop a failed job, so that its key may be posted anew."""
        with self._lock, self._file:
            if not self._file.execute(
                "DELETE FROM outbox WHERE key = ? AND state = 'failed'", (key,)
            ).rowcount:
                raise ChainError("only a failed job can be forgotten", field="key", value=key)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the file -----------------------------------------------------------------------------

    def _select(self, condition: str, *values: object) -> list[Entry]:
        columns = "key, name, nonce, raw, hash, state, block, block_hash, error"
        query = f"SELECT {columns} FROM outbox WHERE {condition}"  # noqa: S608 - conditions are written here
        return [Entry(*row) for row in self._file.execute(query, values)]

    def _required(self, key: str) -> Entry:
        found = self.entry(key)
        if found is None:
            raise ChainError("no such job in the outbox", field="key", value=key)
        return found

    def _call(self, key: str) -> Call:
        row = self._file.execute(
            "SELECT target, data, value, name FROM outbox WHERE key = ?", (key,)
        ).fetchone()
        return Call(row[0], row[1], int(row[2]), row[3])

    def _set(self, key: str, state: State) -> None:
        with self._file:
            self._file.execute("UPDATE outbox SET state = ? WHERE key = ?", (state, key))

    def _note(self, key: str, error: str) -> None:
        with self._file:
            self._file.execute("UPDATE outbox SET error = ? WHERE key = ?", (error, key))


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = sqlite3.connect(path, check_same_thread=False, timeout=2.0)
    try:
        file.execute("PRAGMA locking_mode = EXCLUSIVE")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.executescript(_SCHEMA)
    except sqlite3.OperationalError as error:
        file.close()
        raise ChainError(
            "another process uses this outbox"
            if "locked" in str(error)
            else f"the outbox cannot be opened: {error}",
            field="path",
            value=str(path),
            solution="run one process per account",
        ) from error
    return file
