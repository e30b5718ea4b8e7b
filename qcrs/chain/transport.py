"""Asking a node: JSON-RPC over HTTP, or the embedded chain of this process through eth-tester.

For a URL web3 is not needed and takes longer to load than most commands run; it is there for whoever wants
it (`Chain.w3`). Where the connection broke a request is tried again, since that happens once to every
connection that outlived its node. A signed transaction may be sent twice: a chain takes the same bytes once.
What makes the node itself sign or mine is sent once.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import urllib3

from qcrs.errors import NetworkError

if TYPE_CHECKING:
    from qcrs.chain.embedded import EmbeddedChain

__all__ = ["HttpTransport", "LocalTransport", "RpcFailure", "Transport"]

_PAUSES_S = (0.05, 0.3)
"""Before the second and the third attempt."""

_CONNECTIONS = 32
_ONCE = ("eth_sendTransaction", "evm_", "anvil_", "personal_")


class RpcFailure(Exception):  # noqa: N818 - it becomes an error only when somebody raises what it means
    """A node's error object."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class Transport(Protocol):
    """A way to ask a node."""

    def request(self, method: str, params: Sequence[Any]) -> Any:
        """The result; `RpcFailure` for the node's own error, `NetworkError` where it cannot be asked."""
        ...

    def web3(self) -> Any:
        """The same node as a `Web3` object."""
        ...


class LocalTransport:
    """The embedded chain in this process, through eth-tester."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self._provider = chain.provider()

    def request(self, method: str, params: Sequence[Any]) -> Any:
        """See `Transport`."""
        answer: Any = self._provider.make_request(method, params)  # type: ignore[arg-type]  # web3 names them
        if "error" in answer:
            failure = answer["error"]
            raise RpcFailure(failure["code"], failure["message"], failure.get("data"))
        return answer["result"]

    def web3(self) -> Any:
        """See `Transport`."""
        from web3 import Web3

        return Web3(self._provider)


class HttpTransport:
    """A node at a URL. Threads may share it: each request takes a connection of a pool."""

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._numbers = itertools.count(1)
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS, retries=False, timeout=urllib3.Timeout(connect=5.0, read=timeout_s)
        )

    def request(self, method: str, params: Sequence[Any]) -> Any:
        """See `Transport`."""
        body = json.dumps(
            {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": list(params)}
        ).encode()
        pauses = () if method.startswith(_ONCE) else _PAUSES_S
        for pause in (*pauses, None):
            try:
                return self._answer(method, body)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                if pause is None or isinstance(error, urllib3.exceptions.TimeoutError):
                    raise self._away(error) from error
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _answer(self, method: str, body: bytes) -> Any:
        reply = self._pool.request("POST", self.url, body=body, headers={"Content-Type": "application/json"})
        try:
            answer = json.loads(reply.data)
        except ValueError as error:
            raise NetworkError(
                f"what answers at {self.url} is no Ethereum node (HTTP status {reply.status})",
                field="host",
                value=self.url,
                solution="correct the network's host",
            ) from error
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise NetworkError(f"the node's answer to {method} is not JSON-RPC", field="host", value=self.url)
        if answer.get("error") is not None:
            failure = answer["error"] if isinstance(answer["error"], dict) else {"message": answer["error"]}
            raise RpcFailure(
                int(failure.get("code", -32000)),
                str(failure.get("message", "no message")),
                failure.get("data"),
            )
        return answer["result"]

    def _away(self, error: Exception) -> NetworkError:
        if isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(
            error, urllib3.exceptions.ConnectTimeoutError
        ):
            return NetworkError(
                f"the chain's node at {self.url} does not answer within {self._timeout_s:g} s",
                solution="look at the node's log, or raise the network's timeout",
            )
        return NetworkError(
            f"the chain's node at {self.url} cannot be reached",
            solution="start it (`qcrs up`), or correct the network's host",
        )

    def web3(self) -> Any:
        """See `Transport`."""
        from web3 import HTTPProvider, Web3

        return Web3(HTTPProvider(self.url, request_kwargs={"timeout": self._timeout_s}))
