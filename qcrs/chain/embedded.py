"""The embedded chain: an Ethereum node in this process, with nothing to install or start.

Blocks are made by py-evm (`qcrs.chain.evm`), kept by SQLite (`qcrs.chain.kvstore`) and read by the
words of JSON-RPC (`qcrs.chain.jsonrpc`), so that a program cannot tell it from a node at the end of a
URL. What it adds to the stock test chain:

* history is indexed: a receipt is one look-up, and a search for logs reads only the blocks whose
  bloom filter may hold them;
* many threads may call it: transactions that wait for each other share a block;
* what was answered survives `kill -9`: a block is on disk before anybody hears of it;
* after traffic stops, a few empty blocks follow, so that confirmations come and the hash of a later
  block exists, and then nothing grows any more.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eth.exceptions import HeaderNotFound, TransactionNotFound
from eth_account import Account
from eth_account.hdaccount import seed_from_mnemonic
from eth_account.hdaccount.deterministic import HDPath
from eth_account.hdaccount.mnemonic import Mnemonic
from eth_account.signers.local import LocalAccount

from qcrs.chain.evm import Evm, OpenBlock, Sealed
from qcrs.chain.kvstore import JournaledStore
from qcrs.errors import ChainError

if TYPE_CHECKING:
    from qcrs.chain.provider import EmbeddedProvider

__all__ = ["DEVELOPMENT_MNEMONIC", "EmbeddedChain", "accounts_of"]

DEVELOPMENT_MNEMONIC = "test test test test test test test test test test test junk"
"""Known to everybody: the accounts of development chains, here and in every other tool."""

DEFAULT_CHAIN_ID = 1337
DEFAULT_ACCOUNTS = 32
_IDLE_S = 0.3
_READ_CACHE_BLOCKS = 512
_REVERTS_KEPT = 4096


def accounts_of(mnemonic: str, count: int) -> list[LocalAccount]:
    """The accounts that wallets derive from a phrase: m/44'/60'/0'/0/0 and following."""
    seed = seed_from_mnemonic(mnemonic, "")
    return [Account.from_key(HDPath(f"m/44'/60'/0'/0/{index}").derive(seed)) for index in range(count)]


@dataclass(slots=True)
class _Ticket:
    """A transaction that waits for its block."""

    transaction: Any
    done: bool = False
    error: str | None = None


@dataclass(slots=True)
class Counters:
    """How much was read, for tests of the cost of a query."""

    blocks_read: int = 0
    blocks_sealed: int = 0


@dataclass(slots=True)
class _Clock:
    """Seconds since 1970, moved forward by tests only."""

    offset: int = 0
    next_at: int | None = field(default=None)

    def now(self) -> int:
        return self.next_at if self.next_at is not None else int(time.time()) + self.offset


