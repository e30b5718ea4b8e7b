# ruff: noqa: D102, N802 - the methods are those of Ethereum's JSON-RPC and are documented there
"""Ethereum's JSON-RPC over the embedded chain: requests in, responses out, no transport.

The same function answers a web3 provider in this process and the HTTP facade for others, so both see
the same values and the same errors: code 3 with the revert data, as every Ethereum node sends them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from eth.exceptions import Revert, UnrecognizedTransactionType
from eth_typing import Address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]  # rlp publishes no types

from qcrs import __version__
from qcrs.chain import logsearch, render
from qcrs.chain.embedded import EmbeddedChain
from qcrs.errors import ChainError

if TYPE_CHECKING:
    from eth.abc import StateAPI

__all__ = ["MAX_CALL_GAS", "RpcError", "RpcMethods", "failure_of", "handle"]

INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32600, -32601, -32602, -32603
SERVER_ERROR, REVERTED = -32000, 3
PRIORITY_FEE_WEI = 10**9
MAX_CALL_GAS = 30_000_000

_logger = logging.getLogger(__name__)


class RpcError(Exception):
    """A JSON-RPC error object."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def as_json(self) -> dict[str, Any]:
        """The error as it is sent."""
        out: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            out["data"] = self.data
        return out


def handle(methods: RpcMethods, request: Any) -> Any:
    """The response to one request or to a batch of them; `None` where none is due."""
    if isinstance(request, list):
        if not request:
            return _error(None, RpcError(INVALID_REQUEST, "an empty batch"))
        answers = [answer for answer in (handle(methods, one) for one in request) if answer is not None]
        return answers or None
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _error(None, RpcError(INVALID_REQUEST, "not a JSON-RPC request"))
    number = request.get("id")
    try:
        result = methods.call(request["method"], request.get("params") or [])
    except RpcError as error:
        return _error(number, error)
    except Exception as error:
        _logger.exception("the embedded chain failed at %s", request["method"])
        return _error(number, RpcError(INTERNAL_ERROR, f"the embedded chain failed: {type(error).__name__}"))
    return {"jsonrpc": "2.0", "id": number, "result": result} if "id" in request else None


