"""web3's way to the embedded chain: through eth-tester, without a transport.

web3 ships a provider for eth-tester that speaks eth-tester's own words and raises its exceptions. This one
answers what any Ethereum node answers, failures included, so that the same client code runs on every chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eth.exceptions import UnrecognizedTransactionType
from eth_tester import exceptions
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]  # rlp publishes no types
from web3 import EthereumTesterProvider
from web3._utils.encoding import FriendlyJsonSerde, Web3JsonEncoder
from web3.providers.base import JSONBaseProvider
from web3.providers.eth_tester.defaults import API_ENDPOINTS
from web3.providers.eth_tester.middleware import request_formatters, result_formatters, to_integer_if_hex
from web3.types import RPCEndpoint, RPCResponse

from qcrs.chain.evm import NOBODY
from qcrs.chain.jsonrpc import SERVER_ERROR, RpcError, RpcMethods, handle
from qcrs.chain.tester import EmbeddedTester, Refused
from qcrs.errors import ChainError

__all__ = ["EmbeddedProvider"]


def _mine(tester: EmbeddedTester, params: Sequence[Any]) -> str:
    options = params[0] if params and isinstance(params[0], dict) else {}
    if "timestamp" in options:
        tester.embedded.travel_to(to_integer_if_hex(options["timestamp"]))
    tester.mine_blocks(to_integer_if_hex(options.get("blocks", params[0] if params and not options else 1)))
    return "0x0"


_ENDPOINTS: dict[str, dict[str, Callable[..., Any]]] = {
    **API_ENDPOINTS,
    "eth": {
        **API_ENDPOINTS["eth"],
        # Without web3's reading of the error's text: the bytes themselves are at hand.
        "call": lambda tester, params: tester.call(*params),
        "estimateGas": lambda tester, params: tester.estimate_gas(*params),
    },
    "evm": {
        **API_ENDPOINTS["evm"],
        "mine": _mine,
        "revert": lambda tester, params: tester.spend_snapshot(*params),
    },
}

_BY_INDEX = {
    "eth_blobBaseFee", "eth_blockNumber", "eth_chainId", "eth_feeHistory", "eth_gasPrice",
    "eth_getBlockReceipts", "eth_getLogs", "eth_getTransactionReceipt", "eth_maxPriorityFeePerGas",
    "evm_increaseTime", "evm_setNextBlockTimestamp", "net_listening", "net_version", "web3_clientVersion",
}  # fmt: skip
"""Answered from the chain's own tables: history, what web3 has as constants, and what eth-tester lacks."""

_REFUSALS = (
    exceptions.ValidationError,
    exceptions.BlockNotFound,
    exceptions.FilterNotFound,
    exceptions.AccountLocked,
    ValidationError,
    UnrecognizedTransactionType,
    RLPException,
    ChainError,
    IndexError,
    TypeError,
    ValueError,
)
"""What is raised for a request that asks for the impossible."""

_BLOCK_AT = {"eth_getStorageAt": 2, "eth_estimateGas": 1}
"""Where the block is in parameters that web3 leaves as they are."""


class EmbeddedProvider(EthereumTesterProvider, JSONBaseProvider):
    """web3's provider for eth-tester, which speaks JSON-RPC to the outside as every node does."""

    # The translation to eth-tester's words is within `make_request`, so that it holds without web3 too.
    _middleware = ()  # type: ignore[assignment]  # web3's type names its two

    def __init__(self, tester: EmbeddedTester) -> None:
        super().__init__(tester, _ENDPOINTS)
        self._rpc = RpcMethods(tester.embedded)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One request; failures are answers, as from a node."""
        params = _plain(list(params))
        # eth-tester knows no state overrides, the third parameter of a call.
        if method in _BY_INDEX or (method == "eth_call" and len(params) > 2):
            answer: RPCResponse = handle(
                self._rpc, {"id": next(self.request_counter), "method": method, "params": params}
            )
            return answer
        try:
            answer = super().make_request(method, _to_tester(self._rpc, method, params))
        except exceptions.TransactionFailed as error:
            refused = error.__context__
            failure = refused.answer if isinstance(refused, Refused) else RpcError(SERVER_ERROR, str(error))
        except _REFUSALS as error:
            failure = RpcError(SERVER_ERROR, str(error))
        else:
            if "result" in answer:
                answer["result"] = _from_tester(method, answer["result"])
            return answer
        return {"jsonrpc": "2.0", "id": next(self.request_counter), "error": failure.as_json()}  # type: ignore[typeddict-item]  # web3's type asks for `data` even where there is none

    def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse] | RPCResponse:
        """Several requests, answered in order."""
        return [self.make_request(method, params) for method, params in requests]


def _to_tester(rpc: RpcMethods, method: RPCEndpoint, params: list[Any]) -> Any:
    """Parameters as eth-tester takes them: numbers for quantities, its names for fields."""
    if method in ("eth_call", "eth_estimateGas", "eth_sendTransaction") and params:
        fields = {**params[0]}
        if "input" in fields:
            fields["data"] = fields.pop("input")
        sender = rpc.eth_accounts()[0] if method == "eth_sendTransaction" else "0x" + NOBODY.hex()
        fields["from"] = fields.get("from") or sender
        params[0] = fields
    at = _BLOCK_AT.get(method, len(params))
    if at < len(params):
        params[at] = to_integer_if_hex(params[at])
    return request_formatters[method](params) if method in request_formatters else params


def _from_tester(method: RPCEndpoint, result: Any) -> Any:
    """A result in JSON-RPC's words."""
    if result_formatters is not None and method in result_formatters:
        result = result_formatters[method](result)
    return _json(result)


def _json(value: Any, name: str = "") -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, int):
        return "0x" + value.to_bytes(256, "big").hex() if name == "logsBloom" else hex(value)
    if isinstance(value, dict):
        return {key: _json(item, key) for key, item in value.items()}
    return [_json(item) for item in value]


def _plain(value: Any) -> Any:
    """What JSON would make of it: bytes become hexadecimal text, mappings become dictionaries."""
    if value is None or isinstance(value, (str, int, bool, float)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return "0x" + bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return FriendlyJsonSerde().json_decode(FriendlyJsonSerde().json_encode(value, Web3JsonEncoder))
