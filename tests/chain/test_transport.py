"""HTTP to a node: what is repeated, what is not, and what is said of a node that misbehaves."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from qcrs.chain.transport import HttpTransport, RpcFailure
from qcrs.errors import NetworkError

Handler = Callable[[dict[str, object]], bytes | None]


class Node:
    """A server on the loopback interface whose answers a test decides; `None` breaks the connection."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.answer: Handler = lambda request: json.dumps({"id": request["id"], "result": "0x1"}).encode()
        node = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                node.methods.append(request["method"])
                body = node.answer(request)
                if body is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def node() -> Iterator[Node]:
    found = Node()
    yield found
    found.server.shutdown()
    found.server.server_close()


def breaking(times: int) -> Handler:
    left = [times]

    def answer(request: dict[str, object]) -> bytes | None:
        left[0] -= 1
        return None if left[0] >= 0 else json.dumps({"id": request["id"], "result": "0x1"}).encode()

    return answer


@pytest.mark.parametrize("method", ["eth_getBlockByNumber", "eth_sendRawTransaction"])
def test_a_broken_connection_is_tried_again(node: Node, method: str) -> None:
    node.answer = breaking(2)
    assert HttpTransport(node.url).request(method, []) == "0x1"
    assert node.methods == [method] * 3


@pytest.mark.parametrize("method", ["eth_sendTransaction", "evm_mine"])
def test_what_makes_the_node_act_is_sent_once(node: Node, method: str) -> None:
    node.answer = breaking(1)
    with pytest.raises(NetworkError, match="cannot be reached"):
        HttpTransport(node.url).request(method, [])
    assert node.methods == [method]


def test_a_node_that_stays_away_is_given_up(node: Node) -> None:
    node.answer = breaking(10)
    with pytest.raises(NetworkError, match="cannot be reached"):
        HttpTransport(node.url).request("eth_chainId", [])
    assert len(node.methods) == 3


def test_a_node_that_does_not_answer_is_not_asked_again(node: Node) -> None:
    answered = threading.Event()

    def wait(_: dict[str, object]) -> bytes | None:
        answered.wait(20)
        return None

    node.answer = wait
    with pytest.raises(NetworkError, match=r"within 0\.2 s"):
        HttpTransport(node.url, timeout_s=0.2).request("eth_chainId", [])
    answered.set()
    assert len(node.methods) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"5", b"{}"])
def test_what_is_no_node_is_said(node: Node, body: bytes) -> None:
    node.answer = lambda _: body
    with pytest.raises(NetworkError, match=r"no Ethereum node|not JSON-RPC"):
        HttpTransport(node.url).request("eth_chainId", [])


@pytest.mark.parametrize(
    ("error", "code", "message", "data"),
    [
        ({"code": 3, "message": "reverted", "data": "0x12"}, 3, "reverted", "0x12"),
        ({"message": "odd"}, -32000, "odd", None),
        ("only words", -32000, "only words", None),
    ],
)
def test_a_nodes_error_keeps_its_parts(
    node: Node, error: object, code: int, message: str, data: object
) -> None:
    node.answer = lambda _: json.dumps({"id": 1, "error": error}).encode()
    with pytest.raises(RpcFailure) as caught:
        HttpTransport(node.url).request("eth_chainId", [])
    assert (caught.value.code, caught.value.message, caught.value.data) == (code, message, data)