def _error(number: Any, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": error.as_json()}


def _hex(value: Any, what: str) -> bytes:
    try:
        if isinstance(value, str) and value.startswith(("0x", "0X")):
            return bytes.fromhex(value[2:])
        if isinstance(value, (bytes, bytearray)):
            return bytes(value)
    except ValueError:
        pass
    raise RpcError(INVALID_PARAMS, f"{what} is not hexadecimal data: {value!r}")


def _number(value: Any, what: str) -> int:
    try:
        found = int(value, 16) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 1 << 256:
        raise RpcError(INVALID_PARAMS, f"{what} is not a quantity: {value!r}")
    return found


def _hash(value: Any, what: str) -> bytes:
    raw = _hex(value, what)
    if len(raw) != 32:
        raise RpcError(INVALID_PARAMS, f"a {what} has 32 bytes: {value!r}")
    return raw


def _access_list(value: Any) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    try:
        return tuple(
            (_account(entry["address"]), tuple(_number(key, "key") for key in entry["storageKeys"]))
            for entry in value or ()
        )
    except (TypeError, KeyError) as error:
        raise RpcError(INVALID_PARAMS, f"not an access list: {value!r}") from error


def _override(state: StateAPI, overrides: Any) -> None:
    """Code and words of storage that accounts have for one call: the only state overrides here."""
    if not isinstance(overrides, dict) or any(
        not isinstance(one, dict) or not set(one) <= {"code", "stateDiff"} for one in overrides.values()
    ):
        raise RpcError(
            INVALID_PARAMS,
            "of state overrides the embedded chain has {ADDRESS: {code: 0x…, stateDiff: {SLOT: 0x…}}}",
        )
    for account, one in overrides.items():
        address, words = Address(_account(account)), one.get("stateDiff", {})
        if not isinstance(words, dict):
            raise RpcError(INVALID_PARAMS, f"stateDiff is no object: {words!r}")
        if "code" in one:
            state.set_code(address, _hex(one["code"], "code"))
        for slot, word in words.items():
            key, value = (int.from_bytes(_hex(text, "a word of storage")) for text in (slot, word))
            if max(key, value) >> 256:
                raise RpcError(INVALID_PARAMS, "a word of storage has 32 bytes")
            state.set_storage(address, key, value)


def _account(value: Any) -> bytes:
    raw = _hex(value, "address")
    if len(raw) != 20:
        raise RpcError(INVALID_PARAMS, f"an address has 20 bytes: {value!r}")
    return raw


class RpcMethods:
    """The methods by name: `eth_call` is `eth_call`, and so on."""

    def __init__(self, chain: EmbeddedChain, *, signing: bool = True) -> None:
        self.chain = chain
        self.managed = list(chain.accounts) if signing else []
        self._snapshots: dict[int, bytes] = {}
        self._methods: dict[str, Callable[..., Any]] = {
            name: getattr(self, name)
            for name in dir(self)
            if name.startswith(("eth_", "net_", "web3_", "evm_"))
        }

    def call(self, method: str, params: Any) -> Any:
        """The result of a method, or `RpcError`."""
        found = self._methods.get(method)
        if found is None:
            raise RpcError(METHOD_NOT_FOUND, f"the embedded chain has no method {method}")
        if not isinstance(params, (list, tuple)):
            raise RpcError(INVALID_PARAMS, "parameters come as a list")
        try:
            return found(*params)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise
            raise RpcError(INVALID_PARAMS, f"wrong parameters for {method}: {error}") from error
        except ChainError as error:
            raise RpcError(SERVER_ERROR, error.reason) from error

    # -- facts --------------------------------------------------------------------------------

    def web3_clientVersion(self) -> str:
        return f"qcrs-embedded/{__version__}"

    def web3_sha3(self, value: str) -> str:
        return render.data(keccak(_hex(value, "data")))

    def net_version(self) -> str:
        return str(self.chain.chain_id)

    def net_listening(self) -> bool:
        return True

    def eth_chainId(self) -> str:
        return render.quantity(self.chain.chain_id)

    def eth_syncing(self) -> bool:
        return False

    def eth_accounts(self) -> list[str]:
        return [account.address for account in self.managed]

    def eth_blockNumber(self) -> str:
        return render.quantity(self.chain.height)

    def eth_gasPrice(self) -> str:
        return render.quantity(self._base_fee() + PRIORITY_FEE_WEI)

    def eth_maxPriorityFeePerGas(self) -> str:
        return render.quantity(PRIORITY_FEE_WEI)

    def eth_blobBaseFee(self) -> str:
        return render.quantity(1)

    def eth_feeHistory(self, count: Any, newest: Any, percentiles: Any = None) -> dict[str, Any]:
        tips = len(percentiles) if isinstance(percentiles, list) else 0
        with self.chain.lock:
            last = self._header(newest).block_number
            first = max(0, last - min(1024, _number(count, "block count")) + 1)
            headers = [self._header(render.quantity(number)) for number in range(first, last + 1)]
            fees = [header.base_fee_per_gas for header in headers]
            following = self.chain.header(last + 1)
            fees.append(self._base_fee() if following is None else following.base_fee_per_gas)
        return {
            "oldestBlock": render.quantity(first),
            "baseFeePerGas": [render.quantity(fee) for fee in fees],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
            "reward": [[render.quantity(PRIORITY_FEE_WEI)] * tips for _ in headers],
        }

    def _base_fee(self) -> int:
        with self.chain.lock:
            return int(self.chain.evm.next_header(self.chain.clock.now()).base_fee_per_gas)

    # -- blocks and transactions ----------------------------------------------------------------

    def _header(self, block: Any) -> Any:
        """The header a block parameter names; `pending` is the last block here."""
        if isinstance(block, dict):
            block = block.get("blockHash", block.get("blockNumber"))
        if block in (None, "latest", "pending", "safe", "finalized"):
            return self.chain.evm.head
        if block == "earliest":
            block = "0x0"
        if isinstance(block, str) and len(block) == 66:
            header = self.chain.header_by_hash(_hash(block, "block hash"))
        else:
            header = self.chain.header(_number(block, "block number"))
        if header is None:
            raise RpcError(SERVER_ERROR, f"block not found: {block}")
        return header

    def eth_getBlockByNumber(self, block: Any, full: bool = False) -> dict[str, Any] | None:
        with self.chain.lock:
            if block == "pending":
                return render.pending_block(self.chain.evm.next_header(self.chain.clock.now()))
            try:
                header = self._header(block)
            except RpcError as error:
                if error.code == SERVER_ERROR:
                    return None
                raise
            return render.block(self.chain.block(header)[0], bool(full))

    def eth_getBlockByHash(self, block_hash: str, full: bool = False) -> dict[str, Any] | None:
        with self.chain.lock:
            header = self.chain.header_by_hash(_hash(block_hash, "block hash"))
            return None if header is None else render.block(self.chain.block(header)[0], bool(full))

    def eth_getBlockTransactionCountByNumber(self, block: Any) -> str:
        with self.chain.lock:
            return render.quantity(len(self.chain.block(self._header(block))[0].transactions))

    def eth_getTransactionByHash(self, transaction_hash: str) -> dict[str, Any] | None:
        found = self.chain.find(_hash(transaction_hash, "transaction hash"))
        if found is None:
            return None
        block, _, index = found
        return render.transaction(block.header, index, block.transactions[index])

    def eth_getTransactionByBlockNumberAndIndex(self, block: Any, index: Any) -> dict[str, Any] | None:
        with self.chain.lock:
            found, _ = self.chain.block(self._header(block))
        at = _number(index, "index")
        return (
            render.transaction(found.header, at, found.transactions[at])
            if at < len(found.transactions)
            else None
        )

    def eth_getTransactionReceipt(self, transaction_hash: str) -> dict[str, Any] | None:
        raw = _hash(transaction_hash, "transaction hash")
        found = self.chain.find(raw)
        return None if found is None else render.receipt(*found, self.chain.revert_data(raw))

    def eth_getBlockReceipts(self, block: Any) -> list[dict[str, Any]]:
        with self.chain.lock:
            found, receipts = self.chain.block(self._header(block))
        return [
            render.receipt(found, receipts, index, self.chain.revert_data(tx.hash))
            for index, tx in enumerate(found.transactions)
        ]

    def eth_getLogs(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        if not isinstance(query, dict):
            raise RpcError(INVALID_PARAMS, "a log query is an object")
        try:
            wanted = logsearch.Query.from_rpc(query)
        except ValueError as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
        if "blockHash" in query:
            first = last = int(self._header(query["blockHash"]).block_number)
        else:
            first = self._height_of(query.get("fromBlock"))
            last = self._height_of(query.get("toBlock"))
        return logsearch.search(self.chain, wanted, first, last)

    def _height_of(self, block: Any) -> int:
        """A height that may lie above the head, where there is simply nothing yet."""
        if block in (None, "latest", "pending", "safe", "finalized"):
            return self.chain.height
        return 0 if block == "earliest" else _number(block, "block number")

    # -- state ----------------------------------------------------------------------------------

    def _state(self, block: Any) -> Any:
        return self.chain.state(self._header(block))

    def eth_getBalance(self, account: str, block: Any = "latest") -> str:
        with self.chain.lock:
            return render.quantity(self._state(block).get_balance(_account(account)))

    def eth_getTransactionCount(self, account: str, block: Any = "latest") -> str:
        with self.chain.lock:
            return render.quantity(self._state(block).get_nonce(_account(account)))

    def eth_getCode(self, account: str, block: Any = "latest") -> str:
        with self.chain.lock:
            return render.data(self._state(block).get_code(_account(account)))

    def eth_getStorageAt(self, account: str, slot: Any, block: Any = "latest") -> str:
        with self.chain.lock:
            word = self._state(block).get_storage(_account(account), _number(slot, "slot"))
        return "0x" + int(word).to_bytes(32, "big").hex()

    # -- execution ------------------------------------------------------------------------------

    def _fields(self, transaction: Any) -> dict[str, Any]:
        if not isinstance(transaction, dict):
            raise RpcError(INVALID_PARAMS, "a transaction is an object")
        to = transaction.get("to")
        return {
            "sender": _account(transaction.get("from") or "0x" + "00" * 20),
            "to": _account(to) if to else b"",
            "value": _number(transaction.get("value", 0), "value"),
            "data": _hex(transaction.get("input", transaction.get("data", "0x")) or "0x", "data"),
            "access_list": _access_list(transaction.get("accessList")),
        }

    def eth_call(self, transaction: Any, block: Any = "latest", overrides: Any = None) -> str:
        fields = self._fields(transaction)
        gas = min(_number(transaction.get("gas", MAX_CALL_GAS), "gas"), MAX_CALL_GAS)
        with self.chain.lock:
            state = self._state(block)
            _override(state, overrides or {})  # of this state alone: it is built anew for every call
            try:
                computation = self.chain.evm.call(state, self.chain.evm.spoof(state, gas=gas, **fields))
            except ValidationError as error:
                raise RpcError(SERVER_ERROR, str(error)) from error
        _raise_if_failed(computation)
        return render.data(computation.output)

    def eth_estimateGas(self, transaction: Any, block: Any = "latest") -> str:
        fields = self._fields(transaction)
        most = min(_number(transaction.get("gas", MAX_CALL_GAS), "gas"), MAX_CALL_GAS)
        with self.chain.lock:
            try:
                gas, computation = self.chain.evm.estimate(self._state(block), most, **fields)
            except ValidationError as error:
                raise RpcError(SERVER_ERROR, str(error)) from error
        _raise_if_failed(computation)
        return render.quantity(gas)

    def eth_sendTransaction(self, transaction: Any) -> str:
        with self.chain.lock:
            fields = self._fields(transaction)
            account = next((a for a in self.managed if a.address[2:].lower() == fields["sender"].hex()), None)
            if account is None:
                raise RpcError(
                    SERVER_ERROR,
                    f"no key for {transaction.get('from')} here: sign the transaction and send it raw",
                )
            nonce = transaction.get("nonce")
            base_fee = self._base_fee()
            signed = account.sign_transaction(
                {
                    "type": 2,
                    "chainId": self.chain.chain_id,
                    "nonce": _number(
                        self.eth_getTransactionCount(account.address) if nonce is None else nonce, "nonce"
                    ),
                    "gas": _number(transaction.get("gas") or self.eth_estimateGas(transaction), "gas"),
                    "maxFeePerGas": _number(
                        transaction.get("maxFeePerGas", 2 * base_fee + PRIORITY_FEE_WEI), "fee"
                    ),
                    "maxPriorityFeePerGas": _number(
                        transaction.get("maxPriorityFeePerGas", PRIORITY_FEE_WEI), "fee"
                    ),
                    **({"to": fields["to"]} if fields["to"] else {}),
                    "value": fields["value"],
                    "data": fields["data"],
                }
            )
            return self.eth_sendRawTransaction(render.data(bytes(signed.raw_transaction)))

    def eth_sendRawTransaction(self, raw: str) -> str:
        try:
            transaction = self.chain.evm.decode(_hex(raw, "transaction"))
            transaction.validate()
            self.chain.admit(transaction)
        except (ValidationError, UnrecognizedTransactionType, RLPException, ValueError, IndexError) as error:
            raise RpcError(INVALID_PARAMS, f"not a valid transaction: {error}") from error
        self.chain.submit(transaction)
        return render.data(transaction.hash)

    # -- tests ----------------------------------------------------------------------------------

    def evm_mine(self, options: Any = None) -> str:
        if isinstance(options, dict) and "timestamp" in options:
            self.chain.travel_to(_number(options["timestamp"], "timestamp"))
        self.chain.mine(_number(options.get("blocks", 1), "blocks") if isinstance(options, dict) else 1)
        return "0x0"

    def evm_increaseTime(self, seconds: Any) -> str:
        return render.quantity(self.chain.travel(_number(seconds, "seconds")))

    def evm_setNextBlockTimestamp(self, timestamp: Any) -> None:
        self.chain.travel_to(_number(timestamp, "timestamp"))

    def evm_snapshot(self) -> str:
        number = len(self._snapshots) + 1
        self._snapshots[number] = self.chain.snapshot()
        return render.quantity(number)

    def evm_revert(self, number: Any) -> bool:
        wanted = _number(number, "snapshot")
        if wanted not in self._snapshots:
            return False
        self.chain.revert(self._snapshots[wanted])
        for later in [known for known in self._snapshots if known >= wanted]:
            del self._snapshots[later]
        return True


def failure_of(computation: Any) -> RpcError | None:
    """What a node answers for an execution that failed."""
    if not computation.is_error:
        return None
    if isinstance(computation.error, Revert):
        output = bytes(computation.output)
        return RpcError(REVERTED, f"execution reverted{_reason(output)}", render.data(output))
    return RpcError(
        SERVER_ERROR, f"execution failed: {type(computation.error).__name__}: {computation.error}"
    )


def _raise_if_failed(computation: Any) -> None:
    error = failure_of(computation)
    if error is not None:
        raise error


def _reason(output: bytes) -> str:
    """The text of `require(…, "text")`, as nodes append it to the message."""
    if output[:4] != bytes.fromhex("08c379a0") or len(output) < 68:
        return ""
    length = int.from_bytes(output[36:68], "big")
    return ": " + output[68 : 68 + length].decode("utf-8", "replace")
