"""One class for every chain: the embedded one in this process, its URL, anvil, or any Ethereum node.

`connect("development")` reads the project's file, `connect("http://…")` takes a URL; both give a `Chain`.
What it raises is of `qcrs.errors`, the same from every kind of node.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from eth_utils.address import to_checksum_address

from qcrs.chain.abi import Binding, Call
from qcrs.chain.errors import ErrorDecoder, translate
from qcrs.chain.transport import HttpTransport, LocalTransport, RpcFailure, Transport
from qcrs.config import NetworkConfig, load_config
from qcrs.errors import ChainError, NetworkError

if TYPE_CHECKING:
    from qcrs.chain.embedded import EmbeddedChain

__all__ = ["Block", "Chain", "Log", "Receipt", "connect"]

_POLL_S = (0.02, 0.5)
"""First and longest pause between two looks for a receipt."""

Bound = TypeVar("Bound", bound=Binding)


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header and its transactions' hashes. `timestamp` in seconds, `base_fee` in wei per gas."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: int
    gas_used: int
    gas_limit: int
    base_fee: int
    transactions: tuple[bytes, ...]

    @classmethod
    def from_rpc(cls, data: Mapping[str, Any]) -> Block:
        """From JSON-RPC."""
        return cls(
            number=int(data["number"], 16),
            hash=_bytes(data["hash"]),
            parent=_bytes(data["parentHash"]),
            timestamp=int(data["timestamp"], 16),
            gas_used=int(data["gasUsed"], 16),
            gas_limit=int(data["gasLimit"], 16),
            base_fee=int(data.get("baseFeePerGas", "0x0"), 16),
            transactions=tuple(_bytes(hash_) for hash_ in data["transactions"]),
        )


@dataclass(frozen=True, slots=True)
class Log:
    """One event as the chain keeps it. `timestamp` is the block's, where the node tells it."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: bytes
    transaction: bytes
    index: int
    timestamp: int | None = None

    @classmethod
    def from_rpc(cls, data: Mapping[str, Any]) -> Log:
        """From JSON-RPC."""
        timestamp = data.get("blockTimestamp")
        return cls(
            address=to_checksum_address(data["address"]),
            topics=tuple(_bytes(topic) for topic in data["topics"]),
            data=_bytes(data["data"]),
            block=int(data["blockNumber"], 16),
            block_hash=_bytes(data["blockHash"]),
            transaction=_bytes(data["transactionHash"]),
            index=int(data["logIndex"], 16),
            timestamp=None if timestamp is None else int(timestamp, 16),
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction did. `fee` is in wei; `revert` is a failure's error data where the node tells it."""

    hash: bytes
    ok: bool
    block: int
    block_hash: bytes
    gas_used: int
    fee: int
    sender: str
    contract: str | None
    logs: tuple[Log, ...]
    revert: bytes | None

    @classmethod
    def from_rpc(cls, data: Mapping[str, Any]) -> Receipt:
        """From JSON-RPC."""
        reason, contract = data.get("revertReason"), data.get("contractAddress")
        gas_used = int(data["gasUsed"], 16)
        return cls(
            hash=_bytes(data["transactionHash"]),
            ok=int(data["status"], 16) == 1,
            block=int(data["blockNumber"], 16),
            block_hash=_bytes(data["blockHash"]),
            gas_used=gas_used,
            fee=gas_used * int(data.get("effectiveGasPrice", "0x0"), 16),
            sender=to_checksum_address(data["from"]),
            contract=to_checksum_address(contract) if contract else None,
            logs=tuple(Log.from_rpc(log) for log in data["logs"]),
            revert=_bytes(reason) if isinstance(reason, str) and reason.startswith("0x") else None,
        )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


class Chain:
    """A chain to read from and to send to. Thread-safe; `close` releases what `connect` opened."""

    def __init__(
        self, transport: Transport, network: NetworkConfig, embedded: EmbeddedChain | None = None
    ) -> None:
        self.network = network
        self.embedded = embedded
        self.decoder = ErrorDecoder()
        self._transport = transport
        self.chain_id = int(self.request("eth_chainId"), 16)
        if not network.chainid:  # it was named by its URL alone
            known = replace(network, chainid=self.chain_id)
            self.network = replace(known, confirmations=0) if known.development else known
        elif network.chainid != self.chain_id:
            raise ChainError(
                "the node serves another chain",
                field="chainid",
                value=self.chain_id,
                solution=f"expected {network.chainid}; correct networks.{network.name} or the host",
            )

    def request(self, method: str, *params: Any) -> Any:
        """Any method of the node, in JSON's own types."""
        try:
            return self._transport.request(method, params)
        except RpcFailure as error:
            raise translate(error, self.decoder) from error

    @cached_property
    def w3(self) -> Any:
        """The same chain as a `Web3` object, for code that is written for web3."""
        return self._transport.web3()

    # -- reading ------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """The number of the last block."""
        return int(self.request("eth_blockNumber"), 16)

    def block(self, identifier: int | str = "latest") -> Block:
        """A block by number or by `latest` and the like; `ChainError` if there is none."""
        place = hex(identifier) if isinstance(identifier, int) else identifier
        found = self.request("eth_getBlockByNumber", place, False)
        if found is None:
            raise ChainError("no such block", field="block", value=identifier)
        return Block.from_rpc(found)

    def first_since(self, time_s: int, least: int = 0) -> int:
        """The first block from `least` on that is of this time or later; the one after the head if none is.

        `time_s` in seconds since 1970. No block is earlier than its parent, so halving finds it: a chain of
        20 million blocks is asked for 25 of them, and no node needs an index for that.
        """
        first, end = least, self.height + 1
        while first < end:
            middle = (first + end) // 2
            if self.block(middle).timestamp < time_s:
                first = middle + 1
            else:
                end = middle
        return first

    def block_hash(self, number: int) -> bytes | None:
        """The hash of the block at a height, or nothing above the head."""
        answer = self.request("eth_getBlockByNumber", hex(number), False)
        return None if answer is None else _bytes(answer["hash"])

    def now(self) -> int:
        """The time that the next block will have, in seconds since 1970; deadlines are compared with it."""
        pending = self.request("eth_getBlockByNumber", "pending", False)
        if pending is not None:
            return int(pending["timestamp"], 16)
        return max(int(time.time()), self.block().timestamp)

    def balance(self, address: str) -> int:
        """The chain's own currency in wei, which pays for gas."""
        return int(self.request("eth_getBalance", address, "latest"), 16)

    def nonce(self, address: str, block: str = "pending") -> int:
        """How many transactions an account has sent."""
        return int(self.request("eth_getTransactionCount", address, block), 16)

    def code(self, address: str) -> bytes:
        """The code at an address, empty where there is none."""
        return _bytes(self.request("eth_getCode", address, "latest"))

    def call(self, call: Call, *, sender: str | None = None, block: int | str = "latest") -> Any:
        """The decoded result of a call, as if `sender` had sent it, without sending it."""
        data = self.call_raw(call, sender=sender, block=block)
        if not data and call.outputs and not self.code(call.to):
            raise ChainError(
                f"there is no contract at {call.to}",
                field="call",
                value=call.name,
                solution="deploy the contracts on this chain, or correct the network's addresses",
            )
        return call.decode(data)

    def call_raw(
        self,
        call: Call,
        *,
        sender: str | None = None,
        block: int | str = "latest",
        codes: Mapping[str, str] | None = None,
        words: Mapping[str, Mapping[int, int]] | None = None,
    ) -> bytes:
        """The bytes that a call returns.

        `codes` are addresses that have other code for this call alone, `words` those that have other words of
        storage, by slot.
        """
        place = hex(block) if isinstance(block, int) else block
        changed: dict[str, dict[str, Any]] = {at: {"code": code} for at, code in (codes or {}).items()}
        for at, storage in (words or {}).items():
            diff = {f"0x{slot:064x}": f"0x{word:064x}" for slot, word in storage.items()}
            changed.setdefault(at, {})["stateDiff"] = diff
        overrides = [changed] if changed else []
        return _bytes(self.request("eth_call", _transaction(call, sender), place, *overrides))

    def estimate(self, call: Call, sender: str) -> int:
        """Gas that the call needs; raises what the contract would."""
        return int(self.request("eth_estimateGas", _transaction(call, sender)), 16)

    def logs(
        self,
        first: int,
        last: int,
        addresses: Iterable[str] = (),
        topics: Iterable[bytes] = (),
    ) -> list[Log]:
        """Logs of blocks `first` to `last`, both included, of any of the addresses and any first topic."""
        query: dict[str, Any] = {"fromBlock": hex(first), "toBlock": hex(last)}
        places, wanted = list(addresses), ["0x" + topic.hex() for topic in topics]
        if places:
            query["address"] = places
        if wanted:
            query["topics"] = [wanted]
        return [Log.from_rpc(log) for log in self.request("eth_getLogs", query)]

    def receipt(self, transaction: bytes) -> Receipt | None:
        """What a transaction did, or nothing while it is in no block."""
        found = self.request("eth_getTransactionReceipt", "0x" + transaction.hex())
        return None if found is None else Receipt.from_rpc(found)

    def wait(self, transaction: bytes, timeout_s: float = 60.0) -> Receipt:
        """The receipt as soon as there is one; `ChainError` after `timeout_s`."""
        until, pause = time.monotonic() + timeout_s, _POLL_S[0]
        while True:
            found = self.receipt(transaction)
            if found is not None:
                return found
            left = until - time.monotonic()
            if left <= 0:
                raise ChainError(
                    f"the transaction is in no block after {timeout_s:g} s",
                    field="transaction",
                    value="0x" + transaction.hex(),
                    solution="look whether the chain makes blocks and the fee is high enough",
                )
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _POLL_S[1])

    def failure(self, receipt: Receipt, call: Call) -> ChainError:
        """Why a transaction failed: from the receipt where it says so, else by running the call again."""
        if receipt.revert is not None:
            return self.decoder.decode(receipt.revert)
        try:
            self.call_raw(call, sender=receipt.sender, block=receipt.block)
        except ChainError as error:
            return error
        return ChainError(
            f"{call.name or 'the transaction'} failed in block {receipt.block}, yet would succeed now",
            solution="send it again; if it fails again, with more gas",
        )

    # -- sending ------------------------------------------------------------------------------

    def send_raw(self, raw: bytes) -> bytes:
        """Give a signed transaction to the node; returns its hash."""
        return _bytes(self.request("eth_sendRawTransaction", "0x" + raw.hex()))

    def fees(self) -> tuple[int, int]:
        """Most to pay per gas, and the tip in it, in wei: the network's settings, else twice the base fee."""
        tip = self.network.priority_fee or int(self.request("eth_maxPriorityFeePerGas"), 16)
        if self.network.max_fee:
            return self.network.max_fee, min(tip, self.network.max_fee)
        return 2 * self.block().base_fee + tip, tip

    def bind(self, kind: type[Bound], address: str) -> Bound:
        """A contract at an address, as its generated class."""
        return kind(self, address)

    def close(self) -> None:
        """End the embedded chain, if this is one that `connect` opened."""
        if self.embedded is not None:
            self.embedded.close()

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _transaction(call: Call, sender: str | None) -> dict[str, str]:
    """A call as JSON-RPC takes it."""
    out = {"data": "0x" + call.data.hex()}
    if call.to:
        out["to"] = call.to
    if call.value:
        out["value"] = hex(call.value)
    if sender is not None:
        out["from"] = sender
    return out


