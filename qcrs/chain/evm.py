"""The rules by which the embedded chain makes blocks: py-evm's Prague, with an honest clock.

Ethereum asks that every block be at least one second later than its parent. A chain that makes a
block per transaction then runs minutes ahead of the wall clock under load, and every deadline with
it. Here a block may carry the time of its parent, as on rollups; time never goes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.vm.chain_context import ChainContext
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from qcrs.chain.kvstore import JournaledStore

__all__ = ["Evm", "OpenBlock", "Sealed"]

NOBODY = b"\x00" * 20
"""Receives the tips of every block, unless a test names somebody."""

GAS_LIMIT = 30_000_000
ACCOUNT_BALANCE_WEI = 1_000_000 * 10**18
_BLANK_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")


class _QuietVM(PragueVM):
    """Prague, with blocks that may share their parent's timestamp."""

    @classmethod
    def validate_header(cls, header: Any, parent_header: Any) -> None:
        if header.timestamp == parent_header.timestamp:
            header = header.copy(timestamp=parent_header.timestamp + 1)
        super().validate_header(header, parent_header)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A block that was made, what each transaction did, and which were refused and why."""

    block: Any
    receipts: tuple[Any, ...]
    computations: tuple[Any, ...]
    refused: dict[bytes, str] = field(default_factory=dict)
    left_over: tuple[Any, ...] = ()


class OpenBlock:
    """The next block while it still takes transactions; `state` is what they have done so far."""

    def __init__(self, evm: Evm, timestamp: int, coinbase: bytes = NOBODY) -> None:
        self.parent = evm.head
        self.header = evm.next_header(timestamp, coinbase)
        self.transactions: list[Any] = []
        self.receipts: list[Any] = []
        self.computations: list[Any] = []
        self._vm = evm.chain.get_vm(self.header)

    @property
    def state(self) -> Any:
        """Accounts and storage after the transactions so far."""
        return self._vm.state

    def fits(self, transaction: Any) -> bool:
        """Whether there is gas left for it; a transaction that fits nowhere is refused by `add`."""
        used = self.header.gas_used
        return not self.transactions or used + transaction.gas <= self.header.gas_limit

    def add(self, transaction: Any) -> None:
        """Run a transaction; `ValidationError`, with nothing changed, where the rules do not allow it."""
        receipt, computation = self._vm.apply_transaction(self.header, transaction)
        header = self._vm.add_receipt_to_header(self.header, receipt)
        self.header = self._vm.increment_blob_gas_used(header, transaction)
        self.transactions.append(transaction)
        self.receipts.append(receipt)
        self.computations.append(computation)

    def draft(self) -> Any:
        """The block as it would be, its state not yet counted in."""
        return self._vm.set_block_transactions_and_withdrawals(
            self._vm.get_block(), self.header, tuple(self.transactions), tuple(self.receipts)
        )

    def close(self) -> Any:
        """The finished block; nothing may be added afterwards."""
        return self._vm.mine_block(self.draft()).block


class Evm:
    """State and blocks. Not thread-safe, and durable only through `JournaledStore.flush`."""

    def __init__(self, store: JournaledStore, chain_id: int, accounts: Sequence[bytes], now: int) -> None:
        self.store = store
        self.chain_id = chain_id
        chain_class: Any = type(
            "EmbeddedMiningChain",
            (MiningChain,),
            {
                "chain_id": chain_id,
                "vm_configuration": ((0, _QuietVM),),
                "get_transaction_builder": staticmethod(_QuietVM.get_transaction_builder),
            },
        )
        database = AtomicDB(store)
        if store.get_meta("genesis") is None:
            self.chain = chain_class.from_genesis(
                database,
                {
                    "coinbase": NOBODY,
                    "difficulty": 0,
                    "extra_data": b"",
                    "gas_limit": GAS_LIMIT,
                    "mix_hash": b"\x00" * 32,
                    "nonce": b"\x00" * 8,
                    "receipt_root": _BLANK_ROOT,
                    "timestamp": now,
                    "transaction_root": _BLANK_ROOT,
                },
                {
                    account: {"balance": ACCOUNT_BALANCE_WEI, "nonce": 0, "code": b"", "storage": {}}
                    for account in accounts
                },
            )
            store.set_meta("genesis", self.chain.get_canonical_head().hash)
        else:
            self.chain = chain_class(database)
        self.head: Any = self.chain.get_canonical_head()

    # -- blocks -----------------------------------------------------------------------------

    def next_header(self, timestamp: int, coinbase: bytes = NOBODY) -> Any:
        """The header under which the next block's transactions run."""
        return _QuietVM.create_header_from_parent(
            self.head,
            timestamp=max(timestamp, self.head.timestamp),
            gas_limit=self.head.gas_limit,
            coinbase=coinbase,
            mix_hash=keccak(b"qcrs/embedded" + self.head.hash),
        )

    def seal(self, transactions: Sequence[Any], timestamp: int) -> Sealed:
        """Run what the rules allow, in order, and append one block (none if all were refused)."""
        block = OpenBlock(self, timestamp)
        refused: dict[bytes, str] = {}
        left_over: list[Any] = []
        for transaction in transactions:
            if not block.fits(transaction):
                left_over.append(transaction)
                continue
            try:
                block.add(transaction)
            except ValidationError as error:
                refused[transaction.hash] = str(error)
        if block.transactions or not transactions:
            return replace(self.append(block), refused=refused, left_over=tuple(left_over))
        return Sealed(None, (), (), refused, tuple(left_over))

    def append(self, block: OpenBlock) -> Sealed:
        """Make an open block the last one."""
        closed = block.close()
        self.chain.chaindb.persist_block(closed)
        self.head = closed.header
        return Sealed(closed, tuple(block.receipts), tuple(block.computations))

    def set_head(self, block_hash: bytes) -> None:
        """Make an earlier block the last one; what came after it is gone."""
        header = self.chain.get_block_header_by_hash(block_hash)
        database = self.chain.chaindb
        database._set_as_canonical_chain_head(database.db, header, b"\x00" * 32)
        self.head = header

    def header_at(self, number: int) -> Any:
        """The header at a height, or nothing above the head."""
        if number == self.head.block_number:
            return self.head
        if not 0 <= number < self.head.block_number:
            return None
        return self.chain.get_canonical_block_header_by_number(number)

    # -- state ------------------------------------------------------------------------------

    def state_at(self, header: Any, timestamp: int | None = None) -> Any:
        """Accounts and storage after a block, to read or to execute upon without effect."""
        free = header.copy(
            base_fee_per_gas=0, timestamp=header.timestamp if timestamp is None else timestamp, gas_used=0
        )
        vm_class = self.chain.get_vm_class(header)
        hashes = vm_class.get_prev_hashes(header.parent_hash, self.chain.chaindb)
        return vm_class.build_state(self.chain.chaindb.db, free, ChainContext(self.chain_id), hashes)

    def decode(self, raw: bytes) -> Any:
        """A signed transaction from its bytes; raises what rlp and py-evm raise on others."""
        return self.chain.get_vm(self.head).get_transaction_builder().decode(raw)

    def spoof(
        self,
        state: Any,
        *,
        sender: bytes,
        to: bytes,
        gas: int,
        value: int,
        data: bytes,
        access_list: Sequence[Any] = (),
    ) -> Any:
        """An unsigned transaction that executes as if `sender` had signed it."""
        builder: Any = _QuietVM.get_transaction_builder()
        unsigned = builder.new_unsigned_dynamic_fee_transaction(
            chain_id=self.chain_id,
            nonce=state.get_nonce(sender),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=gas,
            to=to,
            value=value,
            data=data,
            access_list=access_list,
        )
        return SpoofTransaction(unsigned, from_=sender)

    def call(self, state: Any, transaction: Any) -> Any:
        """Execute and undo; neither nonce nor balance of the sender is asked."""
        snapshot = state.snapshot()
        try:
            executor = state.get_transaction_executor()
            message = executor.build_evm_message(transaction)
            return executor.build_computation(message, transaction)
        finally:
            state.revert(snapshot)

    def apply(self, state: Any, transaction: Any) -> Any:
        """Execute and undo with every check of a real transaction, to measure its gas."""
        snapshot = state.snapshot()
        try:
            return state.apply_transaction(transaction)
        finally:
            state.revert(snapshot)

    def estimate(self, state: Any, most: int, **fields: Any) -> tuple[int, Any]:
        """Gas that a transaction needs, at most 1/64 above it, and what it did with `most`.

        `ValidationError` where the rules do not allow it; one that failed says so in what it did.
        """

        def run(gas: int) -> Any:
            return self.apply(state, self.spoof(state, gas=gas, **fields))

        computation = run(most)
        if computation.is_error:
            return most, computation
        low = most - computation.get_gas_remaining() - 1
        # 63/64 of the gas goes into an inner call: the first guess leaves that room.
        high = min(most, low * 64 // 63 + 2_300 + 1)
        while high < most and run(high).is_error:
            low, high = high, min(most, high * 2)
        while high - low > max(1, high // 64):
            middle = (low + high) // 2
            if run(middle).is_error:
                low = middle
            else:
                high = middle
        return high, computation
