"""Starting and ending node processes."""

from __future__ import annotations

import subprocess
import sys

__all__ = ["Processes"]


class Processes:
    """Node processes by node number; `close` ends those that are left."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, str(port))
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self.incarnations: dict[int, int] = {}

    def start(self, node: int) -> None:
        """Start a node's process, under the next incarnation."""
        self.incarnations[node] = self.incarnations.get(node, 0) + 1
        arguments = [*self._address, str(node), str(self.incarnations[node])]
        self._running[node] = subprocess.Popen(  # noqa: S603 - our own module, numbers as arguments
            [sys.executable, "-m", "qcrs.qnp.drivers.tcp.node", *arguments], stdin=subprocess.DEVNULL
        )

    def kill(self, node: int) -> None:
        """End a node's process without warning."""
        process = self._running.pop(node)
        process.kill()
        process.wait()

    def close(self) -> None:
        """End all."""
        for node in list(self._running):
            process = self._running.pop(node)
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