class EmbeddedChain:
    """One chain, in memory or in a folder. Thread-safe; `close` ends it.

    `path` is the folder that keeps it; `idle_blocks` how many empty blocks follow when traffic stops;
    `mnemonic` the phrase of the funded accounts (a new chain in a folder without one draws its own
    only where `private` is set; development chains use the known phrase).
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        chain_id: int = DEFAULT_CHAIN_ID,
        accounts: int = DEFAULT_ACCOUNTS,
        mnemonic: str | None = None,
        private: bool = False,
        idle_blocks: int = 0,
    ) -> None:
        self.lock = threading.RLock()
        self.counters = Counters()
        self.path = path
        self._store = JournaledStore(None if path is None else path / "chain.sqlite")
        try:
            chain_id = int(self._fact("chain_id", str(chain_id)))
            phrase = self._fact(
                "mnemonic", mnemonic or (Mnemonic().generate(12) if private else DEVELOPMENT_MNEMONIC)
            )
            count = int(self._fact("accounts", str(accounts)))
            self.mnemonic = phrase
            self.accounts = accounts_of(phrase, count)
            self.keys = {account.address: account for account in self.accounts}
            self.clock = _Clock(offset=int(self._fact("clock_offset", "0")))
            self.evm = Evm(
                self._store,
                chain_id,
                [bytes.fromhex(account.address[2:]) for account in self.accounts],
                self.clock.now(),
            )
            self._store.flush()
        except BaseException:
            self._store.close()
            raise
        self.chain_id = chain_id
        self._waiting: list[_Ticket] = []
        self._waiting_lock = threading.Lock()
        self._blocks: OrderedDict[bytes, tuple[Any, tuple[Any, ...]]] = OrderedDict()
        self._reverts: OrderedDict[bytes, bytes] = OrderedDict()
        self._broken: ChainError | None = None
        self._idle = _IdleMiner(self, idle_blocks) if idle_blocks else None

    def _fact(self, name: str, default: str) -> str:
        known = self._store.get_meta(name)
        if known is None:
            self._store.set_meta(name, default.encode())
            return default
        return known.decode()

    # -- writing ----------------------------------------------------------------------------

    def admit(self, transaction: Any) -> None:
        """`ChainError` for a signed transaction that is in a block already, or whose nonce is used."""
        with self.lock:
            if self.find(transaction.hash) is not None:
                raise ChainError("already known")
            nonce = self.evm.state_at(self.evm.head).get_nonce(transaction.sender)
        if transaction.nonce < nonce:
            raise ChainError(f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}")

    def submit(self, transaction: Any) -> None:
        """Put a transaction into the next block; returns when that block is durable.

        Callers that come while a block is made wait together and share the next one.
        """
        ticket = _Ticket(transaction)
        with self._waiting_lock:
            self._waiting.append(ticket)
        with self.lock:
            while not ticket.done:
                self._seal_waiting()
        if ticket.error is not None:
            raise ChainError(ticket.error)
        if self._idle is not None:
            self._idle.wake()

    def mine(self, blocks: int = 1) -> None:
        """Make empty blocks."""
        with self.lock:
            for _ in range(blocks):
                self._seal([])

    def append(self, block: OpenBlock) -> bytes:
        """Make a block that somebody filled the last one; returns its hash when it is durable."""
        with self.lock:
            self._durably(lambda: self.evm.append(block))
            if self._idle is not None and block.transactions:
                self._idle.wake()
            return bytes(self.evm.head.hash)

    def _seal_waiting(self) -> None:
        with self._waiting_lock:
            tickets, self._waiting = self._waiting, []
        by_hash: dict[bytes, list[_Ticket]] = {}
        for ticket in tickets:
            by_hash.setdefault(ticket.transaction.hash, []).append(ticket)
        transactions = [group[0].transaction for group in by_hash.values()]
        while transactions:
            try:
                refused, transactions = self._seal(transactions)
            except Exception as error:  # whatever it was, nobody may wait for ever
                reason = error.reason if isinstance(error, ChainError) else f"{type(error).__name__}: {error}"
                refused, transactions = dict.fromkeys(by_hash, reason), []
            left = {transaction.hash for transaction in transactions}
            for hash_ in [known for known in by_hash if known not in left]:
                for ticket in by_hash.pop(hash_):
                    ticket.error = refused.get(hash_)
                    ticket.done = True

    def _seal(self, transactions: list[Any]) -> tuple[dict[bytes, str], list[Any]]:
        sealed = self._durably(lambda: self.evm.seal(transactions, self.clock.now()))
        return sealed.refused, list(sealed.left_over)

    def _durably(self, make: Callable[[], Sealed]) -> Sealed:
        """Make a block and store it, or do neither."""
        if self._broken is not None:
            raise self._broken
        head = self.evm.head
        try:
            sealed = make()
            self._store.flush()
        except BaseException as error:
            self.evm.head = head
            self._store.discard()
            if isinstance(error, ChainError):
                self._broken = error
            raise
        self.clock.next_at = None
        if self.evm.head is not head:
            self.counters.blocks_sealed += 1
            self._remember(sealed.block, sealed.receipts)
            for transaction, computation in zip(sealed.block.transactions, sealed.computations, strict=True):
                if computation.is_error:
                    self._reverts[transaction.hash] = bytes(computation.output)
                    if len(self._reverts) > _REVERTS_KEPT:
                        self._reverts.popitem(last=False)
        return sealed

    # -- reading ----------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """The number of the last block."""
        return int(self.evm.head.block_number)

    def header(self, number: int) -> Any:
        """The header at a height, or nothing above the head."""
        with self.lock:
            return self.evm.header_at(number)

    def header_by_hash(self, block_hash: bytes) -> Any:
        """The header with a hash, or nothing where this chain has no such block."""
        with self.lock:
            try:
                header = self.evm.chain.get_block_header_by_hash(block_hash)
            except HeaderNotFound:
                return None
            canonical = self.header(header.block_number)
            return header if canonical is not None and canonical.hash == block_hash else None

    def state(self, header: Any) -> Any:
        """Accounts and storage after a block; after the last one, at the time that the next would have."""
        time_ = max(header.timestamp, self.clock.now()) if header is self.evm.head else None
        return self.evm.state_at(header, time_)

    def block(self, header: Any) -> tuple[Any, tuple[Any, ...]]:
        """A block and its receipts."""
        with self.lock:
            known = self._blocks.get(header.hash)
            if known is not None:
                self._blocks.move_to_end(header.hash)
                return known
            self.counters.blocks_read += 1
            found = self.evm.chain.get_block_by_header(header)
            receipts = tuple(found.get_receipts(self.evm.chain.chaindb)) if found.transactions else ()
            self._remember(found, receipts)
            return found, receipts

    def find(self, transaction_hash: bytes) -> tuple[Any, tuple[Any, ...], int] | None:
        """The block that holds a transaction, its receipts, and the place in it."""
        with self.lock:
            try:
                number, index = self.evm.chain.chaindb.get_transaction_index(transaction_hash)
            except TransactionNotFound:
                return None
            header = self.evm.header_at(number)
            if header is None:
                return None
            block, receipts = self.block(header)
            # After a revert to a snapshot the index may still name a block that is gone.
            if index >= len(block.transactions) or block.transactions[index].hash != transaction_hash:
                return None
            return block, receipts, index

    def revert_data(self, transaction_hash: bytes) -> bytes | None:
        """The error bytes of a failed transaction, while they are remembered."""
        return self._reverts.get(transaction_hash)

    def _remember(self, block: Any, receipts: tuple[Any, ...]) -> None:
        self._blocks[block.hash] = (block, receipts)
        if len(self._blocks) > _READ_CACHE_BLOCKS:
            self._blocks.popitem(last=False)

    # -- the clock and snapshots, for tests ---------------------------------------------------

    def travel(self, seconds: int) -> int:
        """Move the clock forward; returns how far it is ahead of the wall clock."""
        with self.lock:
            self.clock.offset += seconds
            self._store.set_meta("clock_offset", str(self.clock.offset).encode())
            self._store.flush()
            return self.clock.offset

    def travel_to(self, timestamp: int) -> None:
        """Let the next block have this time, and go on from there."""
        with self.lock:
            if timestamp < self.evm.head.timestamp:
                raise ChainError(
                    f"time does not go back: {timestamp} is before the last block's {self.evm.head.timestamp}"
                )
            self.travel(timestamp - int(time.time()) - self.clock.offset)
            self.clock.next_at = timestamp

    def snapshot(self) -> bytes:
        """A point to return to: the hash of the last block."""
        with self.lock:
            return bytes(self.evm.head.hash)

    def revert(self, snapshot: bytes) -> None:
        """Return to a snapshot; the blocks after it are gone."""
        with self.lock:
            self.evm.set_head(snapshot)
            self._store.flush()

    def close(self) -> None:
        """Stop the idle blocks and release the files."""
        if self._idle is not None:
            self._idle.stop()
        with self.lock:
            self._broken = ChainError("the chain was closed", solution="open it again")
            self._store.close()

    def provider(self) -> EmbeddedProvider:
        """A web3 provider that reaches this chain through eth-tester."""
        from qcrs.chain.tester import tester_provider  # it imports this module

        return tester_provider(self)


class _IdleMiner:
    """Appends up to `limit` empty blocks once nothing was submitted for a while, then rests."""

    def __init__(self, chain: EmbeddedChain, limit: int) -> None:
        self._chain = chain
        self._limit = limit
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._last = time.monotonic()
        if self._missing() > 0:
            self._wake.set()
        self._thread = threading.Thread(target=self._run, name="qcrs-idle-blocks", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._last = time.monotonic()
        self._wake.set()

    def stop(self) -> None:
        self._stopped.set()
        self._wake.set()
        self._thread.join()

    def _missing(self) -> int:
        """How many empty blocks are still owed after the last block with transactions."""
        empty = 0
        number = self._chain.height
        while empty < self._limit and number - empty > 0:
            header = self._chain.header(number - empty)
            if header is None or header.gas_used:
                break
            empty += 1
        return self._limit - empty if number else 0

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait()
            self._wake.clear()
            while not self._stopped.is_set():
                rest = self._last + _IDLE_S - time.monotonic()
                if rest <= 0:
                    break
                self._stopped.wait(rest)
            with self._chain.lock:
                if not self._stopped.is_set() and not self._wake.is_set():
                    try:
                        self._chain.mine(self._missing())
                    except ChainError:
                        return  # storage failed: the next caller is told, nobody waits for empty blocks
