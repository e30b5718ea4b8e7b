"""The embedded chain is an eth-tester chain: the same blocks, reached by the tools that everybody knows.

`EmbeddedBackend` puts an `EmbeddedChain` under `eth_tester.EthereumTester`, in place of the chain in memory
that it would make. It keeps what the stock backend lacks: transactions, receipts and logs are found by
index and bloom filter instead of walking back from the head; many threads may call at once; a refusal
carries its bytes; blocks are durable and their clock is the wall's. `qcrs.chain.provider` puts web3 upon it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from eth.exceptions import Revert
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_account.typed_transactions.blob_transactions.blob_transaction import BlobTransaction
from eth_keys.main import KeyAPI
from eth_tester import EthereumTester, exceptions
from eth_tester.backends.pyevm.main import EIP838_SIG, PyEVMBackend
from eth_tester.backends.pyevm.serializers import (
    serialize_block,
    serialize_log,
    serialize_transaction,
    serialize_transaction_receipt,
)
from eth_tester.constants import BLOB_TX_TYPE
from eth_tester.utils.filters import check_if_log_matches
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes

from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.evm import NOBODY, OpenBlock
from qcrs.chain.jsonrpc import MAX_CALL_GAS, RpcError, RpcMethods, failure_of
from qcrs.chain.logsearch import Query, matching

if TYPE_CHECKING:
    from qcrs.chain.provider import EmbeddedProvider

__all__ = ["EmbeddedBackend", "EmbeddedTester", "Refused", "ethereum_tester", "tester_provider"]

Raw = dict[str, Any]
_Kind = TypeVar("_Kind", bound="type[EmbeddedBackend] | type[EmbeddedTester]")


def _one_at_a_time(kind: _Kind) -> _Kind:
    """Public methods hold the chain's lock, for eth-tester sends and mines in separate steps.

    A class names in `unlocked` those that see to it themselves.
    """

    def locked(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def inner(self: Any, *arguments: Any, **named: Any) -> Any:
            with self.lock:
                return method(self, *arguments, **named)

        return inner

    for name in dir(kind):
        method = getattr(kind, name)
        if inspect.isfunction(method) and not name.startswith("_") and name not in kind.unlocked:
            setattr(kind, name, locked(method))
    return kind


class Refused(exceptions.TransactionFailed):  # type: ignore[misc]  # eth-tester publishes no types
    """A call that failed, with what a node would answer; its text is the one that eth-tester gives."""

    def __init__(self, computation: Any, answer: RpcError) -> None:
        error, text = computation.error, str(computation.error)
        if isinstance(error, Revert) and bytes(computation.output[:4]) == EIP838_SIG:
            with suppress(DecodingError, UnicodeDecodeError):
                text = decode(["string"], bytes(computation.output[4:]))[0]
        super().__init__(text)
        self.answer = answer


@_one_at_a_time
class EmbeddedBackend(PyEVMBackend):  # type: ignore[misc]  # eth-tester publishes no types
    """eth-tester's backend over an embedded chain, a fresh one in memory if none is given.

    Between sending and mining there is an open block; it is made anew when the chain goes on without it.
    """

    unlocked: frozenset[str] = frozenset()

    def __init__(self, chain: EmbeddedChain | None = None) -> None:
        # The base class would begin with a chain of its own.
        self.embedded = chain or EmbeddedChain()
        self.lock = self.embedded.lock
        self.chain = self.embedded.evm.chain
        self.account_keys = tuple(KeyAPI().PrivateKey(bytes(one.key)) for one in self.embedded.accounts)
        self._rpc = RpcMethods(self.embedded)
        self._open: OpenBlock | None = None

    # -- blocks -----------------------------------------------------------------------------

    def _pending(self, coinbase: bytes = NOBODY) -> OpenBlock:
        """The open block upon the last one, with what was sent so far."""
        known, head = self._open, self.embedded.evm.head
        sent = known.transactions if known is not None else []
        if known is not None and sent and (known.parent, known.header.coinbase) == (head, coinbase):
            return known
        self._open = opened = OpenBlock(self.embedded.evm, self.embedded.clock.now(), coinbase)
        for transaction in sent:
            with suppress(ValidationError):  # it came into a block on another way
                opened.add(transaction)
        return opened

    def _add(self, transaction: Any) -> bytes:
        self._pending().add(transaction)
        return bytes(transaction.hash)

    def _add_built(self, transaction: Any) -> bytes:
        # py-evm signs into an older fork's class, which this fork's blocks cannot be written with.
        return self._add(self.embedded.evm.decode(transaction.encode()))

    def mine_blocks(self, num_blocks: int = 1, coinbase: bytes = NOBODY) -> tuple[bytes, ...]:
        """Append blocks, the first of them with what was sent; their hashes."""
        hashes = []
        for _ in range(num_blocks):
            block, self._open = self._pending(coinbase), None
            hashes.append(self.embedded.append(block))
        return tuple(hashes)

    def time_travel(self, to_timestamp: int) -> int:
        """Append a block at a later time, which the next one then has too."""
        self.embedded.travel_to(to_timestamp)
        self.mine_blocks()
        self.embedded.travel_to(to_timestamp)
        return to_timestamp

    def take_snapshot(self) -> bytes:
        """The hash of the last block."""
        return self.embedded.snapshot()

    def revert_to_snapshot(self, snapshot: bytes) -> None:
        """Return to a block; what was sent and is in no block is forgotten."""
        self._open = None
        if snapshot != self.embedded.snapshot():
            self.embedded.revert(snapshot)

    def reset_to_genesis(self) -> None:
        """Return to the first block of this chain."""
        self.revert_to_snapshot(self.embedded.header(0).hash)

    def apply_withdrawals(self, withdrawals_list: Sequence[Any]) -> None:
        """Refused: withdrawals are of a chain's validators, and this one has none."""
        raise NotImplementedError("the embedded chain has no validators, hence no withdrawals")

    def _header(self, block_number: Any) -> Any:
        if block_number in ("latest", "pending", "safe", "finalized"):
            return self.embedded.evm.head
        number = 0 if block_number == "earliest" else block_number
        header = self.embedded.header(number) if isinstance(number, int) else None
        if header is None:
            raise exceptions.BlockNotFound(f"No block found for block number: {block_number}")
        return header

    def get_block_by_number(self, block_number: Any, full_transaction: bool = True) -> Raw:
        """A block, or the open one as `pending`."""
        if block_number == "pending":
            return _raw_block(self._pending().draft(), full_transaction, True)
        return _raw_block(self.embedded.block(self._header(block_number))[0], full_transaction, False)

    def get_block_by_hash(self, block_hash: bytes, full_transaction: bool = True) -> Raw:
        """A block of this chain."""
        header = self.embedded.header_by_hash(block_hash)
        if header is None:
            raise exceptions.BlockNotFound(f"No block found for block hash: 0x{block_hash.hex()}")
        return _raw_block(self.embedded.block(header)[0], full_transaction, False)

    def get_fee_history(
        self, block_count: int = 1, newest_block: Any = "latest", reward_percentiles: Sequence[int] = ()
    ) -> Raw:
        """Base fees of some blocks, oldest first, and of the one after them."""
        if not 1 <= block_count <= 1024:
            raise exceptions.ValidationError("block_count must be between 1 and 1024")
        newest = self._header(newest_block).block_number
        answer = self._rpc.eth_feeHistory(block_count, newest, list(reward_percentiles))
        return {
            "oldest_block": int(answer["oldestBlock"], 16),
            "base_fee_per_gas": [int(fee, 16) for fee in answer["baseFeePerGas"]],
            "gas_used_ratio": answer["gasUsedRatio"],
            "reward": [[int(tip, 16) for tip in tips] for tips in answer["reward"]],
        }

    # -- transactions -------------------------------------------------------------------------

    def _find(self, transaction_hash: bytes) -> tuple[Any, tuple[Any, ...], int, bool]:
        """Block, its receipts, place in it, and whether the block is still open."""
        for place, transaction in enumerate(self._open.transactions if self._open is not None else ()):
            if transaction.hash == transaction_hash:
                pending = self._pending()
                return pending.draft(), tuple(pending.receipts), place, True
        found = self.embedded.find(transaction_hash)
        if found is None:
            raise exceptions.TransactionNotFound(
                f"No transaction found for transaction hash: 0x{transaction_hash.hex()}"
            )
        return *found, False

    def get_transaction_by_hash(self, transaction_hash: bytes) -> Raw:
        """A transaction, found by the index."""
        block, _, place, pending = self._find(transaction_hash)
        found: Raw = serialize_transaction(block, block.transactions[place], place, pending)
        return found

    def get_transaction_receipt(self, transaction_hash: bytes) -> Raw:
        """What a transaction did, found by the index; its logs are counted from the block's first."""
        block, receipts, place, pending = self._find(transaction_hash)
        transaction = block.transactions[place]
        vm = self.chain.get_vm(block.header) if transaction.type_id == BLOB_TX_TYPE else None
        found: Raw = serialize_transaction_receipt(block, receipts, transaction, place, pending, vm)
        before = sum(len(earlier.logs) for earlier in receipts[:place])
        for log in found["logs"]:
            log["log_index"] += before
        return found

    def read(self, raw_transaction: bytes) -> Any:
        """A signed transaction from its bytes, if it may come into the next block."""
        if raw_transaction[:1] == bytes([BLOB_TX_TYPE]):
            # The blobs beside it are not for the chain.
            blobs = BlobTransaction.from_bytes(HexBytes(raw_transaction))
            blobs.blob_data = None
            raw_transaction = bytes([BLOB_TX_TYPE]) + blobs.payload()
        transaction = self.embedded.evm.decode(raw_transaction)
        transaction.validate()
        self.embedded.admit(transaction)
        return transaction

    def send_raw_transaction(self, raw_transaction: bytes) -> bytes:
        """Put a signed transaction into the open block."""
        return self._add(self.read(raw_transaction))

    def send_signed_transaction(self, signed_transaction: Raw, block_number: Any = "latest") -> bytes:
        """The same from its fields."""
        fields = self._normalize_transaction(signed_transaction, block_number)
        return self._add_built(self._create_type_aware_signed_transaction(fields))

    def send_transaction(self, transaction: Raw) -> bytes:
        """Sign with the key of one of the accounts and put it into the open block."""
        return self._add_built(self._get_normalized_and_signed_evm_transaction(transaction, "pending"))

    # -- state and execution ------------------------------------------------------------------

    def _state(self, block_number: Any) -> Any:
        if block_number == "pending" and self._open is not None:
            return self._pending().state
        return self.embedded.state(self._header(block_number))

    def get_nonce(self, account: bytes, block_number: Any = "latest") -> int:
        """How many transactions an account has sent."""
        return int(self._state(block_number).get_nonce(account))

    def get_balance(self, account: bytes, block_number: Any = "latest") -> int:
        """In wei."""
        return int(self._state(block_number).get_balance(account))

    def get_code(self, account: bytes, block_number: Any = "latest") -> bytes:
        """The code at an address."""
        return bytes(self._state(block_number).get_code(account))

    def get_storage(self, account: bytes, slot: int, block_number: Any = "latest") -> int:
        """A word of a contract's storage."""
        return int(self._state(block_number).get_storage(account, slot))

    def get_base_fee(self, block_number: Any = "latest") -> int:
        """In wei per gas."""
        return int(self._header(block_number).base_fee_per_gas)

    @staticmethod
    def _fields(transaction: Raw) -> Raw:
        return {
            "sender": transaction["from"],
            "to": transaction.get("to", b""),
            "value": transaction.get("value", 0),
            "data": transaction.get("data", b""),
            "access_list": transaction.get("access_list", ()),
        }

    def call(self, transaction: Raw, block_number: Any = "latest") -> bytes:
        """What a call returns, without effect."""
        evm, state = self.embedded.evm, self._state(block_number)
        gas = min(transaction.get("gas", MAX_CALL_GAS), MAX_CALL_GAS)
        return _output(evm.call(state, evm.spoof(state, gas=gas, **self._fields(transaction))))

    def estimate_gas(self, transaction: Raw, block_number: Any = "latest") -> int:
        """Gas that a transaction needs, at most 1/64 above it."""
        most = min(transaction.get("gas", MAX_CALL_GAS), MAX_CALL_GAS)
        state = self._state(block_number)
        gas, computation = self.embedded.evm.estimate(state, most, **self._fields(transaction))
        _output(computation)
        return gas