def connect(
    network: str | None = None, *, config: Path | None = None, data: Path | None = None, idle_blocks: int = 2
) -> Chain:
    """A chain by its name in the project's file, or by a URL.

    `data` is the folder of an embedded chain that shall outlive the process; `idle_blocks` as in
    `EmbeddedChain`.
    """
    if network is not None and network.startswith(("http://", "https://")):
        return _by_url(NetworkConfig(name=network, host=network, chainid=0))
    found = load_config(config).network(network)
    if not found.embedded:
        return _by_url(found)
    from qcrs.chain.embedded import DEFAULT_ACCOUNTS, EmbeddedChain

    settings = dict(found.cmd_settings)
    accounts = int(settings.pop("accounts", DEFAULT_ACCOUNTS))
    if settings:
        raise ChainError(
            f"unknown settings of the embedded chain: {', '.join(settings)}",
            field=f"networks.{found.name}.cmd_settings",
            solution="it takes: accounts",
        )
    chain = EmbeddedChain(data, chain_id=found.chainid, accounts=accounts, idle_blocks=idle_blocks)
    return Chain(LocalTransport(chain), found, chain)


def of_embedded(chain: EmbeddedChain) -> Chain:
    """An embedded chain that is already open."""
    network = NetworkConfig(name="embedded", host="embedded", chainid=chain.chain_id, confirmations=0)
    return Chain(LocalTransport(chain), network, chain)


def _by_url(network: NetworkConfig) -> Chain:
    if not network.host.startswith(("http://", "https://")):
        raise NetworkError(
            "a chain's host is an http or https URL, or `embedded`", field="host", value=network.host
        )
    return Chain(HttpTransport(network.host, network.timeout), network)
