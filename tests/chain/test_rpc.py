"""The chain at a URL: other processes, plain JSON-RPC, web pages kept out, kill and restart."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3

from qcrs.chain.abi import Call
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.networks import connect
from qcrs.chain.sender import Sender
from qcrs.errors import ContractError, NetworkError
from qcrs.hub.rpc import RpcServer

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def server(embedded: EmbeddedChain) -> Iterator[RpcServer]:
    with RpcServer(embedded) as running:
        yield running


def post(url: str, body: Any, **headers: str) -> requests.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(url, data=data, headers={"Content-Type": "application/json", **headers}, timeout=10)


def test_contracts_work_over_http_as_in_process(
    server: RpcServer, embedded_chain: Any, make_probe: Any, accounts: list[LocalAccount]
) -> None:
    with connect(server.url) as chain:
        sender = Sender(chain, accounts[0])
        probe = make_probe(sender)
        receipt = sender.transact(probe.call("submit", b"\x01" * 32, 4))
        assert embedded_chain.receipt(receipt.hash) == receipt
        with pytest.raises(ContractError) as caught:
            sender.transact(probe.call("failCustom", 3))
        assert caught.value.arguments == {"required": 3, "available": 7}


def test_web3_itself_works_with_batches_and_managed_accounts(server: RpcServer) -> None:
    w3 = Web3(HTTPProvider(server.url))
    first, second = w3.eth.accounts[:2]
    hash_ = w3.eth.send_transaction({"from": first, "to": second, "value": 5})  # type: ignore[typeddict-item]
    assert w3.eth.wait_for_transaction_receipt(hash_)["status"] == 1
    with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block("latest"))
        batch.add(w3.eth.get_balance(second))
        block, balance = batch.execute()
    assert block["number"] == 1
    assert balance == 10**24 + 5
    assert w3.eth.fee_history(2, "latest")["oldestBlock"] == 0
    assert w3.eth.get_transaction(hash_)["value"] == 5


def test_what_is_no_request_gets_an_error_of_the_protocol(server: RpcServer) -> None:
    assert post(server.url, b"{").json()["error"]["code"] == -32700
    assert post(server.url, b"[" * 200_000).json()["error"]["code"] == -32700
    assert post(server.url, b'{"a":' * 200_000).json()["error"]["code"] == -32700
    assert post(server.url, []).json()["error"]["code"] == -32600
    assert post(server.url, {"id": 1}).json()["error"]["code"] == -32600
    assert post(server.url, {"id": 1, "method": "eth_coinbase"}).json()["error"]["code"] == -32601
    for params in ([], ["0x12"], ["zz"], [{}, "latest", 3, 4], {"a": 1}):
        answer = post(server.url, {"id": 7, "method": "eth_getBalance", "params": params}).json()
        assert (answer["id"], answer["error"]["code"]) == (7, -32602)
    assert post(server.url, {"id": 1, "method": "eth_sendRawTransaction", "params": ["0x02ff"]}).json()[
        "error"
    ]
    mixed = post(server.url, [{"id": 1, "method": "eth_chainId"}, {"id": 2, "method": "nothing"}]).json()
    assert mixed[0] == {"jsonrpc": "2.0", "id": 1, "result": "0x539"}
    assert mixed[1]["error"]["code"] == -32601
    assert post(server.url, {"method": "eth_chainId"}).content == b""


def test_a_client_that_ends_in_the_middle_of_its_question_is_no_error(
    server: RpcServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("ERROR"), socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert post(server.url, {"id": 1, "method": "eth_chainId"}).json()["result"]
        client.shutdown(socket.SHUT_RDWR)
        server.stop()
    assert [record.getMessage() for record in caplog.records] == []


def test_what_is_too_large_is_refused_before_it_is_read(server: RpcServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        client.sendall(b" " * (4 * 1024 * 1024 + 1))
        client.settimeout(10)
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_web_pages_are_not_answered(server: RpcServer) -> None:
    request = {"id": 1, "method": "eth_accounts"}
    assert post(server.url, request).status_code == 200
    assert post(server.url, request, Origin="https://example.org").status_code == 403
    assert post(server.url, request, Host="rebound.example.org").status_code == 403


def test_a_private_chain_signs_for_nobody(tmp_path: Path) -> None:
    chain = EmbeddedChain(tmp_path, private=True, accounts=2)
    with RpcServer(chain) as server:
        assert post(server.url, {"id": 1, "method": "eth_accounts"}).json()["result"] == []
        transaction = {"from": chain.accounts[0].address, "to": chain.accounts[1].address, "value": "0x1"}
        answer = post(server.url, {"id": 1, "method": "eth_sendTransaction", "params": [transaction]}).json()
        assert "no key for" in answer["error"]["message"]
    chain.close()


def test_fifteen_clients_at_once(server: RpcServer, accounts: list[LocalAccount]) -> None:
    failures: list[BaseException] = []

    def client(index: int) -> None:
        try:
            with connect(server.url) as chain:
                sender = Sender(chain, accounts[index % 10]) if index < 10 else None
                for _ in range(8):
                    if sender is not None:
                        sender.send(Call(accounts[9].address, b"", 1), gas=21_000)
                    chain.logs(0, chain.height)
                    chain.block()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=client, args=(index,)) for index in range(15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with connect(server.url) as chain:
        assert sum(chain.nonce(account.address) for account in accounts) == 80


def serve(data: Path, port: int = 0) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "qcrs.hub.rpc", "--data", str(data), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        _, errors = process.communicate()
        raise AssertionError(errors)
    return process, json.loads(line)["url"]


def send_until_it_dies(sender: Sender, to: str, answered: list[bytes]) -> None:
    while True:
        answered.append(sender.send(Call(to, b"", 1), gas=21_000))


@pytest.mark.network
def test_nothing_answered_is_lost_when_the_process_is_killed(
    tmp_path: Path, accounts: list[LocalAccount]
) -> None:
    answered: list[bytes] = []
    for round_ in range(3):
        process, url = serve(tmp_path)
        with connect(url) as chain:
            for hash_ in answered:
                assert chain.receipt(hash_) is not None
            sender = Sender(chain, accounts[round_])
            killer = threading.Timer(0.25, process.kill)
            killer.start()

            with pytest.raises(NetworkError):
                send_until_it_dies(sender, accounts[9].address, answered)
            killer.join()
            assert process.wait(10) == -signal.SIGKILL
        process.communicate()
    process, url = serve(tmp_path)
    with connect(url) as chain:
        assert len(answered) > 3
        receipts = [chain.receipt(hash_) for hash_ in answered]
        assert all(receipt is not None and receipt.ok for receipt in receipts)
    process.terminate()
    process.communicate(timeout=20)


@pytest.mark.network
def test_a_port_in_use_is_said_and_nothing_is_begun(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "qcrs.hub.rpc", "--data", str(tmp_path / "new"), "--port"]
        found = subprocess.run(
            [*command, str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=ENVIRONMENT,
        )
    assert found.returncode == 3
    assert "cannot be used" in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.network
def test_a_signal_ends_the_process_in_order(tmp_path: Path) -> None:
    process, url = serve(tmp_path)
    assert json.loads((tmp_path / "rpc.json").read_text())["url"] == url
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert errors == ""
    EmbeddedChain(tmp_path).close()
