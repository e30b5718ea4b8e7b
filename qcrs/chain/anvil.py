"""Foundry's anvil as the second chain that every test of the chain layer runs on.

It makes what the embedded chain does not have: reorganised blocks, a pool of waiting transactions, interval
mining. It comes with the npm lock file; nobody needs it to use the exchange.
"""

from __future__ import annotations

import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from qcrs.errors import ChainError

__all__ = ["Anvil", "anvil_binary"]

CHAIN_ID = 31337
_START_S = 20.0


def anvil_binary() -> Path | None:
    """The program: from node_modules of this checkout, or of the PATH."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"anvil-{platform.system().lower()}-{machine}"
    root = Path(__file__).parents[2]
    local = root / "node_modules" / "@foundry-rs" / package / "bin" / "anvil"
    if local.is_file():
        return local
    found = shutil.which("anvil")
    return Path(found) if found else None


class Anvil:
    """A running anvil on a free port of the loopback interface. Use as a context manager."""

    def __init__(self, *, accounts: int = 10, extra: Sequence[str] = ()) -> None:
        binary = anvil_binary()
        if binary is None:
            raise ChainError("anvil is not installed", solution="run `npm ci` in the project's folder")
        self._folder = tempfile.TemporaryDirectory(prefix="qcrs-anvil-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [
            str(binary),
            "--port",
            str(self.port),
            "--accounts",
            str(accounts),
            "--chain-id",
            str(CHAIN_ID),
        ]
        # Prague, as embedded. Without a limit to the states it keeps, it fills the disk and never cleans up.
        command += [
            "--hardfork",
            "prague",
            "--prune-history",
            "100",
            "--cache-path",
            self._folder.name,
            *extra,
        ]
        self._log = (Path(self._folder.name) / "log").open("w+b")
        self.process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
            command, stdout=self._log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        request = Request(  # noqa: S310 - the URL is ours
            self.url,
            data=b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}',
            headers={"Content-Type": "application/json"},
        )
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                self._log.seek(0)
                raise ChainError(f"anvil ended at once: {self._log.read().decode(errors='replace')[-300:]}")
            try:
                with urlopen(request, timeout=1):  # noqa: S310 - the URL is ours
                    return
            except (URLError, ConnectionError, TimeoutError):
                time.sleep(0.02)
        raise ChainError(f"anvil does not answer after {_START_S:g} s")

    def stop(self) -> None:
        """End it and remove its files."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()
        self._folder.cleanup()

    def __enter__(self) -> Anvil:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
