"""One class for every chain: the embedded one in this process, its URL, anvil, or any Ethereum node.

`connect("development")` reads the project's file, `connect("http://…")` takes a URL; both give a `Chain`.
What it raises is of `qcrs.errors`, the same from every kind of node.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from web3 import HTTPProvider, Web3
from web3.providers.base import JSONBaseProvider

from qcrs.chain.abi import Binding, Call
from qcrs.chain.errors import ErrorDecoder, translate
from qcrs.config import NetworkConfig, load_config
from qcrs.errors import ChainError, NetworkError

if TYPE_CHECKING:
    from qcrs.chain.embedded import EmbeddedChain

__all__ = ["Chain", "Log", "Receipt", "connect"]

_POLL_S = (0.02, 0.5)
"""First and longest pause between two looks for a receipt."""


@dataclass(frozen=True, slots=True)
class Log:
    """One event as the chain keeps it."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: bytes
    transaction: bytes
    index: int
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction did. `fee` is in wei."""

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
        """From web3's form."""
        reason = data.get("revertReason")
        return cls(
            hash=bytes(data["transactionHash"]),
            ok=data["status"] == 1,
            block=data["blockNumber"],
            block_hash=bytes(data["blockHash"]),
            gas_used=data["gasUsed"],
            fee=data["gasUsed"] * data.get("effectiveGasPrice", 0),
            sender=data["from"],
            contract=data.get("contractAddress"),
            logs=tuple(log_from_rpc(log) for log in data["logs"]),
            revert=bytes.fromhex(reason[2:]) if isinstance(reason, str) and reason.startswith("0x") else None,
        )


def log_from_rpc(data: Mapping[str, Any]) -> Log:
    """From web3's form."""
    return Log(
        address=data["address"],
        topics=tuple(bytes(topic) for topic in data["topics"]),
        data=bytes(data["data"]),
        block=data["blockNumber"],
        block_hash=bytes(data["blockHash"]),
        transaction=bytes(data["transactionHash"]),
        index=data["logIndex"],
        timestamp=_timestamp(data.get("blockTimestamp")),
    )


def _timestamp(value: Any) -> int | None:
    """Nodes may add the block's time to a log, as hexadecimal text."""
    return int(value, 16) if isinstance(value, str) else value


