"""The node's process: start what it needs, register if the processor is new, work until told to stop.

SIGTERM and SIGINT end it cleanly; what is under way is taken up again by the next start, as after a crash.
"""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

from qcrs.client.journal import Journal
from qcrs.client.participant import Participant, patiently
from qcrs.config.home import Home
from qcrs.node.ledger import Ledger
from qcrs.node.registration import Registration, node_sandbox, register
from qcrs.node.shared import agent_of
from qcrs.node.worker import NodeSettings, Worker

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from qcrs.chain.networks import Chain
    from qcrs.sandbox import Sandbox

__all__ = ["Node", "run_node"]


class Node:
    """A node with everything it owns. `serve` blocks; `stop` may be called from anywhere."""

    def __init__(
        self,
        home: Home,
        account: LocalAccount,
        registration: Registration,
        settings: NodeSettings,
        *,
        chain: Chain | None = None,
        sandbox: Sandbox | None = None,
    ) -> None:
        """`chain` and `sandbox` are given where they are shared within one process."""
        name = f"node-{registration.name}"
        self.journal = Journal(home.path("logs", f"{name}.jsonl"), name)
        self._own_sandbox = sandbox is None
        self.sandbox = node_sandbox(registration.spec) if sandbox is None else sandbox
        self.sandbox.start()
        self._stop = threading.Event()
        self.party = patiently(
            lambda: Participant(home, account, name, chain=chain), self.journal, self._stop
        )
        self.ledger = Ledger(home.path("state", f"{name}.runs.db"))
        self._registration = registration
        self._settings = replace(settings, spec=registration.spec)
        self.worker: Worker | None = None

    def stop(self) -> None:
        """Ask `serve` to end."""
        self._stop.set()
        if self.worker is not None:
            self.worker.stop.set()

    def prepare(self) -> Worker:
        """Register the processor if it is new, and make its worker."""
        processor = patiently(
            lambda: register(self.party, self.sandbox, self._registration), self.journal, self._stop
        )
        agent = patiently(lambda: agent_of(self.party, processor, self.journal), self.journal, self._stop)
        self.journal.write("started", processor=processor, account=self.party.address)
        self.worker = Worker(
            self.party,
            self.ledger,
            self.sandbox,
            processor,
            self._settings,
            self.journal,
            agent=agent,
        )
        if self._stop.is_set():
            self.worker.stop.set()
        return self.worker

    def serve(self) -> None:
        """Prepare, then work until stopped."""
        self.prepare().run()
        self.journal.write("stopped")

    def close(self) -> None:
        """End children, release files."""
        if self.worker is not None:
            self.worker.close()
        if self._own_sandbox:
            self.sandbox.close()
        self.ledger.close()
        self.party.close()
        self.journal.close()


def run_node(home: Home, account: LocalAccount, registration: Registration, settings: NodeSettings) -> None:
    """Serve until a signal ends it."""
    node = Node(home, account, registration, settings)

    def ended(_number: int, _frame: FrameType | None) -> None:
        node.stop()

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    try:
        node.serve()
    finally:
        node.close()
