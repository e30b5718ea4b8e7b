"""A web3 provider that calls the embedded chain directly, without a transport."""

from __future__ import annotations

from typing import Any

from web3._utils.encoding import FriendlyJsonSerde, Web3JsonEncoder
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.jsonrpc import RpcMethods, handle

__all__ = ["EmbeddedProvider"]


class EmbeddedProvider(JSONBaseProvider):
    """Answers in the form every node uses, so that web3's own formatters and errors apply."""

    def __init__(self, chain: EmbeddedChain) -> None:
        super().__init__()
        self.chain = chain
        self._methods = RpcMethods(chain)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One request; see `JSONBaseProvider`."""
        return self._answer(method, params)

    def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse] | RPCResponse:
        """Several requests, answered in order."""
        return [self._answer(method, params) for method, params in requests]

    def _answer(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        request = {
            "jsonrpc": "2.0",
            "id": next(self.request_counter),
            "method": method,
            "params": _plain(params),
        }
        answer: RPCResponse = handle(self._methods, request)
        return answer


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