class Chain:
    """A chain to read from and to send to. Thread-safe; `close` releases what `connect` opened."""

    def __init__(
        self, provider: JSONBaseProvider, network: NetworkConfig, embedded: EmbeddedChain | None = None
    ) -> None:
        self.network = network
        self.embedded = embedded
        self.decoder = ErrorDecoder()
        self.w3 = Web3(provider)
        # What it validates is checked here once; otherwise every transaction costs two more requests.
        self.w3.middleware_onion.remove("validation")
        self.w3.middleware_onion.remove("ens_name_to_address")
        self.chain_id = self._reach()
        if not network.chainid:  # it was named by its URL alone
            known = replace(network, chainid=self.chain_id)
            self.network = replace(known, confirmations=0) if known.development else known

    def _reach(self) -> int:
        found = int(self._do(lambda: self.w3.eth.chain_id))
        if self.network.chainid and found != self.network.chainid:
            raise ChainError(
                "the node serves another chain",
                field="chainid",
                value=found,
                solution=f"expected {self.network.chainid}; correct networks.{self.network.name} or the host",
            )
        return found

    def _do(self, request: Any) -> Any:
        try:
            return request()
        except Exception as error:
            translated = translate(error, self.decoder)
            if translated is error:
                raise
            raise translated from error

    def request(self, method: str, *params: Any) -> Any:
        """Any method of the node, in JSON's own types."""
        answer = self._do(lambda: self.w3.provider.make_request(method, list(params)))  # type: ignore[arg-type]
        if "error" in answer:
            raise ChainError(f"{method}: {answer['error'].get('message', answer['error'])}")
        return answer["result"]

    # -- reading ------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """The number of the last block."""
        return int(self._do(lambda: self.w3.eth.block_number))

    def block(self, identifier: int | str | bytes = "latest") -> Mapping[str, Any]:
        """A block's header and transaction hashes; `ChainError` if there is none."""
        found: Mapping[str, Any] = self._do(lambda: self.w3.eth.get_block(identifier))  # type: ignore[arg-type]
        return found

    def block_hash(self, number: int) -> bytes | None:
        """The hash of the block at a height, or nothing above the head."""
        answer = self.request("eth_getBlockByNumber", hex(number), False)
        return None if answer is None else bytes.fromhex(answer["hash"][2:])

    def now(self) -> int:
        """The time that the next block will have, in seconds since 1970; deadlines are compared with it."""
        pending = self.request("eth_getBlockByNumber", "pending", False)
        if pending is not None:
            return int(pending["timestamp"], 16)
        return max(int(time.time()), int(self.block()["timestamp"]))

    def balance(self, address: str) -> int:
        """The chain's own currency in wei, which pays for gas."""
        return int(self.request("eth_getBalance", address, "latest"), 16)

    def nonce(self, address: str, block: str = "pending") -> int:
        """How many transactions an account has sent."""
        return int(self.request("eth_getTransactionCount", address, block), 16)

    def code(self, address: str) -> bytes:
        """The code at an address, empty where there is none."""
        return bytes.fromhex(self.request("eth_getCode", address, "latest")[2:])

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

    def call_raw(self, call: Call, *, sender: str | None = None, block: int | str = "latest") -> bytes:
        """The bytes that a call returns."""
        transaction: dict[str, Any] = {"to": call.to, "data": "0x" + call.data.hex()}
        if call.value:
            transaction["value"] = hex(call.value)
        if sender is not None:
            transaction["from"] = sender
        place = hex(block) if isinstance(block, int) else block
        answer = self._do(lambda: self._checked("eth_call", transaction, place))
        return bytes.fromhex(answer[2:])

    def estimate(self, call: Call, sender: str) -> int:
        """Gas that the call needs; raises what the contract would."""
        transaction = {
            "to": call.to,
            "data": "0x" + call.data.hex(),
            "from": sender,
            "value": hex(call.value),
        }
        if not call.to:
            del transaction["to"]
        return int(self._do(lambda: self._checked("eth_estimateGas", transaction)), 16)

    def _checked(self, method: str, *params: Any) -> Any:
        """A result, or web3's exception for the node's error, which knows what a revert is."""
        from web3._utils.error_formatters_utils import raise_contract_logic_error_on_revert
        from web3.exceptions import Web3RPCError

        answer = self.w3.provider.make_request(method, list(params))  # type: ignore[arg-type]
        if "error" in answer:
            raise_contract_logic_error_on_revert(answer)
            raise Web3RPCError(str(answer["error"]), rpc_response=answer)
        return answer["result"]

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
        found = self._do(lambda: self.w3.eth.get_logs(query))  # type: ignore[arg-type]
        return [log_from_rpc(log) for log in found]

    def receipt(self, transaction: bytes) -> Receipt | None:
        """What a transaction did, or nothing while it is in no block."""
        from web3.exceptions import TransactionNotFound

        try:
            found = self.w3.eth.get_transaction_receipt(transaction)  # type: ignore[arg-type]
        except TransactionNotFound:
            return None
        except Exception as error:
            raise translate(error, self.decoder) from error
        return Receipt.from_rpc(found)

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
        return bytes(self._do(lambda: self.w3.eth.send_raw_transaction(raw)))

    def fees(self) -> tuple[int, int]:
        """Most to pay per gas, and the tip in it, in wei: the network's settings, else twice the base fee."""
        tip = self.network.priority_fee or int(self.request("eth_maxPriorityFeePerGas"), 16)
        if self.network.max_fee:
            return self.network.max_fee, min(tip, self.network.max_fee)
        base = int(self.request("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        return 2 * base + tip, tip

    def bind(self, kind: type[Binding], address: str) -> Any:
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
    return Chain(chain.provider(), found, chain)


def of_embedded(chain: EmbeddedChain) -> Chain:
    """An embedded chain that is already open."""
    network = NetworkConfig(name="embedded", host="embedded", chainid=chain.chain_id, confirmations=0)
    return Chain(chain.provider(), network, chain)


def _by_url(network: NetworkConfig) -> Chain:
    if not network.host.startswith(("http://", "https://")):
        raise NetworkError(
            "a chain's host is an http or https URL, or `embedded`", field="host", value=network.host
        )
    return Chain(HTTPProvider(network.host, request_kwargs={"timeout": network.timeout}), network)