def _raw_block(block: Any, full: bool, pending: bool) -> Raw:
    found: Raw = serialize_block(block, full, pending)
    return found


def _output(computation: Any) -> bytes:
    failure = failure_of(computation)
    if failure is not None:
        raise Refused(computation, failure)
    return bytes(computation.output)


@_one_at_a_time
class EmbeddedTester(EthereumTester):  # type: ignore[misc]  # eth-tester publishes no types
    """`EthereumTester` for many threads, whose searches for logs read only the blocks that hold them."""

    unlocked = frozenset({"send_raw_transaction"})

    def __init__(self, backend: EmbeddedBackend, auto_mine_transactions: bool = True) -> None:
        self.embedded = backend.embedded
        self.lock = backend.lock
        super().__init__(backend, auto_mine_transactions=auto_mine_transactions)

    def send_raw_transaction(self, raw_transaction_hex: str) -> str:
        """Send and mine. Threads that wait for each other share a block, unless a filter follows each."""
        if (
            not self.auto_mine_transactions
            or self._pending_transaction_filters
            or self._block_filters
            or self._log_filters
        ):
            with self.lock:
                return str(super().send_raw_transaction(raw_transaction_hex))
        self.validator.validate_inbound_raw_transaction(raw_transaction_hex)
        transaction = self.backend.read(
            self.normalizer.normalize_inbound_raw_transaction(raw_transaction_hex)
        )
        self.embedded.submit(transaction)
        return str(self.normalizer.normalize_outbound_transaction_hash(transaction.hash))

    def _matching(self, from_block: Any, to_block: Any, address: Any, topics: Any) -> Iterator[Raw]:
        """Logs in the form of a backend."""
        query = {"from_block": from_block, "to_block": to_block, "address": address, "topics": topics}
        self.validator.validate_inbound_filter_params(**query)
        first, last, places, words = self.normalizer.normalize_inbound_filter_params(**query)
        wanted = Query(
            frozenset(places if isinstance(places, tuple) else () if places is None else (places,)),
            tuple(
                frozenset() if None in group else frozenset(group)
                for group in (word if isinstance(word, tuple) else (word,) for word in words or ())
            ),
        )
        for block, index, place, log in matching(
            self.embedded, wanted, self._height_of(first), self._height_of(last)
        ):
            yield serialize_log(block, block.transactions[index], index, log, place, False)

    def _height_of(self, block_number: Any) -> int:
        if isinstance(block_number, int):
            return block_number
        return {"earliest": 0, "pending": self.embedded.height + 1}.get(block_number, self.embedded.height)

    def get_logs(
        self, from_block: Any = None, to_block: Any = None, address: Any = None, topics: Any = None
    ) -> tuple[Raw, ...]:
        """Logs of blocks, both included, by bloom filter."""
        found = self._matching(from_block, to_block, address, topics)
        return tuple(self.normalizer.normalize_outbound_log_entry(log) for log in found)

    def create_log_filter(
        self, from_block: Any = None, to_block: Any = None, address: Any = None, topics: Any = None
    ) -> int:
        """A filter for logs to come, and for those since `from_block` where that is a height."""
        if not isinstance(from_block, int):
            return int(super().create_log_filter(from_block, to_block, address, topics))
        # Made without a beginning, so that it does not read every block since.
        number = int(super().create_log_filter(None, to_block, address, topics))
        made = self._log_filters[number]
        made.filter_params["from_block"] = from_block
        made.filter_fn = functools.partial(check_if_log_matches, **made.filter_params)
        made.add(*self._matching(from_block, to_block, address, topics))
        return number

    def spend_snapshot(self, number: int) -> bool:
        """Return to a snapshot, which with all later ones is gone then, as on every development node."""
        if number not in self._snapshots:
            return False
        self.revert_to_snapshot(number)
        for later in [known for known in self._snapshots if known >= number]:
            del self._snapshots[later]
        return True


def ethereum_tester(chain: EmbeddedChain) -> EmbeddedTester:
    """An `EthereumTester` whose blocks are those of the embedded chain."""
    return EmbeddedTester(EmbeddedBackend(chain))


def tester_provider(chain: EmbeddedChain) -> EmbeddedProvider:
    """A web3 provider that reaches the embedded chain through eth-tester."""
    from qcrs.chain.provider import EmbeddedProvider  # it imports this module

    return EmbeddedProvider(ethereum_tester(chain))
