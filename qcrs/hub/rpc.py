"""The embedded chain at a URL, so that nodes, oracles and wallets of other processes share it.

`python -m qcrs.hub.rpc --data DIR --port P` runs the chain kept in a folder until it is told to stop;
when it is ready it prints one line of JSON and writes the same to `DIR/rpc.json`. `RpcServer` does it
inside a program.

It listens on the loopback interface only and answers nothing that a web page sent: a page could otherwise
reach it through its visitor's browser.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from qcrs.chain.embedded import DEFAULT_ACCOUNTS, DEFAULT_CHAIN_ID, DEVELOPMENT_MNEMONIC, EmbeddedChain
from qcrs.chain.jsonrpc import RpcMethods, handle
from qcrs.errors import NetworkError, QCRSError
from qcrs.types.reading import MAX_DEPTH, json_depth

__all__ = ["RpcServer", "application", "main"]

READY_FILE = "rpc.json"
_THREADS = 16
_MAX_BODY_BYTES = 4 * 1024 * 1024
_PARSE_ERROR = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"not JSON"}}'
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


def application(chain: EmbeddedChain, executor: ThreadPoolExecutor) -> ASGIApp:
    """The web application: one path that takes JSON-RPC requests and batches of them.

    Without a router: a network asks thousands of small questions, and each would pass through its layers.
    """
    # Accounts that everybody knows may sign here, as on every development node; a private chain's may not.
    methods = RpcMethods(chain, signing=chain.mnemonic == DEVELOPMENT_MNEMONIC)

    def answer(body: bytes) -> bytes:
        # Counted first: `json.loads` recurses in C, and deep nesting would end the process.
        if json_depth(body) > MAX_DEPTH:
            return _PARSE_ERROR
        try:
            request = json.loads(body)
        except ValueError:
            return _PARSE_ERROR
        result = handle(methods, request)
        return b"" if result is None else json.dumps(result, separators=(",", ":")).encode()

    async def respond(request: Request) -> Response:
        refusal = _refusal(request)
        if refusal is not None:
            return refusal
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY_BYTES:
                return Response("the request is too large", status_code=413, headers={"Connection": "close"})
        answered = await asyncio.get_running_loop().run_in_executor(executor, answer, bytes(body))
        return Response(answered, media_type="application/json")

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await respond(Request(scope, receive))
        except ClientDisconnect:  # it ended in the middle of its question: nobody is left to answer
            return
        await response(scope, receive, send)

    return application


def _refusal(request: Request) -> Response | None:
    """Why a request is not answered.

    It is no call, or it came from a web page or under a name that is not this machine's.
    """
    if request.url.path != "/":
        return Response("JSON-RPC is at /", status_code=404)
    if request.method != "POST":
        return Response("JSON-RPC comes by POST", status_code=405, headers={"Allow": "POST"})
    host = request.headers.get("host", "").rsplit(":", 1)[0]
    if host not in _LOOPBACK:
        return Response("this chain answers on the loopback interface only", status_code=403)
    if "origin" in request.headers:
        return Response("this chain does not answer web pages", status_code=403)
    return None


class _Server(uvicorn.Server):
    """uvicorn, with a word when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then say so."""
        await super().startup(sockets)
        self.ready.set()


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio otherwise leaves small answers to wait for 40 ms (Nagle).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise NetworkError(
            f"port {port} cannot be used: {error.strerror}",
            field="port",
            value=port,
            solution="stop the program that listens there, or choose another port (0 picks a free one)",
        ) from error
    return listener


class RpcServer:
    """A chain at a URL, in threads of this process. Use as a context manager, or `start` and `stop`."""

    def __init__(self, chain: EmbeddedChain, port: int = 0) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="qcrs-rpc")
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = _Server(
            uvicorn.Config(
                application(chain, self._executor),
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="none",
                timeout_keep_alive=3600,
                timeout_graceful_shutdown=2,
            )
        )
        self._thread = threading.Thread(target=self._run, name="qcrs-rpc-server", daemon=True)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def start(self) -> RpcServer:
        """Listen; returns when requests are answered."""
        self._thread.start()
        self._server.ready.wait()
        return self

    def stop(self) -> None:
        """Finish the requests at hand and release the port."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self._executor.shutdown()

    def run_until_signal(self, ready: Callable[[], None]) -> None:
        """Serve in this thread until a signal ends the process; calls `ready` once it listens."""

        def announce() -> None:
            self._server.ready.wait()
            ready()

        threading.Thread(target=announce, name="qcrs-rpc-ready", daemon=True).start()
        try:
            self._run()
        finally:
            self._socket.close()
            self._executor.shutdown()

    def __enter__(self) -> RpcServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextlib.contextmanager
def _opened(options: argparse.Namespace) -> Iterator[EmbeddedChain]:
    chain = EmbeddedChain(
        options.data,
        chain_id=options.chain_id,
        accounts=options.accounts,
        private=options.private,
        idle_blocks=options.idle_blocks,
    )
    try:
        yield chain
    finally:
        chain.close()


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m qcrs.hub.rpc", description="Serve an embedded chain by URL."
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder that keeps the chain")
    parser.add_argument("--port", type=int, default=8545, help="0 picks a free one")
    parser.add_argument("--chain-id", type=int, default=DEFAULT_CHAIN_ID, help="of a new chain")
    parser.add_argument(
        "--accounts", type=int, default=DEFAULT_ACCOUNTS, help="funded accounts of a new chain"
    )
    parser.add_argument("--private", action="store_true", help="draw the accounts of a new chain at random")
    parser.add_argument("--idle-blocks", type=int, default=2, help="empty blocks after traffic stops")
    options = parser.parse_args(arguments)
    try:
        # The port is taken before the folder is touched: nothing half-done where it is in use.
        _listen(options.port).close()
        with _opened(options) as chain:
            server = RpcServer(chain, options.port)
            server.run_until_signal(lambda: _announce(server, chain, options.data))
    except QCRSError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


def _announce(server: RpcServer, chain: EmbeddedChain, folder: Path) -> None:
    line = json.dumps(
        {"url": server.url, "chain_id": chain.chain_id, "height": chain.height, "pid": os.getpid()}
    )
    temporary = folder / f"{READY_FILE}.{os.getpid()}"
    temporary.write_text(line + "\n", encoding="utf-8")
    temporary.replace(folder / READY_FILE)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
